"""Seeded order flow for the matcher and its oracle: mostly sensible, often on the edge, sometimes nonsense."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tapewire import messages as m

NONSENSE = 77
"""An enumerant that no schema of ours has."""


@dataclass(frozen=True)
class Sent:
    """An order that may rest, if it was taken."""

    id: int
    account: int
    instrument: int
    side: m.Side
    price: int
    qty: int


@dataclass
class Flow:
    """Commands of a random market; the same seed gives the same commands.

    `spread` is how many ticks from the middle orders lie, `drift` how far the middle moves per command (a crash is a
    negative one), `extremes` the share of orders at prices of 1 tick or 2^40, `huge` that of quantities that make sums
    overflow.
    """

    seed: int
    instruments: int = 2
    accounts: int = 3
    spread: int = 6
    drift: float = 0.0
    middle: float = 1000.0
    extremes: float = 0.0
    huge: float = 0.0
    nonsense: float = 0.05
    seq: int = 0
    order_id: int = 0
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.tick = {i: self.random.choice([1, 5, 25]) for i in range(1, self.instruments + 1)}
        self.lot = {i: self.random.choice([1, 10]) for i in range(1, self.instruments + 1)}

    def definitions(self) -> list[bytes]:
        return [self._define(i, self.tick[i], self.lot[i], m.InstrumentStatus.trading) for i in self.tick]

    def commands(self, n: int) -> list[bytes]:
        return [self.command() for _ in range(n)]

    def command(self) -> bytes:
        self.middle = max(self.middle + self.drift + self.random.gauss(0, 0.5), 50.0)
        dice = self.random.random()
        if dice < 0.55:
            return self._new()
        if dice < 0.75:
            return self._cancel()
        if dice < 0.995:
            return self._replace()
        return self._operator()

    def _header(self, instrument: int) -> dict[str, object]:
        self.seq += 1
        t = 1_700_000_000_000_000_000 + self.seq
        return {
            "seq": self.seq,
            "ts": t,
            "ts_event": t - 1000,
            "ts_recv": t - 500,
            "origin_seq": 8 * self.seq,
            "source": 3,
            "instrument": instrument,
        }

    def _rarely(self) -> bool:
        return self.random.random() < self.nonsense

    def _instrument(self) -> int:
        return self.random.choice([0, 99, 2**32 - 1]) if self._rarely() else self.random.randint(1, self.instruments)

    def _price(self, instrument: int, side: m.Side) -> int:
        if self._rarely():
            return self.random.choice([0, -5, 7, 2**50 + 1, 2**62, -(2**63)])
        tick = self.tick.get(instrument, 1)
        if self.random.random() < self.extremes:
            return tick * self.random.choice([1, 2, 3, 2**40 // tick, 2**40 // tick - 1])
        away = self.random.randint(-2, self.spread) * (1 if side == m.Side.sell else -1)
        return tick * max(int(self.middle) + away, 1)

    def _qty(self, instrument: int) -> int:
        if self._rarely():
            return self.random.choice([0, -10, 7, 2**51, -(2**63)])
        lot = self.lot.get(instrument, 1)
        if self.random.random() < self.huge:
            return 2**50 // lot * lot
        return lot * self.random.choice([1, 2, 3, 5, 8, 13])

    def _new(self) -> bytes:
        instrument = self._instrument()
        side = self.random.choice([m.Side.buy, m.Side.sell])
        kind = self.random.choices([m.OrdType.limit, m.OrdType.market], [0.9, 0.1])[0]
        fate = self.random.choices(list(m.TimeInForce)[1:], [0.3, 0.5, 0.1, 0.1])[0]
        price = self._price(instrument, side)
        if kind == m.OrdType.market and self.random.random() < 0.5:
            price = self.random.choice([0, price, price + 1, -1])
        if not self._rarely():
            self.order_id += self.random.choice([1, 1, 1, 1, 2, 300])
        qty, account = self._qty(instrument), self.random.randint(1, self.accounts)
        if kind == m.OrdType.limit and fate <= m.TimeInForce.gtc:
            self.sent.append(Sent(self.order_id, account, instrument, side, price, qty))
        order = m.NewOrder(
            **self._header(instrument),
            order_id=self.order_id,
            cl_ord_id=self.seq,
            price=price,
            qty=qty,
            account=account,
            side=NONSENSE if self._rarely() else side,
            ord_type=NONSENSE if self._rarely() else kind,
            time_in_force=NONSENSE if self._rarely() else fate,
            post_only=self.random.random() < 0.15,
            decision=m.RejectReason.max_notional if self._rarely() else m.RejectReason.unspecified,
            client_text=self.random.choice(["", "", "client-7"]),
        )
        return bytes(order)

    def _pick(self) -> Sent:
        if self._rarely() or not self.sent:
            id = self.random.choice([0, 10**9, 2**44, 2**64 - 1])
            return Sent(id, 1, 1, m.Side.buy, 1000, 1)
        recent = self.sent[-60:] if self.random.random() < 0.8 else self.sent
        return self.random.choice(recent)

    def _account(self, order: Sent) -> int:
        return self.random.randint(1, self.accounts) if self._rarely() else order.account

    def _cancel(self) -> bytes:
        order = self._pick()
        if order in self.sent and self.random.random() < 0.8:
            self.sent.remove(order)
        header = self._header(self.random.choice([0, 1]))
        return bytes(m.CancelOrder(**header, order_id=order.id, cl_ord_id=self.seq, account=self._account(order)))

    def _replace(self) -> bytes:
        order = self._pick()
        stays = self.random.random() < 0.4
        lot = self.lot.get(order.instrument, 1)
        qty = self.random.choice([order.qty, order.qty - lot, order.qty + lot, lot, self._qty(order.instrument)])
        return bytes(
            m.ReplaceOrder(
                **self._header(0),
                order_id=order.id,
                cl_ord_id=self.seq,
                price=order.price if stays else self._price(order.instrument, order.side),
                qty=max(qty, -(2**63)),
                account=self._account(order),
            )
        )

    def _operator(self) -> bytes:
        choice = self.random.random()
        account = self.random.randint(0, self.accounts)
        if choice < 0.5:
            return bytes(
                m.MassCancel(
                    **self._header(self._instrument() if self.random.random() < 0.7 else 0),
                    cl_ord_id=self.seq,
                    account=account,
                    side=NONSENSE if self._rarely() else self.random.choice(list(m.Side)),
                    reason=NONSENSE if self._rarely() else self.random.choice(list(m.CancelReason)),
                )
            )
        if choice < 0.6:
            return bytes(
                m.KillSwitch(**self._header(0), account=account, engaged=True, cancel_open=self.random.random() < 0.5)
            )
        instrument = self._instrument()
        tick = self.random.choice([self.tick.get(instrument, 1)] * 5 + [1, 5, 0, -1])
        lot = self.random.choice([self.lot.get(instrument, 1)] * 5 + [1, 10, 0])
        status = self.random.choices([*list(m.InstrumentStatus), NONSENSE], [1, 20, 2, 1, 1])[0]
        return self._define(instrument, tick, lot, status)

    def _define(self, instrument: int, tick: int, lot: int, status: m.InstrumentStatus | int) -> bytes:
        return bytes(
            m.InstrumentDefinition(
                **self._header(instrument),
                ticker=f"TEST{instrument}",
                tick_size=tick,
                lot_size=lot,
                max_qty=self.random.choice([0, 0, 0, 1000, 2**51]) if self._rarely() else 0,
                min_price=self.random.choice([0, 20, -1]) if self._rarely() else 0,
                max_price=self.random.choice([0, 10, 2**45]) if self._rarely() else 0,
                status=status,
            )
        )
