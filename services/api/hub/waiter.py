"""Wakes the loop when the orders tape goes on: a thread that sleeps on the tape's futex, each time it is asked.

    loop ──ask(position)──▶ thread ──futex──▶ released behind `position` ──woken()──▶ loop

Asked once it wakes once, however much was released: a busy tape wakes the loop as often as it asks, not per record.
The thread has a reader of its own, so the hub may read on, and close its own, while this one sleeps.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tapewire.tape import TapeReader

WAIT_S: Final = 0.05
"""The longest sleep: the loop is woken then too, as the tape may have been begun anew at lower positions."""


class Waiter:
    """`ask` and `close` on the loop's thread; `woken` is called there."""

    def __init__(self, tape: Path, woken: Callable[[], object], wait_s: float = WAIT_S) -> None:
        """`wait_s`: the longest sleep. Raises TapeError: there is no such tape."""
        self._woken, self._wait_s = woken, wait_s
        self._loop = asyncio.get_running_loop()
        self._reader = TapeReader(tape, from_seq=None)
        self._asked = threading.Semaphore(0)
        self._position = 0
        self._waits, self._closed = False, threading.Event()
        self._thread = threading.Thread(target=self._run, name="tape waiter", daemon=True)
        self._thread.start()

    def ask(self, position: int) -> None:
        """Wakes the loop once the tape is released behind `position` (bytes), or `wait_s` have passed. Does nothing
        while it waits already, or is closed."""
        if not self._waits and not self._closed.is_set():
            self._waits, self._position = True, position
            self._asked.release()

    def close(self) -> None:
        """Nobody is woken any more. Takes up to `wait_s`."""
        self._closed.set()
        self._asked.release()
        self._thread.join()

    def _run(self) -> None:
        with self._reader:
            while True:
                self._asked.acquire()
                if self._closed.is_set():
                    return
                self._reader.wait_past(self._position, self._wait_s)
                if self._closed.is_set():
                    return
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waits = False
        if not self._closed.is_set():
            self._woken()
