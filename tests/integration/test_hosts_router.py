"""A router on a host of its own: parents from the API's host, children to the engine's and to an outside venue."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from services.router.verify import verify_tape
from tapewire import messages as m
from tapewire.errors import RingError, TapeError
from tapewire.router_client import RouterClient
from tests.fix.processes import skip_reason
from tests.hosts import Hosts, until
from tests.market_day import events
from tests.routed_market import (
    ENTERED,
    RoutedMarket,
    answered,
    away_tables,
    away_venue,
    ended,
    known,
    parent,
    result,
)

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

PATIENCE_S = 90.0
SIDES = ("sell", "buy")
PROCESSES = (
    *(("router", "router"), ("gateway.initiator", "router"), ("replica", "router"), ("relay", "router")),
    *(("api", "api"), ("replica", "api"), ("relay", "api")),
    *(("engine", "engine"), ("journal", "engine"), ("replica", "engine"), ("relay", "engine")),
)


def day(market: RoutedMarket, seed: int, count: int) -> list[dict[str, object]]:
    """Parents, one after the other, each worked to its end."""
    draw, client = random.Random(seed), market.api()
    found = []
    for number in range(count):
        body = parent(f"p-{number}", draw.choice(SIDES), draw.randrange(1, 50))
        found.append(result(ended(client, answered(client, "POST", "/v1/parents", body)["parent_id"])))
    return found


def opened(hosts: Hosts) -> RouterClient:
    """Once its relay has made the ring."""
    found: list[RouterClient] = []

    def tried() -> bool:
        try:
            found.append(RouterClient.open(hosts.data("desk")))
        except (RingError, TapeError):
            return False
        return True

    until(tried, hosts.logs, PATIENCE_S)
    return found[0]


def test_a_parent_of_another_host_is_worked_at_a_venue_through_a_killed_router(tmp_path: Path) -> None:
    with Hosts(tmp_path) as hosts, away_venue(tmp_path, hosts.env, hosts.nats.url) as venue:
        with hosts.config.open("a") as file:
            file.write(away_tables(tmp_path, venue))
        hosts.start("router", "router", settings={})
        hosts.start("gateway.initiator", "router", "--venue", "away", settings={})
        hosts.start("replica", "router", settings={"REPLICA__SEND": "router.0"})
        hosts.start("relay", "router", settings={"RELAY__IN": "router/traders"})
        hosts.start("replica", "desk", settings={"REPLICA__MIRROR": "router.0"})
        hosts.start("relay", "desk", settings={"RELAY__OUT": "router/traders"})
        until(lambda: known(of_router(hosts, "router")) == {2}, hosts.logs, PATIENCE_S)
        with opened(hosts) as client:
            told = [client.answer(buy(client, qty), PATIENCE_S) for qty in (3, 5)]
            hosts.end("router@router", signal.SIGKILL)
            late = buy(client, 7)
            hosts.start("router", "router", settings={})
            told.append(client.answer(late, PATIENCE_S))
        assert [type(one) for one in told] == [m.ParentChanged] * 3
        until(lambda: sum(one.cum_qty for one in ends(hosts, "desk")) == 15, hosts.logs, PATIENCE_S)
        assert sum(int(one["cum_qty"]) for one in venue.orders()) == 15
        assert [one.state for one in ends(hosts, "router")] == [m.ParentState.filled] * 3
        report = verify_tape(hosts.folders("router").router_tape(0))
        assert report.ok, report


def of_router(hosts: Hosts, host: str) -> list[m.Message]:
    try:
        return hosts.records(host, "router.0")
    except TapeError:
        return []  # there is none yet


def buy(client: RouterClient, qty: int) -> int:
    ioc = m.TimeInForce.ioc
    terms = {"instrument": 1, "side": m.Side.buy, "account": 2, "algorithm": m.Algorithm.sweep}
    return client.new(**terms, qty=qty, limit_price=10_002, time_in_force=ioc)  # type: ignore[arg-type]


def ends(hosts: Hosts, host: str) -> list[m.ParentChanged]:
    """How the parents ended, as a host's tape has it."""
    done = (m.ParentState.filled, m.ParentState.cancelled)
    return [one for one in of_router(hosts, host) if isinstance(one, m.ParentChanged) and one.state in done]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_parents_become_the_same_in_both_topologies(tmp_path: Path) -> None:
    with RoutedMarket(tmp_path / "fused", "fused") as market:
        fused = day(market, seed=7, count=12)
        market.verify_router()
    with RoutedMarket(tmp_path / "split", "split") as market:
        split = day(market, seed=7, count=12)
        market.verify_router()
        market.verify()
    assert {one["state"] for one in fused} == {"filled"}
    assert split == fused


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_parent_is_lost_or_worked_twice_whoever_is_killed(tmp_path: Path) -> None:
    acknowledged: dict[str, tuple[int, str, int]] = {}
    stop, failed = threading.Event(), list[BaseException]()
    with RoutedMarket(tmp_path, "split") as market:
        client = market.api()

        def load() -> None:
            draw, number = random.Random(3), 0
            try:
                while not stop.is_set():
                    name, side, qty = f"p-{number}", draw.choice(SIDES), draw.randrange(1, 20)
                    told = answered(client, "POST", "/v1/parents", parent(name, side, qty))
                    acknowledged[name] = (told["parent_id"], side, qty)
                    number += 1
            except BaseException as error:  # noqa: BLE001 - told by the test, which waits for what this does
                failed.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for service, host in PROCESSES:
                before = len(acknowledged)
                market.wait_until(lambda at=before + 5: len(acknowledged) >= at or failed, f"parents before {service}")
                market.kill(service, host)
            before = len(acknowledged)
            market.wait_until(lambda at=before + 5: len(acknowledged) >= at or failed, "parents at the end")
        finally:
            stop.set()
            thread.join()
        assert failed == []
        results = {name: ended(client, number) for name, (number, _, _) in acknowledged.items()}
        taken = Counter(one.client_text for one in market.parents())
        assert {name: taken[name] for name in acknowledged if taken[name] != 1} == {}
        assert {
            name: one["cum_qty"]
            for name, one in results.items()
            if one["leaves_qty"] != "0" and one["state"] == "filled"
        } == {}
        executed_by_both_sides_agree(market, results)
        market.verify_router()
        market.verify()
        restarted = {one["unit"] for one in events(market) if one["event"].startswith("started again")}
    units = {"venue.away" if service == "gateway.initiator" else service for service, _ in PROCESSES}
    assert units <= {one.partition("@")[0] for one in restarted}


def executed_by_both_sides_agree(market: RoutedMarket, results: dict[str, dict[str, object]]) -> None:
    """What the parents got is what the venues themselves say that they gave, to the last lot, at the one price."""
    got = dict.fromkeys(SIDES, 0)
    for one in results.values():
        got[str(one["side"])] += int(str(one["cum_qty"]))
        assert one["cum_qty"] == "0" or float(str(one["avg_price"])) == float(ENTERED[str(one["side"])]), one
    assert got["buy"] == sum(int(one["cum_qty"]) for one in market.away_orders())
    executed = [one for one in market.records() if isinstance(one, m.OrderExecuted) and one.taker_account == 2]
    assert got["sell"] == sum(one.qty for one in executed)
