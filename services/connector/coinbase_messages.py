"""What the Coinbase Exchange feed sends, and the product definition of its REST service."""

from __future__ import annotations

from typing import Annotated

import msgspec

from services.connector._decimal import mantissa
from tapewire.feed.actions import InstrumentDefined
from tapewire.messages import InstrumentStatus

DEFAULT_EXPONENT = -8

Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Match(msgspec.Struct, gc=False):
    trade_id: Id
    side: str
    size: str
    price: str
    product_id: str
    sequence: Id
    time: str


class L2Update(msgspec.Struct, gc=False):
    product_id: str
    changes: list[tuple[str, str, str]]
    time: str = ""


class Snapshot(msgspec.Struct):
    product_id: str
    bids: msgspec.Raw
    asks: msgspec.Raw


class Heartbeat(msgspec.Struct, gc=False):
    product_id: str
    last_trade_id: Id
    sequence: Id


class Envelope(msgspec.Struct):
    type: str = ""
    message: str = ""
    reason: str = ""


class Product(msgspec.Struct):
    id: str
    quote_increment: str
    base_increment: str
    base_max_size: str = "0"
    trading_disabled: bool = False
    status: str = "online"


decode_match = msgspec.json.Decoder(Match).decode
decode_update = msgspec.json.Decoder(L2Update).decode
decode_snapshot = msgspec.json.Decoder(Snapshot).decode
decode_heartbeat = msgspec.json.Decoder(Heartbeat).decode
decode_envelope = msgspec.json.Decoder(Envelope).decode
decode_product = msgspec.json.Decoder(Product).decode


def _exponent(increment: str) -> int:
    """The exponent of an increment such as 0.01 (-2) or 1 (0)."""
    _, _, fraction = increment.partition(".")
    return -len(fraction.rstrip("0"))


def definition_of(index: int, ticker: str, product: Product) -> InstrumentDefined:
    price_exponent, qty_exponent = _exponent(product.quote_increment), _exponent(product.base_increment)
    trading = product.status == "online" and not product.trading_disabled
    return InstrumentDefined(
        instrument=index,
        ticker=ticker,
        price_exponent=price_exponent,
        qty_exponent=qty_exponent,
        tick_size=max(mantissa(product.quote_increment, price_exponent), 1),
        lot_size=max(mantissa(product.base_increment, qty_exponent), 1),
        max_qty=max(mantissa(product.base_max_size, qty_exponent), 0),
        status=int(InstrumentStatus.trading if trading else InstrumentStatus.halted),
    )
