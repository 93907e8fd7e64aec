"""What happens inside one instrument: matching, self-trade prevention, stops, auctions, bands. And how it is said."""

from __future__ import annotations

from dataclasses import dataclass, field

from tapewire import messages as m
from tests.oracle.naive_auction import Outcome, outcome, pairs
from tests.oracle.naive_checks import Checks
from tests.oracle.naive_state import (
    BUY,
    FOR_EVER,
    MAX_LEVEL_QTY,
    SELL,
    Instrument,
    Order,
    opposite,
    reaches,
)

Why, SelfTrade = m.CancelReason, m.SelfTrade
MS = 1_000_000


def later(time: int, ms: int) -> int:
    """`ms` after `time`, or 0 if `ms` is 0: then it is never due."""
    return min(time + ms * MS, FOR_EVER) if ms else 0


@dataclass
class Trading(Checks):
    command: m.Message = field(default_factory=m.NewOrder)
    """The one being carried out."""
    events: list[m.Message] = field(default_factory=list)
    """Those of this command so far."""
    traded: set[int] = field(default_factory=set)
    """Instruments that had an execution in this command."""

    def say(self, kind: type[m.Message], instrument: int, **fields: object) -> None:
        c = self.command
        header = {
            "seq": c.seq + 1 + len(self.events),
            "cause": c.seq,
            "ts": c.ts,
            "ts_event": c.ts_event,
            "ts_recv": c.ts_recv,
            "origin_seq": c.origin_seq,
            "source": c.source,
            "instrument": instrument,
        }
        self.events.append(kind(**header, **fields))

    def now(self) -> int:
        self.arrivals += 1
        return self.arrivals

    # Orders come and go

    def queue(self, i: Instrument, order: Order) -> None:
        """To the back of its price in the book."""
        order.arrived = self.now()
        order.show_next_part()
        i.book.append(order)

    def park(self, i: Instrument, order: Order) -> None:
        """Behind all that wait for the same."""
        order.arrived = self.now()
        i.waiting.append(order)

    def remove(self, order: Order) -> None:
        i = self.instruments[order.instrument]
        i.book = [o for o in i.book if o is not order]
        i.waiting = [o for o in i.waiting if o is not order]

    def cancel(self, order: Order, reason: m.CancelReason, cl_ord_id: int = 0) -> None:
        self.remove(order)
        self.say(
            m.OrderCancelled,
            order.instrument,
            order_id=order.id,
            cl_ord_id=cl_ord_id,
            price=order.price,
            cancelled_qty=order.leaves,
            cum_qty=order.cum,
            account=order.account,
            side=order.side,
            reason=reason,
        )
        order.leaves = 0

    def restated(self, order: Order, reason: m.RestateReason, displayed: int, keeps: bool) -> None:
        self.say(
            m.OrderRestated,
            order.instrument,
            order_id=order.id,
            price=order.price,
            qty=order.qty,
            leaves_qty=order.leaves,
            displayed_qty=displayed,
            account=order.account,
            side=order.side,
            reason=reason,
            priority_kept=keeps,
        )

    # Continuous trading

    def match(self, i: Instrument, taker: Order) -> None:
        """Trades `taker`, which is not in the book, with the front of the other side as far as it reaches."""
        reach = self.reach(i, taker)
        while taker.leaves:
            makers = i.side(opposite(taker.side))
            if not makers or not reaches(taker.side, reach, makers[0].price):
                return
            maker = makers[0]
            if self.prevents(taker, maker):
                self.prevent(taker, maker)
            else:
                self.execute(i, maker, taker, maker.price, min(taker.leaves, maker.at_front))
                self.after_execution(i, maker)

    def execute(self, i: Instrument, maker: Order, taker: Order, price: int, qty: int, auction: bool = False) -> None:
        maker.leaves -= qty
        taker.leaves -= qty
        if not auction:
            maker.part = max(maker.part - qty, 0)
        i.last = price
        self.traded.add(i.id)
        self.say(
            m.OrderExecuted,
            i.id,
            match_id=self.next_match_id,
            maker_order_id=maker.id,
            taker_order_id=taker.id,
            price=price,
            qty=qty,
            maker_leaves_qty=maker.leaves,
            taker_leaves_qty=taker.leaves,
            maker_account=maker.account,
            taker_account=taker.account,
            aggressor=m.Side.unspecified if auction else taker.side,
            auction=auction,
            taker_side=taker.side,
        )
        self.next_match_id += 1

    def after_execution(self, i: Instrument, maker: Order) -> None:
        """A filled maker leaves; an iceberg whose part is used up shows the next one, behind all that is shown."""
        if maker.leaves == 0:
            self.remove(maker)
        elif maker.display_qty and maker.part == 0:
            self.remove(maker)
            self.queue(i, maker)
            self.restated(maker, m.RestateReason.display_refresh, maker.shown, keeps=False)

    def prevent(self, taker: Order, maker: Order) -> None:
        """Self-trade prevention, by the incoming order's choice."""
        mode = taker.self_trade
        if mode == SelfTrade.decrement_and_cancel:
            self.decrement(taker, maker)
        if mode in (SelfTrade.cancel_oldest, SelfTrade.cancel_both):
            self.cancel(maker, Why.self_trade)
        if mode in (SelfTrade.cancel_newest, SelfTrade.cancel_both):
            self.cancel(taker, Why.self_trade)

    def decrement(self, taker: Order, maker: Order) -> None:
        qty = min(taker.leaves, maker.leaves)
        for order in (maker, taker):
            if order.leaves == qty:
                self.cancel(order, Why.self_trade)
            else:
                order.leaves -= qty
                order.qty -= qty
                order.part = min(order.part, order.leaves)
                shown = order.shown if order is maker else 0
                self.restated(order, m.RestateReason.self_trade_decrement, shown, keeps=True)

    # Stops

    def run_stops(self, i: Instrument) -> None:
        """Elects and carries out the stops that an execution of this command has reached, until it is quiet."""
        elected: list[Order] = []
        while i.trading and i.id in self.traded:
            elected += self.elect(i)
            if not elected:
                return
            self.trigger(i, elected.pop(0))

    def elect(self, i: Instrument) -> list[Order]:
        buys = [o for o in i.stops(BUY) if o.stop_px <= i.last]
        sells = [o for o in i.stops(SELL) if o.stop_px >= i.last]
        for order in buys + sells:
            self.remove(order)
            self.triggered(i, order, m.TriggerReason.stop_price)
            order.stop_px = 0
        return buys + sells

    def triggered(self, i: Instrument, order: Order, reason: m.TriggerReason) -> None:
        self.say(
            m.OrderTriggered,
            i.id,
            order_id=order.id,
            price=order.price,
            leaves_qty=order.leaves,
            stop_px=order.stop_px,
            last_px=i.last,
            account=order.account,
            side=order.side,
            reason=reason,
        )

    def trigger(self, i: Instrument, order: Order) -> None:
        """An elected order acts as one that just came in."""
        self.match(i, order)
        if order.leaves == 0:
            return
        if order.ord_type == m.OrdType.stop:
            self.cancel(order, Why.market_remainder)
        elif i.beyond(order.side, order.price):
            self.cancel(order, Why.price_band)
        else:
            self.queue_if_room(i, order)

    def queue_if_room(self, i: Instrument, order: Order) -> None:
        there = sum(o.leaves for o in i.book if o.side == order.side and o.price == order.price)
        if there + order.leaves > MAX_LEVEL_QTY:
            self.cancel(order, Why.market_remainder)
        else:
            self.queue(i, order)

    # Auctions

    def uncross(self, i: Instrument) -> Outcome:
        """Trades all that crosses at one price."""
        found = self.auction(i)
        bids, asks = i.side(BUY), i.side(SELL)
        executed: list[Order] = []
        for bid, ask, qty in pairs(bids, asks, found.qty):
            maker, taker = sorted((bid, ask), key=lambda o: o.id)
            self.execute(i, maker, taker, found.price, qty, auction=True)
            executed += [bid, ask]
        for order in bids + asks:
            if order not in executed:
                continue
            if order.leaves == 0:
                self.remove(order)
            elif order.display_qty:
                order.show_next_part()
                self.restated(order, m.RestateReason.display_refresh, order.shown, keeps=True)
        return found

    def auction(self, i: Instrument) -> Outcome:
        return outcome(i)

    def indicate(self, i: Instrument) -> None:
        now = self.auction(i).told()
        if now == i.indicated:
            return
        i.indicated = now
        price, qty, imbalance, side = now
        self.say(m.AuctionIndicated, i.id, price=price, qty=qty, imbalance_qty=imbalance, imbalance_side=side)

    def join_close(self, i: Instrument) -> None:
        """Orders that waited for the closing auction go into the book."""
        for order in i.at_close():
            self.remove(order)
            order.price = self.price_in_call(i, order)
            self.triggered(i, order, m.TriggerReason.closing_auction)
            self.queue_if_room(i, order)

    # Bands

    def enforce_band(self, i: Instrument) -> None:
        for order in sorted(i.book, key=lambda o: o.id):
            if i.beyond(order.side, order.price):
                self.cancel(order, Why.price_band)

    def watch_limit_state(self, i: Instrument) -> None:
        bid, ask = i.best(BUY), i.best(SELL)
        state = m.LimitState.normal
        if i.upper and bid and bid >= i.upper:
            state = m.LimitState.limit_up
        elif i.lower and ask and ask <= i.lower:
            state = m.LimitState.limit_down
        if state == i.limit_state:
            return
        i.limit_state = state
        i.limit_due = later(self.command.ts, i.limit_state_ms) if state != m.LimitState.normal else 0
        self.say(m.LimitStateChanged, i.id, state=state, lower_price=i.lower, upper_price=i.upper)

    def end_of_step(self, i: Instrument) -> None:
        if i.trading:
            self.run_stops(i)
            i.set_band()
            self.watch_limit_state(i)
        if i.in_call:
            self.indicate(i)
