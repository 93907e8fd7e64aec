"""The book of a subscriber who has nothing but the events: what is live, where it stands, and what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from tapewire import messages as m

SIDES = (m.Side.buy, m.Side.sell)


@dataclass
class Live:
    id: int
    account: int
    instrument: int
    side: m.Side
    price: int
    qty: int
    """OrderQty."""
    leaves: int
    display: int
    """What an iceberg shows at a time; 0: all of it."""
    shown: int
    hidden: bool
    ord_type: m.OrdType
    stop: int
    waiting: bool
    place: int
    """In time: a greater number came later."""

    def show(self, at_most: int | None = None) -> None:
        part = min(self.leaves, self.display or self.leaves)
        self.shown = 0 if self.hidden else part if at_most is None else min(at_most, self.leaves)


@dataclass
class Book:
    live: dict[int, Live] = field(default_factory=dict)
    places: int = 0
    triggered_stops: list[int] = field(default_factory=list)
    """Whose turn to trade has not come yet: they join the queue when it does, in this order."""

    def last_place(self) -> int:
        self.places += 1
        return self.places

    def accepted(self, e: m.OrderAccepted) -> Live:
        order = Live(
            *(e.order_id, e.account, e.instrument, e.side, e.price, e.qty, e.qty, e.display_qty, 0),
            *(e.hidden, e.ord_type, e.stop_px, e.waiting, self.last_place()),
        )
        order.show()
        self.live[order.id] = order
        return order

    def triggered(self, e: m.OrderTriggered) -> None:
        order = self.live[e.order_id]
        order.waiting, order.price, order.stop, order.place = False, e.price, 0, self.last_place()
        if e.reason == m.TriggerReason.stop_price:
            self.triggered_stops.append(order.id)

    def turn_of(self, taker: int) -> None:
        """An event names this order as the one that trades: of those triggered before it the turn is over."""
        if taker in self.triggered_stops:
            while self._join() != taker:
                pass

    def end_of_command(self) -> None:
        while self.triggered_stops:
            self._join()

    def _join(self) -> int:
        id = self.triggered_stops.pop(0)
        if id in self.live:
            self.live[id].place = self.last_place()
        return id

    def executed(self, e: m.OrderExecuted) -> None:
        self.turn_of(e.taker_order_id)
        maker, taker = self.live[e.maker_order_id], self.live[e.taker_order_id]
        maker.leaves, taker.leaves = e.maker_leaves_qty, e.taker_leaves_qty
        # An auction execution says nothing about the shown part of an iceberg: a restatement follows.
        maker.show(maker.shown if e.auction else maker.shown - e.qty if maker.display else None)
        taker.show(taker.shown if e.auction else None)
        for order in (maker, taker):
            if order.leaves == 0:
                del self.live[order.id]

    def replaced(self, e: m.OrderReplaced) -> None:
        order = self.live[e.order_id]
        order.price, order.qty, order.leaves = e.price, e.qty, e.leaves_qty
        order.show(order.shown if e.priority_kept and order.display else None)
        if not e.priority_kept:
            order.place = self.last_place()

    def restated(self, e: m.OrderRestated) -> None:
        order = self.live[e.order_id]
        order.qty, order.leaves = e.qty, e.leaves_qty
        # The incoming order of a decrement shows nothing yet; what rests of it shows its part.
        order.show(e.displayed_qty or None)
        if not e.priority_kept:
            order.place = self.last_place()

    def cancelled(self, e: m.OrderCancelled) -> None:
        del self.live[e.order_id]

    # What there is

    def queue(self, instrument: int, side: m.Side) -> list[Live]:
        """A side's orders as they would be matched: price, then shown before hidden, then time."""
        sign = -1 if side == m.Side.buy else 1
        found = [o for o in self.live.values() if o.instrument == instrument and o.side == side]
        there = [o for o in found if not o.waiting and o.id not in self.triggered_stops]
        return sorted(there, key=lambda o: (sign * o.price, o.hidden, o.place))

    def levels(self, instrument: int, side: m.Side) -> Iterator[tuple[int, list[Live]]]:
        for price, orders in groupby(self.queue(instrument, side), key=lambda o: o.price):
            yield price, list(orders)

    def depth(self, instrument: int, side: m.Side) -> list[tuple[int, int, int]]:
        """Price, shown quantity and orders that show something, best first: what `Matcher.depth` tells."""
        shown = [(price, [o.shown for o in orders if o.shown]) for price, orders in self.levels(instrument, side)]
        return [(price, sum(parts), len(parts)) for price, parts in shown if parts]

    def waiting(self, instrument: int) -> list[Live]:
        there = [o for o in self.live.values() if o.instrument == instrument and o.waiting]
        return sorted(there, key=lambda o: o.place)
