"""What simulation and replay share: one strategy on the time of a tape, stepped event by event, without a clock.

    records of the tape, at their time ──HouseMarket──▶ what is told of them ──data latency──▶ strategy
    strategy ──order latency──▶ `arrive` of the one or the other

At one instant the market moves first, then orders arrive, then the strategy is told, then its timer rings; what has the
same time and rank happens in the order in which it was scheduled. So a run is a function of its inputs.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tapewire import house, order_bus, subjects
from tapewire import messages as m
from tapewire.connection.instrument import Instrument
from tapewire.errors import StrategyError
from tapewire.house import HouseMarket
from tapewire.strategy.inputs import trader_of
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder

ARRIVAL: Final = 1
"""Ranks within one instant; the market itself comes before them."""
DELIVERY: Final = 2
TIMER: Final = 3

MOST_AT_ONCE: Final = 10_000
"""Commands of one instant. With no latency at all a strategy can answer itself for ever, and time stands still."""

KINDS: Final = ("trade", "quote", "book", "status", "auction")


class Latency(NamedTuple):
    """ns."""

    order: int = 100_000
    """From the strategy's decision to the engine."""
    data: int = 100_000
    """From the engine to the strategy: market data and reports."""
    jitter: int = 0
    """Added to `order`: up to so much, drawn from the seed; orders never overtake each other."""


class Stepped:
    """A strategy and its time. `arrive` takes the commands that it sends, once they have come so far."""

    def __init__(
        self,
        strategy: Strategy,
        *,
        account: int,
        name: str,
        seed: int,
        latency: Latency,
        arrive: Callable[[order_bus.Command, StrategyOrder, int], None],
        inputs: Path | None = None,
    ) -> None:
        """`inputs`: the folder for what reaches the strategy; None: not kept."""
        self.trader = trader_of(strategy, self, account, name, seed, inputs)
        self.market = HouseMarket(house.FEED)
        self.latency = latency
        self.records = 0
        self.started = False
        self._arrive = arrive
        self._heap: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._number = 0
        self._jitter = random.Random(seed)
        self._last_arrival = 0
        self._instant, self._at_once = 0, 0
        self._known: dict[str, Instrument] = {}
        self._exec = subjects.subject(house.FEED, house.FEED, "exec", account)
        self._wanted: set[str] = {self._exec}
        self._awaited: set[str] = set()
        """Tickers that were watched before they were listed."""

    # -- time

    @property
    def due(self) -> tuple[int, int] | None:
        """(time, rank) of what comes next; None: nothing is scheduled."""
        timer = (self.trader.next_timer, TIMER) if self.trader.next_timer else None
        if not self._heap:
            return timer
        first = self._heap[0][:2]
        return first if timer is None or first <= timer else timer

    def step(self) -> None:
        """Does what comes next."""
        timer = self.trader.next_timer
        if timer and (not self._heap or (timer, TIMER) < self._heap[0][:2]):
            self.trader.next_timer = timer + self.trader.interval
            self.trader.timer(timer)
            return
        at, _, _, act = heapq.heappop(self._heap)
        act(at)

    def at(self, time: int, rank: int, act: Callable[[int], None]) -> None:
        """Schedules `act(time)`."""
        self._number += 1
        heapq.heappush(self._heap, (time, rank, self._number, act))

    def start(self, now: int) -> None:
        """The strategy begins: what it needs is defined by now."""
        self.started = True
        self.trader.start(now)

    def end(self, now: int) -> None:
        """The strategy ends; what it sends by that still arrives."""
        self.trader.end(now)
        self.trader.next_timer = 0
        arrivals = sorted(entry for entry in self._heap if entry[1] == ARRIVAL)
        self._heap.clear()
        while arrivals:
            for at, _, _, act in arrivals:
                act(at)
            arrivals = sorted(entry for entry in self._heap if entry[1] == ARRIVAL)
            self._heap.clear()

    # -- what the market does

    def told(self, raws: Iterable[bytes], now: int) -> None:
        """Records of the tape, in its order; each command whole."""
        deliveries: list[tuple[str, bytes]] = []
        for raw in raws:
            self.records += 1
            record = m.decode(raw)
            if isinstance(record, m.NewOrder) and record.account == self.trader.account:
                deliveries.append((self._exec, raw))
            deliveries += self._published(self.market.fold(raw))
        deliveries += self._published(self.market.settle())
        if deliveries and self.started:
            self.at(now + self.latency.data, DELIVERY, lambda at: self._deliver(deliveries, at))

    def _published(self, publications: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        found = []
        for to, payload in publications:
            if to in self._wanted:
                found.append((to, payload))
            elif ".instrument." in to:
                found += self._defined(payload)
        return found

    def _defined(self, payload: bytes) -> list[tuple[str, bytes]]:
        instrument = Instrument(m.InstrumentDefinition.decode(payload))
        self._known[instrument.ticker] = instrument
        if instrument.ticker not in self._awaited:
            return []
        self._awaited.discard(instrument.ticker)
        return self._snapshot(instrument.ticker)

    def _snapshot(self, ticker: str) -> list[tuple[str, bytes]]:
        book = self.market.book(ticker)
        return [] if book is None else [(subjects.subject(house.FEED, house.FEED, "book", ticker), book.snapshot())]

    def _deliver(self, deliveries: list[tuple[str, bytes]], now: int) -> None:
        trader = self.trader
        for to, payload in deliveries:
            if trader.stopped and not trader.ended:
                return
            message = m.decode(payload)
            if to is self._exec or to == self._exec:
                if isinstance(message, m.NewOrder):
                    trader.command(message, now)
                else:
                    trader.event(message, now)
            else:
                trader.market(house.FEED, message, now)

    # -- what the strategy asks

    def send(self, command: order_bus.Command, order: StrategyOrder) -> None:
        now = self.trader.now
        self._at_once = self._at_once + 1 if now == self._instant else 1
        self._instant = now
        if self._at_once > MOST_AT_ONCE:
            raise StrategyError(
                f"{MOST_AT_ONCE:,} commands at one instant ({now}): the strategy answers itself. Give it a latency"
            )
        jitter = self._jitter.randrange(self.latency.jitter + 1) if self.latency.jitter else 0
        self._last_arrival = max(self._last_arrival, now + self.latency.order + jitter)
        self.at(self._last_arrival, ARRIVAL, lambda at: self._arrive(command, order, at))

    def watch(self, feed: str, ticker: str) -> None:
        if feed != house.FEED:
            raise StrategyError(
                f"watch({ticker!r}, {feed!r}): here is one market, the house: its feed is {house.FEED!r}"
            )
        self._wanted |= {subjects.subject(house.FEED, house.FEED, kind, ticker) for kind in KINDS}
        snapshot = self._snapshot(ticker)
        if snapshot:
            self.at(self.trader.now + self.latency.data, DELIVERY, lambda at: self._deliver(snapshot, at))
        else:
            self._awaited.add(ticker)

    def instruments(self) -> dict[str, Instrument]:
        return self._known
