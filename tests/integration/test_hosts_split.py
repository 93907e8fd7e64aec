"""`tapewire up --topology split`: the same market day as fused, and nothing lost or doubled whoever is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tapewire.tape import TapeReader
from tests.engine_process import ROOT
from tests.fix.processes import skip_reason
from tests.market_day import Market, api_order, enter, events, fix_order, run_day, same_day

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

PROCESSES = (
    *(("engine", "engine"), ("journal", "engine"), ("replica", "engine"), ("relay", "engine")),
    *(("gateway", "gateway"), ("replica", "gateway"), ("relay", "gateway")),
    *(("api", "api"), ("replica", "api"), ("relay", "api"), ("risk", "risk"), ("matcher", "matcher")),
)


def planned(tmp_path: Path) -> list[dict[str, object]]:
    config = Market(tmp_path, "split").config
    command = [sys.executable, "-m", "tapewire.cli", "up", "--topology", "split", "--plan", "--json", "--config"]
    done = subprocess.run([*command, str(config)], cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_plan_names_every_host_and_what_its_processes_are_told(tmp_path: Path) -> None:
    rows = {str(row["name"]): row for row in planned(tmp_path)}
    for service, host in PROCESSES:
        assert f"{service}@{host}" in rows
    engine, api = rows["relay@engine"]["environment"], rows["relay@api"]["environment"]
    assert isinstance(engine, dict)
    assert isinstance(api, dict)
    assert sorted(engine["TAPEWIRE_RELAY__IN"].split(",")) == ["api", "api-operator", "gateway"]
    assert engine["TAPEWIRE_REPLICA__SEND"] == "orders.0"
    assert (api["TAPEWIRE_RELAY__OUT"], api["TAPEWIRE_REPLICA__MIRROR"]) == ("api,api-operator", "orders.0")
    assert api["TAPEWIRE_DATA"] == str(tmp_path / "data/hosts/api")


@pytest.mark.slow
def test_the_same_day_gives_the_same_tape_in_both_topologies(tmp_path: Path) -> None:
    with Market(tmp_path / "fused", "fused") as fused:
        run_day(fused, seed=6, steps=60)
    with Market(tmp_path / "split", "split") as split:
        run_day(split, seed=6, steps=60)
        released = TapeReader(str(split.tape), None).positions.released_seq
        for host in ("gateway", "api"):
            split.wait_until(lambda host=host: len(split.records(host)) >= released, f"the mirror at {host}")
            assert split.records(host)[:released] == split.records()[:released]
    same_day(fused, split)
    fused.verify()
    split.verify()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_process_is_killed_in_turn_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()
    with Market(tmp_path, "split") as market:
        fix, api = market.fix(), market.api()

        def load() -> None:
            number = 0
            while not stop.is_set():
                name = f"api-{number}"
                enter(api, api_order(name, "buy" if number % 2 else "sell", "10.00", 1))
                acknowledged.append(name)
                number += 1

        thread = threading.Thread(target=load)
        thread.start()
        sent: list[str] = []
        try:
            for place, (service, host) in enumerate(PROCESSES):
                before = len(acknowledged)
                market.wait_until(lambda before=before: len(acknowledged) >= before + 5, "orders are answered")
                market.kill(service, host)
                name = f"fix-{place}"
                if service == "gateway":
                    fix.wait_for("logout")
                    fix.wait_for("logon", 2)
                fix.send(fix_order(name, "1", "10.00", 1))
                sent.append(name)
                market.wait_until(lambda name=name: name in market.orders(), f"{name} after {service}@{host}")
        finally:
            stop.set()
            thread.join()
        market.wait_until(lambda: market.pid("engine", "engine"), "the engine is back")
    names = Counter(market.orders())
    assert {name: names[name] for name in (*acknowledged, *sent) if names[name] != 1} == {}
    restarted = {one["unit"] for one in events(market) if one["event"].startswith("started again")}
    assert {f"{service}@{host}" for service, host in PROCESSES} <= restarted
    market.verify()
