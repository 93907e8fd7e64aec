"""Latest values of both kinds beside each other, off real processes: here and on another host they are the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import Latest
from tapewire.errors import LatestError
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tests.engine_process import ACCOUNTS, INSTRUMENT, EngineProcess
from tests.integration.test_connector_process import Flusher, configured, connector
from tests.integration.test_connector_shell import Answers, Venue, flows, rest  # noqa: F401
from tests.integration.test_journal_process import journal, trade
from tests.integration.test_transport_contract import until
from tools.services.ports import free_port

PATIENCE_S = 60.0
OWN = {"updates", "gaps", "seq", "ts", "ts_event", "ts_recv"}
"""What each side has of its own: how it came to the value, and of which message. What came anew comes as a snapshot."""
SNAPSHOT = {"quote_seq", "quote_ts", "top_seq", "top_ts"}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats", port=free_port()) as server:
        yield server


def values(store: Latest) -> dict[str, dict[str, object]]:
    """As both sides must have them."""
    return {
        ticker: {name: field for name, field in one.to_dict().items() if name not in OWN}
        for ticker, one in store.snapshot().items()
    }


def told(store: Latest, ticker: str) -> list[tuple[int, int, int]]:
    return [(one.seq, one.price, one.qty) for one in store.recent_trades(ticker)]


def last_trade(tape: Path) -> int:
    with TapeReader(tape) as reader:
        return max(r.seq for r in map(m.decode, reader) if isinstance(r, m.OrderExecuted))


def differing(here: Latest, there: Latest) -> dict[tuple[str, str], tuple[object, object]]:
    """By ticker and field, what both say of it."""
    one, other = values(here), values(there)
    return {
        (ticker, name): (one.get(ticker, {}).get(name), other.get(ticker, {}).get(name))
        for ticker in one | other
        for name in one.get(ticker, other.get(ticker, {}))
        if one.get(ticker, {}).get(name) != other.get(ticker, {}).get(name)
    }


async def same(here: Latest, there: Latest, ticker: str, trade_seq: int = 0) -> None:
    """Both come to rest at the same values, `trade_seq` the last trade of them."""

    def rested() -> bool:
        return ticker in here.tickers and here.latest(ticker).trade_seq >= trade_seq and not differing(here, there)

    try:
        await until(rested, PATIENCE_S)
    finally:
        assert differing(here, there) == {}


async def test_the_house_is_told_the_same_here_and_over_the_bus_through_every_loss(
    tmp_path: Path, bus: NatsServer
) -> None:
    settings = f'[nats]\nurl = "{bus.url}"\n[publisher]\nhealth_interval = 0.05\n'
    engine, pick, env = (
        EngineProcess(tmp_path, more=INSTRUMENT + ACCOUNTS + settings),
        random.Random(5),
        f"t{os.getpid()}",
    )
    try:
        # Before there is anybody to ask.
        async with await Latest.remote(bus.url, env=env) as there:
            await asyncio.to_thread(engine.start)
            with await asyncio.to_thread(engine.client) as client:
                await asyncio.to_thread(trade, client, pick, 100)
                async with journal(engine.config) as first:
                    await until(lambda: engine.folders.latest("house").exists(), PATIENCE_S)
                    with Latest.local(engine.folders.data) as here:
                        heard: list[int] = []
                        there.subscribe("ACME", lambda one: heard.append(one.trade_seq))
                        await asyncio.to_thread(trade, client, pick, 200)
                        await same(here, there, "ACME", last_trade(engine.tape))
                        assert there.latest("ACME").status is m.InstrumentStatus.trading
                        assert told(here, "ACME") == told(there, "ACME"), "both have every trade, each once"
                        assert heard == sorted(heard)

                        first.send_signal(signal.SIGKILL)
                        await first.wait()
                        assert not here.alive
                        await asyncio.to_thread(trade, client, pick, 60)
                        async with journal(engine.config):
                            await until(lambda: here.alive, PATIENCE_S)
                            with await asyncio.to_thread(engine.operator) as operator:
                                operator.submit(
                                    m.InstrumentDefinition(
                                        instrument=2, ticker="LATER", tick_size=1, lot_size=1,
                                        status=m.InstrumentStatus.trading,
                                    )
                                )  # fmt: skip
                            await asyncio.to_thread(trade, client, pick, 60)
                            await until(lambda: {"ACME", "LATER"} == set(there.tickers), PATIENCE_S)
                            client.new_order(instrument=2, side=m.Side.buy, qty=1, price=5, account=1)
                            await until(lambda: here.latest("LATER").bid_price == 5, PATIENCE_S)
                            assert here.latest("LATER").quality is m.BookQuality.live, "its book began empty"
                            await same(here, there, "ACME", last_trade(engine.tape))
                            both = told(here, "ACME"), told(there, "ACME")
                            assert both[0] == both[1]
                            assert len(set(both[0])) == len(both[0]), "what was published again stands once"
                            assert there.latest("ACME").gaps == 0, "nothing was missing"

                            os.kill(bus.pid, signal.SIGKILL)
                            await until(lambda: not there.alive, PATIENCE_S)
                            await until(lambda: there.latest("ACME").quality is m.BookQuality.resync, PATIENCE_S)
                            await asyncio.to_thread(trade, client, pick, 60)
                            bus.restart()
                            await until(lambda: there.alive, PATIENCE_S)
                            await until(lambda: there.latest("ACME").quality is m.BookQuality.live, PATIENCE_S)
                            assert there.latest("ACME").gaps >= 1
                            await asyncio.to_thread(trade, client, pick, 200)
                            await same(here, there, "ACME", last_trade(engine.tape))
                            late = await Latest.remote(bus.url, env=env)
                            async with late:
                                book = values(late)["ACME"]
                                known = {
                                    name: book[name] for name in book if name not in SNAPSHOT and "trade" not in name
                                }
                                assert (
                                    known.items() <= (values(here)["ACME"] | {"aggressor": book["aggressor"]}).items()
                                )
    finally:
        engine.close()


async def test_a_venue_is_told_the_same_here_and_over_the_bus_and_what_is_missing_is_counted(
    tmp_path: Path,
    nats_server: NatsServer,
    rest: str,  # noqa: F811
) -> None:
    Answers.last_id = 100
    flowing = asyncio.Event()
    flowing.set()

    async def while_asked(venue: Venue, connection: object) -> None:
        """As `flows`, but it can be brought to rest."""
        venue.update = Answers.last_id
        while True:
            await flowing.wait()
            await connection.send(venue.next_depth().decode())  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)

    async with (
        Venue(while_asked).running() as venue,
        await Latest.remote(nats_server.url, env=f"t{os.getpid()}", feed="binance") as there,
    ):
        path = configured(tmp_path, venue, rest, nats_server)
        flusher = Flusher(tmp_path / "rings" / "md.binance")
        async with connector(path) as first:
            await flusher.until(60)
            with Latest.local(tmp_path / "data", "binance") as here:
                flowing.clear()
                await same(here, there, "BTCUSDT")
                one = there.latest("BTCUSDT")
                assert (one.gaps, one.top_quality, one.feed_state) == (0, m.BookQuality.live, m.FeedState.live)
                assert here.feed_status() is not None
                flowing.set()
                first.send_signal(signal.SIGKILL)
                await first.wait()
                assert not here.alive
                async with connector(path):
                    await flusher.until(len(flusher.records) + 60)
                    flowing.clear()
                    await same(here, there, "BTCUSDT")
                    with pytest.raises(
                        LatestError, match=r"nothing was told of a ticker 'ETHUSDT'; known here: BTCUSDT"
                    ):
                        there.latest("ETHUSDT")
                    flowing.set()
