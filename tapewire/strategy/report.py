"""What a run of a strategy came to, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tapewire import times
from tapewire.strategy.metrics import InstrumentMetrics
from tapewire.strategy.trader import Trader


class Difference(msgspec.Struct, frozen=True):
    """A decision of a replay that is not what was sent then. None: nothing was."""

    number: int
    """Of the strategy's commands, from 1."""
    now: str | None
    then: str | None


class RunReport(msgspec.Struct, frozen=True):
    """One run."""

    mode: str
    """live, simulate, replay."""
    strategy: str
    params: dict[str, object]
    market: str
    """The tape, or the bus."""
    account: int
    name: str
    """The beginning of its ClOrdIDs: what a replay of this run is to be called."""
    began: str
    ended: str
    seconds: float
    """That the run took."""
    records: int
    """Of the market's tape; live: 0."""
    events: int
    """That the strategy was told of."""
    commands: int
    stopped: str
    """Why it stopped itself; empty: it did not."""
    instruments: list[InstrumentMetrics]
    output: str = ""
    """The tape that a simulation wrote."""
    decisions_equal: int = 0
    differences: list[Difference] = []
    differences_count: int = 0

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0


def report_of(
    mode: str, market: Path | str, trader: Trader, records: int, seconds: float, output: str = "", began: int = 0
) -> RunReport:
    """The report of a run that has ended. `seconds`: that it took."""
    strategy = trader.strategy
    return RunReport(
        mode=mode,
        strategy=type(strategy).__name__,
        params=msgspec.to_builtins(strategy.params),
        market=str(market),
        account=trader.account,
        name=trader.name,
        began=times.show(began or trader.began),
        ended=times.show(trader.now),
        seconds=seconds,
        records=records,
        events=trader.events,
        commands=trader.commands,
        stopped=trader.stopped,
        instruments=trader.metrics(),
        output=output,
    )


def lines(report: RunReport) -> list[str]:
    """As people read it."""
    out = [
        f"{report.strategy} {report.mode} on {report.market}, account {report.account}, as {report.name}",
        f"{report.began} to {report.ended}: {report.events:,} events, {report.commands:,} commands in "
        f"{report.seconds:.2f} s ({report.events_per_second:,.0f} events/s)",
    ]
    if report.stopped:
        out.append(f"stopped itself: {report.stopped}")
    for one in report.instruments:
        pnl = "unknown: no mark" if one.pnl is None else f"{one.pnl} ({one.realised} realised)"
        out += [
            f"{one.ticker}",
            f"    P&L            {pnl}, marked at {one.mark}",
            f"    position       {one.position} ({one.position_min} to {one.position_max}, mean size "
            f"{one.position_mean})",
            f"    orders         {one.orders}, {one.filled_orders} filled at least in part, {one.cancelled} cancelled, "
            f"{one.rejected} rejected",
            f"    fills          {one.fills}: {one.qty_maker} as maker, {one.qty_taker} as taker; volume {one.volume}",
            f"    fill rate      {one.fill_rate}",
            f"    spread capture {one.spread_capture} ({one.spread_capture_bps} bp)",
            f"    slippage       {one.slippage} ({one.slippage_bps} bp)",
        ]
    if report.mode == "replay":
        out.append(f"decisions: {report.decisions_equal:,} as then, {report.differences_count:,} otherwise")
        out += [
            f"    {one.number}: now {one.now or 'nothing'}; then {one.then or 'nothing'}" for one in report.differences
        ]
    if report.output:
        out.append(f"what happened: {report.output}")
    return out
