"""An order as its owner sees it, and its reports: a pure fold of the events that concern it.

pending ──▶ new ──▶ partially_filled ──▶ filled
   │         └──────────┴──────────────▶ cancelled (also: expired, what a kill switch or the market took)
   ├──▶ rejected
   └──▶ in_doubt ──asked──▶ one of the above, or not_taken
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import Enum
from typing import Final

from tapewire import messages as m
from tapewire.connection.instrument import ZERO, Instrument
from tapewire.connection.values import Value

AVERAGE_DIGITS: Final = 28

Event = (
    m.OrderAccepted
    | m.OrderRejected
    | m.OrderExecuted
    | m.OrderCancelled
    | m.OrderReplaced
    | m.OrderTriggered
    | m.OrderRestated
    | m.CancelRejected
    | m.CommandCompleted
    | m.TradeBusted
    | m.TradeCorrected
)


class OrderStatus(Enum):
    """Where an order stands."""

    pending = "pending"
    """Sent, and not answered yet."""
    in_doubt = "in_doubt"
    """Not answered in time: it is being asked about."""
    new = "new"
    partially_filled = "partially_filled"
    filled = "filled"
    cancelled = "cancelled"
    rejected = "rejected"
    not_taken = "not_taken"
    """Nobody took it: it is on no tape, and never will be."""


DONE: Final = frozenset({OrderStatus.filled, OrderStatus.cancelled, OrderStatus.rejected, OrderStatus.not_taken})
LIVE: Final = frozenset({OrderStatus.new, OrderStatus.partially_filled})

KINDS: Final[dict[type[m.Message], str]] = {
    m.OrderAccepted: "accepted",
    m.OrderRejected: "rejected",
    m.OrderExecuted: "executed",
    m.OrderCancelled: "cancelled",
    m.OrderReplaced: "replaced",
    m.OrderTriggered: "triggered",
    m.OrderRestated: "restated",
    m.CancelRejected: "cancel_rejected",
    m.CommandCompleted: "completed",
    m.TradeBusted: "busted",
    m.TradeCorrected: "corrected",
}


class Report(Value):
    """One event of an account, as one of its orders sees it. Numbers that the event does not have are None."""

    __slots__ = ("instrument", "order_id")
    message: Event

    def __init__(self, message: Event, instrument: Instrument | None, order_id: int = 0) -> None:
        super().__init__(message)
        self.instrument = instrument
        self.order_id = order_id
        """Of the order that it is told of: of a match, the account's own."""

    @property
    def kind(self) -> str:
        """accepted, rejected, executed, cancelled, replaced, triggered, restated, cancel_rejected, completed, busted,
        corrected."""
        return KINDS[type(self.message)]

    @property
    def reason(self) -> str:
        """Why, where the event says it."""
        reason = getattr(self.message, "reason", None)
        return "" if reason is None else str(reason.name)

    @property
    def price(self) -> Decimal | None:
        """LastPx of a match, else the order's price."""
        return self._price(getattr(self.message, "price", 0))

    @property
    def qty(self) -> Decimal | None:
        """LastQty of a match, the quantity cancelled, else OrderQty."""
        value = getattr(self.message, "qty", None)
        return self._qty(getattr(self.message, "cancelled_qty", None) if value is None else value)

    @property
    def leaves_qty(self) -> Decimal | None:
        event = self.message
        if isinstance(event, m.OrderExecuted):
            return self._qty(event.taker_leaves_qty if self.is_taker else event.maker_leaves_qty)
        return self._qty(getattr(event, "leaves_qty", None))

    @property
    def is_taker(self) -> bool:
        """Of a match outside an auction: whether this order was the one that came in."""
        event = self.message
        return isinstance(event, m.OrderExecuted) and event.taker_order_id == self.order_id

    @property
    def side(self) -> m.Side:
        """Of the order; unspecified where the event does not say."""
        event = self.message
        if isinstance(event, m.OrderExecuted | m.TradeBusted | m.TradeCorrected):
            taker = event.taker_order_id == self.order_id
            return event.taker_side if taker else other_side(event.taker_side)
        return getattr(event, "side", m.Side.unspecified)

    def _price(self, value: int) -> Decimal | None:
        return self.instrument.price(value) if self.instrument and value else None

    def _qty(self, value: int | None) -> Decimal | None:
        return None if self.instrument is None or value is None else self.instrument.qty(value)

    def __repr__(self) -> str:
        parts = [f"order {self.order_id}"] if self.order_id else []
        parts += [self.kind]
        parts += [
            f"{name} {value}" for name in ("qty", "price", "leaves_qty") if (value := getattr(self, name)) is not None
        ]
        parts += [self.reason] if self.reason not in ("", "unspecified") else []
        return f"Report({', '.join(parts)}, seq {self.seq})"


