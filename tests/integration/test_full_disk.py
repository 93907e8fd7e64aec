"""Services on a disk that is really full: they hold back, say so, answer nothing by half, go on when there is room."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.engine.verify import verify_tape
from tests.engine_process import ROOT, EngineProcess
from tests.full_disk import fill, small_disk
from tests.hosts import until
from tests.market_day import Market, api_order
from tests.replica_hosts import Load, on_tape

SEGMENT_BYTES = 1 << 20


def health(data: Path, service: str) -> tuple[int, str]:
    """Exit status of `tapewire health`, and the reasons it gives."""
    command = [sys.executable, "-m", "tapewire.cli", "health", service, "--data", str(data), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    return done.returncode, json.dumps(told)


@pytest.mark.parametrize("durability", ["disk", "memory"])
def test_an_engine_holds_commands_back_while_the_disk_is_full_and_goes_on_by_itself(
    tmp_path: Path, durability: str
) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        engine = EngineProcess(disk, engine=f'durability = "{durability}"', segment_bytes=SEGMENT_BYTES)
        engine.start()
        try:
            with engine.client() as client:
                load = Load(client)
                load.send(10)
                until(load.all_answered, engine.log.read_text)
                until(lambda: health(engine.folders.data, "engine")[0] == 0, engine.log.read_text)
                filler = fill(disk)
                with pytest.raises(AssertionError, match="found no room"):
                    load.send(100_000, within_s=3.0)
                until(lambda: "commands held back" in engine.log.read_text(), engine.log.read_text)
                until(
                    lambda: load.collect() and on_tape(engine.tape).keys() == load.answers.keys(), engine.log.read_text
                )
                held = load.collect()
                assert 10 < held < len(load.sent)
                status, said = health(engine.folders.data, "engine")
                assert status == 1
                assert "degraded" in said
                assert "commands are held back: " in said
                assert "the disk has no room for the next segment. Make room" in said
                time.sleep(0.5)
                assert load.collect() == held
                filler.unlink()
                until(load.all_answered, engine.log.read_text)
                until(lambda: health(engine.folders.data, "engine")[0] == 0, engine.log.read_text)
                load.send(10)
                until(load.all_answered, engine.log.read_text)
            assert engine.end() == 0
            assert set(load.answers.values()) == {1}
            assert on_tape(engine.tape) == load.answers
            assert verify_tape(engine.tape).problems == []
        finally:
            engine.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_service_of_a_host_says_that_its_disk_is_full_and_goes_on_by_itself(tmp_path: Path) -> None:
    """Its logs lie on that disk, too."""
    with small_disk(tmp_path / "host" / "data", 160) as disk, Market(tmp_path / "host", "fused") as market:
        services = ("engine", "api", "gateway", "gateway-front")

        def ready() -> bool:
            return all(health(disk, service)[0] == 0 for service in services)

        until(ready, market.logs, 90.0)
        api = market.api()
        filler = fill(disk)
        for service in services:
            status, said = health(disk, service)
            assert (status, f"{disk}: the disk is full, 0 bytes are left. Make room" in said) == (1, True), said
        taken, refused, names = list[str](), 0, iter(f"o{i}" for i in range(100_000))
        while refused < 100:  # what has room yet is taken
            name = next(names)
            answer = api.call("POST", "/v1/orders", api_order(name, "buy", "10.00", 1))
            assert answer.status in (201, 503), answer
            if answer.status == 201:
                assert not refused
                taken.append(name)
            refused += answer.status == 503
        assert answer.body["reason"] == "tape"
        filler.unlink()
        until(ready, market.logs, 30.0)
        for name in (f"after-{i}" for i in range(20)):
            assert api.call("POST", "/v1/orders", api_order(name, "buy", "10.00", 1)).status == 201
            taken.append(name)
        assert market.orders() == taken
        market.verify()
