"""An engine in parts against the fused one: the same commands at the same times give the same tape, byte for byte.

Whatever befalls asks, answers, services and the bus in between; and whoever of the two goes on with a tape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.engine import Audit
from tapewire import messages as m
from tapewire import snapshots
from tests.oracle.order_flow import MARKETS, Flow
from tests.split_world import NOW, SplitMarket

COMMANDS = 400
TIMES = ("ts", "pid")  # EpochStarted: of the process


def opening(accounts: int) -> list[bytes]:
    return [bytes(m.AccountLimits(account=account, self_trade_group=account % 2)) for account in range(1, accounts + 1)]


def play(
    folder: Path, seed: int, trouble: float, kinds: dict[str, Any], batch: int = 1
) -> tuple[SplitMarket, SplitMarket]:
    """A fused and a split engine that were sent the same."""
    whole = SplitMarket(folder / "fused", split=False)
    parts = SplitMarket(folder / "split", split=True, seed=seed, trouble=trouble)
    flow = Flow(seed, **kinds)
    now = NOW
    waiting = [*opening(5), *flow.definitions()]
    for _ in range(COMMANDS):
        now += 1_000_003
        waiting += flow.commands(1 if not waiting else batch)
        told = whole.send(now, *waiting)
        assert parts.send(now, *waiting) == told
        flow.hear([raw for raw in told if m.decode(raw).cause])
        waiting = []
    return whole, parts


@pytest.mark.parametrize("market", MARKETS)
def test_a_split_engine_writes_what_a_fused_one_writes(market: str, tmp_path: Path) -> None:
    whole, parts = play(tmp_path, 7, 0.0, MARKETS[market])
    assert parts.engine.snapshot().state == whole.engine.snapshot().state
    assert parts.records() == whole.records()
    audit = Audit(parts.tape)
    assert audit.run() == parts.engine.next_seq - 1
    assert audit.digest() == parts.engine.digest()
    whole.close()
    parts.close()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_befalls_the_services_and_the_bus(seed: int, tmp_path: Path) -> None:
    whole, parts = play(tmp_path, seed, 0.1, list(MARKETS.values())[seed], batch=5)
    assert parts.engine.digest() == whole.engine.digest()
    befell = {what for line in parts.lines for what in line.befell}
    assert befell == {"ask lost", "answer lost", "killed", "killed late", "bus away", "another one"}
    assert all(parts.counter(service, "brought") > 3 for service in ("risk", "matcher"))
    whole.close()
    parts.close()


def test_an_engine_goes_from_one_topology_to_the_other_on_its_tape(tmp_path: Path) -> None:
    whole, parts = SplitMarket(tmp_path / "fused", split=False), SplitMarket(tmp_path / "split", split=True)
    flow, now = Flow(3), NOW
    waiting = [*opening(5), *flow.definitions()]
    for turn in range(6):
        for _ in range(60):
            now += 1_000_003
            waiting += flow.commands(1)
            told = whole.send(now, *waiting)
            assert parts.send(now, *waiting) == told
            flow.hear([raw for raw in told if m.decode(raw).cause])
            waiting = []
        if turn % 2:
            snapshots.save(parts.tape, parts.engine.snapshot())
        whole.reopen(split=False, now=now)
        parts.reopen(split=turn % 2 == 0, now=now)
        assert parts.engine.digest() == whole.engine.digest()
    whole.close()
    parts.close()
