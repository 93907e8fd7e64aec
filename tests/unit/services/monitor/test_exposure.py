from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.monitor.exposure import Exposure, newest, used
from tapewire import config as configuration
from tapewire import messages as m
from tapewire import snapshots
from tapewire.client import OrderClient
from tapewire.errors import TapeError
from tapewire.logs import configure
from tapewire.metrics.samples import Reading
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader
from tapewire.views import Views
from tests.engine_process import EngineProcess

PRODUCERS = 'producers = [{ name = "operator", role = "operator" }, { name = "traders" }]'
MARKET = """
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[account]]
account = 7
max_position = 1000
[[account]]
account = 8
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """Account 7 with a limit of 1,000 has 250 open to buy; account 8 has no limit."""
    made = EngineProcess(tmp_path, engine=PRODUCERS, more=MARKET)
    made.start()
    try:
        made.wait_for_accounts(7, 8)
        with OrderClient.open(made.folders.data) as client:
            for account, qty in ((7, 250), (8, 99)):
                sent = client.new_order(instrument=1, account=account, side=m.Side.buy, price=100, qty=qty)
                list(client.answers(sent))
        yield made
    finally:
        made.end()


async def test_the_share_of_the_limit_that_an_account_could_come_to_use(engine: EngineProcess) -> None:
    settings = configuration.load(engine.config)
    exposure, stop, reading = Exposure(settings, configure("test")), asyncio.Event(), Reading()
    running = asyncio.create_task(exposure.run(stop))
    async with asyncio.timeout(30):
        while not reading.values:
            await asyncio.sleep(0.02)
            exposure.put(reading)
    stop.set()
    await running
    assert list(reading.of("tapewire_risk_limit_used_ratio")) == [({"shard": "0", "account": "7"}, 0.25)]


def test_it_begins_with_the_newest_picture_that_is_of_this_tape(engine: EngineProcess) -> None:
    views, last = Views("test"), b""
    with TapeReader(engine.tape) as reader:
        for last in reader:
            views.fold(last)
    views.settle()
    folder, seq = engine.tape / "views", views.at_seq
    folder.mkdir()
    snapshots.save(folder, Snapshot(seq, hashlib.sha256(last).digest() + views.state()))
    begun, next_seq = newest(engine.tape)
    assert (next_seq, begun.at_seq, used(begun)) == (seq + 1, seq, {7: 0.25})
    snapshots.save(folder, Snapshot(seq, hashlib.sha256(b"a record of another tape").digest() + views.state()))
    begun, next_seq = newest(engine.tape)
    assert (next_seq, begun.at_seq) == (1, 0)


async def test_without_a_tape_it_says_why_and_ends_when_told(tmp_path: Path) -> None:
    path = tmp_path / "tapewire.toml"
    path.write_text(f'env = "test"\ndata = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n')
    settings = configuration.load(path)
    with pytest.raises(TapeError):
        newest(settings.folders.orders_tape(0))
    exposure, stop = Exposure(settings, configure("test")), asyncio.Event()
    running = asyncio.create_task(exposure.run(stop))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 30)
    reading = Reading()
    exposure.put(reading)
    assert reading.values == {}
