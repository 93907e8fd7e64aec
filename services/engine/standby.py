"""The engine that stands by: folds a mirrored tape, compares every event, and is ready to go on where it ends.

    mirror ──▶ tape ──▶ Audit (the same core) ──▶ snapshots, as the engine writes them
                          │ the replica has taken the tape over (`grant` on its control page)
                          ▼
                     an engine, with the state at hand

A difference ends it: a standby that differs is never promoted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.engine._engine import Audit
from tapewire import snapshots
from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeError, TapeMissing, TapewireError
from tapewire.logs import Logger
from tapewire.replication.standing import Standing
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeFrames

LOOK_EVERY_S = 0.005
FOLD_AT_ONCE = 65_536
"""Records between two looks at whether the tape is granted."""
NOTHING = Snapshot(0, b"")
"""No state at hand: the engine recovers as it always does."""


class Standby:
    """Follows one mirrored tape. `restart`: where a restart would read on from, for the tape's retention."""

    def __init__(
        self, tape: Path, *, snapshot_every: int, version: str, log: Logger, turned: Callable[[], object]
    ) -> None:
        """`turned` is called at every turn: that it is alive."""
        self._tape, self._every, self._log, self._turned = tape, snapshot_every, log, turned
        self._version = version
        self._audit: Audit | None = None
        self._behind: int | None = None
        self._restart: ConsumerPosition | None = None
        self._standing: Standing | None = None
        self._last_snapshot = 0
        self._good: list[int] = []

    def follow(self, stopped: Callable[[], bool], consumer: str) -> Snapshot | None:
        """Until this host may write the tape: the state at its end, or NOTHING; or until `stopped`: None.

        That is at once where this host wrote it last: one command for both hosts of a pair, whichever has which role.

        Raises EngineStopped at a record that does not replay, TapeDamaged, TapeError.
        """
        frames: TapeFrames | None = None
        try:
            while not stopped():
                self._turned()
                self._say()
                if frames is None:
                    frames = self._open()
                elif frames.grant > frames.epoch and not frames.writer_alive:
                    return self._state()
                elif self._ours(frames):
                    return NOTHING
                folded = 0
                if frames is not None:
                    folded = self._fold(consumer)
                    self._behind = frames.positions.released_seq - self.seq
                if not folded:
                    time.sleep(LOOK_EVERY_S)
        except TapewireError as error:
            if self._standing is not None:
                with suppress(OSError):  # what ended it matters more than that it cannot be told there
                    self._standing.ended(str(error))
            raise
        finally:
            if frames is not None:
                frames.close()
            if self._restart is not None:
                self._restart.close()
            if self._standing is not None:
                self._standing.close()
        return None

    @property
    def seq(self) -> int:
        """The last record that was folded."""
        return self._audit.seq if self._audit else 0

    def reasons(self) -> list[str]:
        """Why this standby could not take over now. One that could is ready: that is its work, and who rolls a pair or
        drains its nodes waits for it."""
        if self._behind is None:
            return ["standby: there is no mirror of the tape yet"]
        if self._behind >= FOLD_AT_ONCE:
            return [f"standby: {self._behind:,} records behind the end of its copy"]
        return []

    def _say(self) -> None:
        """As soon as there is a folder of the tape: the very first writer is an engine that stood by on nothing."""
        if self._standing is None and self._tape.exists():
            self._standing = Standing(self._tape, self._version)
        if self._standing is not None:
            self._standing.say(self.seq)

    def _open(self) -> TapeFrames | None:
        try:
            frames = TapeFrames(self._tape)
        except TapeMissing:
            return None
        if (frames.mirror and frames.positions.durable) or frames.grant > frames.epoch or self._ours(frames):
            return frames
        frames.close()  # its first records are still to come, or the replica has not made a mirror of it yet
        return None

    @staticmethod
    def _ours(frames: TapeFrames) -> bool:
        """This host wrote it last, and knows of nobody who took it: started anew, it goes on."""
        return not frames.mirror and not frames.fence and frames.epoch > 0 and not frames.writer_alive

    def _begin(self) -> Audit:
        """From the newest snapshot that can be taken up, else from the first record."""
        with_state = [one for one in snapshots.newest(self._tape, 1 << 62) if isinstance(one, Snapshot)]
        for snapshot in with_state:
            try:
                audit = Audit(self._tape, snapshot)
            except (ValueError, TapeError) as error:
                self._log.warning("snapshot passed over", reason=str(error))
                continue
            self._last_snapshot, self._good = snapshot.seq, [snapshot.seq]
            return audit
        return Audit(self._tape)

    def _fold(self, consumer: str) -> int:
        if self._audit is None:
            self._audit = self._begin()
            self._restart = ConsumerPosition(self._tape, consumer)
            self._log.info("standing by", tape=str(self._tape), seq=self._audit.seq)
        folded = self._audit.run(limit=FOLD_AT_ONCE)
        seq = self._audit.seq
        if self._every and seq - self._last_snapshot >= self._every and not self._audit.pending_events:
            self._save(self._audit.snapshot())
        return folded

    def _save(self, snapshot: Snapshot) -> None:
        self._last_snapshot = snapshot.seq
        try:
            snapshots.save(self._tape, snapshot)
            self._good = sorted({*self._good, snapshot.seq})[-snapshots.KEEP :]
            if self._restart is not None:
                self._restart.store(self._good[0])
        except (OSError, TapeError) as error:
            # The tape holds everything: without this snapshot a start only takes longer.
            self._log.error("snapshot not written", seq=snapshot.seq, error=str(error))

    def _state(self) -> Snapshot | None:
        """The state after all that readers may see. Behind it a batch may begin: the engine replays that."""
        if self._audit is None:
            return NOTHING
        while self._audit.run(limit=FOLD_AT_ONCE):
            pass
        return NOTHING if self._audit.pending_events else self._audit.snapshot()
