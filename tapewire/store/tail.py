"""Today: the rows that are on a tape and not yet archived, kept as columns and brought up to date when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tapewire.errors import TapeMissing, TapewireError
from tapewire.store import layout
from tapewire.store.checkpoint import Checkpoint
from tapewire.store.columns import convert
from tapewire.store.read import between
from tapewire.tape import TapeReader

POLL_RECORDS: Final = 65_536
CHUNKS_MAX: Final = 32  # beyond it the chunks of a ticker are made one


class Chunk(NamedTuple):
    """Some consecutive rows of one kind and ticker; `rising` if no `ts` is below the one before it."""

    table: pa.Table
    low_ts: int
    high_ts: int
    last_seq: int
    rising: bool


class Tail:
    """The unarchived rows of one tape, all or those of some kinds and one ticker.

    It reads each record once: `refresh` takes what was appended since, and lets go of what has been archived since.
    Memory is bounded by how far the archiver is behind, which is a setting of the flusher.
    """

    def __init__(self, data: Path, tape: str, kinds: Collection[str] | None = None, ticker: str | None = None) -> None:
        self.tape, self.feed = tape, layout.feed_of(tape)
        self._path = layout.tape(data, tape)
        self._kinds, self._ticker = kinds, ticker
        self._chunks: dict[tuple[str, str], list[Chunk]] = {}
        self._reader: TapeReader | None = None
        self._next_seq = 0

    def refresh(self, checkpoint: Checkpoint) -> None:
        """Raises TapeError: damaged, or (TapeGone) without the records that follow the checkpoint; StoreError and
        WireError as `convert`."""
        if self._reader is None or self._next_seq <= checkpoint.archived:
            self._begin(checkpoint)
        try:
            self._read_on()
        except TapewireError:
            # The reader stands behind records that did not become rows: the next refresh begins anew and finds them.
            self.close()
            raise
        self._tidy(checkpoint.archived)

    def tickers(self, kind: str) -> list[str]:
        return [ticker for name, ticker in self._chunks if name == kind]

    def rows(self, kind: str, ticker: str, archived: int, start: int | None, end: int | None) -> list[pa.Table]:
        """Rows after `archived` (a seq) with start <= ts < end (ns), in the tape's order."""
        found = []
        for chunk in self._chunks.get((kind, ticker), ()):
            if (start is not None and chunk.high_ts < start) or (end is not None and chunk.low_ts >= end):
                continue
            table = _window(chunk, start, end)
            if table.num_rows and table["seq"][0].as_py() <= archived:
                table = table.filter(pc.greater(table["seq"], archived))
            found.append(table)
        return found

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _begin(self, checkpoint: Checkpoint) -> None:
        self.close()
        self._chunks.clear()
        self._instruments = dict(checkpoint.instruments)
        self._next_seq = checkpoint.archived + 1
        try:
            self._reader = TapeReader(self._path, from_seq=self._next_seq)
        except TapeMissing:  # taken away, or being made: there is nothing of today
            self._reader = None

    def _read_on(self) -> None:
        while self._reader is not None and (raws := self._reader.poll(POLL_RECORDS)):
            for kind, ticker, table in convert(raws, self._instruments, self._kinds, self._ticker):
                self._chunks.setdefault((kind.name, ticker), []).append(_chunk(table))
            self._next_seq += len(raws)

    def _tidy(self, archived: int) -> None:
        for key, chunks in list(self._chunks.items()):
            kept = [chunk for chunk in chunks if chunk.last_seq > archived]
            if len(kept) > CHUNKS_MAX:
                kept = [_chunk(pa.concat_tables([chunk.table for chunk in kept]).combine_chunks())]
            if kept:
                self._chunks[key] = kept
            else:
                del self._chunks[key]


def _chunk(table: pa.Table) -> Chunk:
    ts = table["ts"].combine_chunks()
    low, high = (value.as_py() for value in pc.min_max(ts).values())
    rising = len(ts) < 2 or pc.all(pc.greater_equal(ts[1:], ts[:-1])).as_py()
    return Chunk(table, low, high, table["seq"][-1].as_py(), rising)


def _window(chunk: Chunk, start: int | None, end: int | None) -> pa.Table:
    if not chunk.rising:
        return between(chunk.table, start, end)
    ts, rows = chunk.table["ts"].chunk(0), range(chunk.table.num_rows)
    first = 0 if start is None else bisect_left(rows, start, key=lambda row: ts[row].as_py())
    last = len(rows) if end is None else bisect_left(rows, end, key=lambda row: ts[row].as_py())
    return chunk.table.slice(first, max(0, last - first))
