"""What Kraken's WebSocket v2 sends. Numbers stay as they were written: the checksum is over their text."""

from __future__ import annotations

from typing import Annotated

import msgspec

from services.connector._decimal import decimals, lexeme_mantissa
from tapewire.feed.actions import InstrumentDefined
from tapewire.messages import InstrumentStatus

MAX_DECIMALS = 18

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class RawLevel(msgspec.Struct, gc=False):
    price: msgspec.Raw
    qty: msgspec.Raw


class BookData(msgspec.Struct, gc=False):
    symbol: str
    bids: list[RawLevel]
    asks: list[RawLevel]
    checksum: int
    timestamp: str = ""


class BookFrame(msgspec.Struct, gc=False):
    type: str
    data: list[BookData]


class TradeData(msgspec.Struct, gc=False):
    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: Id
    timestamp: str


class TradeFrame(msgspec.Struct, gc=False):
    type: str
    data: list[TradeData]


class Pair(msgspec.Struct):
    symbol: str
    status: str
    price_precision: Annotated[int, msgspec.Meta(ge=0, le=MAX_DECIMALS)]
    qty_precision: Annotated[int, msgspec.Meta(ge=0, le=MAX_DECIMALS)]
    price_increment: msgspec.Raw
    qty_increment: msgspec.Raw


class Pairs(msgspec.Struct):
    pairs: list[Pair] = []


class InstrumentFrame(msgspec.Struct):
    data: Pairs


class SystemStatus(msgspec.Struct):
    system: str


class StatusFrame(msgspec.Struct):
    data: list[SystemStatus]


class AckResult(msgspec.Struct):
    channel: str = ""
    symbol: str = ""
    warnings: list[str] | None = None


class Reply(msgspec.Struct):
    channel: str = ""
    method: str = ""
    success: bool = True
    error: str = ""
    symbol: str = ""
    result: AckResult | None = None


decode_book = msgspec.json.Decoder(BookFrame).decode
decode_trade = msgspec.json.Decoder(TradeFrame).decode
decode_instrument = msgspec.json.Decoder(InstrumentFrame).decode
decode_status = msgspec.json.Decoder(StatusFrame).decode
decode_reply = msgspec.json.Decoder(Reply).decode


def inferred(index: int, ticker: str, item: BookData) -> InstrumentDefined | None:
    """The precision a snapshot is written in. The venue pads with zeros, so that is the instrument's own."""
    price_places = qty_places = 0
    for level in (*item.bids, *item.asks):
        price, qty = decimals(bytes(level.price)), decimals(bytes(level.qty))
        if not 0 <= price <= MAX_DECIMALS or not 0 <= qty <= MAX_DECIMALS:
            return None
        price_places, qty_places = max(price_places, price), max(qty_places, qty)
    return InstrumentDefined(
        instrument=index,
        ticker=ticker,
        price_exponent=-price_places,
        qty_exponent=-qty_places,
    )


def definition_of(index: int, ticker: str, pair: Pair) -> InstrumentDefined:
    price_exponent, qty_exponent = -pair.price_precision, -pair.qty_precision
    return InstrumentDefined(
        instrument=index,
        ticker=ticker,
        price_exponent=price_exponent,
        qty_exponent=qty_exponent,
        tick_size=max(lexeme_mantissa(bytes(pair.price_increment), price_exponent), 1),
        lot_size=max(lexeme_mantissa(bytes(pair.qty_increment), qty_exponent), 1),
        status=int(InstrumentStatus.trading if pair.status == "online" else InstrumentStatus.halted),
    )
