"""Strategies live, against a real engine with simulated traders; then the same code on the tape of that."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from services.engine.simulation import SimulationSettings, simulate
from services.simulator.traders import Command, TraderModel
from tapewire import messages as m
from tapewire import times
from tapewire.client import OrderClient, RingFull
from tapewire.strategy import Strategy
from tapewire.strategy.live import LiveRun
from tapewire.strategy.loading import load
from tapewire.strategy.local import LocalRun
from tapewire.strategy.replaying import Replayed
from tapewire.strategy.report import RunReport
from tests.client.stack import BusStack
from tests.engine_process import PATIENCE_S, ROOT

ACCOUNT = 6
TRADERS = (2, 3, 4, 5)
MAKER = {"ticker": "ACME", "lots": "3", "half_spread_bps": "2", "max_lots": "20", "max_rejects": "1000"}


@contextmanager
def traders(stack: BusStack) -> Iterator[None]:
    """Simulated traders by a ring of their own, until the block ends."""
    stop = threading.Event()

    def trade() -> None:
        with OrderClient.open(stack.engine.folders.data, producer="traders") as client:
            acme = client.instruments()["ACME"]
            model = TraderModel(7, [acme], TRADERS, time.time_ns())
            command: Command | None = None
            while not stop.is_set():
                command = command or model.decide(time.time_ns())
                with suppress(RingFull):  # the engine stands still: once more in a moment
                    if command is not None:
                        client.submit(command)
                    command = None
                for event in client.poll():
                    model.take(event)
                time.sleep(0.004)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fills(run: LiveRun | LocalRun) -> int:
    """So far. `metrics` would do for a run on this thread alone: it reckons up to now."""
    return sum(one.fills for one in list(run.trader._tallies.values()))


async def lived(run: LiveRun, seconds: float, enough: Callable[[], bool]) -> RunReport:
    """The report of so many seconds, and of more on a machine that is slow: of as many as are `enough`."""
    running = asyncio.create_task(run.run(seconds + PATIENCE_S))
    await asyncio.wait([running], timeout=seconds)
    while not running.done() and not enough():
        await asyncio.wait([running], timeout=0.05)
    run.stop()
    return await running


def lived_beside(run: LocalRun, seconds: float, enough: Callable[[], bool]) -> RunReport:
    """The same beside the engine."""

    def watch() -> None:
        until = time.monotonic() + seconds
        while not ended.is_set() and (time.monotonic() < until or not enough()):
            ended.wait(0.05)
        run.stop()

    ended = threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        return run.run(seconds + PATIENCE_S)
    finally:
        ended.set()
        watching.join()


def net(records: list[m.Message], account: int) -> tuple[int, int]:
    """Position and cash of an account, by the tape alone."""
    position = cash = 0
    for record in records:
        if isinstance(record, m.OrderExecuted):
            taker = 1 if record.taker_side == m.Side.buy else -1
            for of, sign in ((record.taker_account, taker), (record.maker_account, -taker)):
                if of == account:
                    position += sign * record.qty
                    cash -= sign * record.qty * record.price
    return position, cash


async def test_a_market_maker_live_then_on_the_tape_of_that_by_the_same_code(tmp_path: Path) -> None:
    with BusStack(tmp_path / "stack") as stack:
        async with stack.connect(ACCOUNT) as tw:
            with traders(stack):
                run = LiveRun(load("examples/market_maker.py:MarketMaker", MAKER), tw)
                report = await lived(run, 3.0, lambda: fills(run) > 5)
        records, tape = stack.records(), stack.engine.tape
        assert report.stopped == ""
        acme = report.instruments[0]
        assert acme.fills > 5
        position, cash = net(records, ACCOUNT)
        assert (acme.position, acme.cash) == (Decimal(position), Decimal(cash).scaleb(-2))
        live = {record.order_id for record in records if isinstance(record, m.OrderAccepted)}
        live -= {record.order_id for record in records if isinstance(record, m.OrderCancelled)}
        left = [order for order in run.trader.orders.live if order.order_id in live]
        assert left == [], "on_stop pulls its quotes"
        again = Replayed(
            load("examples/market_maker.py:MarketMaker", MAKER),
            tape,
            account=ACCOUNT,
            name=report.name,
            since=times.parse(report.began, 0),
            until=times.parse(report.ended, 0),
        ).run()
        # Live, the order in which data, reports and timers came is not on the tape: not all decisions are the same.
        print(f"{again.decisions_equal} of {report.commands} decisions as then")
        assert again.stopped == ""
        assert again.decisions_equal > 0
        # The market of that day without what it sent then, and with what it sends now.
        settings = SimulationSettings(account=ACCOUNT, without=frozenset({ACCOUNT}))
        simulated = simulate(
            load("examples/market_maker.py:MarketMaker", MAKER), tape, tmp_path / "simulated", settings
        )
        assert simulated.instruments[0].fills > 5


async def test_a_market_maker_that_hears_nothing_pulls_its_quotes_and_ends(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(ACCOUNT) as tw, stack.connect(2) as other:
            for side, price in (("buy", "99.00"), ("sell", "101.00")):
                await (await other.submit("ACME", side, 5, price)).ack()
            strategy = load("examples/market_maker.py:MarketMaker", {**MAKER, "stale_seconds": "3"})
            run = LiveRun(strategy, tw)
            running = asyncio.create_task(run.run(2 * PATIENCE_S))
            while len([order for order in run.trader.orders.live if order.is_live]) < 2:
                assert not running.done(), "it ended before it quoted"
                await asyncio.sleep(0.02)
            await asyncio.to_thread(stack.kill, "journal")
            report = await running
            assert report.stopped == "no live book for 3 s"
            assert run.trader.orders.live == []
        ended = [record for record in stack.records() if isinstance(record, m.OrderCancelled)]
        assert {record.account for record in ended} == {ACCOUNT}


async def test_a_twap_takes_its_quantity_in_slices(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(ACCOUNT) as tw, stack.connect(2) as other:
            await (await other.sell("ACME", 100, "100.00")).ack()
            await (await other.buy("ACME", 5, "99.00")).ack()
            params = {"ticker": "ACME", "lots": "10", "seconds": "1", "slices": "5", "limit": "100.00"}
            report = await LiveRun(load("examples/twap.py:Twap", params), tw).run(PATIENCE_S)
        acme = report.instruments[0]
        assert (report.stopped, acme.position, acme.qty_taker) == ("done", Decimal(10), Decimal(10))
        # Two lots a slice; of slices that come while the one before is under way, the next one takes what they left.
        slices = [record.qty for record in stack.records() if isinstance(record, m.OrderExecuted)]
        assert (len(slices), sum(slices)) == (acme.fills, 10)
        assert 2 <= len(slices) <= 5
        assert not any(qty % 2 for qty in slices)
        assert (acme.slippage, acme.spread_capture) == (Decimal("5.000"), Decimal(0))  # half the spread, ten times


def test_the_same_code_beside_the_engine_without_a_bus(tmp_path: Path) -> None:
    with BusStack(tmp_path, journal=False) as stack, traders(stack):
        run = LocalRun(
            load("examples/market_maker.py:MarketMaker", MAKER),
            stack.engine.folders.data,
            account=ACCOUNT,
            producer="strategy",
        )
        report = lived_beside(run, 2.0, lambda: fills(run) > 5)
        records = stack.records()
    acme = report.instruments[0]
    position, cash = net(records, ACCOUNT)
    assert (report.stopped, acme.position, acme.cash) == ("", Decimal(position), Decimal(cash).scaleb(-2))
    assert acme.fills > 5
    assert run.trader.orders.live == []


class Failing(Strategy):
    def on_start(self) -> None:
        self.watch("ACME")

    def on_book(self, book: object) -> None:
        raise RuntimeError("what a strategy raises")


async def test_what_a_strategy_raises_ends_the_run_and_is_raised_by_it(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(ACCOUNT) as tw:
            with pytest.raises(RuntimeError, match="what a strategy raises"):
                await asyncio.wait_for(LiveRun(Failing(), tw).run(2 * PATIENCE_S), PATIENCE_S)


def test_the_command_runs_a_strategy_and_reports_as_json(tmp_path: Path) -> None:
    from tests.recorded_market import TICKER, record_orders

    tape = record_orders(tmp_path / "recorded", 300)
    command = [sys.executable, "-m", "tapewire.cli", "strategy", "run", "examples/market_maker.py:MarketMaker"]
    options = [*("--simulate", str(tape), "--account", "900", "--output", str(tmp_path / "out"), "--json")]
    params = [part for name, value in {**MAKER, "ticker": TICKER}.items() for part in ("-p", f"{name}={value}")]
    done = subprocess.run([*command, *options, *params], cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["mode"], report["strategy"], report["instruments"][0]["ticker"]) == (
        "simulate",
        "MarketMaker",
        TICKER,
    )
    assert Path(report["output"]).is_dir()
    wrong = subprocess.run([*command, "-p", "colour=red", *options], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, "has no parameter colour; it has ticker" in wrong.stderr) == (1, True)
