"""A writer with a thread that works ahead of it.

The thread makes the next segment ready once this one is half full, and, with durability memory, makes what is published
durable every SYNC_EVERY_S. What it meets, the writer meets too: no room when it needs the segment, a failed sync at the
next commit. So nothing is reported twice.
"""

from __future__ import annotations

import threading
import weakref
from os import PathLike

from tapewire.errors import TapeError
from tapewire.tape._tape import Writer

LOOK_EVERY_S = 0.02
SYNC_EVERY_S = 0.2
RETRY_EVERY_S = 1.0  # after the disk had no room


class TapeWriter(Writer):
    """See Writer. `helper=False` for tests and simulations that decide themselves when work is done."""

    def __init__(
        self,
        path: str | PathLike[str],
        name: str = "",
        segment_bytes: int = 0,
        durability: str = "disk",
        *,
        create: bool = True,
        hold: bool = False,
        helper: bool = True,
    ) -> None:
        super().__init__(path, name, segment_bytes, durability, create=create, hold=hold)
        self._stop = threading.Event()
        self._helper: threading.Thread | None = None
        if helper:
            self._helper = threading.Thread(
                target=_help, args=(weakref.ref(self), self._stop, LOOK_EVERY_S), name=f"tape {self.name}", daemon=True
            )
            self._helper.start()

    def close(self) -> None:
        self._end_helper()
        super().close()

    def abandon(self) -> None:
        self._end_helper()
        super().abandon()

    def _end_helper(self) -> None:
        if self._helper is not None:
            self._stop.set()
            self._helper.join()
            self._helper = None


def _help(writer_ref: weakref.ref[TapeWriter], stop: threading.Event, look_every_s: float) -> None:
    pause, since_sync = look_every_s, 0.0
    while not stop.wait(pause):
        writer = writer_ref()
        if writer is None:
            return
        since_sync += pause
        pause = look_every_s
        try:
            if writer.wants_next:
                writer.prepare_next()
            if writer.durability == "memory" and since_sync >= SYNC_EVERY_S:
                since_sync = 0.0
                writer.sync()
        except TapeError:
            # The writer raises it, from append (no room) or commit (a failed sync): see the module's docstring.
            pause = RETRY_EVERY_S
        del writer
