"""Engine, republisher, bus and router as processes: parents trade on the house market, through kills of the router."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.router.verify import verify_tape
from tapewire import messages as m
from tapewire.cli import cli
from tapewire.client import OrderClient
from tapewire.nats_server import NatsServer
from tapewire.router_client import RouterClient
from tapewire.tape import TapeReader
from tests.engine_process import PATIENCE_S, ROOT, order
from tests.router_process import RouterProcess

MS = 1_000_000
A = m.Algorithm
MAKER, OWN = 2, 1


@pytest.fixture
def market(tmp_path: Path, nats_server: NatsServer) -> Iterator[RouterProcess]:
    router = RouterProcess(tmp_path, nats_server.url)
    try:
        router.record_yesterday()
        router.start()
        yield router
    finally:
        router.close()


def quote(maker: OrderClient, qty: int = 500) -> None:
    """Depth of five levels a side around 10.00."""
    last = 0
    for step in range(5):
        order(maker, m.Side.sell, 1001 + step, qty, MAKER)
        last = order(maker, m.Side.buy, 999 - step, qty, MAKER)
    list(maker.answers(last, PATIENCE_S))


def books_are_there(router: RouterProcess) -> bool:
    books = [r for r in router.records() if isinstance(r, m.BookSnapshot)]
    return bool(books) and len(books[-1].levels) == 10


def states(router: RouterProcess) -> dict[int, str]:
    return {r.parent_id: r.state.name for r in router.records() if isinstance(r, m.ParentChanged)}


def house_fills(router: RouterProcess) -> Counter[m.Side]:
    """What account 1 traded, by the house market's own tape."""
    found: Counter[m.Side] = Counter()
    sides: dict[int, m.Side] = {}
    with TapeReader(str(router.engine.tape)) as reader:
        for raw in reader:
            record = m.decode(raw)
            if isinstance(record, m.OrderAccepted) and record.account == OWN:
                sides[record.order_id] = record.side
            elif isinstance(record, m.OrderExecuted):
                for order_id in (record.maker_order_id, record.taker_order_id):
                    if order_id in sides:
                        found[sides[order_id]] += record.qty
    return found


@pytest.mark.slow
def test_every_algorithm_trades_on_the_house_market(market: RouterProcess) -> None:
    with market.engine.client() as maker, market.client() as client:
        quote(maker)
        market.until(lambda: books_are_there(market))
        end = time.time_ns() + 4_000 * MS
        common: dict[str, Any] = {"instrument": 1, "account": OWN, "qty": 60}
        numbers = [
            client.new(**common, side=m.Side.buy, algorithm=A.sweep, time_in_force=m.TimeInForce.ioc),
            client.new(
                **common, side=m.Side.sell, algorithm=A.twap, end_time=end, interval=1_000 * MS, randomness=2000
            ),
            client.new(**common, side=m.Side.sell, algorithm=A.shortfall, end_time=end, urgency=9000),
            client.new(
                **common, side=m.Side.buy, algorithm=A.pov, participation=5000, end_time=end, interval=1_000 * MS
            ),
            client.new(**common, side=m.Side.buy, algorithm=A.iceberg, display_qty=20, limit_price=1001),
            client.new(**common, side=m.Side.buy, algorithm=A.vwap, end_time=end),
        ]
        answers = [client.answer(number, PATIENCE_S) for number in numbers]
        assert [type(answer).__name__ for answer in answers] == ["ParentChanged"] * 6
        # Somebody else trades: the iceberg is taken, and there is a volume to take part in.
        for _ in range(30):
            order(maker, m.Side.sell, 1000, 20, MAKER)
            order(maker, m.Side.buy, 1001, 20, MAKER)
            time.sleep(0.1)
        market.until(lambda: len(set(states(market).values()) & {"working", "waiting", "suspended", "cancelling"}) == 0)
        done = {r.parent_id: r for r in market.records() if isinstance(r, m.ParentChanged)}
    bought = sum(one.cum_qty for number, one in done.items() if number in (1, 4, 5, 6))
    sold = sum(one.cum_qty for number, one in done.items() if number in (2, 3))
    fills = house_fills(market)
    assert (bought, sold) == (fills[m.Side.buy], fills[m.Side.sell])
    assert [done[number].state.name for number in (1, 2, 3, 5, 6)] == ["filled"] * 5
    assert done[4].cum_qty > 0
    assert market.end() == 0
    report = verify_tape(market.tape)
    assert (report.ok, report.problems, report.cut_off) == (True, [], 0)
    assert report.parents == 6


