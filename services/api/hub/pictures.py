"""Snapshots of views beside the tape, for a quick start and for looking back.

    <tape>/views/snapshots/<seq>.snap     SHA-256 of the record `seq` | state of Views
    <tape>/consumers/api.views.restart    what a restart needs the records behind: the third newest of them

A tape that lost its tail gives the same number to another record: the digest tells. There are at most PICTURES of
PICTURES_BYTES together; when one is too many, the one goes whose neighbours are closest together, the square of that
over its age: so they lie denser where people look most, and the oldest reaches back as far as the tape does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from services.api.hub.follower import record_at
from tapewire import engine_state, snapshots
from tapewire.consumers import ConsumerPosition
from tapewire.durable import make_folder
from tapewire.errors import TapeError, WireError
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader
from tapewire.views import Views

FOLDER = "views"
RESTART = "api.views.restart"
RESTARTS = 3  # newest ones that retention leaves the records for
PICTURES = 128
PICTURES_BYTES = 512 << 20
_DIGEST = 32


class Pictures:
    def __init__(
        self, tape: Path, env: str, log: Logger, most: int = PICTURES, most_bytes: int = PICTURES_BYTES
    ) -> None:
        self._tape, self._env, self._log = tape, env, log
        self._folder = tape / FOLDER
        self._most, self._most_bytes = most, most_bytes
        self._passed_over: set[str] = set()

    def seqs(self) -> list[int]:
        """Of those that are there, ascending."""
        found = (snapshots.seq_of(path) for path in snapshots.folder(self._folder).glob("*.snap"))
        return sorted(seq for seq in found if seq >= 0)

    def oldest(self, first_seq: int) -> int:
        """The oldest seq that can be shown of a tape that begins with record `first_seq`; 0: none can."""
        if first_seq <= 1:
            return 1
        engine = (snapshots.seq_of(path) for path in snapshots.folder(self._tape).glob("*.snap"))
        return min((seq for seq in (*self.seqs(), *engine) if seq >= first_seq - 1), default=0)

    def nearest(self, reader: TapeReader, seq: int, lean: bool = False) -> tuple[Views, bytes] | None:
        """The fold at the newest picture at or below `seq`, and its last record; None if there is none that holds.

        Of a tape without its beginning, where there is none: at the newest of the engine's snapshots, which know less.
        `lean`: without done orders and the log of fills. The last record is empty if retention removed it. Moves the
        reader. Raises TapeError.
        """
        for snapshot in self._below(seq):
            try:
                if isinstance(snapshot, ValueError):
                    raise WireError(str(snapshot))
                last = record_at(reader, snapshot.seq)
                if last and hashlib.sha256(last).digest() != snapshot.state[:_DIGEST]:
                    raise WireError(f"snapshot {snapshot.seq} is of another record than the tape has there")
                if not last and snapshot.seq >= reader.first_seq:
                    raise WireError(f"snapshot {snapshot.seq} lies beyond the tape's end")
                if snapshot.seq < reader.first_seq - 1:
                    break
                return Views.restored(self._env, snapshot.state[_DIGEST:], lean), last
            except WireError as error:
                # The tape says it all: an older snapshot, or none, only takes longer.
                self._pass_over(error)
        return self._of_engine(reader, seq)

    def _of_engine(self, reader: TapeReader, seq: int) -> tuple[Views, bytes] | None:
        """What the newest of the engine's snapshots at or below `seq` says, where the records before are gone."""
        if reader.first_seq <= 1:
            return None
        for state in engine_state.begins(self._tape, reader.first_seq, seq):
            if isinstance(state, ValueError):
                self._pass_over(state)
                continue
            self._log.warning("begun_from_the_engines_snapshot", snapshot=state.seq, tape_begins=reader.first_seq)
            return Views.of_engine(self._env, state), record_at(reader, state.seq)
        return None

    def _pass_over(self, error: ValueError) -> None:
        if str(error) not in self._passed_over:
            self._passed_over.add(str(error))
            self._log.warning("snapshot_passed_over", reason=str(error))

    def save(self, seq: int, last: bytes, state: bytes, first_seq: int) -> None:
        """Keeps the state behind a durable record. A full disk is logged: it makes looking back slower."""
        try:
            make_folder(self._folder)
            snapshots.save(self._folder, Snapshot(seq, hashlib.sha256(last).digest() + state), keep=self._most + 1)
            self._thin(first_seq)
            position = ConsumerPosition(self._tape, RESTART)
            try:
                position.store(self.seqs()[-RESTARTS:][0])
            finally:
                position.close()
        except (OSError, TapeError) as error:
            self._log.error("snapshot_not_written", seq=seq, error=str(error))

    def forget_beyond(self, seq: int) -> None:
        """Removes those of records that the tape lost. Raises OSError."""
        if snapshots.folder(self._folder).exists():
            snapshots.remove_beyond(self._folder, seq)

    def _below(self, seq: int) -> Iterator[Snapshot | ValueError]:
        return snapshots.newest(self._folder, seq)

    def _thin(self, first_seq: int) -> None:
        folder = snapshots.folder(self._folder)
        sizes = {seq: (folder / f"{seq:020d}.snap").stat().st_size for seq in self.seqs()}
        for seq in list(sizes):
            # Nothing can be folded from it: the records behind it are gone.
            if seq < first_seq - 1:
                self._remove(seq)
                del sizes[seq]
        while len(sizes) > RESTARTS and (len(sizes) > self._most or sum(sizes.values()) > self._most_bytes):
            gone = least_missed(list(sizes))
            self._remove(gone)
            del sizes[gone]

    def _remove(self, seq: int) -> None:
        (snapshots.folder(self._folder) / f"{seq:020d}.snap").unlink(missing_ok=True)


def least_missed(seqs: list[int]) -> int:
    """Of ascending seqs, more than RESTARTS, the one to go: neither the oldest nor one of the RESTARTS newest."""
    newest = seqs[-1]
    inner = range(1, len(seqs) - RESTARTS) if len(seqs) > RESTARTS + 1 else range(1)

    def missed(i: int) -> tuple[float, int]:
        gap = seqs[i + 1] - (seqs[i - 1] if i else 0)
        return gap * gap / (newest - seqs[i] + 1), i

    return seqs[min(inner, key=missed)]
