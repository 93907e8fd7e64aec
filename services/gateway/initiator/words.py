"""What a venue is told and what it says, in words that no dialect owns. Numbers of messages are text until they are
matched with an instrument: how many places they have, only its definition says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tapewire import messages as m
from tapewire.errors import FixedError, TapewireError
from tapewire.fixed import to_mantissa, to_text

Kind = m.VenueReportKind
Command = m.NewChild | m.ReplaceChild | m.CancelChild


class VenueError(TapewireError):
    """A venue said what cannot be taken: the session to it must not go on as if nothing were."""


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument at this venue."""

    instrument: int
    ticker: str
    symbol: str
    price_exponent: int
    qty_exponent: int

    def px(self, mantissa: int) -> str:
        return to_text(mantissa, self.price_exponent)

    def qty(self, mantissa: int) -> str:
        return to_text(mantissa, self.qty_exponent)

    def to_qty(self, text: str) -> int:
        """0 of nothing. Raises VenueError if a digit would be lost: a quantity that is not exact is no quantity."""
        try:
            return to_mantissa(text, self.qty_exponent) if text else 0
        except FixedError as error:
            raise VenueError(f"{self.symbol}: the venue says a quantity of {text}; {error}") from None

    def to_px(self, text: str) -> int:
        """0 of nothing, and of a price that our exponent cannot hold: it is not rounded."""
        try:
            return to_mantissa(text, self.price_exponent) if text else 0
        except FixedError:
            return 0


@dataclass(frozen=True, slots=True)
class Order:
    """What a dialect needs of an order to write of it."""

    child_id: int
    market: Market
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    post_only: bool
    price: int
    qty: int
    display_qty: int
    name: str
    """ClOrdID under which the venue knows it now."""
    order_id: str
    """37; empty while the venue has not said it."""


class Request(NamedTuple):
    """An amendment or cancel of one of our orders, by the router's number."""

    child_id: int
    number: int
    name: str
    """Its ClOrdID."""
    amends: bool
    price: int
    qty: int


@dataclass(frozen=True, slots=True)
class Report:
    """One message of a venue about one order."""

    kind: Kind
    """unspecified: an answer to a status request, which tells `status` alone."""
    name: str = ""
    """11."""
    of: str = ""
    """41."""
    order_id: str = ""
    exec_id: str = ""
    ref: str = ""
    """19, or 45 (as text) of a message that was refused as a whole."""
    whole: bool = False
    """Reject (3) or BusinessMessageReject (j); `status` is then the type (35) of what was refused."""
    symbol: str = ""
    side: m.Side = m.Side.unspecified
    status: str = ""
    """39 of FIX 4.4."""
    price: str = ""
    qty: str = ""
    leaves: str = ""
    cum: str = ""
    last_price: str = ""
    last_qty: str = ""
    liquidity: m.Liquidity = m.Liquidity.unspecified
    fee: str = ""
    fee_currency: str = ""
    ts: int = 0
    """60, UTC ns; else 52."""
    repeated: bool = False
    """PossDupFlag or PossResend."""
    last: bool = True
    """Whether no further report answers the same mass status."""
    answers: str = ""
    """790 or 584: which question of ours it answers."""
    code: int = 0
    reason: str = ""


@dataclass(slots=True)
class Told:
    """What becomes a VenueReported; its fields are those, in mantissas."""

    kind: Kind
    child_id: int = 0
    instrument: int = 0
    origin: m.ReportOrigin = m.ReportOrigin.live
    side: m.Side = m.Side.unspecified
    liquidity: m.Liquidity = m.Liquidity.unspecified
    live: bool = False
    price: int = 0
    qty: int = 0
    leaves_qty: int = 0
    cum_qty: int = 0
    last_price: int = 0
    last_qty: int = 0
    fee: int = 0
    fee_exponent: int = 0
    fee_currency: str = ""
    order_id: str = ""
    exec_id: str = ""
    ref_exec_id: str = ""
    code: int = 0
    reason: str = ""
    ts_event: int = 0
    cause: int = 0
    """Seq on the router's tape of the command that the session answers by itself."""


@dataclass(frozen=True, slots=True)
class Differs:
    """What becomes a VenueDiffered: one execution that order entry and drop copy do not tell alike."""

    child_id: int
    instrument: int
    price: int
    qty: int
    other_price: int
    other_qty: int
    order_id: str
    exec_id: str
    reason: str
    ts_event: int = 0


Said = Told | Differs
