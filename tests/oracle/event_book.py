"""The exact book, rebuilt from the matcher's events and nothing else: what any subscriber could do.

    OrderAccepted            into the book, unless it waits
    OrderTriggered           what waited goes into the book, behind those that are there
    OrderExecuted            takes its quantity off both; in trading also off what the maker shows
    OrderRestated            says what an order is and shows from now on
    OrderReplaced            kept its place: shows no more than is left. Lost it: to the back, shows a whole part again
    OrderCancelled           out
    InstrumentStatusChanged  the status; delisted: the instrument is gone

An order that has just come in stands in this book while it still trades, so between the events of one command the book
may be crossed. What does not add up (a quantity, an order that is not there) is an AssertionError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tapewire import messages as m

BUY, SELL = m.Side.buy, m.Side.sell
Entry = tuple[int, int, int, int]
"""Order id, price, leaves, shown."""


@dataclass
class Known:
    id: int
    instrument: int
    side: m.Side
    price: int
    qty: int
    leaves: int
    display_qty: int
    hidden: bool
    waiting: bool
    shown: int = 0
    done: int = 0
    place: int = 0

    def show(self) -> None:
        self.shown = 0 if self.hidden else min(self.display_qty or self.leaves, self.leaves)

    def shows_at_most_what_is_left(self) -> None:
        self.shown = 0 if self.hidden else min(self.shown, self.leaves) if self.display_qty else self.leaves


@dataclass
class EventBook:
    orders: dict[int, Known] = field(default_factory=dict)
    places: int = 0
    cause: int = 0
    elected: list[Known] = field(default_factory=list)
    """Triggered in the present command, in the order in which they will act."""
    acting: int = 0
    """The taker of the latest execution."""

    def take(self, event: m.Message) -> None:
        if event.cause != self.cause:
            self.cause, self.elected, self.acting = event.cause, [], 0
        match event:
            case m.OrderAccepted():
                self.accept(event)
            case m.OrderTriggered():
                order = self.orders[event.order_id]
                assert (order.waiting, order.leaves) == (True, event.leaves_qty)
                order.waiting, order.price = False, event.price
                self.to_the_back(order)
                self.elected.append(order)
            case m.OrderExecuted():
                self.execute(event)
            case m.OrderRestated():
                self.restate(event)
            case m.OrderReplaced():
                self.replace(event)
            case m.OrderCancelled():
                order = self.orders.pop(event.order_id)
                assert (order.leaves, order.done, order.price) == (event.cancelled_qty, event.cum_qty, event.price)
            case m.InstrumentStatusChanged(status=m.InstrumentStatus.delisted):
                assert not [o for o in self.orders.values() if o.instrument == event.instrument]

    def accept(self, e: m.OrderAccepted) -> None:
        assert e.order_id not in self.orders
        terms = (e.price, e.qty, e.qty, e.display_qty, e.hidden, e.waiting)
        order = self.orders[e.order_id] = Known(e.order_id, e.instrument, e.side, *terms)
        self.to_the_back(order)

    def to_the_back(self, order: Known) -> None:
        self.places += 1
        order.place = self.places
        order.show()

    def execute(self, e: m.OrderExecuted) -> None:
        self.acting = e.taker_order_id
        for id, leaves in ((e.maker_order_id, e.maker_leaves_qty), (e.taker_order_id, e.taker_leaves_qty)):
            order = self.orders[id]
            order.leaves -= e.qty
            order.done += e.qty
            assert order.leaves == leaves >= 0
            assert not order.waiting
            if id == e.maker_order_id and not e.auction:
                order.shown = max(order.shown - e.qty, 0)
            order.shows_at_most_what_is_left()
            if not leaves:
                del self.orders[id]

    def restate(self, e: m.OrderRestated) -> None:
        order = self.orders[e.order_id]
        assert order.price == e.price
        if e.reason == m.RestateReason.self_trade_decrement:
            assert order.qty - e.qty == order.leaves - e.leaves_qty > 0
            order.qty, order.leaves = e.qty, e.leaves_qty
            order.shows_at_most_what_is_left()
            return
        assert (order.qty, order.leaves) == (e.qty, e.leaves_qty)
        if not e.priority_kept:
            self.to_the_back(order)
            self.let_those_behind_wait()
        order.shown = e.displayed_qty

    def let_those_behind_wait(self) -> None:
        """Triggered orders that have not acted yet will stand behind what has just gone to the back."""
        ids = [o.id for o in self.elected]
        acted = ids.index(self.acting) + 1 if self.acting in ids else 0
        for order in self.elected[acted:]:
            self.to_the_back(order)

    def replace(self, e: m.OrderReplaced) -> None:
        order = self.orders[e.order_id]
        assert (order.price, order.leaves) == (e.old_price, e.old_leaves_qty)
        assert e.qty - e.leaves_qty == order.done
        order.price, order.qty, order.leaves = e.price, e.qty, e.leaves_qty
        if e.priority_kept:
            order.shows_at_most_what_is_left()
        else:
            self.to_the_back(order)

    def queue(self, instrument: int, side: m.Side) -> list[Entry]:
        """The side's orders as they would be matched."""
        sign = -1 if side == BUY else 1
        mine = [o for o in self.orders.values() if (o.instrument, o.side, o.waiting) == (instrument, side, False)]
        mine.sort(key=lambda o: (sign * o.price, o.hidden, o.place))
        return [(o.id, o.price, o.leaves, o.shown) for o in mine]

    def waiting(self, instrument: int) -> set[tuple[int, int]]:
        """Order id and leaves of those that wait."""
        return {(o.id, o.leaves) for o in self.orders.values() if o.instrument == instrument and o.waiting}
