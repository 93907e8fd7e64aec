"""Market data on hosts of their own: what API and router ask of the past is on their hosts, as it is in fused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api.history import History
from services.router.profile import volume_profile
from tapewire import health
from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.folders import Folders
from tapewire.store import checkpoint, layout
from tapewire.store.query import Store
from tapewire.tape import TapeReader
from tests.engine_process import ROOT
from tests.fix.processes import skip_reason
from tests.market_day import Market, events

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

FEED, TICKER, TAPE = "binance", "BTCUSDT", "md.binance"
NS, PATIENCE_S = 10**9, 60.0
SETTINGS = """
[feed.binance]
venue = "binance"
tickers = ["BTCUSDT"]
url = "{url}"
rest_url = "{rest_url}"
ring_bytes = 1048576
[flusher]
segment_bytes = 1048576
archive_records = 2000
archive_wait = 1
"""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A simulated venue that trades, and the settings of a feed that listens to it."""
    ports = tmp_path / "ports.json"
    command = [sys.executable, "-m", "services.simulator", "--venues", "binance", "--rate", "400"]
    with (tmp_path / "venue.log").open("wb") as log:
        process = subprocess.Popen([*command, "--ports-file", str(ports)], cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not ports.exists():
            assert time.monotonic() < deadline, (tmp_path / "venue.log").read_text()
            time.sleep(0.02)
        found = json.loads(ports.read_text())["binance"]
        yield process, SETTINGS.format(url=found["url"], rest_url=found["rest_url"])
    finally:
        process.kill()
        process.wait()


def last_seq(market: Market, host: str) -> int:
    path = Folders(market.host(host)).tape(TAPE)
    if not path.exists():
        return 0
    with TapeReader(str(path), None) as reader:
        return reader.positions.released_seq


def raws(market: Market, host: str) -> list[bytes]:
    with TapeReader(str(Folders(market.host(host)).tape(TAPE)), None) as reader:
        return list(reader)


def archived(market: Market, host: str) -> int:
    return checkpoint.read(market.host(host), TAPE).archived


def profile(data: Path) -> m.VolumeProfile | str:
    """What the router would schedule VWAP by tomorrow."""
    try:
        return volume_profile(Store(data), TICKER, time.time_ns() + 86_400 * NS, 1, -8, feed=FEED)
    except StoreError as error:
        return str(error)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_history_of_a_venue_is_answered_on_hosts_that_its_feed_does_not_stand_on(
    tmp_path: Path, venue: tuple[subprocess.Popen[bytes], str]
) -> None:
    trading, settings = venue
    with Market(tmp_path / "market", "split", more=settings) as market:
        api = market.api()
        market.wait_until(lambda: last_seq(market, "api") > 4000, "market data comes to the API's host")
        market.kill("replica", "feeds")
        market.wait_until(lambda: last_seq(market, "api") > 6000, "and goes on after its sender was killed")
        market.kill("replica", "api")
        market.kill("flusher", "api")
        market.wait_until(lambda: last_seq(market, "api") > 8000, "and after its mirror was")
        trading.kill()
        trading.wait()
        time.sleep(0.5)  # what the connector has is on the tape
        market.wait_until(lambda: last_seq(market, "api") == last_seq(market, "feeds"), "the copy is whole")
        market.wait_until(lambda: archived(market, "api") == last_seq(market, "feeds"), "it is archived there")
        assert raws(market, "api") == raws(market, "feeds")
        for interval in ("1s", "1m"):
            # A host that has everything, as in fused: it would answer from the folder of the feeds.
            here = History(market.host("feeds"))._bars(FEED, TICKER, interval, 0, None, 500)
            answer = api.call("GET", f"/v1/bars/{TICKER}?feed={FEED}&interval={interval}&from=0")
            assert answer.status == 200, answer
            assert [list(one) for one in here] == answer.body["bars"]
            assert here
        traded = profile(market.host("feeds"))
        assert isinstance(traded, m.VolumeProfile), traded
        assert profile(market.host("api")) == traded
        assert layout.tapes(market.host("engine")) == ["orders.0"]
        ready = health.ask_socket(Folders(market.host("api")).health / "flusher", "/ready")
        assert ready.ok, ready
    killed = [
        one["event"] for one in events(market) if "had to be" in one["event"] or "not end in time" in one["event"]
    ]
    assert killed == []
