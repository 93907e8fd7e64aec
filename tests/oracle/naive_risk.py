"""Pre-trade risk, slow and obvious: the rules of services/risk/README.md, one by one, over plain dicts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tapewire import messages as m

R = m.RejectReason
MAX_PRICE = MAX_QTY = 2**50
MAX_POSITION = 2**60
MAX_IDS = 2**20
LIMIT, MARKET, STOP, STOP_LIMIT = m.OrdType.limit, m.OrdType.market, m.OrdType.stop, m.OrdType.stop_limit
Verdict = tuple[m.RejectReason, int, int]
OK: Verdict = (R.unspecified, 0, 0)


def clamp(value: int) -> int:
    return max(-(2**63), min(2**63 - 1, value))


@dataclass
class Open:
    """A live order, in the book or waiting."""

    account: int
    instrument: int
    buy: bool
    leaves: int
    ord_type: m.OrdType
    cum: int = 0
    stop_px: int = 0  # while it waits for it


@dataclass
class NaiveRisk:
    instruments: dict[int, m.InstrumentDefinition] = field(default_factory=dict)
    reference: dict[int, int] = field(default_factory=dict)
    limits: dict[int, m.AccountLimits] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    last_cl_ord_id: dict[tuple[int, int], int] = field(default_factory=dict)
    position: dict[tuple[int, int], int] = field(default_factory=dict)
    orders: dict[int, Open] = field(default_factory=dict)
    asked_stop_px: int = 0

    def open_qty(self, account: int, instrument: int, buy: bool) -> int:
        return sum(
            o.leaves for o in self.orders.values() if (o.account, o.instrument, o.buy) == (account, instrument, buy)
        )

    def exposure(self, account: int, instrument: int) -> tuple[int, int, int]:
        return (
            self.position.get((account, instrument), 0),
            self.open_qty(account, instrument, True),
            self.open_qty(account, instrument, False),
        )

    def check(self, c: m.Message) -> tuple[Verdict, m.Message]:
        """The decision, and the command as it is sequenced."""
        if isinstance(c, m.NewOrder):
            return self.check_new(c)
        if isinstance(c, m.ReplaceOrder):
            return self.check_replace(c)
        if isinstance(c, m.CancelOrder):
            return self.check_sender(c, c.account, c.cl_ord_id), c
        if isinstance(c, m.MassCancel):
            return self.check_mass_cancel(c), c
        if isinstance(c, m.InstrumentDefinition):
            return self.check_instrument(c), c
        if isinstance(c, m.AccountLimits):
            return self.check_limits(c), c
        if isinstance(c, m.BustTrade):
            return self.check_trade(c, -c.qty), c
        if isinstance(c, m.CorrectTrade):
            return self.check_trade(c, c.new_qty - c.qty), c
        if isinstance(c, m.KillSwitch):
            return ((R.unknown_account, c.account, 0) if c.account and c.account not in self.limits else OK), c
        assert isinstance(c, m.SetInstrumentStatus | m.AdvanceClock)
        return OK, c

    def check_mass_cancel(self, c: m.MassCancel) -> Verdict:
        if c.account and c.account not in self.limits:
            return R.unknown_account, c.account, 0
        if c.side > 2:
            return R.invalid_field, int(c.side), 0
        return self.check_cl_ord_id(c, c.account, c.cl_ord_id)

    def check_cl_ord_id(self, c: m.Message, account: int, cl_ord_id: int) -> Verdict:
        last = self.last_cl_ord_id.get((c.source, account), 0)
        return OK if cl_ord_id > last else (R.stale_cl_ord_id, cl_ord_id, last)

    def check_sender(self, c: m.Message, account: int, cl_ord_id: int) -> Verdict:
        if account not in self.limits:
            return R.unknown_account, account, 0
        return self.check_cl_ord_id(c, account, cl_ord_id)

    def collar(self, i: int, buy: bool, stop_px: int) -> int:
        d, around = self.instruments[i], stop_px or self.reference.get(i, 0)
        if not d.collar_bps or not around:
            return 0
        width = around * d.collar_bps // 10_000
        edge = (
            (around + width) // d.tick_size * d.tick_size if buy else -(-(around - width) // d.tick_size) * d.tick_size
        )
        return max(d.tick_size, min(edge, d.max_price or MAX_PRICE))

    def check_qty(self, d: m.InstrumentDefinition, qty: int) -> Verdict:
        most = d.max_qty or MAX_QTY
        if qty <= 0:
            return R.invalid_qty, qty, d.lot_size
        return (R.invalid_qty, qty, most) if qty > most else OK

    def check_range(self, i: int, price: int) -> Verdict:
        d = self.instruments[i]
        least, most = max(d.min_price, 1), d.max_price or MAX_PRICE
        if price < least:
            return R.invalid_price, price, least
        return (R.invalid_price, price, most) if price > most else OK

    def price(self, i: int, ord_type: int, buy: bool, price: int, stop_px: int) -> tuple[Verdict, int, int]:
        """The verdict, the price it goes to the matcher with, the price its notional is counted at.

        `stop_px` is 0 unless the order waits for it.
        """
        if ord_type in (STOP, STOP_LIMIT) and (verdict := self.check_range(i, stop_px)) != OK:
            return verdict, 0, 0
        edge = self.collar(i, buy, stop_px)
        if ord_type in (MARKET, STOP):
            if price:
                return (R.invalid_price, price, 0), 0, 0
            return OK, edge, edge or stop_px or self.reference.get(i, 0)
        if (verdict := self.check_range(i, price)) != OK:
            return verdict, 0, 0
        if edge and (price > edge if buy else price < edge):
            return (R.price_collar, price, edge), 0, 0
        return OK, price, price

    def check_account(self, account: int, i: int, buy: bool, qty: int, extra: int, worth: int) -> Verdict:
        a = self.limits[account]
        if a.max_order_qty and qty > a.max_order_qty:
            return R.max_order_qty, qty, a.max_order_qty
        if a.max_notional and not worth:
            return R.max_notional, 0, a.max_notional
        if a.max_notional and worth * qty > a.max_notional:
            return R.max_notional, clamp(worth * qty), a.max_notional
        position, open_buy, open_sell = self.exposure(account, i)
        reached = position + open_buy if buy else open_sell - position
        most = a.max_position or MAX_POSITION
        if extra > 0 and reached + extra > most:
            return R.max_position, clamp(reached + extra), most
        return OK

    def check_new(self, c: m.NewOrder) -> tuple[Verdict, m.Message]:
        i, d = c.instrument, self.instruments.get(c.instrument)
        sender = self.check_sender(c, c.account, c.cl_ord_id)
        if sender != OK:
            return sender, c
        if self.killed & {0, c.account}:
            return (R.kill_switch, c.account, 0), c
        if d is None:
            return (R.unknown_instrument, i, 0), c
        if c.side not in (1, 2):
            return (R.invalid_field, int(c.side), 0), c
        if c.ord_type not in (LIMIT, MARKET, STOP, STOP_LIMIT):
            return (R.invalid_field, int(c.ord_type), 0), c
        buy = c.side == m.Side.buy
        qty = self.check_qty(d, c.qty)
        if qty != OK:
            return qty, c
        stop_px = c.stop_px if c.ord_type in (STOP, STOP_LIMIT) else 0
        verdict, price, worth = self.price(i, c.ord_type, buy, c.price, stop_px)
        if verdict == OK:
            verdict = self.check_account(c.account, i, buy, c.qty, c.qty, worth)
        if verdict != OK:
            return verdict, c
        limits = self.limits[c.account]
        return OK, c.replace(
            price=price,
            self_trade_group=2**20 + limits.self_trade_group if limits.self_trade_group else c.account,
            self_trade=c.self_trade or limits.self_trade or m.SelfTrade.allow,
        )

    def check_replace(self, c: m.ReplaceOrder) -> tuple[Verdict, m.Message]:
        sender = self.check_sender(c, c.account, c.cl_ord_id)
        if sender != OK:
            return sender, c
        if self.killed & {0, c.account}:
            return (R.kill_switch, c.account, 0), c
        order = self.orders.get(c.order_id)
        if order is None:
            return (R.unknown_order, c.order_id, 0), c
        if order.account != c.account:
            return (R.not_your_order, c.order_id, 0), c
        if order.ord_type == MARKET:
            return OK, c  # the matcher refuses it
        i = order.instrument
        if (verdict := self.check_qty(self.instruments[i], c.qty)) != OK:
            return verdict, c
        stop_px = order.stop_px and (c.stop_px or order.stop_px)
        ord_type = order.ord_type if stop_px else LIMIT
        verdict, price, worth = self.price(i, ord_type, order.buy, c.price, stop_px)
        if verdict == OK:
            extra = c.qty - order.cum - order.leaves
            verdict = self.check_account(c.account, i, order.buy, c.qty, extra, worth)
        return verdict, c.replace(price=price) if verdict == OK else c

    def check_trade(self, c: m.BustTrade | m.CorrectTrade, more: int) -> Verdict:
        """`more`: by how much the trade's quantity changes."""
        if not 0 < c.instrument < MAX_IDS:
            return R.unknown_instrument, c.instrument, 0
        for account in (c.maker_account, c.taker_account):
            if account not in self.limits:
                return R.unknown_account, account, 0
        if c.taker_side not in (1, 2):
            return R.invalid_field, int(c.taker_side), 0
        for qty in (c.qty, c.new_qty) if isinstance(c, m.CorrectTrade) else (c.qty,):
            if not 0 < qty <= MAX_QTY:
                return R.invalid_qty, qty, MAX_QTY
        if c.maker_account == c.taker_account:
            return OK
        bought = more if c.taker_side == m.Side.buy else -more
        for account, change in ((c.taker_account, bought), (c.maker_account, -bought)):
            position, open_buy, open_sell = self.exposure(account, c.instrument)
            reached = position + open_buy + change if change > 0 else open_sell - position - change
            if reached > MAX_POSITION:
                return R.max_position, reached, MAX_POSITION
        return OK

    def check_instrument(self, d: m.InstrumentDefinition) -> Verdict:
        rules = [
            (not 0 < d.instrument < MAX_IDS, (R.capacity, d.instrument, MAX_IDS - 1)),
            (not re.fullmatch("[!-~]+", d.ticker), (R.invalid_field, 0, 0)),
            (not 0 < d.tick_size <= MAX_PRICE, (R.invalid_price, d.tick_size, MAX_PRICE)),
            (not 0 < d.lot_size <= MAX_QTY, (R.invalid_qty, d.lot_size, MAX_QTY)),
            (not 0 <= d.max_qty <= MAX_QTY, (R.invalid_qty, d.max_qty, MAX_QTY)),
            (not 0 <= d.min_price <= MAX_PRICE, (R.invalid_price, d.min_price, MAX_PRICE)),
            (not 0 <= d.max_price <= MAX_PRICE, (R.invalid_price, d.max_price, MAX_PRICE)),
            (0 < d.max_price < d.min_price, (R.invalid_price, d.min_price, d.max_price)),
            (not self.has_tick(d), (R.invalid_price, d.tick_size, d.max_price or MAX_PRICE)),
            (not 0 <= d.reference_price <= MAX_PRICE, (R.invalid_price, d.reference_price, MAX_PRICE)),
            (d.collar_bps > 100_000, (R.invalid_field, d.collar_bps, 100_000)),
        ]
        return next((verdict for broken, verdict in rules if broken), OK)

    def has_tick(self, d: m.InstrumentDefinition) -> bool:
        """Whether some multiple of the tick is an allowed price."""
        least, most = max(d.min_price, 1), d.max_price or MAX_PRICE
        return d.tick_size <= 0 or most // d.tick_size * d.tick_size >= least

    def check_limits(self, c: m.AccountLimits) -> Verdict:
        if not 0 < c.account < MAX_IDS:
            return R.capacity, c.account, MAX_IDS - 1
        for value in (c.max_order_qty, c.max_notional):
            if value < 0:
                return R.invalid_qty, value, 0
        if not 0 <= c.max_position <= MAX_POSITION:
            return R.invalid_qty, c.max_position, MAX_POSITION
        if c.self_trade_group >= MAX_IDS:
            return R.capacity, c.self_trade_group, MAX_IDS - 1
        return OK if c.self_trade <= 5 else (R.invalid_field, int(c.self_trade), 0)

    def fold(self, r: m.Message) -> None:
        if isinstance(r, m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel):
            if (r.account == 0 and isinstance(r, m.MassCancel)) or r.account in self.limits:
                key = (r.source, r.account)
                self.last_cl_ord_id[key] = max(self.last_cl_ord_id.get(key, 0), r.cl_ord_id)
            if isinstance(r, m.ReplaceOrder):
                self.asked_stop_px = r.stop_px
        elif isinstance(r, m.OrderAccepted):
            self.orders[r.order_id] = Open(
                r.account, r.instrument, r.side == m.Side.buy, r.qty, r.ord_type, stop_px=r.stop_px
            )
        elif isinstance(r, m.OrderExecuted):
            for order_id, leaves in ((r.maker_order_id, r.maker_leaves_qty), (r.taker_order_id, r.taker_leaves_qty)):
                self.fill(order_id, r.qty, leaves)
            self.reference[r.instrument] = r.price
        elif isinstance(r, m.OrderCancelled):
            self.orders.pop(r.order_id, None)
        elif isinstance(r, m.OrderReplaced | m.OrderRestated | m.OrderTriggered):
            self.fold_change(r)
        elif isinstance(r, m.TradeBusted):
            self.trade(r, -r.qty)
        elif isinstance(r, m.TradeCorrected):
            self.trade(r, r.qty - r.old_qty)
        elif isinstance(r, m.InstrumentStatusChanged):
            if r.status == m.InstrumentStatus.delisted:
                self.instruments.pop(r.instrument, None)
                self.reference.pop(r.instrument, None)
        else:
            self.fold_operator(r)

    def fold_operator(self, r: m.Message) -> None:
        if isinstance(r, m.InstrumentDefinition) and not r.decision:
            self.instruments[r.instrument] = r
            if r.reference_price:
                self.reference[r.instrument] = r.reference_price
        elif isinstance(r, m.AccountLimits) and not r.decision:
            self.limits[r.account] = r
        elif isinstance(r, m.KillSwitch) and not r.decision:
            (self.killed.add if r.engaged else self.killed.discard)(r.account)

    def fold_change(self, r: m.OrderReplaced | m.OrderRestated | m.OrderTriggered) -> None:
        order = self.orders.get(r.order_id)
        if order is None:
            return
        if isinstance(r, m.OrderTriggered):
            order.stop_px = 0
            return
        order.leaves = r.leaves_qty
        if isinstance(r, m.OrderReplaced) and order.stop_px and self.asked_stop_px:
            order.stop_px = self.asked_stop_px

    def fill(self, order_id: int, qty: int, leaves: int) -> None:
        order = self.orders.get(order_id)
        if order is None:
            return
        key = (order.account, order.instrument)
        self.position[key] = self.position.get(key, 0) + (qty if order.buy else -qty)
        order.leaves, order.cum = leaves, order.cum + qty
        if leaves == 0:
            del self.orders[order_id]

    def trade(self, r: m.TradeBusted | m.TradeCorrected, more: int) -> None:
        bought = more if r.taker_side == m.Side.buy else -more
        for account, change in ((r.taker_account, bought), (r.maker_account, -bought)):
            key = (account, r.instrument)
            self.position[key] = self.position.get(key, 0) + change
