"""The engine's stage log: one line for each batch, and none of it on the tape."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.stages import Batch, StageReader
from tests.unit.services.engine.conftest import NOW, Market


def opened(folder: Path, **options: object) -> Market:
    market = Market(folder, stages=folder / "stages", **options)
    market.send(market.account(), market.account(2), market.instrument())
    return market


@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_each_batch_has_a_line_with_its_first_and_last_record(tmp_path: Path, durability: str) -> None:
    market = opened(tmp_path, durability=durability)
    with StageReader(tmp_path / "stages") as stages:
        stages.poll()
        first = market.engine.next_seq
        market.send(market.order(1, 100, 5), market.order(2, 100, 3, account=2))
        second = market.engine.next_seq
        market.engine.set_time(NOW + 7)
        market.send(market.order(1, 90, 5))
        looked_at, later = (NOW, NOW + 7) if durability == "disk" else (0, 0)
        assert stages.poll() == [
            Batch(first, second - 1, NOW, looked_at, looked_at, looked_at, NOW),
            Batch(second, second + 1, NOW + 7, later, later, later, NOW + 7),
        ]
    market.kill()


def test_stages_are_in_the_order_in_which_they_happen_and_hold_the_time_on_the_tape(tmp_path: Path) -> None:
    market = Market(tmp_path, stages=tmp_path / "stages", durability="disk")
    market.kill()
    market.open(now=None)
    market.send(market.account(), market.instrument())
    with StageReader(tmp_path / "stages") as stages:
        stages.poll()
        records = market.send(*(market.order(1, 100, 5) for _ in range(50)))
        batches = stages.poll()
    for one in batches:
        assert one.began <= one.matched <= one.written <= one.durable <= one.released
    for record in records:
        batch = next(one for one in batches if one.first <= record.seq <= one.last)
        assert batch.began <= record.ts <= batch.matched
    market.kill()


def test_a_restart_goes_on_in_the_same_log(tmp_path: Path) -> None:
    market = opened(tmp_path)
    count = StageReader(tmp_path / "stages").count
    market.reopen()
    market.send(market.order(1, 100, 5))
    with StageReader(tmp_path / "stages") as stages:
        assert stages.count == count + 1
    market.kill()


def test_the_state_is_the_same_with_a_stage_log_and_without(tmp_path: Path) -> None:
    digests = []
    for name, options in (("with", {"stages": tmp_path / "stages"}), ("without", {})):
        (tmp_path / name).mkdir()
        market = Market(tmp_path / name, **options)
        market.send(market.account(), market.instrument(), market.order(1, 100, 5), market.order(2, 100, 2))
        digests.append(market.engine.digest())
        market.kill()
    assert digests[0] == digests[1]
