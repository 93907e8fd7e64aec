"""The live orders of the house market, as far as its books need them: what is left of each, and what of that is shown.

shown   of an order in the book          of one that waits (stop, at-the-close)   0
        plain   all that is left         hidden                                   0
        iceberg displayQty, or less: what it shows shrinks by each match as maker until OrderRestated says the next
"""

from __future__ import annotations

from tapewire import messages as m
from tapewire.errors import EngineStopped
from tapewire.house_book import HouseBook

SHOWS_ALL = (1 << 63) - 1
Kept = tuple[int, int, int, int, int, int, int, bool]


class LiveOrder:
    """An order that is in the book or waits."""

    __slots__ = ("at_most", "book", "leaves", "price", "shown", "side", "waiting")

    def __init__(self, book: HouseBook, side: m.Side, price: int, leaves: int, at_most: int, waiting: bool) -> None:
        self.book, self.side, self.price, self.leaves = book, side, price, leaves
        self.at_most = at_most
        """What it shows at a time: 0 of a hidden order, SHOWS_ALL of a plain one, displayQty of an iceberg."""
        self.waiting = waiting
        self.shown = 0

    def show(self, qty: int) -> None:
        """Shows `qty` from now on, in its book too."""
        change = qty - self.shown
        if change:
            orders = 1 if not self.shown else 0 if qty else -1
            self.shown = qty
            self.book.change(self.side, self.price, change, orders)

    def show_next(self) -> None:
        """Shows as much as an order does that comes into the book."""
        self.show(self.at_most if self.at_most < self.leaves else self.leaves)


class LiveOrders:
    """Takes each event of an order once, in the order of the tape. Raises EngineStopped at a contradiction."""

    def __init__(self) -> None:
        self._orders: dict[int, LiveOrder] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def accepted(self, record: m.OrderAccepted, book: HouseBook) -> None:
        at_most = 0 if record.hidden else record.display_qty or SHOWS_ALL
        order = LiveOrder(book, record.side, record.price, record.qty, at_most, record.waiting)
        self._orders[record.order_id] = order
        if not order.waiting:
            order.show_next()

    def triggered(self, record: m.OrderTriggered) -> None:
        order = self._live(record.order_id, record)
        if not order.waiting:
            raise contradiction(record, f"order {record.order_id} did not wait")
        if order.leaves != record.leaves_qty:
            raise contradiction(record, f"it had {order.leaves} left, not {record.leaves_qty}")
        order.waiting, order.price = False, record.price
        order.show_next()

    def executed(self, record: m.OrderExecuted) -> None:
        qty = record.qty
        maker = self._less(record.maker_order_id, qty, record.maker_leaves_qty, record)
        taker = self._less(record.taker_order_id, qty, record.taker_leaves_qty, record)
        if record.auction:
            maker.show_next()  # both have rested; an iceberg's OrderRestated follows and says the same
        else:
            maker.show(maker.shown - qty if maker.shown > qty else 0)
        taker.show_next()

    def restated(self, record: m.OrderRestated) -> None:
        order = self._live(record.order_id, record)
        decremented = record.reason == m.RestateReason.self_trade_decrement
        if not (0 < record.leaves_qty < order.leaves if decremented else record.leaves_qty == order.leaves):
            raise contradiction(record, f"it had {order.leaves} left, and now {record.leaves_qty}")
        order.leaves = record.leaves_qty
        # An order on its way in shows nothing yet; if it comes to rest, it shows what any that rests does.
        order.show(record.displayed_qty or min(order.at_most, order.leaves))

    def cancelled(self, record: m.OrderCancelled) -> None:
        order = self._live(record.order_id, record)
        if order.leaves != record.cancelled_qty:
            raise contradiction(record, f"it had {order.leaves} left, not {record.cancelled_qty}")
        del self._orders[record.order_id]
        order.show(0)

    def replaced(self, record: m.OrderReplaced) -> None:
        order = self._live(record.order_id, record)
        if (order.price, order.leaves) != (record.old_price, record.old_leaves_qty):
            raise contradiction(record, f"it stood at {order.price} with {order.leaves} left")
        shown = order.shown
        order.show(0)
        order.price, order.leaves = record.price, record.leaves_qty
        if not order.leaves:
            del self._orders[record.order_id]
        elif not order.waiting:
            order.show(min(shown if record.priority_kept else order.at_most, order.leaves))

    def kept(self) -> list[Kept]:
        """All of them for `restore`, by OrderID."""
        return [
            (
                *(order_id, order.book.definition.instrument, int(order.side), order.price),
                *(order.leaves, order.at_most, order.shown, order.waiting),
            )
            for order_id, order in sorted(self._orders.items())
        ]

    def restore(self, kept: list[Kept], books: dict[int, HouseBook]) -> None:
        """Takes back what `kept` gave, into books that are empty."""
        for order_id, instrument, side, price, leaves, at_most, shown, waiting in kept:
            order = LiveOrder(books[instrument], m.Side(side), price, leaves, at_most, waiting)
            self._orders[order_id] = order
            order.show(shown)

    def _live(self, order_id: int, record: m.Message) -> LiveOrder:
        order = self._orders.get(order_id)
        if order is None:
            raise contradiction(record, f"order {order_id} is not live")
        return order

    def _less(self, order_id: int, qty: int, leaves: int, record: m.Message) -> LiveOrder:
        """The order after a match of `qty`."""
        order = self._live(order_id, record)
        if order.leaves - qty != leaves:
            raise contradiction(record, f"order {order_id} had {order.leaves} left, not {leaves + qty}")
        order.leaves = leaves
        if leaves == 0:
            del self._orders[order_id]
        return order


def contradiction(record: m.Message, what: str) -> EngineStopped:
    return EngineStopped(
        f"house market: record {record.seq} ({m.MessageType(record.TYPE).name}) contradicts the tape before it: "
        f"{what}. Run `tapewire verify` on this tape"
    )
