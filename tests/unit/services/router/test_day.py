"""Hours of trading by every algorithm, replayed in seconds from the inputs alone: the same orders."""

from __future__ import annotations

from collections import Counter

import pytest

from services.router.core import Core
from services.router.parts import all_parts
from services.router.tape import Replay
from tapewire import messages as m
from tests.router_day import Day


@pytest.mark.parametrize("seed", [1, 2])
def test_hours_of_trading_are_the_same_again(seed: int) -> None:
    kept = Day(seed, 0.25, 0.03).run()
    replay = Replay(Core(all_parts()))
    for raw in kept.raws:
        replay.feed(raw)
    assert replay.missing() == []
    records = list(map(m.decode, kept.raws))
    worked = {r.parent_id for r in records if isinstance(r, m.NewChild)}
    algorithms = Counter(r.algorithm for r in records if isinstance(r, m.NewParent) and r.parent_id in worked)
    assert set(algorithms) == set(m.Algorithm) - {m.Algorithm.unspecified}
    assert sum(isinstance(r, m.ParentChanged) and r.state == m.ParentState.filled for r in records) > 5


def test_no_parent_gets_more_than_it_wants_and_every_slice_is_told_once() -> None:
    records = [m.decode(raw) for raw in Day(3, 0.25, 0.03).run().raws]
    for changed in records:
        if isinstance(changed, m.ParentChanged):
            assert changed.cum_qty + changed.open_qty <= changed.qty
    slices = Counter((r.parent_id, r.number) for r in records if isinstance(r, m.SliceScheduled))
    assert set(slices.values()) == {1}
