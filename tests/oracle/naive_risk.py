"""Pre-trade risk, slow and obvious: the rules of services/risk/README.md, one by one, over plain dicts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tapewire import messages as m

R = m.RejectReason
MAX_PRICE = MAX_QTY = 2**50
MAX_POSITION = 2**60
MAX_IDS = 2**20
Verdict = tuple[m.RejectReason, int, int]
OK: Verdict = (R.unspecified, 0, 0)


def clamp(value: int) -> int:
    return max(-(2**63), min(2**63 - 1, value))


@dataclass
class NaiveRisk:
    instruments: dict[int, m.InstrumentDefinition] = field(default_factory=dict)
    reference: dict[int, int] = field(default_factory=dict)
    limits: dict[int, m.AccountLimits] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    last_cl_ord_id: dict[tuple[int, int], int] = field(default_factory=dict)
    position: dict[tuple[int, int], int] = field(default_factory=dict)
    # order id -> [account, instrument, is a buy, leaves, cum]
    orders: dict[int, list[int]] = field(default_factory=dict)

    def open_qty(self, account: int, instrument: int, buy: bool) -> int:
        return sum(o[3] for o in self.orders.values() if o[:3] == [account, instrument, buy])

    def exposure(self, account: int, instrument: int) -> tuple[int, int, int]:
        return (
            self.position.get((account, instrument), 0),
            self.open_qty(account, instrument, True),
            self.open_qty(account, instrument, False),
        )

    def check(self, c: m.Message) -> tuple[Verdict, int]:
        """The decision, and the price a market order is given (0 for anything else)."""
        if isinstance(c, m.NewOrder):
            return self.check_new(c)
        if isinstance(c, m.ReplaceOrder):
            return self.check_replace(c), 0
        if isinstance(c, m.CancelOrder):
            return self.check_sender(c, c.account, c.cl_ord_id), 0
        if isinstance(c, m.MassCancel):
            if c.account and c.account not in self.limits:
                return (R.unknown_account, c.account, 0), 0
            if c.side > 2:
                return (R.invalid_field, int(c.side), 0), 0
            return self.check_cl_ord_id(c, c.account, c.cl_ord_id), 0
        if isinstance(c, m.InstrumentDefinition):
            return self.check_instrument(c), 0
        if isinstance(c, m.AccountLimits):
            return self.check_limits(c), 0
        assert isinstance(c, m.KillSwitch)
        return ((R.unknown_account, c.account, 0) if c.account and c.account not in self.limits else OK), 0

    def check_cl_ord_id(self, c: m.Message, account: int, cl_ord_id: int) -> Verdict:
        last = self.last_cl_ord_id.get((c.source, account), 0)
        return OK if cl_ord_id > last else (R.stale_cl_ord_id, cl_ord_id, last)

    def check_sender(self, c: m.Message, account: int, cl_ord_id: int) -> Verdict:
        if account not in self.limits:
            return R.unknown_account, account, 0
        return self.check_cl_ord_id(c, account, cl_ord_id)

    def collar(self, i: int, buy: bool) -> int:
        d, ref = self.instruments[i], self.reference.get(i, 0)
        if not d.collar_bps or not ref:
            return 0
        width = ref * d.collar_bps // 10_000
        edge = (ref + width) // d.tick_size * d.tick_size if buy else -(-(ref - width) // d.tick_size) * d.tick_size
        return max(d.tick_size, min(edge, d.max_price or MAX_PRICE))

    def check_qty(self, d: m.InstrumentDefinition, qty: int) -> Verdict:
        most = d.max_qty or MAX_QTY
        if qty <= 0:
            return R.invalid_qty, qty, d.lot_size
        if qty > most:
            return R.invalid_qty, qty, most
        return OK if qty % d.lot_size == 0 else (R.invalid_qty, qty, d.lot_size)

    def check_price(self, i: int, buy: bool, price: int) -> Verdict:
        d = self.instruments[i]
        least, most = max(d.min_price, 1), d.max_price or MAX_PRICE
        if price < least:
            return R.invalid_price, price, least
        if price > most:
            return R.invalid_price, price, most
        if price % d.tick_size:
            return R.off_tick, price, d.tick_size
        edge = self.collar(i, buy)
        if edge and (price > edge if buy else price < edge):
            return R.price_collar, price, edge
        return OK

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

    def check_new(self, c: m.NewOrder) -> tuple[Verdict, int]:
        i, d = c.instrument, self.instruments.get(c.instrument)
        sender = self.check_sender(c, c.account, c.cl_ord_id)
        if sender != OK:
            return sender, 0
        if self.killed & {0, c.account}:
            return (R.kill_switch, c.account, 0), 0
        if d is None:
            return (R.unknown_instrument, i, 0), 0
        if d.status != m.InstrumentStatus.trading:
            return (R.instrument_halted, i, int(d.status)), 0
        if c.side not in (1, 2):
            return (R.invalid_field, int(c.side), 0), 0
        if c.time_in_force not in (1, 2, 3, 4):
            return (R.invalid_field, int(c.time_in_force), 0), 0
        buy = c.side == m.Side.buy
        qty = self.check_qty(d, c.qty)
        if qty != OK:
            return qty, 0
        protection, worth = 0, c.price
        if c.ord_type == m.OrdType.market:
            if c.price:
                return (R.invalid_price, c.price, 0), 0
            if c.post_only:
                return (R.invalid_field, 1, 0), 0
            protection = self.collar(i, buy)
            worth = protection or self.reference.get(i, 0)
        elif c.ord_type == m.OrdType.limit:
            price = self.check_price(i, buy, c.price)
            if price != OK:
                return price, 0
        else:
            return (R.invalid_field, int(c.ord_type), 0), 0
        return self.check_account(c.account, i, buy, c.qty, c.qty, worth), protection

    def check_replace(self, c: m.ReplaceOrder) -> Verdict:
        sender = self.check_sender(c, c.account, c.cl_ord_id)
        if sender != OK:
            return sender
        if self.killed & {0, c.account}:
            return R.kill_switch, c.account, 0
        if c.order_id not in self.orders:
            return R.unknown_order, c.order_id, 0
        account, i, buy, leaves, cum = self.orders[c.order_id]
        if account != c.account:
            return R.not_your_order, c.order_id, 0
        d = self.instruments[i]
        if d.status != m.InstrumentStatus.trading:
            return R.instrument_halted, i, int(d.status)
        for verdict in (self.check_qty(d, c.qty), self.check_price(i, bool(buy), c.price)):
            if verdict != OK:
                return verdict
        return self.check_account(account, i, bool(buy), c.qty, c.qty - cum - leaves, c.price)

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
            (not self.has_tick(d), (R.invalid_price, d.tick_size, d.max_price)),
            (not 0 <= d.reference_price <= MAX_PRICE, (R.invalid_price, d.reference_price, MAX_PRICE)),
            (d.collar_bps > 100_000, (R.invalid_field, d.collar_bps, 100_000)),
            (d.status not in (1, 2, 3), (R.invalid_field, int(d.status), 0)),
        ]
        for broken, verdict in rules:
            if broken:
                return verdict
        old = self.instruments.get(d.instrument)
        if old and old.tick_size != d.tick_size:
            return R.instrument_exists, d.tick_size, old.tick_size
        if old and old.lot_size != d.lot_size:
            return R.instrument_exists, d.lot_size, old.lot_size
        return OK

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
        return OK if 0 <= c.max_position <= MAX_POSITION else (R.invalid_qty, c.max_position, MAX_POSITION)

    def fold(self, r: m.Message) -> None:
        if isinstance(r, m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel):
            if r.account == 0 or r.account in self.limits:
                key = (r.source, r.account)
                self.last_cl_ord_id[key] = max(self.last_cl_ord_id.get(key, 0), r.cl_ord_id)
        elif isinstance(r, m.OrderAccepted):
            self.orders[r.order_id] = [r.account, r.instrument, r.side == m.Side.buy, r.qty, 0]
        elif isinstance(r, m.OrderExecuted):
            for order_id, leaves in ((r.maker_order_id, r.maker_leaves_qty), (r.taker_order_id, r.taker_leaves_qty)):
                self.fill(order_id, r.qty, leaves)
            self.reference[r.instrument] = r.price
        elif isinstance(r, m.OrderCancelled):
            self.orders.pop(r.order_id, None)
        elif isinstance(r, m.OrderReplaced) and r.order_id in self.orders:
            self.orders[r.order_id][3] = r.leaves_qty
        elif isinstance(r, m.InstrumentDefinition) and not r.decision:
            self.instruments[r.instrument] = r
            if r.reference_price:
                self.reference[r.instrument] = r.reference_price
        elif isinstance(r, m.AccountLimits) and not r.decision:
            self.limits[r.account] = r
        elif isinstance(r, m.KillSwitch) and not r.decision:
            (self.killed.add if r.engaged else self.killed.discard)(r.account)

    def fill(self, order_id: int, qty: int, leaves: int) -> None:
        if order_id not in self.orders:
            return
        order = self.orders[order_id]
        key = (order[0], order[1])
        self.position[key] = self.position.get(key, 0) + (qty if order[2] else -qty)
        order[3], order[4] = leaves, order[4] + qty
        if leaves == 0:
            del self.orders[order_id]
