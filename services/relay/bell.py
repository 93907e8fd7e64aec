"""Wakes the event loop when a producer on this host has written: a thread that sleeps at the engine's doorbell.

The loop reads the rings; this thread only looks whether they have grown since. While the loop is at it, it waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tapewire.errors import RingError
from tapewire.logs import Logger
from tapewire.ring import Doorbell, RingConsumer

SLEEP_NS: Final = 1_000_000_000


class Bell:
    """One doorbell, and the rings whose producers ring it."""

    def __init__(self, path: Path, rung: Callable[[], None], log: Logger) -> None:
        """`rung` is called on the loop's thread."""
        self._bell, self._rung, self._log = Doorbell(path), rung, log
        self._loop = asyncio.get_running_loop()
        self._rings: dict[RingConsumer, int] = {}  # with the tail that the loop has seen
        self._lock = threading.Lock()
        self._read = threading.Event()
        self._read.set()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=f"bell {path.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, ring: RingConsumer) -> None:
        with self._lock:
            self._rings[ring] = ring.tail
        self._bell.ring()

    def remove(self, ring: RingConsumer) -> None:
        with self._lock:
            self._rings.pop(ring, None)

    def stop(self) -> None:
        """Returns when nothing looks at the rings any more."""
        self._ending = True
        self._read.set()
        self._bell.ring()
        self._thread.join()
        self._bell.close()

    def _run(self) -> None:
        while not self._ended():
            self._read.wait()
            self._bell.arm()
            if self._grown():
                self._bell.disarm()
            elif not self._bell.wait(SLEEP_NS):
                continue
            self._read.clear()
            if self._ended():
                return
            self._loop.call_soon_threadsafe(self._tell)

    def _ended(self) -> bool:
        return self._ending

    def _grown(self) -> bool:
        with self._lock:
            return any(ring.tail != seen for ring, seen in self._rings.items())

    def _tell(self) -> None:
        if self._ending:
            return
        try:
            with self._lock:
                for ring in self._rings:
                    self._rings[ring] = ring.tail  # before they are read: what comes meanwhile counts as new
            self._rung()
        except RingError as error:
            self._log.error("rings not read", error=str(error))
        finally:
            self._read.set()
