"""Where the republisher stands, so that a restart goes on there: what has been published, and the fold's state.

    consumers/journal.publisher           everything up to this record, of this epoch, has reached the bus
    consumers/journal.publisher.restart   a restart needs the records behind this one: the newest snapshot's
    publisher/snapshots/<seq>.snap        the fold's state there, in the format of tapewire/snapshots.py

Both are consumers of the tape, so that retention keeps what a restart would read.

Of a tape whose beginning was removed the fold begins at the newest of its own snapshots, else at one of the engine's,
which holds the same books (tapewire/house_state.py says what it does not).

A tape can lose its tail: to a power loss under durability memory, or to an older backup. What was kept of records that
are gone must not meet the ones that take their numbers: whoever takes the tape over calls `forget_beyond` first.
"""

from __future__ import annotations

from pathlib import Path

from tapewire import consumers, engine_state, snapshots
from tapewire.consumers import ConsumerPosition
from tapewire.durable import make_folder
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
        self._tape, self._folder, self._log = tape, tape / FOLDER, log
        self.published = ConsumerPosition(tape, CONSUMER)
        self._restart = ConsumerPosition(tape, RESTART)
        try:
            make_folder(self._folder)
        except OSError as error:
            raise TapeError(f"{self._folder}: cannot be created: {error.strerror}") from error

    def restore(self, env: str, released: int) -> HouseMarket:
        """The fold as of the newest good snapshot that lies within what was published; a new one if there is none.

        Of a tape without its beginning, as of the newest good one: its position may have been moved aside by a cut. If
        there is none, as of an engine's, none behind record `released`.
        """
        segments = inspect.segments(self._tape)
        first = segments[0].first_seq if segments else 1
        for candidate in snapshots.newest(self._folder, ANY if first > 1 else self.published.seq):
            try:
                if isinstance(candidate, ValueError):
                    raise WireError(str(candidate))
                if candidate.seq >= first - 1:
                    return HouseMarket.restored(env, candidate.state)
            except WireError as error:
                # The tape says it all: an older snapshot, or none, only takes longer.
                self._log.warning("snapshot_passed_over", reason=str(error))
        return (self._of_engine(env, first, released) if first > 1 else None) or HouseMarket(env)

    def _of_engine(self, env: str, first: int, released: int) -> HouseMarket | None:
        """The newest fold that leaves nothing unpublished: of a tape that nobody has published, the newest of all."""
        published, found = self.published.seq, None
        for state in engine_state.begins(self._tape, first, released):
            if isinstance(state, ValueError):
                self._log.warning("snapshot_passed_over", reason=str(state))
                continue
            found = state
            if not published or state.seq <= published:
                break
        if found is None:
            return None
        said = {"snapshot": found.seq, "published": published, "tape_begins": first}
        self._log.warning("begun_from_the_engines_snapshot", **said)
        if found.seq > published > 0:
            self._log.error("not_published", from_seq=published + 1, to_seq=found.seq)
        return HouseMarket.of_engine(env, found)

    def snapshots_up_to(self, seq: int) -> list[int]:
        """The records behind which a fold could begin, as the names of snapshots say, ours and the engine's."""
        kept = (path for tape in (self._tape, self._folder) for path in snapshots.folder(tape).glob("*.snap"))
        return sorted(found for path in kept if 0 <= (found := snapshots.seq_of(path)) <= seq)

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
