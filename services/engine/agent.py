"""The engine's housekeeping around the compiled loop: snapshots, background sync, stop."""

from __future__ import annotations

import queue
import threading

from services.engine import Engine
from services.journal import snapshots
from services.journal.snapshots import Snapshot
from tapewire.logs import Logger

SLICE_SECONDS = 0.05  # between two looks at what is not on the hot path
PENDING_SNAPSHOTS = 2  # taken but not yet written


class EngineAgent:
    """Runs an engine on a thread of its own and writes its snapshots from the thread that called `watch`."""

    def __init__(self, engine: Engine, *, idle: str, snapshot_every: int, background_sync: bool, log: Logger) -> None:
        self.engine, self.idle, self.snapshot_every = engine, idle, snapshot_every
        self.background_sync, self.log = background_sync, log
        self._taken: queue.Queue[Snapshot] = queue.Queue(PENDING_SNAPSHOTS)
        self._last_snapshot = engine.recovery.snapshot_seq
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="engine")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Safe in a signal handler: what was drained is finished, what is in the rings stays there."""
        self._stopping.set()
        self.engine.stop()

    def watch(self) -> None:
        """Writes snapshots and syncs in the background until the engine has stopped; raises what stopped it."""
        while self._thread.is_alive():
            self._save_next(timeout=SLICE_SECONDS)
            self.engine.work_ahead()
            if self.background_sync:
                self.engine.sync_tape()
        self._thread.join()
        while not self._taken.empty():
            self._save_next(timeout=0.0)
        if self._failure is not None:
            raise self._failure
        self.engine.sync_tape()
        snapshots.save(self.engine.tape_path, self.engine.snapshot())

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.engine.run(SLICE_SECONDS, self.idle)
                self._snapshot_if_due()
        except BaseException as failure:  # noqa: BLE001 - handed to watch(), which raises it on the main thread
            self._failure = failure

    def _snapshot_if_due(self) -> None:
        seq = self.engine.next_seq - 1
        if not self.snapshot_every or seq - self._last_snapshot < self.snapshot_every or self._taken.full():
            return
        self._last_snapshot = seq
        self._taken.put_nowait(self.engine.snapshot())

    def _save_next(self, timeout: float) -> None:
        try:
            snapshot = self._taken.get(timeout=timeout) if timeout else self._taken.get_nowait()
        except queue.Empty:
            return
        try:
            snapshots.save(self.engine.tape_path, snapshot)
        except OSError as error:
            # The tape holds everything: without this snapshot a restart only takes longer.
            self.log.error("snapshot not written", seq=snapshot.seq, error=str(error))
