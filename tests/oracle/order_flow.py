"""Seeded command flow for the matcher and its oracle: mostly sensible, often on the edge, sometimes nonsense.

Whoever tells the flow what came of its commands (`hear`) gets cancels and replaces of orders that are there. Else it
believes that it got what it asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tapewire import messages as m
from tapewire.wire._wire import EnumField, IntField
from tests.oracle.operator_flow import CALLS, NONSENSE, OperatorFlow, Status

BUY, SELL = m.Side.buy, m.Side.sell
OrdType, Tif, SelfTrade = m.OrdType, m.TimeInForce, m.SelfTrade
STOPS = (OrdType.stop, OrdType.stop_limit)

MARKETS: dict[str, dict[str, Any]] = {
    "narrow": {"spread": 4},
    "wide": {"spread": 3000, "middle": 10_000.0},
    "falling by 60 %": {"spread": 40, "middle": 5000.0, "drift": -1.0},
    "prices of 1 and 2^40 ticks": {"extremes": 0.3, "bands": 0.2},
    "quantities that add up to more than 64 bits": {"huge": 0.6, "spread": 1, "nonsense": 0.0},
    "many instruments": {"instruments": 12, "spread": 3, "accounts": 3},
    "nonsense": {"nonsense": 0.3},
    "damaged": {"damage": 0.2},
}
"""What to give to `Flow`, by name."""


@dataclass(frozen=True)
class Sent:
    """An order that may rest or wait, if it was taken."""

    id: int
    account: int
    instrument: int
    side: m.Side
    price: int
    qty: int
    stop_px: int


@dataclass
class Flow(OperatorFlow):
    """Commands of a random market; the same seed gives the same commands.

    `drift` is how far the middle moves per command (a crash is a negative one), `extremes` the share of orders at
    prices of 1 tick or 2^40, `huge` that of quantities that make sums overflow, `damage` that of commands in
    which a field holds anything whatever.
    """

    drift: float = 0.0
    extremes: float = 0.0
    huge: float = 0.0
    damage: float = 0.0
    order_id: int = 0
    sent: dict[int, Sent] = field(default_factory=dict)
    """Orders that may be live, by id."""

    def commands(self, n: int) -> list[bytes]:
        return [self.command() for _ in range(n)]

    def play(self, apply: Callable[[bytes], list[bytes]], n: int) -> Iterator[tuple[bytes, list[bytes]]]:
        """The definitions and `n` commands, one after the other: each is given to `apply`, whose events are heard."""
        for command in chain(self.definitions(), (self.command() for _ in range(n))):
            events = apply(command)
            self.hear(events)
            yield command, events

    def hear(self, events: list[bytes]) -> None:
        """What the last command has led to."""
        for raw in events:
            self.hear_one(m.decode(raw))

    def hear_one(self, event: m.Message) -> None:
        super().hear_one(event)
        match event:
            case m.OrderRejected() | m.OrderCancelled():
                self.sent.pop(event.order_id, None)
            case m.CancelRejected(reason=m.RejectReason.unknown_order):
                self.sent.pop(event.order_id, None)
            case m.OrderExecuted():
                if not event.maker_leaves_qty:
                    self.sent.pop(event.maker_order_id, None)
                if not event.taker_leaves_qty:
                    self.sent.pop(event.taker_order_id, None)

    def command(self) -> bytes:
        made = self._command()
        return self._damaged(made) if self.random.random() < self.damage else made

    def _damaged(self, command: bytes) -> bytes:
        made = m.decode(command)
        numbers = {name: f for name, f in made.FIELDS.items() if isinstance(f, IntField | EnumField)}
        name = self.random.choice([name for name in numbers if name not in ("seq", "type", "up_to")])
        field = numbers[name]
        bits, signed = (8 * field.size, field.signed) if isinstance(field, IntField) else (16, False)
        value = self.random.choice([0, 1, self.random.getrandbits(bits), 2 ** (bits - 1) - 1, 2**bits - 1])
        return bytes(made.replace(**{name: value - 2**bits if signed and value >= 2 ** (bits - 1) else value}))

    def _command(self) -> bytes:
        self.middle = max(self.middle + self.drift + self.random.gauss(0, 0.5), 50.0)
        if self.impatient():
            return self.operator()
        dice = self.random.random()
        if dice < 0.68:
            return self._new()
        if dice < 0.78:
            return self._cancel()
        if dice < 0.95:
            return self._replace()
        return self.operator() if dice < 0.994 else self._mass()

    # Prices and quantities

    def _price(self, instrument: int, side: m.Side, crosses: float = 0.25) -> int:
        """Mostly on its own side of the middle; `crosses`: the share of those that may not be."""
        if self.rarely():
            return self.random.choice([0, -5, 7, 2**50 + 1, 2**62, -(2**63)])
        tick = self.tick.get(instrument, 1)
        if self.random.random() < self.extremes:
            return tick * self.random.choice([1, 2, 3, 2**40 // tick, 2**40 // tick - 1])
        away = self.random.randint(0, self.spread)
        if self.random.random() < crosses:
            away = self.random.randint(-3, 0)
        return tick * max(int(self.middle) + (away if side == SELL else -away), 1)

    def _qty(self, instrument: int) -> int:
        if self.rarely():
            return self.random.choice([0, -10, 7, 2**51, -(2**63)])
        lot = self.lot.get(instrument, 1)
        if self.random.random() < self.huge:
            return 2**50 // lot * lot
        return lot * self.random.choice([1, 2, 3, 5, 8, 13, 40])

    # Orders

    def _new(self) -> bytes:
        if not self.rarely():
            self.order_id += self.random.choice([1, 1, 1, 1, 2, 300])
        instrument, side = self.instrument(), self.random.choice([BUY, SELL])
        kind, tif = self._kind_and_tif(self.status.get(instrument, Status.trading))
        header = self.header(instrument)
        account, qty = self.random.randint(1, self.accounts), self._qty(instrument)
        terms = self._terms(instrument, side, kind, tif, qty)
        if kind != OrdType.market and tif not in (Tif.ioc, Tif.fok):
            sent = Sent(self.order_id, account, instrument, side, terms["price"], qty, terms["stop_px"])
            self.sent[self.order_id] = sent
        given = dict(header, order_id=self.order_id, cl_ord_id=self.seq, qty=qty, account=account) | terms
        given |= {"side": side, "ord_type": kind, "time_in_force": tif}
        given |= {"session": self.random.choice([0, 1, 2]), "client_text": self.random.choice(["", "client-7"])}
        given |= {"self_trade": self._self_trade(), "self_trade_group": self._group(account)}
        if self.rarely():
            given |= self._spoilt(given)
        return bytes(m.NewOrder(**given))

    def _kind_and_tif(self, status: m.InstrumentStatus) -> tuple[m.OrdType, m.TimeInForce]:
        opening = status == Status.opening_auction
        resting = [Tif.day, Tif.gtc, Tif.gtc, Tif.gtd]
        dice = self.random.random()
        if dice < 0.12:
            return OrdType.stop_limit, self.random.choice(resting)
        if dice < 0.20:
            return OrdType.stop, self.random.choice(resting)
        if dice < 0.30:
            unpriced = [Tif.day, Tif.gtc, Tif.ioc, Tif.fok, Tif.at_close]
            return OrdType.market, self.random.choice([*unpriced, Tif.at_open, Tif.at_open] if opening else unpriced)
        if opening and dice < 0.45:
            return OrdType.limit, Tif.at_open
        if status not in CALLS and dice < 0.48:
            return OrdType.limit, self.random.choice([Tif.ioc, Tif.fok])
        return OrdType.limit, self.random.choice([*resting * 3, Tif.at_close])

    def _terms(self, instrument: int, side: m.Side, kind: m.OrdType, tif: m.TimeInForce, qty: int) -> dict[str, int]:
        """Prices, and what an order of this kind may have beside them."""
        lot, dice = self.lot.get(instrument, 1), self.random.random()
        terms: dict[str, int] = {"price": self._price(instrument, side), "stop_px": 0}
        if kind in (OrdType.market, OrdType.stop):
            protection = terms["price"] + self.random.randint(-1, 3) * (1 if side == BUY else -1)
            terms["price"] = self.random.choice([0, 0, max(protection, -1)])
        if kind in STOPS:
            terms["stop_px"] = self._price(instrument, opposite(side), crosses=0.05)
            if kind == OrdType.stop_limit and self.random.random() < 0.5 and 0 < terms["stop_px"] < 2**50:
                beyond = self.tick.get(instrument, 1) * self.random.randint(0, 2 * self.spread)
                terms["price"] = terms["stop_px"] + (beyond if side == BUY else -beyond)
        if tif == Tif.gtd:
            terms["expire_time"] = self.ts + self.random.choice([1, 10**7, 10**8, 10**9, 10**10])
        priced, rests = kind in (OrdType.limit, OrdType.stop_limit), tif not in (Tif.ioc, Tif.fok)
        if priced and rests and dice < 0.16:
            part = max(qty // lot // self.random.choice([2, 3, 5, 7]), 1) * lot
            terms["display_qty"] = (
                part if self.random.random() < 0.95 else self.random.choice([qty, lot, qty + 1, -lot])
            )
        elif priced and rests and dice < 0.25:
            terms["hidden"] = True
        if kind == OrdType.limit and tif in (Tif.day, Tif.gtc, Tif.gtd) and self.random.random() < 0.15:
            terms |= {"post_only": True, "slide": self.random.random() < 0.5}
        elif kind not in STOPS and tif not in (Tif.fok, Tif.at_open, Tif.at_close) and self.random.random() < 0.06:
            terms["min_qty"] = self.random.choice([lot, lot, qty, qty + lot, 7])
        return terms

    def _spoilt(self, given: dict[str, object]) -> dict[str, object]:
        """One or two fields that do not belong there."""
        strange: dict[str, list[object]] = {
            "side": [NONSENSE, 0],
            "ord_type": [NONSENSE, 0, *OrdType],
            "time_in_force": [NONSENSE, 0, *Tif],
            "self_trade": [NONSENSE, 6],
            "self_trade_group": [0, 2**32 - 1],
            "post_only": [True],
            "slide": [True],
            "hidden": [True],
            "display_qty": [1, 10, -1, 2**63 - 1, given["qty"]],
            "min_qty": [1, 10, -1, 2**63 - 1],
            "stop_px": [1, -5, 1000, 2**63 - 1],
            "expire_time": [1, -1, self.ts, 2**63 - 1],
            "decision": [m.RejectReason.max_notional],
            "ts": [-(2**63), 2**63 - 1, 0],
            "order_id": [0, 2**44, 2**64 - 1],
        }
        fields = self.random.sample(list(strange), self.random.choice([1, 1, 2]))
        return {field: self.random.choice(strange[field]) for field in fields}

    def _self_trade(self) -> m.SelfTrade:
        return self.random.choices(list(SelfTrade), [1, 5, 2, 2, 1, 3])[0]

    def _group(self, account: int) -> int:
        """As risk writes it: the account's own number, or a group that the first two have together."""
        return 2**20 + 1 if account <= 2 else account

    def _pick(self) -> Sent:
        if self.rarely() or not self.sent:
            return Sent(self.random.choice([0, 10**9, 2**44, 2**64 - 1]), 1, 1, BUY, 1000, 1, 0)
        known = list(self.sent.values())
        return self.random.choice(known[-60:] if self.random.random() < 0.8 else known)

    def _account(self, order: Sent) -> int:
        return self.random.randint(1, self.accounts) if self.rarely() else order.account

    def _cancel(self) -> bytes:
        order = self._pick()
        if self.random.random() < 0.8:
            self.sent.pop(order.id, None)
        header = self.header(self.random.choice([0, 1]))
        return bytes(m.CancelOrder(**header, order_id=order.id, cl_ord_id=self.seq, account=self._account(order)))

    def _replace(self) -> bytes:
        order = self._pick()
        stays = self.random.random() < 0.4
        lot = self.lot.get(order.instrument, 1)
        qty = self.random.choice([order.qty, order.qty - lot, order.qty + lot, lot, self._qty(order.instrument)])
        stop_px = 0
        if (order.stop_px and self.random.random() < 0.6) or self.rarely():
            stop_px = self._price(order.instrument, opposite(order.side), crosses=0.05)
        return bytes(
            m.ReplaceOrder(
                **self.header(0),
                order_id=order.id,
                cl_ord_id=self.seq,
                price=order.price if stays else self._price(order.instrument, order.side),
                qty=max(qty, -(2**63)),
                stop_px=stop_px,
                account=self._account(order),
            )
        )

    def _mass(self) -> bytes:
        account = self.random.randint(0, self.accounts)
        if self.random.random() < 0.1:
            cancels = self.random.random() < 0.5
            return bytes(m.KillSwitch(**self.header(0), account=account, engaged=True, cancel_open=cancels))
        return bytes(
            m.MassCancel(
                **self.header(self.random.choice([0, self.instrument(), self.instrument(), 99])),
                cl_ord_id=self.seq,
                account=account,
                session=self.random.choice([0, 1, 2]),
                side=NONSENSE if self.rarely() else self.random.choice(list(m.Side)),
                reason=NONSENSE if self.rarely() else self.random.choice(list(m.CancelReason)),
            )
        )


def opposite(side: m.Side) -> m.Side:
    return SELL if side == BUY else BUY
