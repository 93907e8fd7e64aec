"""The market-data session to a venue as a process, with a real bus and a simulated Binance that misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.simulator.fix_venue.running import RunningVenue
from tapewire import messages as m
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.ring import RingConsumer
from tapewire.tape import TapeWriter
from tapewire.transports.nats import NatsTransport
from tests.fix.processes import skip_reason
from tests.fix.test_venue_crypto import KEY
from tests.fix_venue import Trader
from tests.integration.test_transport_contract import patient

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
START_S = 60
FEED = "binance-fix"


def configured(folder: Path, venue: RunningVenue, server: NatsServer) -> Path:
    secret, path = folder / "key.pem", folder / "tapewire.toml"
    secret.write_text(KEY)
    secret.chmod(0o600)
    path.write_text(
        f'''env = "t{os.getpid()}"
data = "{folder / "data"}"
rings = "{folder / "rings"}"
[nats]
url = "{server.url}"
[feed.{FEED}]
venue = "fix"
tickers = ["BTCUSDT", "ETHUSDT"]
depth = 10
ring_bytes = 1048576
[[venues]]
name = "out"
number = 3
dialect = "binance"
port = {venue.port}
tls = false
comp_id = "CLIENT"
username = "client"
secret_file = "{secret}"
[[venues.sessions]]
kind = "market-data"
host = "127.0.0.1"
port = {venue.ports["market-data"]}
comp_id = "DATA"
heartbeat = 5
feed = "{FEED}"
'''
    )
    return path


@asynccontextmanager
async def session(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway.initiator.market_data", "--venue", "out", "--config", str(path)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        _, said = await process.communicate()
        print(said.decode()[-4000:])


class Tape:
    """The flusher's side of the ring, and the books as whoever follows them has them."""

    def __init__(self, folder: Path) -> None:
        self.ring = folder / "rings" / f"md.{FEED}"
        self.records: list[m.Message] = []

    async def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_S
        while not true():
            assert time.monotonic() < deadline, f"{what}: {[str(one) for one in self.records[-5:]]}"
            if self.ring.exists():
                self.take()
            await asyncio.sleep(0.02)

    def take(self) -> None:
        with RingConsumer(self.ring) as ring:
            self.records += [m.decode(raw) for raw in ring.poll()]
            ring.release()

    def states(self, ticker: str = "BTCUSDT") -> list[str]:
        found = [one for one in self.records if isinstance(one, m.FeedStatus) and one.ticker == ticker]
        return [m.FeedState(one.state).name for one in found]

    def reasons(self) -> list[str]:
        return [one.reason for one in self.records if isinstance(one, m.FeedStatus) and one.ticker == "BTCUSDT"]

    def live(self, times: int) -> bool:
        return all(self.states(one).count("live") >= times and self.states(one)[-1] == "live" for one in self.tickers())

    def tickers(self) -> tuple[str, ...]:
        return "BTCUSDT", "ETHUSDT"

    def book(self, ticker: str = "BTCUSDT") -> dict[tuple[str, int], int]:
        book: dict[tuple[str, int], int] = {}
        seq = 0
        for one in self.records:
            if not isinstance(one, m.BookSnapshot | m.BookDelta) or one.ticker != ticker:
                continue
            assert isinstance(one, m.BookSnapshot) or one.book_seq == seq + 1, one
            book = {} if isinstance(one, m.BookSnapshot) else book
            seq = one.book_seq
            for level in one.levels:
                book[m.Side(level.side).name, level.price] = level.qty
                if not level.qty:
                    del book[m.Side(level.side).name, level.price]
        return book


def truth(venue: RunningVenue, ticker: str = "BTCUSDT") -> dict[tuple[str, int], int]:
    """The venue's book as it told it last."""
    levels = venue.call(lambda: dict(venue.venue.market._depths[ticker].levels))
    return {(side.name, price): qty for (side, price), qty in levels.items()}


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[tuple[RunningVenue, Trader, Tape]]:
    with RunningVenue(folder / "venue", "binance", levels=3, lots=1000) as venue:
        trader = Trader(venue.port, "binance")
        trader.logon()
        try:
            yield venue, trader, Tape(folder)
        finally:
            trader.fix.close()


