"""A way to risk or the matcher over the bus: one blocking connection each."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from tapewire.config.sections import Nats
from tapewire.errors import TransportError
from tapewire.subjects import subject
from tapewire.transports.nats_line import NatsLine

PAYLOAD_MIN: Final = 160 << 10  # a part of a state and its head


class BusLine:
    """`Line` on `<env>.<service>.ask.<shard>`."""

    def __init__(self, settings: Nats, *, env: str, service: str, shard: int) -> None:
        self._line = NatsLine(settings, "engine")
        self._subject = subject(env, service, "ask", str(shard))
        self._inbox = f"{self._line.inbox}.{secrets.token_hex(8)}"
        self._line.subscribe(f"{self._inbox}.*")
        self._asked = 0
        self._lock = threading.Lock()  # the engine's thread asks, the main one keeps the connection

    def ask(self, ask: bytes, seconds: float, fits: Callable[[bytes], bool]) -> bytes | None:
        with self._lock:
            if not self._line.connected:
                self._line.connect()
                if self._line.max_payload < PAYLOAD_MIN:
                    raise TransportError(
                        f"the server's max_payload is {self._line.max_payload}: {PAYLOAD_MIN} bytes are needed"
                    )
            self._asked += 1
            # What comes for an ask that was given up is told apart by its number.
            reply = f"{self._inbox}.{self._asked}"
            self._line.publish(self._subject, ask, reply)
            deadline = time.monotonic() + seconds
            while (message := self._line.receive(max(deadline - time.monotonic(), 0.0))) is not None:
                if message.subject == reply and fits(message.data):
                    return message.data
            return None

    def tend(self) -> None:
        """Not while the engine asks: then it is looked after anyway."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._line.connected:
                self._line.tend()
        except TransportError:
            self._line.close()  # the next ask connects anew, and says what is the matter if it cannot
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._line.close()
