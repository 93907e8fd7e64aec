"""Where the republisher stands, so that a restart goes on there: what has been published, and the fold's state.

    consumers/journal.publisher           everything up to this record, of this epoch, has reached the bus
    consumers/journal.publisher.restart   a restart needs the records behind this one: the newest snapshot's
    publisher/snapshots/<seq>.snap        the fold's state there, in the format of tapewire/snapshots.py

Both are consumers of the tape, so that retention keeps what a restart would read.

A tape can lose its tail: to a power loss under durability memory, or to an older backup. What was kept of records that
are gone must not meet the ones that take their numbers: whoever takes the tape over calls `forget_beyond` first.
"""

from __future__ import annotations

from pathlib import Path

from tapewire import consumers, snapshots
from tapewire.consumers import ConsumerPosition
from tapewire.errors import TapeError, WireError
from tapewire.house import HouseMarket
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import inspect

CONSUMER = "journal.publisher"
RESTART = "journal.publisher.restart"
FOLDER = "publisher"
ANY = (1 << 64) - 1  # beyond every record


def forget_beyond(tape: Path, last_seq: int) -> list[Path]:
    """Removes snapshots of records behind `last_seq`, the tape's last, and takes its consumers back there.

    Returns what was removed. Raises TapeError if something cannot be: it would be restored one day.
    """
    try:
        removed = [path for kept in (tape, tape / FOLDER) for path in snapshots.remove_beyond(kept, last_seq)]
        consumers.take_back(tape, last_seq)
    except OSError as error:
        raise TapeError(
            f"{error.filename}: is of records that {tape} lost and cannot be removed: {error.strerror}"
        ) from error
    return removed


class Checkpoint:
    """One republisher's standing on one tape. Raises TapeError if it cannot be kept there."""

    def __init__(self, tape: Path, log: Logger) -> None:
        self._folder, self._log = tape / FOLDER, log
        self.published = ConsumerPosition(tape, CONSUMER)
        self._restart = ConsumerPosition(tape, RESTART)
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise TapeError(f"{self._folder}: cannot be created: {error.strerror}") from error

    def restore(self, env: str) -> HouseMarket:
        """The fold as of the newest good snapshot that lies within what was published; a new one if there is none.

        Of a tape without its beginning, as of the newest good one: its position may have been moved aside by a cut.
        """
        if not snapshots.folder(self._folder).exists():
            return HouseMarket(env)
        segments = inspect.segments(self._folder.parent)
        pruned = bool(segments) and segments[0].first_seq > 1
        for candidate in snapshots.newest(self._folder, ANY if pruned else self.published.seq):
            try:
                if isinstance(candidate, ValueError):
                    raise WireError(str(candidate))
                return HouseMarket.restored(env, candidate.state)
            except WireError as error:
                # The tape says it all: an older snapshot, or none, only takes longer.
                self._log.warning("snapshot_passed_over", reason=str(error))
        return HouseMarket(env)

    def save(self, snapshot: Snapshot) -> None:
        """Keeps a fold's state, of durable records. A full disk is logged: it delays a restart."""
        try:
            snapshots.save(self._folder, snapshot)
        except OSError as error:
            self._log.error("snapshot_not_written", seq=snapshot.seq, error=str(error))
            return
        self._restart.store(snapshots.oldest(self._folder))

    def close(self) -> None:
        self.published.close()
        self._restart.close()
