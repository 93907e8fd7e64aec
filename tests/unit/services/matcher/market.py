"""A matcher with one instrument, spoken to in the words of a market; events come back as one line each."""

from __future__ import annotations

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher

BUY, SELL = m.Side.buy, m.Side.sell
Status, Tif = m.InstrumentStatus, m.TimeInForce
Levels = list[tuple[int, int, int]]


def line(event: m.Message) -> str:
    """What a person would write down of an event."""
    match event:
        case m.OrderAccepted():
            said = f"accepted {event.order_id}: {event.side.name} {event.qty} at {event.price}"
            said += f", shows {event.display_qty}" if event.display_qty else ""
            said += ", hidden" if event.hidden else ""
            return said + (f", waits for {event.stop_px or 'the close'}" if event.waiting else "")
        case m.OrderExecuted():
            maker, taker = event.maker_order_id, event.taker_order_id
            return (
                f"{'auction' if event.auction else 'match'} {event.match_id}: {event.qty} at {event.price}, "
                f"{maker} leaves {event.maker_leaves_qty}, {taker} leaves {event.taker_leaves_qty}"
            )
        case m.OrderCancelled():
            return f"cancelled {event.order_id}: {event.cancelled_qty} of it, {event.cum_qty} done, {event.reason.name}"
        case m.OrderReplaced():
            kept = "keeps" if event.priority_kept else "loses"
            return f"replaced {event.order_id}: {event.leaves_qty} of {event.qty} at {event.price}, {kept} its place"
        case m.OrderTriggered():
            why = f"stop {event.stop_px}, last {event.last_px}" if event.stop_px else f"for {event.reason.name}"
            return f"triggered {event.order_id}: {event.leaves_qty} at {event.price}, {why}"
        case m.OrderRestated():
            kept = "keeps" if event.priority_kept else "loses"
            return (
                f"restated {event.order_id}: {event.leaves_qty} of {event.qty} at {event.price}, "
                f"shows {event.displayed_qty}, {kept} its place, {event.reason.name}"
            )
        case m.OrderRejected() | m.CancelRejected():
            what = "rejected" if isinstance(event, m.OrderRejected) else "refused"
            return f"{what} {event.order_id}: {event.reason.name} {event.value} {event.limit}"
    return operator_line(event)


def operator_line(event: m.Message) -> str:
    match event:
        case m.InstrumentStatusChanged():
            said = f"{event.old_status.name} -> {event.status.name}, {event.reason.name}"
            said += f", until {event.resume_time}" if event.resume_time else ""
            return said + (f", auction {event.auction_qty} at {event.auction_price}" if event.auction_qty else "")
        case m.AuctionIndicated():
            left = f", {event.imbalance_qty} left to {event.imbalance_side.name}" if event.imbalance_qty else ""
            return f"indicated {event.qty} at {event.price}{left}"
        case m.LimitStateChanged():
            return f"{event.state.name}, band {event.lower_price} to {event.upper_price}"
        case m.TradeBusted():
            return f"busted {event.match_id}: {event.qty} at {event.price}"
        case m.TradeCorrected():
            return f"corrected {event.match_id}: {event.qty} at {event.price}, was {event.old_qty} at {event.old_price}"
        case m.CommandCompleted():
            return f"done {event.count}"
    raise AssertionError(f"the matcher does not send {event!r}")


class Market:
    """Instrument 1: tick 5, lot 10, prices 10 to 10,000, at most 1,000 an order; orders are numbered from 1.

    `time` is the header's ts, in ns; it stands still unless a test moves it.
    """

    def __init__(self, max_live_orders: int = 1000, of: type[Matcher] | type[NaiveMatcher] = Matcher) -> None:
        self.matcher = of(max_live_orders)
        self.seq = self.orders = 0
        self.time = 1000
        assert self.define() == ["done 0"]

    def send(self, message: m.Message) -> list[str]:
        self.seq += 1
        events = self.matcher.apply(bytes(message.replace(seq=self.seq, ts=self.time)))
        return [line(m.decode(event)) for event in events]

    def define(self, **terms: object) -> list[str]:
        """The status is given for a new instrument only."""
        given: dict[str, object] = {
            "tick_size": 5,
            "lot_size": 10,
            "max_qty": 1000,
            "min_price": 10,
            "max_price": 10_000,
        }
        if self.seq == 0 or terms.get("instrument", 1) != 1:
            given["status"] = Status.trading
        return self.send(m.InstrumentDefinition(**given | {"instrument": 1, "ticker": "TEST"} | terms))

    def order(self, side: m.Side, qty: int, price: int, **terms: object) -> list[str]:
        self.orders += 1
        given: dict[str, object] = {"order_id": self.orders, "account": 1, "instrument": 1, "side": side, "qty": qty}
        given |= {"price": price, "ord_type": m.OrdType.limit, "time_in_force": Tif.gtc}
        return self.send(m.NewOrder(**given | terms))

    def market_order(self, side: m.Side, qty: int, protection: int = 0, **terms: object) -> list[str]:
        return self.order(side, qty, protection, ord_type=m.OrdType.market, **terms)

    def stop(self, side: m.Side, qty: int, stop_px: int, protection: int = 0, **terms: object) -> list[str]:
        return self.order(side, qty, protection, stop_px=stop_px, **{"ord_type": m.OrdType.stop} | terms)

    def stop_limit(self, side: m.Side, qty: int, stop_px: int, price: int, **terms: object) -> list[str]:
        return self.stop(side, qty, stop_px, price, ord_type=m.OrdType.stop_limit, **terms)

    def trade(self, price: int, qty: int = 10) -> None:
        """An execution at `price` that leaves the book as it was, if nothing stands in its way."""
        self.order(SELL, qty, price, account=90)
        assert self.order(BUY, qty, price, account=91)[1].startswith("match")

    def cancel(self, order_id: int, account: int = 1) -> list[str]:
        return self.send(m.CancelOrder(order_id=order_id, account=account))

    def replace(self, order_id: int, qty: int, price: int, account: int = 1, stop_px: int = 0) -> list[str]:
        return self.send(m.ReplaceOrder(order_id=order_id, account=account, qty=qty, price=price, stop_px=stop_px))

    def set_status(self, status: m.InstrumentStatus, **terms: object) -> list[str]:
        return self.send(m.SetInstrumentStatus(**{"instrument": 1, "status": status} | terms))

    def advance(self, up_to: int) -> list[str]:
        return self.send(m.AdvanceClock(up_to=up_to))

    def restart(self) -> None:
        """Goes on from a snapshot."""
        self.matcher = self.matcher.restore(self.matcher.snapshot())

    def book(self, instrument: int = 1) -> tuple[Levels, Levels]:
        """(price, displayed quantity, displayed orders) of all bids, and of all asks."""
        return self.matcher.depth(instrument, BUY, 100), self.matcher.depth(instrument, SELL, 100)