class OrderState:
    """One order: what it was sent with, and what its events made of it. Numbers are mantissas, or Decimals by name."""

    def __init__(self, command: m.NewOrder, instrument: Instrument, sent_at: int = 0) -> None:
        self.instrument = instrument
        self.command = command
        self.cl_ord_id: str = command.client_text
        self.account, self.side = command.account, command.side
        self.sent_at = sent_at
        """UTC ns."""
        self.order_id = 0
        self.status = OrderStatus.pending
        self.reason = ""
        """Why it was refused or has ended."""
        self.waiting = False
        """For its stop price, or for the closing auction."""
        self.price_mantissa, self.qty_mantissa = command.price, command.qty
        self.leaves_mantissa, self.cum_mantissa = command.qty, 0
        self.notional = 0
        """Sum of price x quantity of what has traded."""
        self.seq = 0
        """Of the event folded last."""
        self.requests: set[tuple[int, int]] = set()
        """(source, ClOrdID) by which the tape knows it."""
        self.answered_seq = 0
        """Of the event that answered it, where that was folded ahead of the account's stream."""
        self._fills: dict[int, tuple[int, int]] = {}

    @property
    def ticker(self) -> str:
        return self.instrument.ticker

    @property
    def is_done(self) -> bool:
        return self.status in DONE

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def price(self) -> Decimal:
        """Its limit; 0 of a market order."""
        return self.instrument.price(self.price_mantissa)

    @property
    def qty(self) -> Decimal:
        """OrderQty."""
        return self.instrument.qty(self.qty_mantissa)

    @property
    def leaves_qty(self) -> Decimal:
        return self.instrument.qty(self.leaves_mantissa)

    @property
    def cum_qty(self) -> Decimal:
        """What has traded."""
        return self.instrument.qty(self.cum_mantissa)

    @property
    def avg_px(self) -> Decimal:
        """The average price of what has traded, to 28 digits; 0 if nothing has."""
        if not self.cum_mantissa:
            return ZERO
        with localcontext() as context:
            context.prec = AVERAGE_DIGITS
            return self.instrument.amount(self.notional) / self.instrument.qty(self.cum_mantissa)

    def fold(self, event: Event) -> Report:
        """Takes the next event that concerns it."""
        self.seq = event.seq
        if isinstance(event, m.OrderAccepted):
            self._stand(event)
        elif isinstance(event, m.OrderRejected):
            self._end(OrderStatus.rejected, event.reason.name)
            self.leaves_mantissa = 0
        elif isinstance(event, m.OrderExecuted):
            self._executed(event)
        elif isinstance(event, m.OrderCancelled):
            self.leaves_mantissa = 0
            self._end(OrderStatus.cancelled, event.reason.name)
        elif isinstance(event, m.OrderReplaced):
            self.price_mantissa, self.qty_mantissa = event.price, event.qty
            self._leaves(event.leaves_qty)
        elif isinstance(event, m.OrderRestated):
            self.qty_mantissa = event.qty
            self._leaves(event.leaves_qty)
        elif isinstance(event, m.OrderTriggered):
            self.waiting = False
        elif isinstance(event, m.TradeBusted | m.TradeCorrected):
            self._amended(event)
        return Report(event, self.instrument, self.order_id)

    def _stand(self, event: m.OrderAccepted) -> None:
        self.order_id, self.waiting = event.order_id, event.waiting
        self.price_mantissa, self.qty_mantissa = event.price, event.qty
        self.leaves_mantissa = event.qty
        self.status = OrderStatus.new

    def _executed(self, event: m.OrderExecuted) -> None:
        # Both sides of a match are one record; an account that met itself has two orders in it.
        leaves = event.taker_leaves_qty if event.taker_order_id == self.order_id else event.maker_leaves_qty
        self.cum_mantissa += event.qty
        self.notional += event.price * event.qty
        self._fills[event.match_id] = (event.price, event.qty)
        self.status = OrderStatus.partially_filled
        self._leaves(leaves)

    def _leaves(self, leaves: int) -> None:
        self.leaves_mantissa = leaves
        if not leaves:
            self._end(OrderStatus.filled, "")

    def _amended(self, event: m.TradeBusted | m.TradeCorrected) -> None:
        price, qty = self._fills.pop(event.match_id, (0, 0))
        self.cum_mantissa -= qty
        self.notional -= price * qty
        if isinstance(event, m.TradeCorrected):
            self._fills[event.match_id] = (event.price, event.qty)
            self.cum_mantissa += event.qty
            self.notional += event.price * event.qty

    def _end(self, status: OrderStatus, reason: str) -> None:
        self.status, self.reason = status, reason

    def __repr__(self) -> str:
        return (
            f"Order({self.cl_ord_id or self.order_id}, {self.side.name} {self.qty} {self.ticker} @ {self.price}, "
            f"{self.status.value}, cum {self.cum_qty}, leaves {self.leaves_qty})"
        )


def other_side(side: m.Side) -> m.Side:
    if side == m.Side.buy:
        return m.Side.sell
    return m.Side.buy if side == m.Side.sell else m.Side.unspecified
