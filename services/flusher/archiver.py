"""Tapes to columnar files: the next stretch of a tape, planned, converted, made durable, checked off.

    1  write the plan                        checkpoint: archived = 1000, planned = 2000
    2  for each kind, feed, day, ticker: write the file aside, sync, rename, sync the folder
    3  check it off                          checkpoint: archived = 2000, planned = 2000

Killed anywhere, it does the same plan again: the same rows, the same names, nothing twice. Only what is durable on the
tape is planned, so that the archive never holds what a power cut could take off the tape and number anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.flusher.flusher import seq_of
from tapewire.consumers import ConsumerPosition
from tapewire.errors import StoreError, TapeGone
from tapewire.store import checkpoint as checkpoints
from tapewire.store import layout
from tapewire.store.checkpoint import Checkpoint
from tapewire.store.columns import convert
from tapewire.store.disk import Disk
from tapewire.store.write import ROW_GROUP_ROWS, split_days, write_piece
from tapewire.tape import TapeReader, crc32c

CONSUMER: Final = "archive"
POLL_RECORDS: Final = 8_192  # short, so that the thread of the rings gets its turn between two


class Limits(NamedTuple):
    """When a stretch is worth archiving: so many records, or the oldest waiting so long (ns; 0: never by time)."""

    records: int = 262_144
    wait_ns: int = 300 * 10**9
    row_group_rows: int = ROW_GROUP_ROWS


class Archiver:
    """Archives one tape. The only writer of its files and of its checkpoint; call from one thread."""

    def __init__(self, data: Path, tape: str, limits: Limits, disk: Disk | None = None) -> None:
        self.tape = tape
        self.checkpoint = checkpoints.read(data, tape)
        self._data, self._limits, self._disk = data, limits, disk or Disk()
        self._path = layout.tape(data, tape)
        self._feed = layout.feed_of(tape)
        self._reader: TapeReader | None = None
        self._position: ConsumerPosition | None = None
        self._waiting_since: int | None = None

    def do_work(self, now: int) -> int:
        """Archives one stretch if one is due; returns how many records it had. `now` in ns, of any steady clock.

        Raises StoreError if tape and checkpoint do not fit, TapeError, or OSError if the disk refuses; what was
        archived stays so, and a new Archiver goes on where this one stopped.
        """
        if self.checkpoint.planned == self.checkpoint.archived:
            stretch = self._due(now)
            if stretch == 0:
                return 0
            self._save(msgspec.structs.replace(self.checkpoint, planned=self.checkpoint.archived + stretch))
        return self._carry_out()

    def behind(self) -> int:
        """Records of the tape that are durable, and released, and not archived yet.

        A record that no other host holds yet may be cut from a replicated tape.
        """
        at = self._open().positions
        last = min(at.durable_seq, at.released_seq)
        if last < self.checkpoint.archived:
            path = checkpoints.path_of(self._data, self.tape)
            raise StoreError(
                f"tape {self._path} is durable and released up to record {last}, but by {path} "
                f"{self.checkpoint.archived} are archived: the tape was replaced or cut. Nothing was changed."
            )
        return last - self.checkpoint.archived

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._position is not None:
            self._position.close()
            self._position = None

    def _open(self) -> TapeReader:
        if self._reader is None:
            self._reader = TapeReader(self._path, from_seq=self.checkpoint.archived + 1, limit="durable")
            self._check_last(self._reader)
            # Registered with the tape, so that its retention keeps what is not archived.
            self._position = ConsumerPosition(self._path, CONSUMER)
            self._position.store(self.checkpoint.archived)
        return self._reader

    def _check_last(self, reader: TapeReader) -> None:
        """Raises StoreError if the record archived last is another one by now. Leaves the reader behind it."""
        archived, crc = self.checkpoint.archived, self.checkpoint.last_crc
        if crc is None or not archived or reader.positions.durable_seq < archived:
            return
        try:
            reader.seek_seq(archived)
        except TapeGone:
            reader.seek_seq(archived + 1)
            return
        (raw,) = reader.poll(1)
        if crc32c(raw) != crc:
            self.close()
            raise StoreError(
                f"tape {self._path}: record {archived} is not the one that was archived: the tape was cut or replaced, "
                f"and has grown past it again. Nothing was changed. To archive it anew, remove its archived files "
                f"together with {checkpoints.path_of(self._data, self.tape)}."
            )

    def _save(self, checkpoint: Checkpoint) -> None:
        checkpoints.write(self._data, checkpoint, self._disk)
        self.checkpoint = checkpoint

    def _due(self, now: int) -> int:
        """How many records to archive now; 0: not yet."""
        behind = self.behind()
        if behind == 0:
            self._waiting_since = None
            return 0
        if self._waiting_since is None:
            self._waiting_since = now
        waited = self._limits.wait_ns and now - self._waiting_since >= self._limits.wait_ns
        return min(behind, self._limits.records) if waited or behind >= self._limits.records else 0

    def _carry_out(self) -> int:
        """Archives what is planned and not archived, whether planned just now or before a crash."""
        before = self.checkpoint
        instruments = dict(before.instruments)
        rows = dict(before.rows)
        records = self._records(before.archived, before.planned)
        for part in convert(records, instruments):
            rows[part.kind.name] = rows.get(part.kind.name, 0) + part.table.num_rows
            for partition, piece in split_days(part, self._feed):
                write_piece(self._data, partition, self.tape, piece, self._disk, self._limits.row_group_rows)
        self._save(
            Checkpoint(
                tape=self.tape,
                archived=before.planned,
                planned=before.planned,
                instruments=instruments,
                rows=rows,
                last_crc=crc32c(records[-1]),
            )
        )
        if self._position is not None:
            self._position.store(before.planned)
        self._waiting_since = None
        return before.planned - before.archived

    def _records(self, archived: int, planned: int) -> list[bytes]:
        reader = self._open()
        raws: list[bytes] = []
        while len(raws) < planned - archived:
            more = reader.poll(min(POLL_RECORDS, planned - archived - len(raws)))
            if not more:
                break
            raws += more
        if len(raws) != planned - archived or seq_of(raws[0]) != archived + 1:
            held = f"{seq_of(raws[0])} to {seq_of(raws[-1])}" if raws else "none of them"
            raise StoreError(
                f"tape {self._path}: records {archived + 1} to {planned} are to be archived, and it holds {held}. "
                f"Is it the tape that {checkpoints.path_of(self._data, self.tape)} was written for?"
            )
        return raws


def archive_all(data: Path, tape: str, tell: Callable[[str, int, int], None]) -> None:
    """Archives what a tape durably holds, down to its last record. For a tape that no flusher archives meanwhile.
    `tell`: what, how many records are done, how many there are. Raises StoreError, TapeError, OSError."""
    archiver = Archiver(data, tape, Limits(wait_ns=1))
    try:
        now, total = 0, archiver.behind()
        while left := archiver.behind():
            tell(f"archive {tape}", total - left, total)
            archiver.do_work(now)
            now += 2
    finally:
        archiver.close()
