"""A port where TLS is spoken: who has not shaken hands yet is bounded as well, in number and by address.

    accepted ──▶ (too many under way: closed) ──▶ handshake, with a deadline ──▶ the protocol's connection_made

asyncio's own servers begin a handshake for whoever connects, and tell nobody: half-open connections would take all the
files that this process may open.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final

from tapewire.logs import Logger

MAX_HANDSHAKES: Final = 256
MAX_HANDSHAKES_PER_ADDRESS: Final = 64
PAUSE_S: Final = 0.1
"""Before the next try when nothing can be accepted."""


class TlsListener:
    """Accepts from `start` to `close`; on the loop's thread."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        timeout: float,
        log: Logger,
    ) -> None:
        """`listener` is bound and listens. `timeout`: for a handshake, seconds."""
        self._listener, self._make, self._context, self._timeout, self._log = listener, make, context, timeout, log
        self._by_address: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self.refused = 0
        """Connections beyond the bounds."""

    def start(self) -> None:
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Nobody comes in any more; who is shaking hands is not waited for."""
        for task in (self._accepting, *self._tasks):
            if task is not None:
                task.cancel()
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                one, peer = await loop.sock_accept(self._listener)
            except OSError as error:
                self._log.warning("not accepted", error=str(error))
                await asyncio.sleep(PAUSE_S)
                continue
            address = str(peer[0])
            if len(self._tasks) >= MAX_HANDSHAKES or self._by_address[address] >= MAX_HANDSHAKES_PER_ADDRESS:
                self.refused += 1
                one.close()
                continue
            self._by_address[address] += 1
            task = loop.create_task(self._shake_hands(one, address))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, one: socket.socket, address: str) -> None:
        try:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make, one, ssl=self._context, ssl_handshake_timeout=self._timeout
            )
        except OSError:  # also ssl.SSLError, TimeoutError: it does not speak TLS, or has gone, which is its own affair
            one.close()
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
