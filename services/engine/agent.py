"""The engine's housekeeping around the compiled loop: snapshots, background sync, what people must know of, stop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from services.engine import Engine
from tapewire import snapshots
from tapewire.consumers import ConsumerPosition
from tapewire.errors import ServiceAway, TapeError
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot

SLICE_SECONDS = 0.05  # between two looks at what is not on the hot path
PENDING_SNAPSHOTS = 2  # taken but not yet written


class EngineAgent:
    """Runs an engine on a thread of its own and writes its snapshots from the thread that called `watch`."""

    def __init__(
        self,
        engine: Engine,
        *,
        idle: str,
        snapshot_every: int,
        background_sync: bool,
        log: Logger,
        restart: ConsumerPosition | None = None,
        turned: Callable[[], object] = lambda: None,
    ) -> None:
        """`restart`: where a restart would read on from, for the tape's retention; it is closed with the agent.

        `turned` is called after every slice of the loop.
        """
        self._turned = turned
        self.engine, self.idle, self.snapshot_every = engine, idle, snapshot_every
        self.background_sync, self.log, self._restart = background_sync, log, restart
        self._good = [engine.recovery.snapshot_seq] if engine.recovery.snapshot_seq else []
        """Records of snapshots that a restart can begin with: taken up or written by this build."""
        self._taken: queue.Queue[Snapshot] = queue.Queue(PENDING_SNAPSHOTS)
        self._last_snapshot = engine.recovery.snapshot_seq
        self._damaged: list[str] = []
        self._blocked_said = False
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self.digest = ""
        """Of the state at the end; empty where risk or matcher gave none."""
        self._thread = threading.Thread(target=self._run, name="engine")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Safe in a signal handler: what was drained is finished, what is in the rings stays there."""
        self._stopping.set()
        self.engine.stop()

    def watch(self, each: Callable[[], None] = lambda: None) -> None:
        """Writes snapshots and syncs in the background until the engine has stopped; raises what stopped it.

        Calls `each` about every SLICE_SECONDS.
        """
        try:
            while self._thread.is_alive():
                self._save_next(timeout=SLICE_SECONDS)
                self.engine.work_ahead()
                each()
                if self.background_sync:
                    self.engine.sync_tape()
        finally:
            self.stop()
            self._thread.join()
        while not self._taken.empty():
            self._save_next(timeout=0.0)
        if self._failure is not None:
            raise self._failure
        each()
        if not self.engine.sync_tape():
            self.log.error("tape not synced", durable="up to what an earlier sync reached")
        self._save_last()
        if self._restart is not None:
            self._restart.close()

    def _save_last(self) -> None:
        try:
            last = self.engine.snapshot()
        except ServiceAway as away:
            # The tape holds everything: the next start folds more of it.
            self.log.warning("no snapshot at the end", reason=str(away))
            return
        self.digest = last.digest
        self._save(last)

    def reasons(self) -> list[str]:
        """Why no command is taken now, and which producer is not heard any more; from any thread."""
        if self._failure is not None:
            return [f"the engine stopped: {self._failure}"]
        why = [f"a ring was let go: {found}" for found in self._damaged]
        if self._blocked_said:
            why.insert(0, f"commands are held back: {self._no_room()}")
        return why

    def _no_room(self) -> str:
        return f"{self.engine.tape_path}: the disk has no room for the next segment. Make room"

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.engine.run(SLICE_SECONDS, self.idle)
                self._turned()
                self._say_what_is_wrong()
                self._snapshot_if_due()
        except ServiceAway as away:
            # Only a stop ends the waiting for a service.
            self.log.warning("batch given up", reason=str(away))
        except BaseException as failure:  # noqa: BLE001 - handed to watch(), which raises it on the main thread
            self._failure = failure

    def _say_what_is_wrong(self) -> None:
        """Once per change, between two slices: the loop itself says nothing."""
        damaged = self.engine.damaged_rings
        for found in damaged[len(self._damaged) :]:
            self.log.error("ring let go", reason=found)
        self._damaged = damaged
        if self.engine.blocked != self._blocked_said:
            self._blocked_said = self.engine.blocked
            if self._blocked_said:
                self.log.error("commands held back", reason=self._no_room())
            else:
                self.log.info("commands taken again")

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
        self._save(snapshot)

    def _save(self, snapshot: Snapshot) -> None:
        # A tape may lose what is not durable yet, and a snapshot of it with it; yet older ones make way for this one.
        if self.background_sync and not self.engine.sync_tape():
            self.log.error("snapshot not written", seq=snapshot.seq, error="the tape could not be made durable")
            return
        try:
            snapshots.save(self.engine.tape_path, snapshot)
        except OSError as error:
            # The tape holds everything: without this snapshot a restart only takes longer.
            self.log.error("snapshot not written", seq=snapshot.seq, error=str(error))
            return
        self._good = sorted({*self._good, snapshot.seq})[-snapshots.KEEP :]
        self._let_go()

    def _let_go(self) -> None:
        """Retention may remove what lies before the oldest snapshot that a restart could have to begin with."""
        if self._restart is None:
            return
        try:
            self._restart.store(self._good[0])
        except TapeError as error:
            self.log.error("position not stored", error=str(error), kept=f"all behind record {self._restart.seq}")
