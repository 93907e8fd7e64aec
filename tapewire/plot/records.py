"""A stretch of a tape, record by record, and the market messages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import TapeError, WireError
from tapewire.house import HouseMarket
from tapewire.tape import TapeReader

BATCH: Final = 4096
Progress = Callable[[int, int], None]
"""Records read so far, records in all."""


def _quiet(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of `tape` from time `start` to before `end`, UTC ns; None: from its beginning, to what is there now."""

    tape: Path
    start: int | None = None
    end: int | None = None

    def raws(self, progress: Progress = _quiet) -> Iterator[bytes]:
        """Raises TapeError."""
        with TapeReader(self.tape, from_seq=None) as reader:
            if self.start is not None:
                reader.seek_time(self.start)
            yield from _read(reader, reader.positions.released_seq, progress)

    def messages(self, progress: Progress = _quiet) -> Iterator[m.Message]:
        """Decoded; records of a kind that this build does not know are passed over. Raises TapeError."""
        for raw in self.raws(progress):
            message = _decoded(raw)
            if message is None:
                continue
            if self.end is not None and message.ts >= self.end:
                return
            yield message

    def market(self, ticker: str, progress: Progress = _quiet) -> Iterator[m.Message]:
        """Trades, books and their changes of one ticker, as subscribers saw them. Raises TapeError.

        A house tape is folded from its beginning, or from the newest state that its publisher kept before `start`.
        """
        if not self.tape.name.startswith("orders."):
            for message in self.messages(progress):
                if isinstance(message, m.Trade | m.BookDelta | m.BookSnapshot) and message.ticker == ticker:
                    yield message
            return
        fold, begin = self._house()
        with TapeReader(self.tape, from_seq=begin) as reader:
            opened = self.start is None
            for raw in _read(reader, reader.positions.released_seq, progress):
                published = fold.fold(raw)
                record = _decoded(raw)
                if record is None or (self.start is not None and record.ts < self.start):
                    continue
                if self.end is not None and record.ts >= self.end:
                    return
                if not opened and (book := fold.book(ticker)) is not None:
                    opened = True
                    yield m.decode(book.snapshot()).replace(ts=record.ts)
                for subject, payload in published:
                    if subject.endswith((f".trade.{ticker}", f".book.{ticker}")):
                        yield m.decode(payload)

    def _house(self) -> tuple[HouseMarket, int]:
        """A fold and the record it goes on with."""
        with TapeReader(self.tape, from_seq=None) as reader:
            first = reader.first_seq
            if self.start is not None:
                reader.seek_time(self.start)
            at = reader.next_seq
        for kept in snapshots.newest(self.tape / "publisher", at):
            if isinstance(kept, snapshots.Snapshot) and kept.seq + 1 >= first:
                try:
                    return HouseMarket.restored("plot", kept.state), kept.seq + 1
                except WireError:  # of another version of the fold
                    continue
        if first > 1:
            raise TapeError(
                f"{self.tape}: begins with record {first}, and its publisher kept no state before the time asked for. "
                f"Ask for a later time"
            )
        return HouseMarket("plot"), 1


def _read(reader: TapeReader, last: int, progress: Progress) -> Iterator[bytes]:
    begin = reader.next_seq
    while reader.next_seq <= last and (batch := reader.poll(BATCH)):
        progress(reader.next_seq - begin, last - begin + 1)
        yield from batch


def _decoded(raw: bytes) -> m.Message | None:
    try:
        return m.decode(raw)
    except WireError:
        return None
