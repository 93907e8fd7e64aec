"""What Binance sends besides its hot frames: replies, answers of REST, and the definition in exchangeInfo."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from services.connector._decimal import decimals, mantissa
from tapewire.feed.actions import InstrumentDefined
from tapewire.messages import InstrumentStatus

DEFAULT_EXPONENT = -8
"""Binance writes every number with eight decimals, so this reads them all where the venue defines nothing finer."""


class DepthFrame(NamedTuple):
    """Levels [price, quantity] of the updates `first` to `last`; absolute quantities, 0 removes."""

    time_ms: int
    first: int
    last: int
    bids: bytes
    asks: bytes


class DepthAnswer(msgspec.Struct):
    last_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] = msgspec.field(name="lastUpdateId")
    bids: msgspec.Raw
    asks: msgspec.Raw


class Reply(msgspec.Struct):
    """A frame that is not an event of a stream we know: an answer to a control message, or something new."""

    stream: str = ""
    e: str = ""
    id: int | str | None = None
    code: int = 0
    msg: str = ""
    error: dict[str, object] | None = None


class SymbolFilter(msgspec.Struct):
    filterType: str
    minPrice: str = "0"
    maxPrice: str = "0"
    tickSize: str = "0"
    maxQty: str = "0"
    stepSize: str = "0"


class Symbol(msgspec.Struct):
    symbol: str
    status: str
    filters: list[SymbolFilter]


class ExchangeInfo(msgspec.Struct):
    symbols: list[Symbol]


class ErrorAnswer(msgspec.Struct):
    code: int = 0
    msg: str = ""


decode_reply = msgspec.json.Decoder(Reply).decode
decode_answer = msgspec.json.Decoder(DepthAnswer).decode
decode_info = msgspec.json.Decoder(ExchangeInfo).decode
decode_error = msgspec.json.Decoder(ErrorAnswer).decode

STATUS = {"TRADING": InstrumentStatus.trading, "HALT": InstrumentStatus.halted, "BREAK": InstrumentStatus.closed}


def read_error(body: bytes) -> ErrorAnswer:
    try:
        return decode_error(body)
    except msgspec.DecodeError:
        return ErrorAnswer()


def _exponent(step: str) -> int:
    """The exponent of a step such as 0.01000000 (-2), 1.00000000 (0); the default where it is zero (no step)."""
    places = decimals(step.encode())
    if places < 0 or mantissa(step, -places) <= 0:
        return DEFAULT_EXPONENT
    _, _, fraction = step.partition(".")
    return -len(fraction.rstrip("0"))


def definition_of(index: int, ticker: str, info: ExchangeInfo) -> InstrumentDefined | None:
    """The definition in an exchangeInfo answer; None if the symbol or its filters are not there."""
    symbol = next((s for s in info.symbols if s.symbol == ticker), None)
    if symbol is None:
        return None
    filters = {f.filterType: f for f in symbol.filters}
    price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
    if price is None or lot is None:
        return None
    price_exponent, qty_exponent = _exponent(price.tickSize), _exponent(lot.stepSize)
    return InstrumentDefined(
        instrument=index,
        ticker=ticker,
        price_exponent=price_exponent,
        qty_exponent=qty_exponent,
        tick_size=max(mantissa(price.tickSize, price_exponent), 1),
        lot_size=max(mantissa(lot.stepSize, qty_exponent), 1),
        max_qty=max(mantissa(lot.maxQty, qty_exponent), 0),
        min_price=max(mantissa(price.minPrice, price_exponent), 0),
        max_price=max(mantissa(price.maxPrice, price_exponent), 0),
        status=int(STATUS.get(symbol.status, InstrumentStatus.halted)),
    )
