"""The obvious matcher: lists that are sorted again whenever it matters, and no cleverness at all.

It reads and writes the same messages as `services.matcher.Matcher` and the same snapshot bytes, but shares nothing with
it but the rules (services/matcher/README.md). A queue is a Python list, finding an order is a search, depth is a sum.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from tapewire import messages as m

MAX_PRICE = MAX_QTY = 2**50
MAX_LEVEL_QTY = 2**62
MAX_ORDER_ID = 2**44 - 1
MAX_INSTRUMENTS = 2**20
MAX_LIVE_ORDERS = 2**26

R = m.RejectReason


class Refused(Exception):
    """A command is refused: why, and the two numbers that were compared."""

    def __init__(self, reason: m.RejectReason, value: int, limit: int) -> None:
        super().__init__(reason.name, value, limit)
        self.reason, self.value, self.limit = reason, value, limit


@dataclass
class Resting:
    id: int
    account: int
    instrument: int
    side: m.Side
    price: int
    qty: int
    leaves: int
    time_in_force: m.TimeInForce
    post_only: bool
    arrived: int
    """Its place in time: a greater number stands further back."""


@dataclass
class Instrument:
    tick: int
    lot: int
    max_qty: int
    min_price: int
    max_price: int
    status: m.InstrumentStatus


def signed(n: int) -> int:
    return n - 2**64 if n >= 2**63 else n


def opposite(side: m.Side) -> m.Side:
    return m.Side.sell if side == m.Side.buy else m.Side.buy


@dataclass
class NaiveMatcher:
    max_live_orders: int = MAX_LIVE_ORDERS
    instruments: dict[int, Instrument] = field(default_factory=dict)
    live: list[Resting] = field(default_factory=list)
    next_match_id: int = 1
    last_order_id: int = 0
    arrivals: int = 0

    def apply(self, command: bytes) -> list[bytes]:
        """The events of one command, as the compiled matcher's Python face numbers them."""
        c = m.decode(command)
        if getattr(c, "decision", None) != R.unspecified:
            return []
        events = [bytes(e) for e in self._events(c)]
        return [bytes(m.decode(e).replace(seq=c.seq + 1 + i)) for i, e in enumerate(events)]

    def _events(self, c: m.Message) -> Iterator[m.Message]:
        try:
            match c:
                case m.NewOrder():
                    yield from self._new(c)
                case m.CancelOrder():
                    yield self._cancelled(c, self._owned(c), m.CancelReason.requested, c.cl_ord_id)
                case m.ReplaceOrder():
                    yield from self._replace(c)
                case m.MassCancel():
                    yield from self._mass_cancel(c)
                case m.KillSwitch():
                    if c.cancel_open:
                        yield from self._cancel_all(c, c.account, 0, m.Side.unspecified, m.CancelReason.kill_switch, 0)
                case m.InstrumentDefinition():
                    self._define(c)
        except Refused as refused:
            event = m.OrderRejected if isinstance(c, m.NewOrder | m.InstrumentDefinition) else m.CancelRejected
            known = c.FIELDS
            yield event(
                **self._header(c),
                order_id=getattr(c, "order_id", 0),
                cl_ord_id=getattr(c, "cl_ord_id", 0),
                account=getattr(c, "account", 0) if "account" in known else 0,
                reason=refused.reason,
                value=signed(refused.value),
                limit=refused.limit,
            )

    def _header(self, c: m.Message, instrument: int | None = None) -> dict[str, object]:
        return {
            "cause": c.seq,
            "ts": c.ts,
            "ts_event": c.ts_event,
            "ts_recv": c.ts_recv,
            "origin_seq": c.origin_seq,
            "source": c.source,
            "instrument": c.instrument if instrument is None else instrument,
        }

    # Orders coming in

    def _new(self, c: m.NewOrder) -> Iterator[m.Message]:
        if c.order_id <= self.last_order_id:
            raise Refused(R.invalid_field, c.order_id, 0)
        if c.order_id > MAX_ORDER_ID:
            raise Refused(R.capacity, c.order_id, MAX_ORDER_ID)
        self.last_order_id = c.order_id
        self._check_new(c)
        yield m.OrderAccepted(
            **self._header(c),
            order_id=c.order_id,
            cl_ord_id=c.cl_ord_id,
            price=c.price,
            qty=c.qty,
            account=c.account,
            side=c.side,
            ord_type=c.ord_type,
            time_in_force=c.time_in_force,
        )
        order = Resting(
            c.order_id, c.account, c.instrument, c.side, c.price, c.qty, c.qty, c.time_in_force, c.post_only, 0
        )
        yield from self._match(c, order, None if self._unpriced(c) else c.price)
        if order.leaves == 0:
            return
        if c.ord_type == m.OrdType.limit and c.time_in_force in (m.TimeInForce.day, m.TimeInForce.gtc):
            self._queue(order)
            return
        market = c.ord_type == m.OrdType.market
        reason = m.CancelReason.market_remainder if market else m.CancelReason.immediate_or_cancel
        yield self._cancelled(c, order, reason, 0)

    @staticmethod
    def _unpriced(c: m.NewOrder) -> bool:
        return bool(c.ord_type == m.OrdType.market and c.price == 0)

    def _check_new(self, c: m.NewOrder) -> None:
        instrument = self._trading(c.instrument)
        market = c.ord_type == m.OrdType.market
        if c.side not in (m.Side.buy, m.Side.sell):
            raise Refused(R.invalid_field, c.side, 0)
        if c.ord_type not in (m.OrdType.limit, m.OrdType.market):
            raise Refused(R.invalid_field, c.ord_type, 0)
        if c.time_in_force not in list(m.TimeInForce)[1:]:
            raise Refused(R.invalid_field, c.time_in_force, 0)
        now_or_never = c.time_in_force in (m.TimeInForce.ioc, m.TimeInForce.fok)
        if c.post_only and market:
            raise Refused(R.invalid_field, c.ord_type, 0)
        if c.post_only and now_or_never:
            raise Refused(R.invalid_field, c.time_in_force, 0)
        self._check_qty(instrument, c.qty)
        against = self._side(c.instrument, opposite(c.side))
        if market:
            if c.price < 0:
                raise Refused(R.invalid_price, c.price, 0)
            if not against:
                raise Refused(R.no_liquidity, c.qty, 0)
        else:
            self._check_price(instrument, c.price)
            if c.post_only and against and self._crosses(c.side, c.price, against[0].price):
                raise Refused(R.would_cross, c.price, against[0].price)
            if not now_or_never:
                if len(self.live) >= self.max_live_orders:
                    raise Refused(R.capacity, len(self.live), self.max_live_orders)
                self._check_level(c.instrument, c.side, c.price, c.qty, skip=0)
        if c.time_in_force == m.TimeInForce.fok:
            reach = [o for o in against if self._unpriced(c) or self._crosses(c.side, c.price, o.price)]
            available = sum(o.leaves for o in reach)
            if available < c.qty:
                raise Refused(R.would_not_fill, c.qty, available)

    def _match(self, c: m.Message, taker: Resting, limit: int | None) -> Iterator[m.Message]:
        for maker in self._side(taker.instrument, opposite(taker.side)):
            if taker.leaves == 0 or (limit is not None and not self._crosses(taker.side, limit, maker.price)):
                return
            qty = min(taker.leaves, maker.leaves)
            taker.leaves -= qty
            maker.leaves -= qty
            if maker.leaves == 0:
                self.live.remove(maker)
            yield m.OrderExecuted(
                **self._header(c, taker.instrument),
                match_id=self.next_match_id,
                maker_order_id=maker.id,
                taker_order_id=taker.id,
                price=maker.price,
                qty=qty,
                maker_leaves_qty=maker.leaves,
                taker_leaves_qty=taker.leaves,
                maker_account=maker.account,
                taker_account=taker.account,
                aggressor=taker.side,
            )
            self.next_match_id += 1

    def _replace(self, c: m.ReplaceOrder) -> Iterator[m.Message]:
        order = self._owned(c)
        instrument = self._trading(order.instrument)
        self._check_qty(instrument, c.qty)
        self._check_price(instrument, c.price)
        cum = order.qty - order.leaves
        if c.qty <= cum:
            yield self._cancelled(c, order, m.CancelReason.requested, c.cl_ord_id)
            return
        against = self._side(order.instrument, opposite(order.side))
        if order.post_only and against and self._crosses(order.side, c.price, against[0].price):
            raise Refused(R.would_cross, c.price, against[0].price)
        self._check_level(order.instrument, order.side, c.price, c.qty - cum, skip=order.id)
        keeps = c.price == order.price and c.qty <= order.qty
        yield m.OrderReplaced(
            **self._header(c, order.instrument),
            order_id=order.id,
            cl_ord_id=c.cl_ord_id,
            price=c.price,
            qty=c.qty,
            leaves_qty=c.qty - cum,
            old_price=order.price,
            old_leaves_qty=order.leaves,
            account=order.account,
            side=order.side,
            priority_kept=keeps,
        )
        order.price, order.qty, order.leaves = c.price, c.qty, c.qty - cum
        if keeps:
            return
        self.live.remove(order)
        yield from self._match(c, order, order.price)
        if order.leaves:
            self._queue(order)

    # Orders going out

    def _cancelled(self, c: m.Message, order: Resting, reason: m.CancelReason, cl_ord_id: int) -> m.OrderCancelled:
        self.live = [o for o in self.live if o is not order]
        return m.OrderCancelled(
            **self._header(c, order.instrument),
            order_id=order.id,
            cl_ord_id=cl_ord_id,
            price=order.price,
            cancelled_qty=order.leaves,
            cum_qty=order.qty - order.leaves,
            account=order.account,
            side=order.side,
            reason=reason,
        )

    def _mass_cancel(self, c: m.MassCancel) -> Iterator[m.Message]:
        why = m.CancelReason
        if c.side not in list(m.Side):
            raise Refused(R.invalid_field, c.side, 0)
        if c.reason not in (why.unspecified, why.requested, why.mass_cancel, why.disconnected, why.kill_switch):
            raise Refused(R.invalid_field, c.reason, 0)
        if c.instrument and c.instrument not in self.instruments:
            raise Refused(R.unknown_instrument, c.instrument, 0)
        reason = why.mass_cancel if c.reason in (why.unspecified, why.requested) else c.reason
        yield from self._cancel_all(c, c.account, c.instrument, c.side, reason, c.cl_ord_id)

    def _cancel_all(
        self, c: m.Message, account: int, instrument: int, side: m.Side, reason: m.CancelReason, cl_ord_id: int
    ) -> Iterator[m.Message]:
        for order in sorted(self.live, key=lambda o: (o.instrument, o.id)):
            fits = account in (0, order.account) and instrument in (0, order.instrument)
            if fits and side in (m.Side.unspecified, order.side):
                yield self._cancelled(c, order, reason, cl_ord_id)

    # Instruments

    def _define(self, d: m.InstrumentDefinition) -> None:
        if not 0 < d.instrument < MAX_INSTRUMENTS:
            raise Refused(R.capacity, d.instrument, MAX_INSTRUMENTS - 1)
        if not 0 < d.tick_size <= MAX_PRICE:
            raise Refused(R.invalid_price, d.tick_size, MAX_PRICE)
        if not 0 < d.lot_size <= MAX_QTY:
            raise Refused(R.invalid_qty, d.lot_size, MAX_QTY)
        if not 0 <= d.max_qty <= MAX_QTY:
            raise Refused(R.invalid_qty, d.max_qty, MAX_QTY)
        for price in (d.min_price, d.max_price):
            if not 0 <= price <= MAX_PRICE:
                raise Refused(R.invalid_price, price, MAX_PRICE)
        if d.max_price and d.min_price > d.max_price:
            raise Refused(R.invalid_price, d.min_price, d.max_price)
        if d.status not in list(m.InstrumentStatus)[1:]:
            raise Refused(R.invalid_field, d.status, 0)
        old = self.instruments.get(d.instrument)
        if old and any(o.instrument == d.instrument for o in self.live):
            if d.tick_size != old.tick:
                raise Refused(R.instrument_exists, d.tick_size, old.tick)
            if d.lot_size != old.lot:
                raise Refused(R.instrument_exists, d.lot_size, old.lot)
        self.instruments[d.instrument] = Instrument(
            d.tick_size, d.lot_size, d.max_qty or MAX_QTY, max(d.min_price, 1), d.max_price or MAX_PRICE, d.status
        )

    # What is where

    def _queue(self, order: Resting) -> None:
        self.arrivals += 1
        order.arrived = self.arrivals
        self.live.append(order)

    def _side(self, instrument: int, side: m.Side) -> list[Resting]:
        """The side's orders as they would be matched: best price first, then first come."""
        sign = -1 if side == m.Side.buy else 1
        mine = [o for o in self.live if o.instrument == instrument and o.side == side]
        return sorted(mine, key=lambda o: (sign * o.price, o.arrived))

    def _levels(self, instrument: int, side: m.Side) -> list[tuple[int, list[Resting]]]:
        levels: dict[int, list[Resting]] = {}
        for order in self._side(instrument, side):
            levels.setdefault(order.price, []).append(order)
        return list(levels.items())

    @staticmethod
    def _crosses(side: m.Side, price: int, other: int) -> bool:
        return price >= other if side == m.Side.buy else price <= other

    def _trading(self, id: int) -> Instrument:
        if id not in self.instruments:
            raise Refused(R.unknown_instrument, id, 0)
        if self.instruments[id].status != m.InstrumentStatus.trading:
            raise Refused(R.instrument_halted, id, self.instruments[id].status)
        return self.instruments[id]

    def _owned(self, c: m.CancelOrder | m.ReplaceOrder) -> Resting:
        for order in self.live:
            if order.id == c.order_id:
                if order.account != c.account:
                    raise Refused(R.not_your_order, c.order_id, 0)
                return order
        raise Refused(R.unknown_order, c.order_id, 0)

    @staticmethod
    def _check_qty(instrument: Instrument, qty: int) -> None:
        if qty <= 0:
            raise Refused(R.invalid_qty, qty, instrument.lot)
        if qty > instrument.max_qty:
            raise Refused(R.invalid_qty, qty, instrument.max_qty)
        if qty % instrument.lot:
            raise Refused(R.invalid_qty, qty, instrument.lot)

    @staticmethod
    def _check_price(instrument: Instrument, price: int) -> None:
        if price < instrument.min_price:
            raise Refused(R.invalid_price, price, instrument.min_price)
        if price > instrument.max_price:
            raise Refused(R.invalid_price, price, instrument.max_price)
        if price % instrument.tick:
            raise Refused(R.off_tick, price, instrument.tick)

    def _check_level(self, instrument: int, side: m.Side, price: int, qty: int, skip: int) -> None:
        there = sum(o.leaves for o in self._side(instrument, side) if o.price == price and o.id != skip)
        if there + qty > MAX_LEVEL_QTY:
            raise Refused(R.capacity, there + qty, MAX_LEVEL_QTY)

    def best(self, instrument: int) -> tuple[int, int, int, int]:
        tops = []
        for side in (m.Side.buy, m.Side.sell):
            levels = self._levels(instrument, side)
            tops += [levels[0][0], sum(o.leaves for o in levels[0][1])] if levels else [0, 0]
        bid, bid_qty, ask, ask_qty = tops
        return bid, bid_qty, ask, ask_qty

    def depth(self, instrument: int, side: m.Side, n: int) -> list[tuple[int, int, int]]:
        levels = self._levels(instrument, side)[:n]
        return [(price, sum(o.leaves for o in queue), len(queue)) for price, queue in levels]

    def snapshot(self) -> bytes:
        """The layout of services/matcher/snapshot.hpp, written down a second time."""
        words = [self.next_match_id, self.last_order_id, len(self.instruments)]
        for id, i in sorted(self.instruments.items()):
            words += [id, i.tick, i.lot, i.max_qty, i.min_price, i.max_price, i.status]
            for side in (m.Side.buy, m.Side.sell):
                levels = self._levels(id, side)
                words.append(len(levels))
                for price, queue in levels:
                    words += [price, len(queue)]
                    for o in queue:
                        words += [o.id, o.leaves, o.qty, o.account | o.time_in_force << 32 | o.post_only << 48]
        return b"TWMATCH1" + struct.pack(f"<{len(words)}Q", *words)

    def digest(self) -> str:
        return hashlib.sha256(self.snapshot()).hexdigest()
