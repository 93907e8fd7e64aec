"""The records an engine would write, made by the naive matcher from a seeded flow: the oracle of the house fold.

What the public may know is asked of the matcher itself: its displayed depth, its statuses, what it last indicated.
"""

from __future__ import annotations

import random
from typing import Self

from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.order_flow import Flow

TICKERS = ("BTC/USD", "BRK.B")
EVERY_LEVEL = 1 << 20
Levels = dict[tuple[m.Side, int], tuple[int, int]]


class NaiveMarket:
    """`records` is the tape so far, `ends` how many records there were after each command."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"market/{seed}")
        self.matcher = NaiveMatcher()
        self.flow = Flow(seed, instruments=len(TICKERS), spread=self._random.choice([2, 4, 9]), nonsense=0.02)
        self.records: list[bytes] = []
        self.ends: list[int] = []
        self._put(m.EpochStarted(epoch=1))
        for definition in self.flow.definitions():
            self._sequence(m.decode(definition))

    @classmethod
    def played(cls, seed: int, steps: int) -> Self:
        """One that has taken so many commands."""
        market = cls(seed)
        for _ in range(steps):
            market.step()
        return market

    def step(self) -> None:
        """One random command and all its events."""
        command = m.decode(self.flow.command())
        if self._random.random() < 0.03 and "decision" in command.FIELDS:
            # Refused by risk: the matcher does not see it, and it changes nothing.
            command = command.replace(decision=m.RejectReason.max_notional)
        self._sequence(command)
        if self._random.random() < 0.01:
            self._put(m.InputRefused(length=3))

    def levels(self, instrument: int) -> Levels:
        """Displayed quantity and number of displayed orders, by side and price."""
        if instrument not in self.matcher.instruments:
            return {}
        return {
            (side, price): (qty, orders)
            for side in (m.Side.buy, m.Side.sell)
            for price, qty, orders in self.matcher.depth(instrument, side, EVERY_LEVEL)
        }

    def status(self, instrument: int) -> m.InstrumentStatus:
        if instrument not in self.matcher.instruments:
            return m.InstrumentStatus.delisted
        return self.matcher.status(instrument)

    @property
    def live_orders(self) -> int:
        return len(self.matcher.live)

    def _sequence(self, command: m.Message) -> None:
        if isinstance(command, m.InstrumentDefinition):
            number = command.instrument
            ticker = TICKERS[number - 1] if 0 < number <= len(TICKERS) else f"NEW{number % 1000}"
            command = command.replace(ticker=ticker, price_exponent=-2, qty_exponent=-(number % 8))
        self._put(command)
        events = self.matcher.apply(self.records[-1])
        if decision := getattr(command, "decision", 0):
            refused = {"cause": len(self.records), "instrument": command.instrument, "reason": decision}
            events = [bytes(m.OrderRejected(**refused, account=getattr(command, "account", 0)))]
        for event in events:
            self._put(m.decode(event))
        self.flow.hear(events)
        self.ends.append(len(self.records))

    def _put(self, message: m.Message) -> None:
        self.records.append(bytes(message.replace(seq=len(self.records) + 1)))
