"""With durability disk, what stands between a message and the ring: its record must be durable first.

message ──▶ record ──▶ waits ──▶ one fdatasync for all that wait by then ──▶ ring
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

from services.gateway.gateway import Gateway


class Syncer:
    """Commands pass in the order of their numbers. While one group is made durable, the next one gathers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def step(self) -> int:
        """Lets those pass whose records are on the tape by now; returns how many. Raises TapeError."""
        submission = self._gateway.submission
        with self._gateway.lock:
            count = submission.count_unsecured()
        if count:
            self._gateway.tape.secure()
            with self._gateway.lock:
                submission.secured(count)
        return count

    def start(self, on_failure: Callable[[BaseException], NoReturn]) -> None:
        """On a thread of its own, until the process ends."""
        threading.Thread(target=self._run, args=(on_failure,), name="syncer", daemon=True).start()

    def _run(self, on_failure: Callable[[BaseException], NoReturn]) -> None:
        try:
            while self._gateway.submission.unsecured.wait():
                self.step()
        except BaseException as error:  # noqa: BLE001 - ends the process
            on_failure(error)
