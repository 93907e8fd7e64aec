"""Which columns every kind of record has, and where they come from in its message.

A row can always be traced to its record: `seq` is the record's number on the tape that the file's footer names.

    kind          one row for each                     from
    trades        trade                                Trade, OrderExecuted (feed `house`)
    quotes        top of book                          Quote
    levels        level of a book message              BookDelta, BookSnapshot
    executions    match of the house market            OrderExecuted
    instruments   definition, taken or refused         InstrumentDefinition
    statuses      change of a feed's state             FeedStatus

Prices and quantities are mantissas beside their exponent: value = mantissa x 10^exponent. Enumerants are their numbers.
header.source and header.instrument are not kept: they are ids of one run; the ticker is what lasts.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import pyarrow as pa

from tapewire.messages import BookQuality, FeedState, InstrumentStatus, RejectReason, Side

SCHEMA_VERSION: Final = 1

DELTA: Final = "DELTA_BINARY_PACKED"
SPLIT: Final = "BYTE_STREAM_SPLIT"
DICTIONARY: Final = "dictionary"


class Column(NamedTuple):
    """One column: its Arrow type, and the Parquet encoding that was measured smallest for what it holds."""

    name: str
    type: pa.DataType
    encoding: str


class Kind(NamedTuple):
    """One table of the archive. `prices` and `quantities` are the columns that the exponents scale."""

    name: str
    columns: tuple[Column, ...]
    prices: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=False) for c in self.columns])

    @property
    def encodings(self) -> dict[str, str]:
        """For `column_encoding`, which pyarrow ignores unless dictionaries are limited to `dictionaries`."""
        return {c.name: c.encoding for c in self.columns if c.encoding != DICTIONARY}

    @property
    def dictionaries(self) -> list[str]:
        return [c.name for c in self.columns if c.encoding == DICTIONARY]


def _id(name: str) -> Column:
    return Column(name, pa.uint64(), DELTA)


def _time(name: str) -> Column:
    return Column(name, pa.int64(), DELTA)


def _price(name: str) -> Column:
    return Column(name, pa.int64(), DELTA)


def _qty(name: str) -> Column:
    return Column(name, pa.int64(), SPLIT)


def _small(name: str, type_: pa.DataType) -> Column:
    """Constant or nearly so: a few bytes a row group when packed."""
    return Column(name, type_, DELTA)


HEADER: Final = (
    _id("seq"),
    _time("ts"),
    _time("ts_event"),
    Column("recv_delay", pa.int64(), SPLIT),  # ts - ts_recv, ns: small, so that most of its byte streams are zeros
    _id("origin_seq"),
)
EXPONENTS: Final = (_small("price_exponent", pa.int8()), _small("qty_exponent", pa.int8()))
QUALITY: Final = _small("quality", pa.uint16())

TRADES: Final = Kind(
    "trades",
    (*HEADER, _id("trade_id"), _price("price"), _qty("qty"), *EXPONENTS, _small("aggressor", pa.uint16()), QUALITY),
    prices=("price",),
    quantities=("qty",),
)
QUOTES: Final = Kind(
    "quotes",
    (
        *HEADER,
        *(_price("bid_price"), _qty("bid_qty"), _price("ask_price"), _qty("ask_qty")),
        *(_id("book_seq"), *EXPONENTS, QUALITY),
    ),
    prices=("bid_price", "ask_price"),
    quantities=("bid_qty", "ask_qty"),
)
LEVELS: Final = Kind(
    "levels",
    (
        *HEADER,
        _id("book_seq"),
        _small("snapshot", pa.uint8()),  # 1: a level of a whole book, 0: of a change
        _small("level", pa.uint32()),  # place in its message, from 0
        _small("levels", pa.uint32()),  # how many its message has; 0: the message had none, and this row stands for it
        _small("side", pa.uint16()),
        *(_price("price"), _qty("qty"), _small("orders", pa.uint32())),
        *(*EXPONENTS, QUALITY),
    ),
    prices=("price",),
    quantities=("qty",),
)
EXECUTIONS: Final = Kind(
    "executions",
    (
        *(*HEADER, _id("cause"), _id("match_id"), _id("maker_order_id"), _id("taker_order_id")),
        *(_price("price"), _qty("qty"), _qty("maker_leaves_qty"), _qty("taker_leaves_qty")),
        *(_small("maker_account", pa.uint32()), _small("taker_account", pa.uint32())),
        *(_small("aggressor", pa.uint16()), *EXPONENTS),
    ),
    prices=("price",),
    quantities=("qty", "maker_leaves_qty", "taker_leaves_qty"),
)
INSTRUMENTS: Final = Kind(
    "instruments",
    (
        *HEADER,
        *(_price("tick_size"), _qty("lot_size"), _qty("max_qty"), _price("min_price"), _price("max_price")),
        *(_price("reference_price"), _small("collar_bps", pa.uint32()), *EXPONENTS),
        *(_small("status", pa.uint16()), _small("decision", pa.uint16())),
    ),
    prices=("tick_size", "min_price", "max_price", "reference_price"),
    quantities=("lot_size", "max_qty"),
)
STATUSES: Final = Kind(
    "statuses",
    (
        *(*HEADER, _id("gaps"), _id("resyncs"), _id("dropped"), _small("state", pa.uint16()), QUALITY),
        Column("reason", pa.string(), DICTIONARY),
    ),
)

KINDS: Final = {kind.name: kind for kind in (TRADES, QUOTES, LEVELS, EXECUTIONS, INSTRUMENTS, STATUSES)}

ENUMS: Final[dict[str, type[IntEnum]]] = {
    "aggressor": Side,
    "side": Side,
    "quality": BookQuality,
    "state": FeedState,
    "status": InstrumentStatus,
    "decision": RejectReason,
}
