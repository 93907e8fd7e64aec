"""The obvious matcher: lists that are sorted again whenever it matters, and no cleverness at all.

It reads and writes the same messages as `services.matcher.Matcher` and the same snapshot bytes, but shares nothing with
it but the rules. Each rule can be read here in one place:

    naive_state.py      orders, instruments, priority, price bands
    naive_checks.py     which orders are refused; naive_operator_checks.py: which other commands
    naive_trading.py    what happens inside one instrument: matching, self-trade prevention, stops, auctions
    naive_auction.py    the price of an auction
    naive_snapshot.py   the state as bytes
    naive_book.py       what each command does
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tapewire import messages as m
from tests.oracle import naive_snapshot
from tests.oracle.naive_auction import Outcome
from tests.oracle.naive_checks import AT_ONCE, AUCTION_ONLY
from tests.oracle.naive_state import MAX_LIVE_ORDERS, MAX_PRICE, MAX_QTY, Instrument, Order, Refused, Status
from tests.oracle.naive_trading import Trading, Why, later

__all__ = ["NaiveMatcher"]

ORDER_COMMANDS = (m.NewOrder, m.CancelOrder, m.ReplaceOrder)


def signed(n: int) -> int:
    return n - 2**64 if n >= 2**63 else n


class NaiveMatcher(Trading):
    def apply(self, command: bytes) -> list[bytes]:
        """The events of one command, numbered from just past its seq."""
        c = m.decode(command)
        if getattr(c, "decision", None) != m.RejectReason.unspecified:
            return []
        self.command, self.events, self.traded = c, [], set()
        try:
            count = self.carry_out(c)
        except Refused as refused:
            self.refuse(c, refused)
        else:
            if not isinstance(c, ORDER_COMMANDS):
                self.completed(c, count)
        return [bytes(event) for event in self.events]

    def carry_out(self, c: m.Message) -> int:
        """Returns what CommandCompleted counts."""
        match c:
            case m.NewOrder():
                self.new(c)
            case m.CancelOrder():
                order = self.check_owner(c)
                self.cancel(order, Why.requested, c.cl_ord_id)
                self.end_of_step(self.instruments[order.instrument])
            case m.ReplaceOrder():
                self.replace(c)
            case m.MassCancel():
                return self.mass_cancel(c)
            case m.KillSwitch() if c.cancel_open:
                fits = [o for o in self.live if c.account in (0, o.account)]
                return self.cancel_all(fits, Why.kill_switch, 0)
            case m.InstrumentDefinition():
                self.define(c)
            case m.SetInstrumentStatus():
                return self.set_status(c)
            case m.AdvanceClock():
                return self.advance(c)
            case m.BustTrade():
                self.bust(c)
            case m.CorrectTrade():
                self.correct(c)
        return 0

    def refuse(self, c: m.Message, refused: Refused) -> None:
        cancels = isinstance(c, m.CancelOrder | m.ReplaceOrder | m.MassCancel)
        self.say(
            m.CancelRejected if cancels else m.OrderRejected,
            c.instrument,
            order_id=getattr(c, "order_id", 0),
            cl_ord_id=getattr(c, "cl_ord_id", 0),
            account=getattr(c, "account", 0),
            reason=refused.reason,
            value=signed(refused.value),
            limit=signed(refused.limit),
        )

    def completed(self, c: m.Message, count: int) -> None:
        fields = {"cl_ord_id": getattr(c, "cl_ord_id", 0), "account": getattr(c, "account", 0)}
        self.say(m.CommandCompleted, c.instrument, **fields, count=count, command=m.type_of(bytes(c)))

    # Orders

    def new(self, c: m.NewOrder) -> None:
        order = self.check_new(c)
        i = self.instruments[c.instrument]
        waits = self.waits(i, order)
        self.say(
            m.OrderAccepted,
            i.id,
            order_id=order.id,
            cl_ord_id=c.cl_ord_id,
            price=order.price,
            qty=order.qty,
            account=order.account,
            side=order.side,
            ord_type=order.ord_type,
            time_in_force=order.time_in_force,
            stop_px=order.stop_px,
            display_qty=order.display_qty,
            expire_time=order.expire_time,
            session=order.session,
            hidden=order.hidden,
            post_only=order.post_only,
            waiting=waits,
        )
        if waits:
            self.park(i, order)
        elif i.trading:
            self.trade(i, order)
        else:
            self.queue(i, order)
        self.end_of_step(i)

    def trade(self, i: Instrument, order: Order) -> None:
        self.match(i, order)
        if order.leaves == 0:
            return
        if order.ord_type == m.OrdType.market:
            self.cancel(order, Why.market_remainder)
        elif order.time_in_force in AT_ONCE:
            self.cancel(order, Why.immediate_or_cancel)
        else:
            self.queue(i, order)

    def replace(self, c: m.ReplaceOrder) -> None:
        new = self.check_replace(c)
        old = self.check_owner(c)
        i = self.instruments[old.instrument]
        if new is None:
            self.cancel(old, Why.requested, c.cl_ord_id)
            return self.end_of_step(i)
        waits = old in i.waiting
        keeps = self.keeps_place(old, new, waits)
        self.say(
            m.OrderReplaced,
            i.id,
            order_id=new.id,
            cl_ord_id=c.cl_ord_id,
            price=new.price,
            qty=new.qty,
            leaves_qty=new.leaves,
            old_price=old.price,
            old_leaves_qty=old.leaves,
            account=new.account,
            side=new.side,
            priority_kept=keeps,
        )
        self.remove(old)
        if keeps:
            new.part = min(new.part, new.leaves)
            (i.waiting if waits else i.book).append(new)
        elif waits:
            self.park(i, new)
        elif i.trading:
            self.trade(i, new)
        else:
            self.queue(i, new)
        self.end_of_step(i)

    @staticmethod
    def keeps_place(old: Order, new: Order, waits: bool) -> bool:
        moves = new.stop_px != old.stop_px if waits else new.price != old.price
        return not moves and new.leaves <= old.leaves

    # Many orders at once

    def mass_cancel(self, c: m.MassCancel) -> int:
        self.check_mass_cancel(c)
        fits = [
            o
            for o in self.live
            if c.account in (0, o.account)
            and c.instrument in (0, o.instrument)
            and c.side in (m.Side.unspecified, o.side)
            and c.session in (0, o.session)
        ]
        plain = c.reason in (Why.unspecified, Why.requested)
        return self.cancel_all(fits, Why.mass_cancel if plain else c.reason, c.cl_ord_id)

    def cancel_all(self, orders: Iterable[Order], reason: m.CancelReason, cl_ord_id: int) -> int:
        """By instrument, then order id; then the end of the step in each instrument."""
        orders = sorted(orders, key=lambda o: (o.instrument, o.id))
        for order in orders:
            self.cancel(order, reason, cl_ord_id)
        for id in sorted({o.instrument for o in orders}):
            self.end_of_step(self.instruments[id])
        return len(orders)

    # Instruments

    def define(self, d: m.InstrumentDefinition) -> None:
        self.check_definition(d)
        i = self.instruments.get(d.instrument)
        if i is None:
            i = Instrument(d.instrument, 1, 1, 1, 1, 1, d.status)
            self.instruments[i.id] = i
        i.tick, i.lot = d.tick_size, d.lot_size
        i.max_qty, i.min_price, i.max_price = d.max_qty or MAX_QTY, max(d.min_price, 1), d.max_price or MAX_PRICE
        i.static_bps, i.dynamic_bps = d.static_band_bps, d.dynamic_band_bps
        i.limit_state_ms, i.pause_ms = d.limit_state_ms, d.pause_ms
        if d.reference_price:
            i.reference_price = i.static_reference = d.reference_price
        if i.trading:
            i.set_band()
            self.enforce_band(i)
        self.end_of_step(i)

    def set_status(self, c: m.SetInstrumentStatus) -> int:
        self.check_set_status(c)
        concerned = [c.instrument] if c.instrument else sorted(self.instruments)
        return sum(self.change_status(self.instruments[id], c.status, c.reason, c.resume_time) for id in concerned)

    def change_status(self, i: Instrument, status: Status, reason: m.StatusReason, resume_time: int) -> bool:
        """False if it was in that status already."""
        if i.status == status:
            i.resume_time = resume_time
            return False
        auction = self.uncross(i) if status in (Status.trading, Status.closed) else Outcome()
        for order in sorted(i.live, key=lambda o: o.id):
            if why := self.ends_with(i, order, status):
                self.cancel(order, why)
        told = auction.told()
        self.say(
            m.InstrumentStatusChanged,
            i.id,
            status=status,
            old_status=i.status,
            reason=reason,
            resume_time=resume_time,
            auction_price=told[0],
            auction_qty=told[1],
        )
        i.status, i.status_reason = status, reason
        i.indicated = Outcome().told()
        if auction.qty:
            i.static_reference = auction.price
        if status == Status.trading:
            i.set_band()
            self.enforce_band(i)
            self.run_stops(i)
        if status == Status.closing_auction:
            self.join_close(i)
        if status == Status.delisted:
            del self.instruments[i.id]
        i.limit_state, i.limit_due, i.resume_time = m.LimitState.normal, 0, resume_time
        self.end_of_step(i)
        return True

    @staticmethod
    def ends_with(i: Instrument, order: Order, status: Status) -> m.CancelReason | None:
        """Why `order` does not outlive the change to `status`; None if it does."""
        waits = order in i.waiting
        if status == Status.delisted:
            return Why.delisted
        if status == Status.closed and order.time_in_force == m.TimeInForce.day:
            return Why.expired
        over = status == Status.closed or (status == Status.trading and not waits)
        if over and order.time_in_force in AUCTION_ONLY:
            return Why.auction_remainder
        if over and not waits and order.ord_type == m.OrdType.market:
            return Why.market_remainder
        return None

    # Time

    def advance(self, c: m.AdvanceClock) -> int:
        self.check_clock(c)
        self.clock = c.up_to
        gtd = [o for o in self.live if o.time_in_force == m.TimeInForce.gtd]
        self.cancel_all([o for o in gtd if o.expire_time <= c.up_to], Why.expired, 0)
        changed = 0
        why = m.StatusReason
        for _, i in sorted(self.instruments.items()):
            if i.trading and i.limit_due and i.limit_due <= c.up_to:
                changed += self.change_status(i, Status.halt_auction, why.price_band, later(c.up_to, i.pause_ms))
            elif i.resume_time and i.resume_time <= c.up_to:
                paused = i.status_reason == why.price_band
                changed += self.change_status(i, Status.trading, why.price_band if paused else why.schedule, 0)
        return changed

    # Trades that are taken back or corrected

    def bust(self, c: m.BustTrade) -> None:
        self.check_trade(c)
        self.amended[c.match_id] = (c.price, 0)
        self.say(m.TradeBusted, c.instrument, price=c.price, qty=c.qty, **self.whose_trade(c))

    def correct(self, c: m.CorrectTrade) -> None:
        self.check_trade(c)
        self.amended[c.match_id] = (c.new_price, c.new_qty)
        old = {"old_price": c.price, "old_qty": c.qty}
        self.say(m.TradeCorrected, c.instrument, price=c.new_price, qty=c.new_qty, **old, **self.whose_trade(c))

    @staticmethod
    def whose_trade(c: m.BustTrade | m.CorrectTrade) -> dict[str, object]:
        return {
            "match_id": c.match_id,
            "maker_order_id": c.maker_order_id,
            "taker_order_id": c.taker_order_id,
            "maker_account": c.maker_account,
            "taker_account": c.taker_account,
            "taker_side": c.taker_side,
        }

    # State as bytes

    def snapshot(self) -> bytes:
        return naive_snapshot.write(self)

    @classmethod
    def restore(cls, snapshot: bytes, max_live_orders: int = MAX_LIVE_ORDERS) -> NaiveMatcher:
        made = cls(max_live_orders)
        naive_snapshot.read(snapshot, made)
        return made

    def digest(self) -> str:
        return hashlib.sha256(self.snapshot()).hexdigest()
