"""A matcher with one instrument, spoken to in the words of a market; events come back as one line each."""

from __future__ import annotations

from services.matcher import Matcher
from tapewire import messages as m

BUY, SELL = m.Side.buy, m.Side.sell


def line(event: m.Message) -> str:
    """What a person would write down of an event."""
    match event:
        case m.OrderAccepted():
            return f"accepted {event.order_id}: {event.side.name} {event.qty} at {event.price}"
        case m.OrderExecuted():
            maker, taker = event.maker_order_id, event.taker_order_id
            return (
                f"match {event.match_id}: {event.qty} at {event.price}, "
                f"{maker} leaves {event.maker_leaves_qty}, {taker} leaves {event.taker_leaves_qty}"
            )
        case m.OrderCancelled():
            return f"cancelled {event.order_id}: {event.cancelled_qty} of it, {event.cum_qty} done, {event.reason.name}"
        case m.OrderReplaced():
            kept = "keeps" if event.priority_kept else "loses"
            return f"replaced {event.order_id}: {event.leaves_qty} of {event.qty} at {event.price}, {kept} its place"
        case m.OrderRejected() | m.CancelRejected():
            what = "rejected" if isinstance(event, m.OrderRejected) else "refused"
            return f"{what} {event.order_id}: {event.reason.name} {event.value} {event.limit}"
    raise AssertionError(f"the matcher does not send {event!r}")


class Market:
    """Instrument 1: tick 5, lot 10, prices 10 to 10,000, at most 1,000 an order; orders are numbered from 1."""

    def __init__(self, max_live_orders: int = 1000) -> None:
        self.matcher = Matcher(max_live_orders)
        self.seq = self.orders = 0
        assert self.define() == []

    def send(self, message: m.Message) -> list[str]:
        self.seq += 1
        events = self.matcher.apply(bytes(message.replace(seq=self.seq)))
        return [line(m.decode(event)) for event in events]

    def define(self, **terms: object) -> list[str]:
        given: dict[str, object] = {
            "tick_size": 5,
            "lot_size": 10,
            "max_qty": 1000,
            "min_price": 10,
            "max_price": 10_000,
        }
        given |= {"instrument": 1, "ticker": "TEST", "status": m.InstrumentStatus.trading} | terms
        return self.send(m.InstrumentDefinition(**given))

    def order(self, side: m.Side, qty: int, price: int, **terms: object) -> list[str]:
        self.orders += 1
        given: dict[str, object] = {"order_id": self.orders, "account": 1, "instrument": 1, "side": side, "qty": qty}
        given |= {"price": price, "ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.gtc} | terms
        return self.send(m.NewOrder(**given))

    def market_order(self, side: m.Side, qty: int, protection: int = 0, **terms: object) -> list[str]:
        return self.order(side, qty, protection, ord_type=m.OrdType.market, **terms)

    def cancel(self, order_id: int, account: int = 1) -> list[str]:
        return self.send(m.CancelOrder(order_id=order_id, account=account))

    def replace(self, order_id: int, qty: int, price: int, account: int = 1) -> list[str]:
        return self.send(m.ReplaceOrder(order_id=order_id, account=account, qty=qty, price=price))

    def book(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """(price, quantity, orders) of all bids, and of all asks."""
        return self.matcher.depth(1, BUY, 100), self.matcher.depth(1, SELL, 100)
