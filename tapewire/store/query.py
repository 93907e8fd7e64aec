"""One question, one answer: the rows of history (files) and of today (the tape's tail), none twice, none missing.

    archive ............ checkpoint | tape .................... now
    files whose last seq <= archived | records whose seq > archived

The checkpoint is read once, first; files beyond it are not looked at, and the tape is read from just behind it.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tapewire.errors import StoreError, TapeGone
from tapewire.store import checkpoint as checkpoints
from tapewire.store import layout
from tapewire.store.checkpoint import Checkpoint
from tapewire.store.decimals import with_decimals
from tapewire.store.read import Footers, read_rows
from tapewire.store.schema import KINDS, Kind
from tapewire.store.tail import Tail
from tapewire.times import show

ROWS_MAX: Final = 50_000_000  # of one answer; about 6 GB as decimals
TAILS_MAX: Final = 64  # how many (tape, kind, ticker) a Store keeps the columns of today for
LISTINGS_MAX: Final = 4_096  # lists of files remembered
NAMES_SHOWN: Final = 12  # of tickers, in a message that says what there is
RETRIES_MAX: Final = 3  # when the archiver and the tape's retention move on between two steps of a query


class Ask(NamedTuple):
    """A question, with the meanings of `Store.query`."""

    kind: Kind
    ticker: str
    start: int | None = None
    end: int | None = None
    limit: int | None = None

    def may_be_in(self, piece: layout.Piece) -> bool:
        day = piece.partition.day
        return (self.start is None or layout.day_of(self.start) <= day) and (
            self.end is None or day <= layout.day_of(self.end)
        )


class Store:
    """The rows under a data folder. Keep one to ask often: it remembers footers and the columns of today.

    Not for two threads at once.
    """

    def __init__(self, data: Path) -> None:
        self.data = Path(data)
        self.footers = Footers()
        self._tails: OrderedDict[tuple[str, str, str], Tail] = OrderedDict()
        self._pieces: dict[tuple[str, str, str], tuple[int, list[layout.Piece]]] = {}

    def query(
        self,
        kind: str,
        ticker: str,
        feed: str | None = None,
        start: int | None = None,
        end: int | None = None,
        limit: int | None = None,
        raw: bool = False,
    ) -> pa.Table:
        """Rows of `kind` with start <= ts < end (UTC ns; None: unbounded), of one feed or of all that have the ticker.

        Rows of one tape come in its order (by seq), those of several tapes by ts. `limit`: the first so many rows; if
        negative, the last. Prices and quantities are exact decimals; with `raw` they stay mantissas beside their
        exponents. No row in that time: an empty table. Raises StoreError if the kind is unknown, if there is nothing
        of that ticker at any time (the message names what there is), or if the answer would exceed ROWS_MAX.
        """
        shape = known_kind(kind)
        if start is not None and end is not None and start > end:
            raise StoreError(
                f"from {show(start)} is after to {show(end)}: expected from <= to (from is included, to is not)"
            )
        found: list[tuple[str, pa.Table]] = []
        exists = False
        for tape in self.tapes(feed):
            table, there = self._settled(Ask(shape, ticker, start, end, limit), tape)
            exists = exists or there
            if table.num_rows:
                found.append((tape, table))
        if not exists:
            raise StoreError(self._nothing(kind, ticker, feed))
        return _shown(shape, ticker, found, limit, raw)

    def tapes(self, feed: str | None = None) -> list[str]:
        """Names of the tapes that rows (of `feed`) come from, whether or not the tape itself is still there."""
        folder = layout.archive(self.data) / "_checkpoints"
        archived = {path.stem for path in folder.glob("[!.]*.json")}
        return sorted(t for t in {*archived, *layout.tapes(self.data)} if feed in (None, layout.feed_of(t)))

    def tickers(self, kind: str) -> list[tuple[str, str]]:
        """Every (feed, ticker) that has rows of `kind`, sorted. Reads the whole tail of every tape."""
        there = {(piece.partition.feed, piece.partition.ticker) for piece in layout.pieces(self.data, kind)}
        for tape in layout.tapes(self.data):
            tail = Tail(self.data, tape, kinds=(kind,))
            tail.refresh(checkpoints.read(self.data, tape))
            there |= {(tail.feed, ticker) for ticker in tail.tickers(kind)}
            tail.close()
        return sorted(there)

    def span(self, kind: str, ticker: str, feed: str | None = None) -> tuple[int, int]:
        """First and last `ts` (ns, inclusive) of what there is of a ticker. Raises StoreError if there is nothing."""
        first = self.query(kind, ticker, feed, limit=1, raw=True)["ts"]
        last = self.query(kind, ticker, feed, limit=-1, raw=True)["ts"]
        return first[0].as_py(), last[0].as_py()

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    def _settled(self, ask: Ask, tape: str) -> tuple[pa.Table, bool]:
        for attempt in range(RETRIES_MAX + 1):
            point = checkpoints.read(self.data, tape)
            try:
                return self._rows(ask, tape, point)
            except TapeGone:
                # The tape let go of records that were archived after the checkpoint was read: there is a newer one.
                if attempt == RETRIES_MAX or checkpoints.read(self.data, tape).archived == point.archived:
                    raise
            except FileNotFoundError:
                # A compaction put it into another one since the folder was listed.
                self._pieces.clear()
                if attempt == RETRIES_MAX:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _rows(self, ask: Ask, tape: str, point: Checkpoint) -> tuple[pa.Table, bool]:
        """The rows of one tape, and whether it has any of that kind and ticker, at whatever time."""
        pieces, tail = self._pieces_of(ask, tape, point), self._tail_of(ask, tape, point)
        exists = bool(pieces or tail.tickers(ask.kind.name))
        backwards, tables, rows = ask.limit is not None and ask.limit < 0, [], 0
        for table in self._sources(ask, pieces, tail, point, backwards):
            tables.append(table)
            rows += table.num_rows
            if rows > ROWS_MAX:
                raise StoreError(
                    f"{ask.kind.name} of {ask.ticker}: over {ROWS_MAX} rows; ask for less time, or a limit"
                )
            if ask.limit is not None and rows >= abs(ask.limit):
                break
        if backwards:
            tables.reverse()
        return limited(pa.concat_tables(tables) if tables else ask.kind.schema.empty_table(), ask.limit), exists

    def _sources(
        self, ask: Ask, pieces: list[layout.Piece], tail: Tail, point: Checkpoint, backwards: bool
    ) -> Iterator[pa.Table]:
        def today() -> list[pa.Table]:
            return tail.rows(ask.kind.name, ask.ticker, point.archived, ask.start, ask.end)

        if backwards:
            yield from reversed(today())
        for piece in reversed(pieces) if backwards else pieces:
            if ask.may_be_in(piece):
                yield read_rows(piece.path, self.footers, ask.start, ask.end)
        if not backwards:
            yield from today()

    def _pieces_of(self, ask: Ask, tape: str, point: Checkpoint) -> list[layout.Piece]:
        """The files of a tape that are there for good, remembered as long as its checkpoint is the same one."""
        key = (tape, ask.kind.name, ask.ticker)
        known = self._pieces.get(key)
        if known is not None and known[0] == point.archived:
            return known[1]
        pieces = for_good(layout.pieces(self.data, ask.kind.name, layout.feed_of(tape), ask.ticker), {tape: point})
        if len(self._pieces) >= LISTINGS_MAX:
            self._pieces.clear()
        self._pieces[key] = (point.archived, pieces)
        return pieces

    def _tail_of(self, ask: Ask, tape: str, point: Checkpoint) -> Tail:
        key = (tape, ask.kind.name, ask.ticker)
        tail = self._tails.pop(key, None) or Tail(self.data, tape, kinds=(ask.kind.name,), ticker=ask.ticker)
        self._tails[key] = tail
        if len(self._tails) > TAILS_MAX:
            self._tails.popitem(last=False)[1].close()
        tail.refresh(point)
        return tail

    def _nothing(self, kind: str, ticker: str, feed: str | None) -> str:
        there = self.tickers(kind)
        where = f"no {kind} of {ticker}" + (f" in feed {feed}" if feed else "") + f" under {self.data}"
        if not there:
            kinds = sorted(path.name for path in layout.archive(self.data).glob("[!_]*"))
            tapes = ", ".join(layout.tapes(self.data)) or "none"
            return f"{where}: there are no {kind} at all. Archived kinds: {', '.join(kinds) or 'none'}; tapes: {tapes}."
        names = sorted({name for _, name in there})
        close = difflib.get_close_matches(ticker.upper(), names, n=NAMES_SHOWN, cutoff=0.5) or names
        shown = [f"{name} ({', '.join(f for f, t in there if t == name)})" for name in close[:NAMES_SHOWN]]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        return f"{where}. There are {kind} of {', '.join(shown)}{more}."


def for_good(pieces: Iterable[layout.Piece], points: dict[str, Checkpoint]) -> list[layout.Piece]:
    """Those of `pieces` that their tape's checkpoint covers and no compacted file holds, in the order of the tape."""
    kept = [p for p in pieces if p.tape in points and p.last_seq <= points[p.tape].archived]
    return layout.not_held(sorted(kept, key=lambda piece: (piece.tape, piece.first_seq)))


