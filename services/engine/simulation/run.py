"""A strategy in the market of a recorded tape: the real core, on the tape's time.

    recorded steps ──────────────┐
    strategy ──latency──▶ orders ┴─▶ SimulatedExchange ──records──▶ HouseMarket ──latency──▶ strategy

Equal tape, strategy, parameters, latency and seed give an equal tape, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.engine.simulation.exchange import SimulatedExchange
from services.engine.simulation.mirrored import MirroredMarket
from services.engine.simulation.recorded import RecordedOrders, Step
from tapewire import messages as m
from tapewire import order_bus
from tapewire.connection.replaying import feed_of
from tapewire.house import FEED as HOUSE
from tapewire.strategy.report import RunReport, report_of
from tapewire.strategy.stepped import Latency, Stepped
from tapewire.strategy.strategy import Strategy
from tapewire.strategy.trader import StrategyOrder

MARKET_RANK: Final = 0
PROGRESS_EVERY: Final = 4096


@dataclass(frozen=True)
class SimulationSettings:
    """What a run depends on beside the strategy and the tape."""

    account: int = 1
    name: str = "simulated"
    """The beginning of the strategy's ClOrdIDs."""
    seed: int = 0
    latency: Latency = field(default_factory=Latency)
    tickers: frozenset[str] = frozenset()
    """Of a venue's tape: those that the market is made of; none: all."""
    without: frozenset[int] = frozenset()
    """Of an orders tape: accounts whose orders are left out, as the strategy's own of that day."""
    until: int = 0
    """UTC ns at which the run ends; 0: with the tape."""


class Simulation:
    """One run. `folder`: an empty one, for the tape that it writes."""

    def __init__(self, strategy: Strategy, tape: Path, folder: Path, settings: SimulationSettings) -> None:
        self.strategy, self.tape, self.settings = strategy, tape, settings
        if feed_of(tape) == HOUSE:
            self.market: RecordedOrders | MirroredMarket = RecordedOrders(tape, settings.without)
        else:
            self.market = MirroredMarket(tape, settings.tickers)
        self._source = max(self.market.producers) + 1
        self._operator = self._source + 1
        producers = {**self.market.producers, self._source: "trader", self._operator: "operator"}
        folder.mkdir(parents=True, exist_ok=True)
        self.exchange = SimulatedExchange(folder, producers, self.market.first_ts)
        self.stepped = Stepped(
            strategy,
            account=settings.account,
            name=settings.name,
            seed=settings.seed,
            latency=settings.latency,
            arrive=self._arrive,
        )
        self._cl_ord_id = 0
        self.steps = 0

    @property
    def output(self) -> Path:
        """The tape of what happened."""
        return self.exchange.tape

    def run(self, progress: Callable[[int], None] = lambda _: None) -> RunReport:
        """Until the tape, `until` or the strategy ends it. `progress` is told the market's steps now and then."""
        began = time.perf_counter()
        stepped, trader = self.stepped, self.stepped.trader
        try:
            self._open_account()
            for step in self._steps():
                self._catch_up(step.ts)
                if trader.stopped:
                    break
                records = self.exchange.step(step.ts, step.commands)
                self.market.happened(records)
                stepped.told(records, self.exchange.now)
                self.steps += 1
                if self.steps % PROGRESS_EVERY == 0:
                    progress(self.steps)
            if not stepped.started:
                stepped.start(self.exchange.now)
            # What the market did last is still told, and what is decided on that still arrives.
            ended = self.exchange.now + sum(self.settings.latency)
            self._catch_up(ended + 1)
            stepped.end(max(self.exchange.now, trader.now) if trader.stopped else ended)
        finally:
            self.exchange.close()
        return report_of("simulate", self.tape, trader, stepped.records, time.perf_counter() - began, str(self.output))

    def _steps(self) -> Iterator[Step]:
        until = self.settings.until
        for step in self.market:
            if until and step.ts >= until:
                return
            if not self.stepped.started and self._opened():
                self.stepped.start(max(step.ts, self.exchange.now))
            yield step

    def _opened(self) -> bool:
        """Whether what stands at the head of the tape is done: definitions, accounts, statuses. Trading comes now."""
        if isinstance(self.market, RecordedOrders):
            return self.market.taken_seq >= self.market.first_trading_seq
        return self.steps > 0

    def _open_account(self) -> None:
        """The strategy's account, if the recorded market does not have it: without limits."""
        if self.settings.account in self.market.accounts:
            return
        opening = m.AccountLimits(account=self.settings.account)
        self.stepped.told(
            self.exchange.step(self.market.first_ts, [(self._operator, bytes(opening))]), self.exchange.now
        )

    def _catch_up(self, until: int) -> None:
        """Everything of the strategy that comes before the market's next move."""
        stepped = self.stepped
        while not stepped.trader.stopped and (due := stepped.due) is not None and due < (until, MARKET_RANK):
            stepped.step()

    def _arrive(self, command: order_bus.Command, order: StrategyOrder, now: int) -> None:
        self._cl_ord_id += 1
        stamped = command.replace(cl_ord_id=self._cl_ord_id, ts_event=order.sent_at, ts_recv=now)
        records = self.exchange.step(now, [(self._source, bytes(stamped))])
        self.market.happened(records)
        self.stepped.told(records, self.exchange.now)


def simulate(
    strategy: Strategy,
    tape: Path,
    folder: Path,
    settings: SimulationSettings | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> RunReport:
    """Runs a strategy in the market of `tape`; the tape of what happened is `folder`/orders.0."""
    return Simulation(strategy, tape, folder, settings or SimulationSettings()).run(progress)