async def test_a_market_by_fix_is_a_feed_as_any_other(tmp_path: Path, nats_server: NatsServer) -> None:
    heard: list[Received] = []
    bus = NatsTransport(patient(nats_server.url))
    await bus.connect()
    await bus.subscribe(f"t{os.getpid()}.>", heard.append)
    async with simulated(tmp_path) as (venue, trader, tape):
        async with session(configured(tmp_path, venue, nats_server)) as process:
            await tape.until(lambda: tape.live(1), "live")
            await tape.until(lambda: tape.book() == truth(venue) != {}, "the venue's book")
            trader.rest(price="50000.00")
            trader.order("buy", price="70000.00", qty="0.00100", t59="3")
            await tape.until(lambda: any(isinstance(one, m.Trade) for one in tape.records), "a trade")
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book after a change")
            venue.fault("lost_update", client="DATA")
            trader.rest(price="49999.00")
            await asyncio.sleep(0.2)
            trader.rest(price="49998.00")
            await tape.until(lambda: tape.live(1) and tape.states().count("live") == 2, "resync of the one book")
            assert "are missing" in tape.reasons()[-2]
            assert tape.states("ETHUSDT").count("live") == 1
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book after a gap")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), START_S) == 0
        tape.take()
    await bus.drain()
    assert [one.seq for one in tape.records] == list(range(1, len(tape.records) + 1))
    assert (tape.states()[-1], tape.reasons()[-1].startswith("stopping")) == ("down", True)
    trade = next(one for one in tape.records if isinstance(one, m.Trade))
    assert (trade.ticker, trade.qty, trade.aggressor, trade.quality) == ("BTCUSDT", 100, m.Side.buy, m.BookQuality.live)
    on_bus = {message.data for message in heard if ".ops." not in message.subject}
    assert on_bus == {bytes(one) for one in tape.records}
    kinds = {message.subject.split(".")[2] for message in heard if f".{FEED}." in message.subject}
    assert kinds == {"book", "trade", "quote", "status", "instrument"}
    health = [m.ServiceHealth.decode(one.data) for one in heard if ".ops.health." in one.subject]
    assert {one.state for one in health} >= {m.HealthState.ready, m.HealthState.draining}


@pytest.mark.slow
async def test_it_comes_back_after_a_kill_a_gap_and_a_disconnect(tmp_path: Path, nats_server: NatsServer) -> None:
    """Numbers go on, and the book is the venue's again each time."""
    async with simulated(tmp_path) as (venue, trader, tape):
        path = configured(tmp_path, venue, nats_server)
        async with session(path) as first:
            await tape.until(lambda: tape.live(1), "live")
            trader.rest(price="50000.00")
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book")
            first.send_signal(signal.SIGKILL)
            await first.wait()
        tape.take()
        with TapeWriter(tmp_path / "data" / "tapes" / f"md.{FEED}", f"md.{FEED}") as writer:
            writer.append_many(bytes(record) for record in tape.records)
            writer.commit()
        await asyncio.to_thread(gone, venue)
        trader.rest(price="49999.00")
        async with session(path) as second:
            await tape.until(lambda: tape.live(2), "live again")
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book after a kill")
            venue.fault("gap", client="DATA")
            trader.rest(price="49997.00")
            await asyncio.sleep(0.2)
            trader.rest(price="49996.00")
            await tape.until(lambda: tape.live(3), "a new session after a gap")
            assert any("a message of the venue is missing" in one for one in tape.reasons())
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book after a gap")
            venue.fault("disconnect", client="DATA")
            await tape.until(lambda: tape.live(4), "a new connection")
            trader.rest(price="49995.00")
            await tape.until(lambda: tape.book() == truth(venue), "the venue's book after a disconnect")
            second.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(second.wait(), START_S) == 0
        tape.take()
    assert [one.seq for one in tape.records] == list(range(1, len(tape.records) + 1))


def gone(venue: RunningVenue) -> None:
    """Until the venue has noticed that the killed session's connection is gone."""
    deadline = time.monotonic() + START_S
    while venue.call(lambda: any(link.name == "DATA" for link in venue.venue.links)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