def known_kind(name: str) -> Kind:
    """Raises StoreError naming the kinds there are."""
    if name not in KINDS:
        raise StoreError(f"unknown kind {name!r}: expected one of {', '.join(KINDS)}")
    return KINDS[name]


def limited(table: pa.Table, limit: int | None) -> pa.Table:
    if limit is None or table.num_rows <= abs(limit):
        return table
    return table.slice(0, limit) if limit >= 0 else table.slice(table.num_rows + limit)


def labelled(kind: Kind, feed: str, ticker: str, table: pa.Table) -> pa.Table:
    """`table` with the feed and the ticker that its rows are of, which the files know by their folder."""
    first = pa.repeat(pa.scalar(0, pa.int8()), table.num_rows)
    for place, (name, value) in enumerate((("feed", feed), ("ticker", ticker))):
        column = pa.DictionaryArray.from_arrays(first, pa.array([value], pa.string()))
        table = table.add_column(place, name, column)
    return table


def _shown(kind: Kind, ticker: str, found: list[tuple[str, pa.Table]], limit: int | None, raw: bool) -> pa.Table:
    tables = [labelled(kind, layout.feed_of(tape), ticker, table) for tape, table in found]
    if not tables:
        tables = [labelled(kind, "", ticker, kind.schema.empty_table())]
    table = tables[0] if len(tables) == 1 else limited(_merged(tables), limit)
    return table if raw else with_decimals(table, kind)


def _merged(tables: list[pa.Table]) -> pa.Table:
    """Rows of several tapes by `ts`; where that is the same, in the order of the tapes, and then of each one."""
    table = pa.concat_tables(tables).unify_dictionaries()
    tape = pa.concat_arrays([pa.repeat(pa.scalar(at, pa.int16()), one.num_rows) for at, one in enumerate(tables)])
    keys = pa.table({"ts": table["ts"], "tape": tape, "seq": table["seq"]})
    return table.take(pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names]))


@lru_cache(maxsize=8)
def store(data: Path) -> Store:
    """The Store of a data folder that this process keeps."""
    return Store(data)


def query(
    data: Path,
    kind: str,
    ticker: str,
    feed: str | None = None,
    start: int | None = None,
    end: int | None = None,
    limit: int | None = None,
    raw: bool = False,
) -> pa.Table:
    """`Store.query` on the Store that this process keeps of `data`."""
    return store(Path(data).resolve()).query(kind, ticker, feed, start, end, limit, raw)
