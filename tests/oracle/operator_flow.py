"""The operator's part of a seeded command flow: definitions, statuses, the clock, busts and corrections, limits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tapewire import messages as m

NONSENSE = 77
"""An enumerant that no schema of ours has."""

Status, Reason = m.InstrumentStatus, m.StatusReason
CALLS = (Status.opening_auction, Status.closing_auction, Status.halt_auction)

NEXT: dict[m.InstrumentStatus, dict[m.InstrumentStatus, int]] = {
    Status.trading: {Status.trading: 6, Status.halted: 4, Status.closing_auction: 10, Status.halt_auction: 8},
    Status.halted: {Status.trading: 10, Status.halt_auction: 10},
    Status.closed: {Status.opening_auction: 15, Status.trading: 5},
    Status.opening_auction: {Status.trading: 15},
    Status.closing_auction: {Status.trading: 5, Status.closed: 15},
    Status.halt_auction: {Status.trading: 15},
}
"""Where an instrument goes from where it is, and how often; anywhere else twice."""

PATIENCE = {Status.trading: 0.002, Status.halted: 0.2, Status.closed: 0.2, Status.delisted: 0.5}
"""The share of commands that end a status; 0.02 in a call."""


@dataclass
class OperatorFlow:
    """`spread`: how many ticks from the middle orders lie; `bands`: the share of definitions with price bands."""

    seed: int
    instruments: int = 2
    accounts: int = 5
    middle: float = 1000.0
    spread: int = 6
    nonsense: float = 0.04
    bands: float = 0.6
    seq: int = 0
    ts: int = 1_700_000_000_000_000_000
    status: dict[int, m.InstrumentStatus] = field(default_factory=dict)
    corrected: dict[int, tuple[int, int]] = field(default_factory=dict)
    """How trades stand that were corrected: price, quantity."""
    trades: dict[int, m.OrderExecuted] = field(default_factory=dict)
    """The latest, by matchId."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.tick = {i: self.random.choice([1, 5, 25]) for i in range(1, self.instruments + 1)}
        self.lot = {i: self.random.choice([1, 10]) for i in range(1, self.instruments + 1)}

    def definitions(self) -> list[bytes]:
        return [self._define(i, self.tick[i], self.lot[i], Status.trading) for i in self.tick]

    def header(self, instrument: int) -> dict[str, object]:
        self.seq += 1
        self.ts += self.random.choice([1, 1000, 10**6, 3 * 10**6])
        return {
            "seq": self.seq,
            "ts": self.ts,
            "ts_event": self.ts - 1000,
            "ts_recv": self.ts - 500,
            "origin_seq": 8 * self.seq,
            "source": 3,
            "instrument": instrument,
        }

    def rarely(self) -> bool:
        return self.random.random() < self.nonsense

    def instrument(self) -> int:
        if self.rarely():
            return self.random.choice([0, 99, 2**32 - 1])
        listed = [i for i in self.tick if self.status.get(i) != Status.delisted]
        return self.random.choice(listed or list(self.tick))

    def hear_one(self, event: m.Message) -> None:
        match event:
            case m.InstrumentStatusChanged() if event.instrument in self.status:
                self.status[event.instrument] = event.status
            case m.OrderRejected(reason=m.RejectReason.unknown_instrument) if event.instrument in self.status:
                self.status[event.instrument] = Status.delisted
            case m.OrderExecuted():
                self.trades[event.match_id] = event
                self.trades.pop(event.match_id - 50, None)

    def impatient(self) -> bool:
        """Whether it is time that an instrument leaves the status it is in."""
        return self.random.random() < sum(PATIENCE.get(status, 0.02) for status in self.status.values())

    def operator(self) -> bytes:
        stuck = [i for i, status in self.status.items() if status != Status.trading]
        if stuck and self.random.random() < 0.3:
            return self._set_status(self.random.choice(stuck))
        dice = self.random.random()
        if dice < 0.35:
            return self._advance()
        if dice < 0.45:
            return self._set_status(self.random.randint(1, self.instruments))
        if dice < 0.75:
            return self._redefine()
        if dice < 0.97:
            return self._amend()
        return bytes(m.AccountLimits(**self.header(0), account=self.random.randint(1, self.accounts)))

    # Instruments

    def _set_status(self, instrument: int) -> bytes:
        if self.status.get(instrument) == Status.delisted:
            self.tick[instrument], self.lot[instrument] = self.random.choice([1, 5, 25]), self.random.choice([1, 10])
            status = self.random.choice([Status.trading, Status.opening_auction])
            return self._define(instrument, self.tick[instrument], self.lot[instrument], status)
        choices, usual = list(Status)[1:], NEXT[self.status.get(instrument, Status.trading)]
        status = self.random.choices(choices, [usual.get(status, 2) for status in choices])[0]
        all_of_them = self.random.random() < 0.1 and status != Status.delisted
        header = self.header(0 if all_of_them else instrument)
        resume = 0
        if (status in (Status.halted, *CALLS) and self.random.random() < 0.3) or self.rarely():
            resume = self.ts + self.random.choice([10**7, 10**8, 10**9])
        given = {"status": status, "reason": self.random.choice(list(Reason)), "resume_time": resume}
        if self.rarely():
            strange = {"status": [0, 8, NONSENSE], "reason": [6, NONSENSE], "resume_time": [-1, 1, self.ts, 2**63 - 1]}
            name = self.random.choice(list(strange))
            given[name] = self.random.choice(strange[name])
        else:
            for i in self.status if all_of_them else [instrument]:
                if self.status.get(i) != Status.delisted:
                    self.status[i] = status
        return bytes(m.SetInstrumentStatus(**header, **given))

    def _redefine(self) -> bytes:
        instrument = self.instrument()
        if self.rarely():
            instrument = self.instruments + self.random.randint(1, 2)
        tick = self.random.choice([self.tick.get(instrument, 1)] * 9 + [1, 5, 0, -1])
        lot = self.random.choice([self.lot.get(instrument, 1)] * 9 + [1, 10, 0])
        status = self.random.choice([m.InstrumentStatus.unspecified] * 8 + [*Status, NONSENSE])
        return self._define(instrument, tick, lot, status)

    def _define(self, instrument: int, tick: int, lot: int, status: m.InstrumentStatus | int) -> bytes:
        if isinstance(status, Status) and status not in (Status.unspecified, Status.delisted):
            self.status.setdefault(instrument, status)
            if self.status[instrument] == Status.delisted:
                self.status[instrument] = status
        banded = self.random.random() < self.bands
        middle = int(self.middle) * tick
        reference = self.random.choice([middle, middle + 1, 0]) if banded else self.random.choice([0, 0, 0, middle])
        return bytes(
            m.InstrumentDefinition(
                **self.header(instrument),
                ticker=f"TEST{instrument % 100}",
                tick_size=tick,
                lot_size=lot,
                max_qty=self.random.choice([0, 0, 0, 1000, 2**51]) if self.rarely() else 0,
                min_price=self.random.choice([0, 20, -1, 2**50]) if self.rarely() else 0,
                max_price=self.random.choice([0, 10, 2**45]) if self.rarely() else 0,
                status=status,
                reference_price=self.random.choice([-1, 2**51, 7]) if self.rarely() else max(reference, 0),
                static_band_bps=self._bps([0, 0.2, 0.5, 1, 3]) if banded else 0,
                dynamic_band_bps=self._bps([0, 0, 0.2, 0.5, 1.5]) if banded else 0,
                limit_state_ms=self.random.choice([0, 1, 5, 30, 2**32 - 1 if self.rarely() else 30]),
                pause_ms=self.random.choice([0, 1, 20, 50]),
            )
        )

    def _bps(self, spreads: list[float]) -> int:
        """The band is as wide as so many spreads."""
        if self.rarely():
            return self.random.choice([10_000, 10_001, 2**32 - 1, 1])
        return min(int(self.random.choice(spreads) * self.spread / self.middle * 10_000), 10_000)

    # Time, and trades

    def _advance(self) -> bytes:
        header = self.header(0)
        up_to = self.ts
        if self.rarely():
            up_to = self.random.choice(
                [0, -1, self.ts - 10**9, self.ts + 10**8, 2**63 - 1 if self.nonsense > 0.2 else 1]
            )
        return bytes(m.AdvanceClock(**header, up_to=up_to))

    def _amend(self) -> bytes:
        match_id = self.random.choice(list(self.trades) or [self.random.randint(1, 100)])
        if self.corrected and self.random.random() < 0.4:
            match_id = self.random.choice(list(self.corrected))
        if self.rarely():
            match_id = self.random.choice([0, 2**40, 2**64 - 1])
        of = self.trades.get(match_id, m.OrderExecuted(price=int(self.middle), qty=10, taker_side=m.Side.buy))
        price, qty = self.corrected.get(match_id, (of.price, of.qty))
        if self.rarely():
            price, qty = self.random.choice([(price + 1, qty), (price, qty + 1), (0, qty), (price, -1)])
        sides = ("maker_order_id", "taker_order_id", "maker_account", "taker_account", "taker_side")
        trade = self.header(of.instrument) | {name: getattr(of, name) for name in sides}
        trade |= {"match_id": match_id, "price": price, "qty": qty}
        if self.random.random() < 0.4:
            return bytes(m.BustTrade(**trade))
        new_price, new_qty = price + self.random.choice([0, 1, 25]), self.random.choice([qty, qty + 1])
        if self.rarely():
            new_price, new_qty = self.random.choice([(0, 1), (2**50 + 1, 1), (1, 0), (1, 2**50 + 1)])
        elif 0 < match_id < 2**40:
            self.corrected[match_id] = (new_price, new_qty)
        return bytes(m.CorrectTrade(**trade, new_price=new_price, new_qty=new_qty))
