"""Our reject reasons in FIX's numbers: OrdRejReason (103), CxlRejReason (102), and in a few words for 58."""

from __future__ import annotations

from typing import Final, NamedTuple

from tapewire.messages import RejectReason


class FixReason(NamedTuple):
    ord_rej: int
    """OrdRejReason (103)."""
    cxl_rej: int
    """CxlRejReason (102)."""
    text: str
    """For 58; `{value}` and `{limit}` stand where the two numbers of the reason go."""


_R: Final = RejectReason
REASONS: Final[dict[RejectReason, FixReason]] = {
    _R.unknown_instrument: FixReason(1, 99, "unknown symbol"),
    _R.instrument_halted: FixReason(2, 2, "the instrument does not trade now"),
    _R.unknown_account: FixReason(15, 99, "unknown account"),
    _R.kill_switch: FixReason(0, 2, "the kill switch is on"),
    _R.invalid_qty: FixReason(13, 99, "quantity {value} is not allowed; lot or largest: {limit}"),
    _R.invalid_price: FixReason(99, 99, "price {value} is not allowed; limit: {limit}"),
    _R.off_tick: FixReason(18, 18, "price {value} is no multiple of the tick {limit}"),
    _R.max_order_qty: FixReason(3, 99, "quantity {value} is above the account's largest order {limit}"),
    _R.max_notional: FixReason(3, 99, "value {value} is above the account's limit {limit}"),
    _R.max_position: FixReason(3, 99, "position would be {value}; the account's limit is {limit}"),
    _R.price_collar: FixReason(16, 99, "price {value} is outside of the collar; nearest allowed: {limit}"),
    _R.stale_cl_ord_id: FixReason(6, 6, "duplicate request"),
    _R.unknown_order: FixReason(5, 1, "no such order, or it is done"),
    _R.not_your_order: FixReason(5, 1, "not an order of this account"),
    _R.would_cross: FixReason(99, 99, "post only, and {value} would trade with {limit}"),
    _R.would_not_fill: FixReason(99, 99, "only {limit} of {value} would trade"),
    _R.no_liquidity: FixReason(99, 99, "a market order met an empty book"),
    _R.invalid_field: FixReason(11, 99, "a value that does not fit the order"),
    _R.capacity: FixReason(3, 99, "a bound of the platform is reached: {limit}"),
    _R.market_data_stale: FixReason(99, 99, "the book it is priced off is not live"),
    _R.instrument_exists: FixReason(99, 99, "the instrument exists"),
    _R.wrong_status: FixReason(2, 2, "not possible while the instrument is in this status"),
    _R.price_band: FixReason(16, 99, "price {value} is beyond the price band {limit}"),
    _R.would_trigger: FixReason(99, 99, "stop price {value} is already reached by the last trade {limit}"),
    _R.unknown_trade: FixReason(99, 99, "no such trade"),
    _R.not_permitted: FixReason(0, 2, "this session may not send such a command"),
}
"""One for every reason but `unspecified`; a test says so."""
