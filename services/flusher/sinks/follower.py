"""One tape, followed for one target: where it stands, what comes next, what the tape lost.

standing ──same record──▶ reading ──▶ batches
   │  ▲                      │
   │  └──another writer──────┘
   ├──▶ waits: the tape shows less than was taken, until its writer has recovered it
   └──▶ lost: another record has the number. Back to the newest mark that is still the same
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, Self

from services.flusher.sinks.target import Batch, Mark, Position, Resume
from tapewire.consumers import ConsumerPosition
from tapewire.errors import SinkError, TapeGone
from tapewire.tape import TapeReader, crc32c

POLL_RECORDS: Final = 1024
"""About a millisecond of reading, for which nothing else is done."""
BATCH_BYTES: Final = 16 << 20
"""What a batch may hold at most, however few records that are."""


class Waits(NamedTuple):
    """The tape cannot be judged yet."""

    reason: str


class Lost(NamedTuple):
    """Records behind `position.seq` that the target has are no longer on the tape."""

    position: Position


class Follower:
    """Reads one tape for a sink. `consumer` is the name under which retention knows it."""

    def __init__(self, name: str, folder: Path, consumer: str, batch_records: int, batch_wait_ns: int) -> None:
        """Opens the tape. Raises TapeError."""
        self.name, self.folder = name, folder
        self._records_max, self._wait_ns = batch_records, batch_wait_ns
        self._reader = TapeReader(folder, from_seq=None)
        self._epoch = self._reader.epoch
        self._consumer_name = consumer
        self._consumer = ConsumerPosition(folder, consumer)
        self.position = Position()
        self.known_from = 0
        """As in Resume."""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._at_end = True
        """Whether what was read last was all there was."""
        self._since = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._consumer.close()

    # -- where the target stands

    def standing(self, resume: Resume) -> Waits | Lost | None:
        """Whether the tape still has what the target took; None: it does. Raises SinkError if it is another tape."""
        seq, marks, begin = resume.position
        released = self._reader.positions.released_seq
        if released < seq and not self._reader.settled:
            return Waits(
                f"the tape shows {released} records and {seq} were taken: what a reboot left of it is known once its "
                f"writer has opened it"
            )
        if seq == 0:
            return None
        if released < seq and marks and self._is_written(marks[-1]):
            return Waits(f"the tape has released {released} records so far, and {seq} were taken: they are still on it")
        for mark in reversed(marks):
            if self._is_there(mark, released):
                if mark.seq == seq:
                    return None
                return Lost(resume.position.back_to(mark.seq))
        if released >= seq and seq < self._reader.first_seq:
            return None  # removed by retention, which keeps what comes behind it
        raise SinkError(
            f"tape {self.folder}: none of the records that this sink remembers ({begin} to {seq}) is on it as it was: "
            f"the tape was replaced, or cut further back than that. Nothing was changed. To take back all rows of this "
            f"tape and begin anew: --from {self._reader.first_seq} --tape {self.name}"
        )

    def _is_there(self, mark: Mark, released: int) -> bool:
        if mark.seq > released:
            return False
        record = self.record(mark.seq)
        return bool(record) and crc32c(record) == mark.crc

    def _is_written(self, mark: Mark) -> bool:
        """Whether the record is on the tape, released or not."""
        with TapeReader(self.folder, from_seq=None, limit="written") as reader:
            if not reader.first_seq <= mark.seq <= reader.positions.written_seq:
                return False
            reader.seek_seq(mark.seq)
            return crc32c(reader.poll(1)[0]) == mark.crc

    def record(self, seq: int) -> bytes:
        """The record `seq`; empty if retention removed it. Moves the reader."""
        try:
            self._reader.seek_seq(seq)
        except TapeGone:
            return b""
        return next(iter(self._reader.poll(1)), b"")

    def from_seq(self, seq: int) -> Position:
        """The position of a target that begins anew with record `seq`. Raises SinkError if the tape has not got it."""
        first, released = self._reader.first_seq, self._reader.positions.released_seq
        if not first <= seq <= released + 1:
            raise SinkError(f"tape {self.folder}: record {seq} is not on it; it holds {first} to {released}")
        if seq == first:
            return Position(seq - 1, (), seq)
        before = self.record(seq - 1)
        return Position(seq - 1, (Mark(seq - 1, crc32c(before)),), first)

    def seq_at(self, ts: int) -> int:
        """The first record sequenced at `ts` (UTC ns) or later."""
        self._reader.seek_time(ts)
        return self._reader.next_seq

    def go_on(self, resume: Resume) -> int:
        """Stands before the first record that the target needs, to fold or to store; returns how many to fold.

        Raises SinkError if retention removed it.
        """
        self.position, self.known_from = resume.position, resume.known_from
        self._pending, self._pending_bytes = [], 0
        seq = resume.position.seq
        needed = min(resume.fold_after, seq) + 1
        if needed < self._reader.first_seq:
            raise SinkError(
                f"tape {self.folder}: begins with record {self._reader.first_seq}, and this sink needs it from "
                f"{needed} on: retention removed what it had not taken (its `keep` bounds how long that is kept back). "
                f"Restore the segments of a backup; or leave the gap and begin anew with what is there: "
                f"--from {self._reader.first_seq} --tape {self.name}"
            )
        self._reader.seek_seq(needed)
        self.hold(min(resume.hold, needed - 1), rewind=True)
        return seq + 1 - needed

    def to_fold(self, left: int) -> list[bytes]:
        """The next records that the target has and folds again, at most `left`."""
        return self._reader.poll(min(POLL_RECORDS, left))

    # -- what comes next

    def read(self, now: int) -> bool:
        """Reads some of what is there, at most POLL_RECORDS; False: a batch is full, or that was all.

        `now` in ns of any steady clock. Raises TapeError.
        """
        if self._full:
            return False
        records = self._reader.poll(min(POLL_RECORDS, self._records_max - len(self._pending)))
        if records and not self._pending:
            self._since = now
        self._pending += records
        self._pending_bytes += sum(map(len, records))
        # A tape is released by whole commands.
        self._at_end = self._reader.next_seq > self.released
        return bool(records) and not self._full

    def due(self, now: int) -> bool:
        """Whether what was read is a batch to hand over."""
        return self._full or (bool(self._pending) and now - self._since >= self._wait_ns)

    @property
    def _full(self) -> bool:
        return len(self._pending) >= self._records_max or self._pending_bytes >= BATCH_BYTES

    @property
    def waiting(self) -> int:
        """Records read and not handed over."""
        return len(self._pending)

    def batch(self) -> Batch:
        """What was gathered; the position moves behind it."""
        records, self._pending, self._pending_bytes = self._pending, [], 0
        before = after = self.position
        if not before.marks:
            # The first record of all is remembered for ever: it tells a tape that lost nearly everything from another.
            after = after.moved(Mark(before.seq + 1, crc32c(records[0])))
        if len(records) > 1 or before.marks:
            after = after.moved(Mark(before.seq + len(records), crc32c(records[-1])))
        self.position = after
        return Batch(self.name, records, before, after, self._at_end)

    def taken_over(self) -> bool:
        """Another writer has opened the tape since: what was read behind its end may be gone."""
        return self._reader.epoch != self._epoch

    @property
    def released(self) -> int:
        return self._reader.positions.released_seq

    # -- retention

    def hold(self, seq: int, rewind: bool = False) -> None:
        """Retention may remove records up to `seq`. `rewind`: the position may go back, too. Raises TapeError."""
        if rewind and seq < self._consumer.seq:
            # Whoever took the tape over has set it back already; after --from it is ours to do.
            self._consumer.close()
            self._consumer.path.unlink(missing_ok=True)
            self._consumer = ConsumerPosition(self.folder, self._consumer_name)
        self._consumer.store(seq, self._epoch)

    def let_go_before(self, ts: int) -> None:
        """Holds nothing back that was sequenced before `ts` (UTC ns), taken or not."""
        with TapeReader(self.folder, from_seq=None) as reader:
            reader.seek_time(ts)
            self._consumer.store(reader.next_seq - 1, self._epoch)
