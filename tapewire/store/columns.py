"""Messages to columns: each field is cut out of all messages of a type at once, at its constant offset.

raws  [ header | fields | ticker | ... ]     one block of fixed-size rows; a column is one strided cut of it
      [ header | fields | ticker | ... ]
      [   ^seq     ^price                ]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import accumulate, compress
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.store import schema as s
from tapewire.wire._wire import EnumField, IntField, ListField, TextField

TYPE_AT: Final = 64  # header.type of every flat message; see schemas/common.capnp
_HOUSE: Final = (int(m.MessageType.order_executed), int(m.MessageType.instrument_definition))
_MARKET: Final[dict[int, tuple[type[m.Message], s.Kind]]] = {
    int(m.MessageType.trade): (m.Trade, s.TRADES),
    int(m.MessageType.quote): (m.Quote, s.QUOTES),
    int(m.MessageType.book_delta): (m.BookDelta, s.LEVELS),
    int(m.MessageType.book_snapshot): (m.BookSnapshot, s.LEVELS),
    int(m.MessageType.feed_status): (m.FeedStatus, s.STATUSES),
}
_INT: Final = {
    (1, True): pa.int8(),
    (1, False): pa.uint8(),
    (2, False): pa.uint16(),
    (4, False): pa.uint32(),
    (8, True): pa.int64(),
    (8, False): pa.uint64(),
}


class Instrument(NamedTuple):
    """What an orders tape says once about an instrument, and its executions leave out."""

    ticker: str
    price_exponent: int
    qty_exponent: int


class Part(NamedTuple):
    """The rows of one kind and ticker, in the order of the tape."""

    kind: s.Kind
    ticker: str
    table: pa.Table


def convert(
    records: list[bytes],
    instruments: dict[int, Instrument],
    kinds: Collection[str] | None = None,
    ticker: str | None = None,
) -> list[Part]:
    """The rows of `records` (flat messages in the order of one tape), by kind and ticker.

    `instruments` is folded on: definitions among the records are added, and executions are named by it. `kinds` and
    `ticker` leave out everything else before it costs anything. Raises StoreError for an execution of an instrument
    that was never defined, WireError for bytes that are not a message.
    """
    by_type, house = _by_type(records)
    parts: defaultdict[tuple[str, str], list[pa.Table]] = defaultdict(list)
    for number, raws in by_type.items():
        if number not in _MARKET or (kinds is not None and _MARKET[number][1].name not in kinds):
            continue
        cls, into = _MARKET[number]
        for name, table in _market_tables(cls, into, raws, ticker):
            parts[into.name, name].append(table)
    for (kind_name, name), table in _house_tables(house, instruments):
        if (kinds is None or kind_name in kinds) and ticker in (None, name):
            parts[kind_name, name].append(table)
    return [Part(s.KINDS[kind], name, _in_order(tables)) for (kind, name), tables in sorted(parts.items())]


def _in_order(tables: list[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    # Rows of one kind can come from two types of message (a book's snapshots and changes): the tape's order again.
    return pa.concat_tables(tables).sort_by([("seq", "ascending")]).combine_chunks()


def _by_type(records: list[bytes]) -> tuple[dict[int, list[bytes]], list[bytes]]:
    """Records of market data by type, and those of the house, which only have a meaning in their order."""
    kinds = [raw[TYPE_AT] for raw in records]
    there = set(kinds)
    if len(there) == 1 and there.isdisjoint(_HOUSE):
        return {there.pop(): records}, []
    by_type = {kind: list(compress(records, [found == kind for found in kinds])) for kind in there.difference(_HOUSE)}
    return by_type, [raw for raw, kind in zip(records, kinds, strict=True) if kind in _HOUSE]


def _market_tables(
    cls: type[m.Message], kind: s.Kind, raws: list[bytes], only: str | None
) -> Iterator[tuple[str, pa.Table]]:
    """The rows of one type of message, ticker by ticker."""
    ticker = cls.FIELDS["ticker"]
    assert isinstance(ticker, TextField)
    start, end = ticker.text_at, ticker.text_at + ticker.capacity
    if only is not None:
        raws = _current(cls, raws)
        key = only.encode().ljust(ticker.capacity, b"\0")
        raws = [raw for raw in raws if raw[start:end] == key]
    if not raws:
        return
    block = _block(raws, cls)
    names = pc.binary_slice(block, start, end).dictionary_encode()
    if kind is s.LEVELS:
        table, names = _levels_table(cls, raws, block, names)
    elif kind is s.STATUSES:  # few, and with a text of any length
        table = _slow_table(kind, [m.decode(raw) for raw in raws])
    else:
        table = _table(kind, _cut(cls, block, kind))
    yield from zip(map(_text, names.dictionary.to_pylist()), _split(table, names.indices), strict=True)


def _split(table: pa.Table, groups: pa.Array) -> Iterator[pa.Table]:
    """The rows of each group, 0 first; within a group they keep their order."""
    counts = {found["values"]: found["counts"] for found in pc.value_counts(groups).to_pylist()}
    if len(counts) > 1:
        table = table.take(pc.array_sort_indices(groups))  # stable
    at = 0
    for group in range(len(counts)):
        yield table.slice(at, counts[group])
        at += counts[group]


def _text(room: bytes) -> str:
    return room.rstrip(b"\0").decode(errors="replace")


def _table(kind: s.Kind, columns: dict[str, Any]) -> pa.Table:
    return pa.table([columns[c.name].cast(c.type) for c in kind.columns], schema=kind.schema)


def _block(raws: list[bytes], cls: type[m.Message]) -> pa.Array:
    """The constant part of every message as one array of fixed-size rows; older layouts are laid out anew first."""
    blank = bytes(cls())
    size, root = len(blank), blank[8:16]
    joined = b"".join([raw if len(raw) == size else raw[:size] for raw in raws])
    if len(joined) == size * len(raws):
        block = _rows(joined, size)
        if pc.all(pc.equal(pc.binary_slice(block, 8, 16), pa.scalar(root, pa.binary(8)))).as_py():
            return block
    return _rows(b"".join(bytes(m.decode(raw))[:size] for raw in raws), size)


def _rows(joined: bytes, size: int) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(joined) // size, [None, pa.py_buffer(joined)])


def _int_at(block: pa.Array, at: int, size: int, signed: bool) -> pa.Array:
    return pc.binary_slice(block, at, at + size).view(_INT[size, signed])


def _cut(cls: type[m.Message], block: pa.Array, kind: s.Kind) -> dict[str, pa.Array]:
    """Every column of `kind` that is a field of the message by the same name, and the receive delay."""
    columns: dict[str, pa.Array] = {}
    for column in kind.columns:
        field = cls.FIELDS.get(column.name)
        if isinstance(field, IntField):
            columns[column.name] = _int_at(block, field.at, field.size, field.signed)
        elif isinstance(field, EnumField):
            columns[column.name] = _int_at(block, field.at, 2, False)
    received = _int_at(block, cls.ts_recv.at, 8, True)
    columns["recv_delay"] = pc.subtract(columns["ts"], received)
    return columns


def _levels_table(cls: type[m.Message], raws: list[bytes], block: pa.Array, names: Any) -> tuple[pa.Table, Any]:
    """One row per level; `names`, one per message, are repeated along with it."""
    field = cls.FIELDS["levels"]
    assert isinstance(field, ListField)
    size, stride, first = len(bytes(cls())), field.stride, field.data_at + 8
    raws = _current(cls, raws)
    counts = [(len(raw) - first) // stride if len(raw) > size else 0 for raw in raws]
    # A message without levels keeps one row of zeros: that the book changed its quality must not be lost.
    rows = [count or 1 for count in counts]
    levels = _rows(b"".join([raw[first:] or bytes(stride) for raw in raws]), stride)
    offsets = pa.array([0, *accumulate(rows)], pa.int32())
    parent = pc.list_parent_indices(pa.ListArray.from_arrays(offsets, pa.nulls(len(levels), pa.int8())))
    heads = _cut(cls, block, s.LEVELS)
    columns = {name: array.take(parent) for name, array in heads.items()}
    for name, (at, width, signed, _) in zip(field.element._fields, field.parts, strict=True):
        columns[name] = _int_at(levels, at, width, signed)
    columns["level"] = pc.subtract(pa.arange(0, len(levels)), offsets.take(parent).cast(pa.int64()))
    columns["levels"] = pa.array(counts, pa.uint32()).take(parent)
    columns["snapshot"] = pa.repeat(pa.scalar(int(cls is m.BookSnapshot), pa.uint8()), len(levels))
    return _table(s.LEVELS, columns), names.take(parent)


def _current(cls: type[m.Message], raws: list[bytes]) -> list[bytes]:
    """`raws`, laid out anew if one of them was written before a field was added: only then is every offset known."""
    root = bytes(cls())[8:16]
    return raws if all(raw[8:16] == root for raw in raws) else [bytes(m.decode(raw)) for raw in raws]


def _house_tables(raws: list[bytes], instruments: dict[int, Instrument]) -> Iterable[tuple[tuple[str, str], pa.Table]]:
    """Executions under the names and exponents that held when they happened; definitions as they come."""
    executed: defaultdict[Instrument, list[bytes]] = defaultdict(list)
    defined: defaultdict[str, list[m.Message]] = defaultdict(list)
    at = m.OrderExecuted.FIELDS["instrument"].at
    for raw in raws:
        if raw[TYPE_AT] == m.MessageType.order_executed:
            number = int.from_bytes(raw[at : at + 4], "little")
            if number not in instruments:
                raise StoreError(
                    f"record {m.decode(raw).seq}: an execution of instrument {number}, which no definition before it "
                    f"names; known are {sorted(instruments) or 'none'}. Is the tape read from its beginning?"
                )
            executed[instruments[number]].append(raw)
            continue
        message = m.InstrumentDefinition.decode(raw)
        defined[message.ticker].append(message)
        if message.decision == m.RejectReason.unspecified:
            instruments[message.instrument] = Instrument(message.ticker, message.price_exponent, message.qty_exponent)
    for instrument, mine in executed.items():
        columns = _cut(m.OrderExecuted, _block(mine, m.OrderExecuted), s.EXECUTIONS)
        columns["price_exponent"] = pa.repeat(pa.scalar(instrument.price_exponent, pa.int8()), len(mine))
        columns["qty_exponent"] = pa.repeat(pa.scalar(instrument.qty_exponent, pa.int8()), len(mine))
        yield (s.EXECUTIONS.name, instrument.ticker), _table(s.EXECUTIONS, columns)
        columns["trade_id"] = columns["match_id"]
        columns["quality"] = pa.repeat(pa.scalar(int(m.BookQuality.live), pa.uint16()), len(mine))
        yield (s.TRADES.name, instrument.ticker), _table(s.TRADES, columns)
    for ticker, messages in defined.items():
        yield (s.INSTRUMENTS.name, ticker), _slow_table(s.INSTRUMENTS, messages)


def _slow_table(kind: s.Kind, messages: list[Any]) -> pa.Table:
    def value(message: Any, name: str) -> Any:
        return message.ts - message.ts_recv if name == "recv_delay" else getattr(message, name)

    columns = {c.name: pa.array([value(message, c.name) for message in messages], c.type) for c in kind.columns}
    return _table(kind, columns)
