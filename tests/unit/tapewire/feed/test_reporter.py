"""What a connector says of its health."""

from __future__ import annotations

from pathlib import Path

from services.connector.binance import BinanceSession
from tapewire import messages as m
from tapewire.feed.publisher import Publisher
from tapewire.feed.reporter import Reporter, create_page
from tapewire.testing.clock import ManualClock
from tapewire.transports.memory import MemoryBus, MemoryTransport
from tests.unit.services.connector.driving import Driver, live_binance
from tests.unit.tapewire.feed.test_publisher import FakeBus, FakeRing


def reported(folder: Path, driver: Driver) -> m.ServiceHealth:
    session, clock = driver.session, ManualClock()
    assert isinstance(session, BinanceSession)
    tickers = [instrument.ticker for instrument in session.instruments]
    publisher = Publisher(
        env="t", feed="f", source=1, tickers=tickers, ring=FakeRing(), bus=FakeBus(), next_seq=1, clock=clock,
        snapshot=session.snapshot,
    )  # fmt: skip
    with create_page(folder / "page") as page:
        return Reporter(session, publisher, page, MemoryTransport(MemoryBus()), clock, "t", "f").health()


def test_it_is_ready_when_every_book_is_live(tmp_path: Path) -> None:
    health = reported(tmp_path, live_binance("BTCUSDT", "ETHUSDT"))
    assert (health.state, health.detail.split(",")[:2]) == (m.HealthState.ready, ["connected", " 2 of 2 books live"])


def test_a_symbol_that_is_down_makes_it_degraded_though_the_feed_lives(tmp_path: Path) -> None:
    driver = live_binance("BTCUSDT", "ETHUSDT")
    session = driver.session
    session._set_state(session.instruments[1], m.FeedState.down, m.BookQuality.resync, "delisted", [])
    health = reported(tmp_path, driver)
    assert (health.state, health.detail.split(",")[1]) == (m.HealthState.degraded, " 1 of 2 books live")
