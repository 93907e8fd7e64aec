"""What a refused request is told: RFC 9457, with the field and the reason. Nothing of our insides, no secrets.

Raise `Problem` wherever a request is found to be wrong; each door renders it its own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from services.api import types
from tapewire import messages as m

MEDIA_TYPE: Final = "application/problem+json"
KINDS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed", "The request cannot be read"),
    401: ("unauthorized", "Who asks is not proven"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "There is no such thing"),
    405: ("not-allowed", "This cannot be done with it"),
    408: ("too-slow", "The request did not come in time"),
    409: ("conflict", "This ClOrdID was used for something else"),
    410: ("gone", "No longer kept"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media", "A body of this kind is not understood"),
    422: ("refused", "Refused"),
    429: ("too-many", "Too many requests"),
    431: ("head-too-large", "The headers are too large"),
    500: ("internal", "An error of ours"),
    503: ("unavailable", "Not possible at the moment"),
}
"""By status: the fragment of `type`, and the title."""


class Problem(Exception):
    """A request that is refused. Nothing was done about it, but for one that is on the tape (`received`)."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str = "",
        reason: str = "",
        value: str = "",
        limit: str = "",
        received: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`status`: one of KINDS. `headers`: such as Retry-After."""
        super().__init__(detail)
        slug, title = KINDS[status]
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        self.body = types.Problem(
            type=f"/docs#problem-{slug}",
            title=title,
            status=status,
            detail=detail,
            field=field or UNSET,
            reason=reason or UNSET,
            value=value or UNSET,
            limit=limit or UNSET,
            received=received or UNSET,
        )

    def encoded(self) -> bytes:
        return msgspec.json.encode(self.body)


REASONS: Final[Mapping[m.RejectReason, str]] = {
    m.RejectReason.unknown_instrument: "there is no such instrument",
    m.RejectReason.instrument_halted: "the instrument is halted",
    m.RejectReason.unknown_account: "there is no such account",
    m.RejectReason.kill_switch: "the kill switch of this account, or of all, is engaged",
    m.RejectReason.invalid_qty: "the quantity is not positive, no multiple of the lot, or too large",
    m.RejectReason.invalid_price: "the price is not positive, or out of the instrument's range",
    m.RejectReason.off_tick: "the price is no multiple of the tick",
    m.RejectReason.max_order_qty: "the quantity is above the account's largest order",
    m.RejectReason.max_notional: "price x quantity is above the account's limit",
    m.RejectReason.max_position: "the position would be above the limit if everything open on that side filled",
    m.RejectReason.price_collar: "the price is outside the collar around the reference",
    m.RejectReason.stale_cl_ord_id: "the command came out of order",
    m.RejectReason.unknown_order: "there is no such order, or it is no longer live",
    m.RejectReason.not_your_order: "the order is another account's",
    m.RejectReason.would_cross: "a post-only order would take liquidity",
    m.RejectReason.would_not_fill: "less is available than must trade at once",
    m.RejectReason.no_liquidity: "a market order met an empty book",
    m.RejectReason.invalid_field: "a field does not fit this kind of order",
    m.RejectReason.capacity: "a bound of the platform is reached",
    m.RejectReason.market_data_stale: "the book it is priced off is not live",
    m.RejectReason.instrument_exists: "there is such an instrument already",
    m.RejectReason.wrong_status: "not possible while the instrument is in this status",
    m.RejectReason.price_band: "the price is beyond the price band",
    m.RejectReason.would_trigger: "the last trade has already reached the stop price",
    m.RejectReason.unknown_trade: "there is no such trade, or it stands differently by now",
    m.RejectReason.not_permitted: "this producer may not send such a command",
}
"""What each reason means, for a person."""
FIELDS: Final[Mapping[m.RejectReason, str]] = {
    m.RejectReason.unknown_instrument: "ticker",
    m.RejectReason.unknown_account: "account",
    m.RejectReason.invalid_qty: "qty",
    m.RejectReason.max_order_qty: "qty",
    m.RejectReason.max_position: "qty",
    m.RejectReason.would_not_fill: "qty",
    m.RejectReason.invalid_price: "price",
    m.RejectReason.off_tick: "price",
    m.RejectReason.price_collar: "price",
    m.RejectReason.price_band: "price",
    m.RejectReason.would_cross: "price",
    m.RejectReason.would_trigger: "stop_price",
    m.RejectReason.unknown_order: "order_id",
    m.RejectReason.not_your_order: "order_id",
    m.RejectReason.wrong_status: "status",
}
"""The field that a reason is about, where it is always the same one."""
