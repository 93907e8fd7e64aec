"""Which orders and replaces the naive matcher refuses, with the two numbers compared. Nothing is changed here.

The checks of a command come in the order of the text; the first that fails is the answer.
"""

from __future__ import annotations

import copy

from tapewire import messages as m
from tests.oracle.naive_operator_checks import OperatorChecks
from tests.oracle.naive_state import (
    BUY,
    MAX_LEVEL_QTY,
    MAX_ORDER_ID,
    MAX_PARTS,
    MAX_REFRESHES,
    SELL,
    Instrument,
    Order,
    Refused,
    Status,
    opposite,
    parts,
    reaches,
)

R, OrdType, Tif, SelfTrade = m.RejectReason, m.OrdType, m.TimeInForce, m.SelfTrade
STOPS = (OrdType.stop, OrdType.stop_limit)
AT_ONCE = (Tif.ioc, Tif.fok)
AUCTION_ONLY = (Tif.at_open, Tif.at_close)


class Checks(OperatorChecks):
    # New orders

    def check_new(self, c: m.NewOrder) -> Order:
        """The order as it is accepted: with the price it has slid to, or stands at in a call."""
        if c.order_id <= self.last_order_id:
            raise Refused(R.invalid_field, c.order_id)
        if c.order_id > MAX_ORDER_ID:
            raise Refused(R.capacity, c.order_id, MAX_ORDER_ID)
        self.last_order_id = c.order_id
        i = self.check_open(c.instrument)
        self.check_enumerants(c)
        self.check_combinations(c)
        self.check_quantities(i, c)
        self.check_wanted_status(i, c)
        order = Order(
            c.order_id, c.account, i.id, c.side, c.ord_type, c.time_in_force, c.price, c.qty, c.qty,
            stop_px=c.stop_px,
            display_qty=c.display_qty if c.display_qty != c.qty else 0,
            expire_time=c.expire_time,
            session=c.session,
            self_trade=c.self_trade,
            self_trade_group=c.self_trade_group,
            hidden=c.hidden,
            post_only=c.post_only,
            slide=c.slide,
        )  # fmt: skip
        self.check_prices(i, c)
        waits = self.waits(i, order)
        if i.trading and not waits:
            if c.ord_type == OrdType.limit:
                self.check_band(i, order.side, order.price)
            elif not i.best(opposite(c.side)):
                raise Refused(R.no_liquidity, c.qty)
            order.price = self.price_after_slide(i, order, order.price)
        if i.in_call and not waits:
            order.price = self.price_in_call(i, order)
        self.check_room(i, order, waits)
        if c.time_in_force == Tif.fok:
            self.check_available(i, order, c.qty)
        elif c.min_qty:
            self.check_available(i, order, c.min_qty)
        return order

    def check_open(self, instrument: int) -> Instrument:
        if instrument not in self.instruments:
            raise Refused(R.unknown_instrument, instrument)
        i = self.instruments[instrument]
        if i.status in (Status.halted, Status.closed):
            raise Refused(R.instrument_halted, instrument, i.status)
        return i

    @staticmethod
    def check_enumerants(c: m.NewOrder) -> None:
        if c.side not in (BUY, SELL):
            raise Refused(R.invalid_field, c.side)
        if not 1 <= c.ord_type <= 4:
            raise Refused(R.invalid_field, c.ord_type)
        if not 1 <= c.time_in_force <= 7:
            raise Refused(R.invalid_field, c.time_in_force)
        if c.self_trade > 5:
            raise Refused(R.invalid_field, c.self_trade)

    @staticmethod
    def check_combinations(c: m.NewOrder) -> None:
        tif, kind = c.time_in_force, c.ord_type
        unpriced = kind in (OrdType.market, OrdType.stop)
        impossible = [
            (c.post_only and kind != OrdType.limit, kind),
            (c.post_only and tif in AT_ONCE + AUCTION_ONLY, tif),
            (c.slide and not c.post_only, 1),
            (kind in STOPS and tif in AT_ONCE + AUCTION_ONLY, tif),
            (c.hidden and unpriced, kind),
            (c.hidden and tif in AT_ONCE, tif),
            (c.display_qty != 0 and unpriced, kind),
            (c.display_qty != 0 and tif in AT_ONCE, tif),
            (c.display_qty != 0 and c.hidden, c.display_qty),
            (c.min_qty != 0 and kind in STOPS, kind),
            (c.min_qty != 0 and tif in (Tif.fok, *AUCTION_ONLY), tif),
            (c.min_qty != 0 and c.post_only, c.min_qty),
            (tif == Tif.gtd and c.expire_time <= max(c.ts, 0), c.expire_time),
            (tif != Tif.gtd and c.expire_time != 0, c.expire_time),
            (kind not in STOPS and c.stop_px != 0, c.stop_px),
        ]
        for is_so, value in impossible:
            if is_so:
                raise Refused(R.invalid_field, value)

    def check_quantities(self, i: Instrument, c: m.NewOrder) -> None:
        self.check_qty(i, c.qty)
        if c.display_qty:
            if c.display_qty < 0 or c.display_qty > c.qty or c.display_qty % i.lot:
                raise Refused(R.invalid_qty, c.display_qty, c.qty)
            self.check_parts(c.display_qty, c.qty)
        if c.min_qty and (c.min_qty < 0 or c.min_qty > c.qty or c.min_qty % i.lot):
            raise Refused(R.invalid_qty, c.min_qty, c.qty)

    @staticmethod
    def check_qty(i: Instrument, qty: int) -> None:
        if qty <= 0:
            raise Refused(R.invalid_qty, qty, i.lot)
        if qty > i.max_qty:
            raise Refused(R.invalid_qty, qty, i.max_qty)
        if qty % i.lot:
            raise Refused(R.invalid_qty, qty, i.lot)

    @staticmethod
    def check_parts(display: int, leaves: int) -> None:
        least = parts(leaves, MAX_PARTS)
        if display < least:
            raise Refused(R.invalid_qty, display, least)

    @staticmethod
    def check_wanted_status(i: Instrument, c: m.NewOrder) -> None:
        if i.in_call:
            if c.time_in_force in AT_ONCE:
                raise Refused(R.wrong_status, c.time_in_force, i.status)
            if c.min_qty:
                raise Refused(R.wrong_status, c.min_qty, i.status)
            if c.post_only:
                raise Refused(R.wrong_status, 1, i.status)
        if c.time_in_force == Tif.at_open and i.status != Status.opening_auction:
            raise Refused(R.wrong_status, c.time_in_force, i.status)

    def check_prices(self, i: Instrument, c: m.NewOrder) -> None:
        if c.ord_type in (OrdType.limit, OrdType.stop_limit):
            self.check_price(i, c.price)
        elif c.price < 0:
            raise Refused(R.invalid_price, c.price)
        if c.ord_type in STOPS:
            self.check_stop_px(i, c.side, c.stop_px)

    @staticmethod
    def check_price(i: Instrument, price: int) -> None:
        if price < i.min_price:
            raise Refused(R.invalid_price, price, i.min_price)
        if price > i.max_price:
            raise Refused(R.invalid_price, price, i.max_price)
        if price % i.tick:
            raise Refused(R.off_tick, price, i.tick)

    def check_stop_px(self, i: Instrument, side: m.Side, stop_px: int) -> None:
        self.check_price(i, stop_px)
        if i.last and (stop_px <= i.last if side == BUY else stop_px >= i.last):
            raise Refused(R.would_trigger, stop_px, i.last)

    @staticmethod
    def check_band(i: Instrument, side: m.Side, price: int) -> None:
        if i.beyond(side, price):
            raise Refused(R.price_band, price, i.edge(side) or 0)

    def price_after_slide(self, i: Instrument, order: Order, price: int) -> int:
        """Where a post-only order stands: at its price, or if that crosses and it slides, one tick off the best."""
        best = i.best(opposite(order.side))
        if not order.post_only or not best or not reaches(order.side, price, best):
            return price
        slid = best - i.tick if order.side == BUY else best + i.tick
        if not order.slide or not i.min_price <= slid <= i.max_price:
            raise Refused(R.would_cross, price, best)
        return slid

    @staticmethod
    def price_in_call(i: Instrument, order: Order) -> int:
        return i.resting_price(order.side, order.price) if order.ord_type == OrdType.market else order.price

    @staticmethod
    def waits(i: Instrument, order: Order) -> bool:
        if order.ord_type in STOPS:
            return True
        return order.time_in_force == Tif.at_close and i.status != Status.closing_auction

    def check_room(self, i: Instrument, order: Order, waits: bool) -> None:
        at_once = order.ord_type == OrdType.market or order.time_in_force in AT_ONCE
        if i.trading and not waits and at_once:
            return
        if self.live_orders >= self.max_live_orders:
            raise Refused(R.capacity, self.live_orders, self.max_live_orders)
        self.check_level(i, order, waits)
        self.check_refreshes(order)

    def check_level(self, i: Instrument, order: Order, waits: bool) -> None:
        """Room at the price where `order` would stand, or at the stop price where it would wait."""
        if waits:
            same = [o for o in i.waiting if o.stop_px == order.stop_px != 0]
        else:
            same = [o for o in i.book if o.price == order.price]
        total = sum(o.leaves for o in same if o.side == order.side and o.id != order.id) + order.leaves
        if total > MAX_LEVEL_QTY:
            raise Refused(R.capacity, total, MAX_LEVEL_QTY)

    def check_refreshes(self, order: Order) -> None:
        if not order.display_qty:
            return
        total = sum(o.refreshes for o in self.live if o.id != order.id) + order.refreshes
        if total > MAX_REFRESHES:
            raise Refused(R.capacity, total, MAX_REFRESHES)

    def check_available(self, i: Instrument, order: Order, wanted: int) -> None:
        available = self.available(i, order, wanted)
        if available < wanted:
            raise Refused(R.would_not_fill, wanted, available)

    def reach(self, i: Instrument, order: Order) -> int | None:
        """The worst price at which an incoming order trades: its own, or the band's edge; None: any."""
        unpriced = order.ord_type in (OrdType.market, OrdType.stop) and order.price == 0
        bounds = [price for price in (None if unpriced else order.price, i.edge(order.side)) if price is not None]
        if not bounds:
            return None
        return min(bounds) if order.side == BUY else max(bounds)

    def available(self, i: Instrument, order: Order, wanted: int) -> int:
        """What would trade at once, found by trading with copies; not counted on once `wanted` is there."""
        reach = self.reach(i, order)
        queue = [copy.copy(o) for o in i.side(opposite(order.side)) if reaches(order.side, reach, o.price)]
        total = arrivals = 0
        while queue and total < wanted:
            maker = queue.pop(0)
            if self.prevents(order, maker):
                if order.self_trade == SelfTrade.cancel_oldest:
                    continue
                break
            total += maker.at_front
            maker.leaves -= maker.at_front
            if maker.leaves:
                maker.show_next_part()
                arrivals += 1
                maker.arrived = self.arrivals + arrivals
                queue = sorted([*queue, maker], key=lambda o: o.priority)
        return total

    @staticmethod
    def prevents(taker: Order, maker: Order) -> bool:
        """Whether self-trade prevention keeps these two from trading."""
        same = taker.self_trade_group != 0 and taker.self_trade_group == maker.self_trade_group
        return same and taker.self_trade > SelfTrade.allow

    # Orders that are there

    def check_owner(self, c: m.CancelOrder | m.ReplaceOrder) -> Order:
        order = self.find(c.order_id)
        if order is None:
            raise Refused(R.unknown_order, c.order_id)
        if order.account != c.account:
            raise Refused(R.not_your_order, c.order_id)
        return order

    def check_replace(self, c: m.ReplaceOrder) -> Order | None:
        """The order as it will be, before it trades or queues; None: the command cancels it."""
        old = self.check_owner(c)
        i = self.check_open(old.instrument)
        waits = old in i.waiting
        if old.ord_type == OrdType.market:
            raise Refused(R.invalid_field, old.ord_type)
        if c.stop_px != 0 and not old.stop_px:
            raise Refused(R.invalid_field, c.stop_px)
        self.check_qty(i, c.qty)
        new = copy.copy(old)
        new.qty, new.leaves, new.price = c.qty, c.qty - old.cum, c.price
        if new.display_qty and new.leaves > 0:
            self.check_parts(new.display_qty, new.leaves)
        if new.ord_type != OrdType.stop:
            self.check_price(i, c.price)
        elif c.price < 0:
            raise Refused(R.invalid_price, c.price)
        if new.leaves <= 0:
            return None
        if old.stop_px:
            new.stop_px = c.stop_px or old.stop_px
            self.check_stop_px(i, new.side, new.stop_px)
        if i.trading and not waits:
            self.check_band(i, new.side, new.price)
            new.price = self.price_after_slide(i, new, new.price)
        self.check_level(i, new, waits)
        self.check_refreshes(new)
        return new