@pytest.mark.slow
def test_a_router_killed_in_the_middle_of_a_twap_goes_on_exactly(market: RouterProcess) -> None:
    with market.engine.client() as maker:
        quote(maker)
        market.until(lambda: books_are_there(market))
        with market.client() as client:
            number = client.new(
                instrument=1,
                side=m.Side.buy,
                qty=100,
                account=OWN,
                algorithm=A.twap,
                end_time=time.time_ns() + 9_000 * MS,
                interval=1_000 * MS,
                randomness=5000,
            )
            assert client.answer(number, PATIENCE_S).parent_id == 1
        for kill in range(3):
            market.until(lambda kill=kill: slices(market) >= 2 * (kill + 1))  # type: ignore[misc]
            market.kill()
            market.start_router()
        market.until(lambda: states(market)[1] == "filled")
    records = market.records()
    told = [r for r in records if isinstance(r, m.SliceScheduled)]
    assert [s.number for s in told] == list(range(1, len(told) + 1))
    assert told[-1].total_qty == 100
    assert len({s.slices for s in told}) == 1
    # The slices that a router would have made that nobody killed: the same draws, from the same seed.
    report = verify_tape(market.tape)
    assert report.ok, report.problems
    asked = Counter(r.child_id for r in records if isinstance(r, m.NewChild))
    assert set(asked.values()) == {1}
    texts = Counter(r.client_text for r in orders(market) if isinstance(r, m.NewOrder) and r.account == OWN)
    assert set(texts.values()) == {1}  # no child twice at the engine
    assert len(texts) == len(asked)
    assert house_fills(market)[m.Side.buy] == 100


def slices(router: RouterProcess) -> int:
    return sum(isinstance(r, m.SliceScheduled) for r in router.records())


def orders(router: RouterProcess) -> list[m.Message]:
    with TapeReader(str(router.engine.tape)) as reader:
        return list(map(m.decode, reader))


def test_parents_are_entered_and_explained_by_the_command(market: RouterProcess) -> None:
    run = CliRunner()

    def parent(*arguments: str) -> str:
        result = run.invoke(cli, ["parent", "--config", str(market.engine.config), *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    with market.engine.client() as maker:
        quote(maker)
        market.until(lambda: books_are_there(market))
        told = parent(
            *(
                "new",
                "buy",
                "700",
                "ACME",
                "--account",
                "1",
                "--algorithm",
                "sweep",
                "--limit",
                "10.02",
                "--venue",
                "house",
            )
        )
        assert told == "parent 1: working\n"
        market.until(lambda: states(market)[1] == "filled")
    listed = parent("list", "--all").splitlines()
    assert listed[1].split()[:8] == ["1", "ACME", "buy", "sweep", "filled", "700", "700", "10.01285"]
    shown = parent("show", "1")
    assert "buy 700 ACME by sweep, never worse than 10.02" in shown
    assert "house: 700 given; shows 1000 from 10.01" in shown
    assert "child 1 at house: buy 700 at 10.02 (ioc)" in shown
    whole = json.loads(parent("show", "1", "--json"))
    assert [child["qty"] for child in whole["children"]] == ["700"]
    assert whole["decisions"][0]["venues"][0]["qty"] == "700"
    example = [sys.executable, str(ROOT / "examples" / "parent_order.py"), str(market.folders.data), "ACME", "4", "2"]
    followed = subprocess.run(
        example, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=True
    ).stdout
    assert followed.startswith("parent 2: working")
    assert "filled: 4 done, 0 children live" in followed
    refused = run.invoke(
        cli,
        [
            "parent",
            "--config",
            str(market.engine.config),
            *("new", "buy", "5", "ACME", "--account", "9"),
            "--algorithm",
            "sweep",
            "--ioc",
        ],
    )
    assert refused.exit_code == 1
    assert "refused: unknown_account (9, 0)" in refused.output
    replayed = run.invoke(cli, ["router", "replay", "--data", str(market.folders.data)])
    assert "all as recorded" in replayed.output
    verified = run.invoke(cli, ["verify", "router.0", "orders.0", "--data", str(market.folders.data)])
    assert verified.output.count("ok    ") == 2, verified.output
    assert "events as recorded" in verified.output
    assert RouterClient.open(market.folders.data, client="operator").source == 1


def test_a_router_that_starts_before_its_engine_waits_and_says_why(tmp_path: Path, nats_server: NatsServer) -> None:
    router = RouterProcess(tmp_path, nats_server.url)
    try:
        router.launch()
        router.until(lambda: "waiting_for_the_house_market" in router.log.read_text())
        why = subprocess.run(
            [sys.executable, "-m", "tapewire.cli", "health", "router", "--data", str(router.folders.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (why.returncode, "no inbound ring of a producer 'router'" in why.stdout) == (1, True), why
        router.engine.start()
        router.until(lambda: '"working"' in router.log.read_text())
    finally:
        router.close()
