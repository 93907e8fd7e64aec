"""The hub beside a real engine and a real bus: what it answers, whom it tells what, and how it looks back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.api import platform
from services.api import types as t
from services.api.hub import Event, Hub, picture
from services.api.hub.errors import BeyondEnd, Superseded
from services.api.hub.hub import BATCH
from services.engine.operator import Operator
from services.risk import Risk
from tapewire import config as configuration
from tapewire import logs, snapshots
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.nats_server import NatsServer
from tapewire.subjects import subject
from tapewire.tape import TapeReader, cut
from tapewire.transports.nats import NatsTransport
from tapewire.views import Views
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, EngineProcess, order
from tests.integration.test_transport_contract import patient, until
from tests.sections import sections

LIMITED = "[[account]]\naccount = 3\nmax_position = 500\n"
MORE = '[[instrument]]\nticker = "WIDE"\ntick_size = "0.5"\nlot_size = "0.001"\n'
BUY, SELL = m.Side.buy, m.Side.sell
EVERYTHING = ("book", "trades", "quotes", "status", "bars", "orders", "fills", "positions", "risk", "tape", "state")


@asynccontextmanager
async def hub_of(engine: EngineProcess, transport: NatsTransport | None = None) -> AsyncIterator[Hub]:
    """A hub that follows the engine's tape."""
    hub = Hub(configuration.load(engine.config), transport, logs.get("api"), time.time_ns)
    await hub.start()
    stop = asyncio.Event()
    running = asyncio.create_task(hub.run(stop))
    try:
        yield hub
    finally:
        stop.set()
        await running
        await hub.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EngineProcess]:
    process = EngineProcess(tmp_path, more=INSTRUMENT + MORE + ACCOUNTS + LIMITED)
    process.start()
    try:
        yield process
    finally:
        process.close()


def trade(client: OrderClient, seed: int, orders: int) -> None:
    """Random orders of three accounts in two instruments, replaces and cancels; returns when all are answered."""
    pick, live = random.Random(seed), list[tuple[int, int]]()
    for number in range(1, orders + 1):
        dice = pick.random()
        if live and dice < 0.15:
            last = client.cancel(*live.pop(pick.randrange(len(live))))
        elif live and dice < 0.25:
            order_id, account = live[pick.randrange(len(live))]
            last = client.replace(order_id, account, price=pick.randint(990, 1010), qty=pick.randint(5, 20))
        else:
            side, price = pick.choice((BUY, SELL)), pick.randint(990, 1010)
            what: dict[str, Any] = {"instrument": pick.choice((1, 1, 2)), "account": pick.choice((1, 2, 3))}
            if what["instrument"] == 2:
                price = price * 5
            last = client.new_order(side=side, qty=pick.randint(1, 9), price=price, client_text=f"n{number}", **what)
        if number % 20 == 0 or number == orders:
            live += [
                (e.order_id, e.account) for e in client.answers(last, PATIENCE_S) if isinstance(e, m.OrderAccepted)
            ]


def folded(tape: Path, seq: int) -> Views:
    """All records up to `seq`, one after the other; the books after their command, if it is whole."""
    views = Views("demo")
    with TapeReader(tape) as reader:
        for raw in reader:
            if views.at_seq == seq:
                if not m.decode(raw).cause:
                    views.settle()
                return views
            views.fold(raw)
    views.settle()
    return views


def known(hub: Hub, levels: dict[tuple[str, str], tuple[str, int]]) -> None:
    """The levels that listeners put together are those of the book."""
    whole = hub.book("house", "ACME", 1000)
    expected = {("bid", price): (qty, n) for price, qty, n in whole.bids}
    assert levels == expected | {("ask", price): (qty, n) for price, qty, n in whole.asks}


async def test_what_listeners_hear_is_what_the_hub_answers_and_what_risk_counts(engine: EngineProcess) -> None:
    async with hub_of(engine) as hub:
        heard: dict[str, list[Event]] = defaultdict(list)
        batches: list[tuple[int, bool]] = []
        began = hub.seq
        hub.listen(lambda event: heard[event.channel].append(event), EVERYTHING)
        hub.tap(lambda records, ended: batches.append((len(records), ended)))
        client = engine.client()
        await asyncio.to_thread(trade, client, 1, 400)
        await until(lambda: hub.seq == client_end(engine))
        assert hub.ready

        levels: dict[tuple[str, str], tuple[str, int]] = {}
        for event in heard["book"]:
            assert isinstance(event.item, t.Book)
            for side, changed in (("bid", event.item.bids), ("ask", event.item.asks)):
                for price, qty, orders in changed if event.key == "ACME" else ():
                    levels.pop((side, price), None)
                    if orders:
                        levels[side, price] = (qty, orders)
        known(hub, levels)
        assert [event.item for event in heard["tape"]] == read(engine.tape, began)
        assert sum(count for count, _ in batches) == hub.seq - began
        assert batches[-1][1]
        fills = [event.item for event in heard["fills"] if event.key == 1]
        assert fills == hub.fills([1], 0, 10_000).fills
        trades = [e.item for e in heard["trades"] if e.key == "ACME" and isinstance(e.item, t.Trade)]
        seq = trades[-8].seq
        assert trades[-50:] == hub.trades("house", "ACME", 0, 50).trades
        assert hub.trades("house", "ACME", seq, 5).trades == trades[-7:-2]
        latest = {event.item.order_id: event.item for event in heard["orders"] if isinstance(event.item, t.Order)}
        live = {one.order_id: one for one in hub.orders(None, limit=1000).orders}
        assert {number: one for number, one in latest.items() if one.status in ("new", "partially_filled")} == live
        await compare_with_risk(engine, hub)
        assert {event.key for event in heard["risk"]} == {1, 2, 3}
        assert heard["state"]


def client_end(engine: EngineProcess) -> int:
    with TapeReader(engine.tape) as reader:
        return reader.positions.released_seq


def read(tape: Path, after: int) -> list[bytes]:
    with TapeReader(tape, after + 1) as reader:
        return list(reader)


async def compare_with_risk(engine: EngineProcess, hub: Hub) -> None:
    """The engine writes a snapshot as it ends: position and open quantity of each account are what the hub says."""
    await asyncio.to_thread(engine.end)
    (newest, *_) = snapshots.newest(engine.tape, 1 << 62)
    assert isinstance(newest, snapshots.Snapshot)
    risk = Risk.restore(sections(newest.state).risk, next_order_id=1 << 40)
    assert hub.seq == newest.seq
    for account in (1, 2, 3):
        (told,) = hub.risk([account]).accounts
        for one in told.exposures:
            number = 1 if one.ticker == "ACME" else 2
            scale = 1 if number == 1 else 1000
            said = tuple(round(float(text) * scale) for text in (one.net, one.open_buy, one.open_sell))
            assert said == risk.exposure(account, number)
    assert risk.live_orders == len(hub.orders(None, limit=1 << 20).orders)


def operator_of(engine: EngineProcess) -> Operator:
    """Once the configuration's commands were sent."""
    engine.operator().close()
    return Operator(engine.folders.data)


async def test_a_command_that_ends_with_a_full_batch_is_told_as_ended(engine: EngineProcess) -> None:
    hub = Hub(configuration.load(engine.config), None, logs.get("api"), time.time_ns)
    await hub.start()
    told: list[tuple[int, bool]] = []
    heard: list[Event] = []
    hub.tap(lambda records, ended: told.append((len(records), ended)))
    hub.listen(heard.append, ["book"])
    client = engine.client()
    for number in range(BATCH // 2):  # each is a NewOrder and an OrderAccepted
        last = order(client, BUY, 900 + number)
    list(client.answers(last, PATIENCE_S))
    assert not hub.poll()
    assert told == [(BATCH, True)]
    assert len(heard) == BATCH // 2
    await hub.close()


async def test_kill_mass_cancel_status_and_bust_show_at_once(engine: EngineProcess) -> None:
    async with hub_of(engine) as hub:
        client, operator = engine.client(), await asyncio.to_thread(operator_of, engine)
        heard: list[Event] = []
        hub.listen(heard.append, ["risk", "status", "positions"])
        order(client, BUY, 1000, 10, 1)
        list(client.answers(order(client, SELL, 1000, 4, 2), PATIENCE_S))
        operator.send(m.KillSwitch(account=1, engaged=True, cancel_open=True, reason="drill"))
        operator.send(m.SetInstrumentStatus(instrument=1, status=m.InstrumentStatus.halted))
        await until(lambda: hub.status("ACME").status == "halted")
        (risk,) = hub.risk([1]).accounts
        assert (risk.killed, risk.kill_reason, risk.live_orders) == (True, "drill", 0)
        assert not hub.risk([2]).accounts[0].killed
        (done,) = [one for one in hub.orders([1], live=False).orders if one.status == "cancelled"]
        assert (done.reason, done.cum_qty, done.avg_price) == ("kill_switch", "4", "10.00000")
        (fill,) = hub.fills([2]).fills
        (position,) = hub.positions([1]).positions
        assert (position.net, position.avg_price, position.fills) == ("4", "10.00000", 1)
        operator.bust(1)
        await until(lambda: hub.positions([1]).positions == [] or hub.positions([1]).positions[0].net == "0")
        assert [one.kind for one in hub.fills([2]).fills] == ["fill", "bust"]
        assert fill.kind == "fill"
        assert {(event.channel, event.key) for event in heard} >= {("risk", 1), ("status", "ACME"), ("positions", 2)}
        life = hub.order(done.order_id)
        assert isinstance(life.events, list)
        assert [one.type for one in life.events] == [
            *("new_order", "order_accepted", "order_executed", "order_cancelled", "trade_busted")
        ]
        with pytest.raises(LookupError, match="order 1: not live"):
            hub.order(1, [2])
        operator.close()


async def test_the_past_is_what_was_then_and_only_the_newest_question_of_a_client_is_answered(
    engine: EngineProcess,
) -> None:
    async with hub_of(engine) as hub:
        await asyncio.to_thread(trade, engine.client(), 2, 300)
        end = client_end(engine)
        await until(lambda: hub.seq == end)
        for seq in (1, 50, end // 2, end):
            shown = await hub.as_of(seq, "slider")
            expected = picture.as_of(folded(engine.tape, seq), None, hub.producers, ["house"])
            assert msgspec.json.encode(shown) == msgspec.json.encode(expected)
        mine = await hub.as_of(end, "slider", [2])
        assert {one.account for one in mine.orders} <= {2}
        assert [one.account for one in mine.risk.accounts] == [2]
        asked = [asyncio.create_task(hub.as_of(seq, "slider")) for seq in range(1, 31)]
        asked.append(asyncio.create_task(hub.as_of(7, "another")))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in answers[:29]] == [Superseded] * 29
        assert [one.seq for one in answers[29:] if isinstance(one, t.AsOf)] == [30, 7]
        with pytest.raises(BeyondEnd):
            await hub.as_of(end + 1, "slider")
        # Its process is killed: the next question finds another one.
        first = hub.past_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: hub.past_pid not in (None, first))
        assert (await hub.as_of(end, "slider")).seq == end


async def test_a_tape_that_lost_its_tail_is_folded_anew_and_listeners_are_told(engine: EngineProcess) -> None:
    async with hub_of(engine) as hub:
        client = engine.client()
        await asyncio.to_thread(trade, client, 3, 60)
        end = client_end(engine)
        await until(lambda: hub.seq == end)
        heard: list[Event] = []
        hub.listen(heard.append, ["orders"])
        client.close()
        engine.kill()
        before = next(r.seq for r in map(m.decode, read(engine.tape, end // 2)) if not r.cause)
        cut(engine.tape, before, engine.folder / "backup")
        engine.start()
        client = engine.client()
        await asyncio.to_thread(trade, client, 4, 60)
        await until(lambda: hub.seq == client_end(engine) and any(e.channel == "reset" for e in heard))
        views = folded(engine.tape, hub.seq)
        shown = msgspec.json.encode(picture.as_of(hub.views, None, {}, []))
        assert shown == msgspec.json.encode(picture.as_of(views, None, {}, []))
        assert (await hub.as_of(hub.seq, "x")).seq == hub.seq


async def test_a_start_goes_on_from_a_picture(engine: EngineProcess) -> None:
    await asyncio.to_thread(trade, engine.client(), 5, 100)
    async with hub_of(engine) as hub:
        state = hub.state()
        assert (state.folded_seq, state.oldest_as_of, state.lag["api.views"]) == (client_end(engine), 1, 0)
        page = await hub.records(0, 10, frozenset({"order_accepted"}))
        assert [one.type for one in page.records] == ["order_accepted"] * 10
        assert page.next == page.records[-1].seq
        assert page.records[0].fields["ticker"] in ("ACME", "WIDE")
        rest = await hub.records(hub.seq - 3, 10)
        assert [one.seq for one in rest.records] == [hub.seq - 2, hub.seq - 1, hub.seq]
        assert rest.next is msgspec.UNSET
        assert hub.latency().stages["decide"].buckets


async def test_venues_and_services_are_what_the_bus_tells(engine: EngineProcess, nats_server: NatsServer) -> None:
    engine.config.write_text(
        engine.config.read_text() + f'\n[nats]\nurl = "{nats_server.url}"\n[feed.far]\nvenue = "kraken"\n'
        'tickers = ["BTC/USD"]\n'
    )
    env, transport, venue = (
        f"t{os.getpid()}",
        NatsTransport(patient(nats_server.url)),
        NatsTransport(patient(nats_server.url)),
    )
    await transport.connect()
    await venue.connect()
    terms: dict[str, Any] = {"ticker": "BTC/USD", "price_exponent": -1, "qty_exponent": -2}

    def level(price: int, qty: int, side: m.Side) -> m.BookLevel:
        return m.BookLevel(price, qty, 0, side)

    def say(kind: str, message: m.Message, key: str = "BTC/USD") -> None:
        assert venue.publish(subject(env, "far", kind, key), bytes(message))

    async with hub_of(engine, transport) as hub:
        heard: list[Event] = []
        hub.listen(heard.append, ["book", "trades", "quotes"])
        whole = [level(100, 5, BUY), level(99, 7, BUY), level(101, 3, SELL)]
        say("book", m.BookSnapshot(**terms, seq=1, ts=9, book_seq=7, quality=m.BookQuality.live, levels=whole))
        say(
            "book",
            m.BookDelta(**terms, seq=2, ts=10, book_seq=8, quality=m.BookQuality.live, levels=[level(100, 0, BUY)]),
        )
        say("quote", m.Quote(**terms, seq=3, bid_price=99, bid_qty=7, ask_price=101, ask_qty=3, quality=1))
        say("trade", m.Trade(**terms, seq=4, ts=10**18, trade_id=5, price=101, qty=250, aggressor=BUY))
        await until(lambda: len(heard) >= 4)
        book = hub.book("far", "BTC/USD")
        assert (book.bids, book.asks) == ([("9.9", "0.07", 0)], [("10.1", "0.03", 0)])
        assert (book.book_seq, book.quality, book.seq) == (8, "live", 2)
        assert heard[1].item == t.Book("far", "BTC/USD", 8, "live", 2, "10", [("10.0", "0.00", 0)], [])
        assert hub.quote("far", "BTC/USD").ask == ("10.1", "0.03")
        assert [one.qty for one in hub.trades("far", "BTC/USD").trades] == ["2.50"]
        assert hub.bars("far", "BTC/USD", "1h").bars[0][1:] == ("10.1", "10.1", "10.1", "10.1", "2.50", 1)
        # One delta is missing: the book is stale, and what follows is not applied to it.
        say("book", m.BookDelta(**terms, seq=6, book_seq=10, quality=m.BookQuality.live, levels=[level(98, 1, BUY)]))
        await until(lambda: hub.book("far", "BTC/USD").quality == "stale")
        assert hub.book("far", "BTC/USD").bids == [("9.9", "0.07", 0)]
        assert hub.feeds().feeds["far"].missed == 1
        say("book", m.BookSnapshot(**terms, seq=7, book_seq=10, quality=m.BookQuality.live, levels=whole[:1]))
        await until(lambda: hub.book("far", "BTC/USD").quality == "live")
        down = m.FeedStatus(state=m.FeedState.stale, quality=m.BookQuality.stale, gaps=2, reason="silence")
        say("status", down, "")
        await until(lambda: hub.feeds().feeds["far"].state == "stale")
        feed = hub.feeds().feeds["far"]
        assert (feed.gaps, feed.reason, feed.tickers) == (2, "silence", {"BTC/USD": "stale"})
        told = m.ServiceHealth(
            ts=time.time_ns(), pid=77, state=m.HealthState.ready, service="far", detail="all is well"
        )
        venue.publish(subject(env, "ops", "health", "far"), bytes(told))
        venue.publish(subject(env, "ops", "health", "far"), b"no message")
        await until(lambda: "far" in hub.services().services)
        assert hub.services().services["far"] == platform.Service("ready", "all is well", 77, str(told.ts))
        with pytest.raises(LookupError, match="feed 'near'"):
            hub.book("near", "BTC/USD")
        with pytest.raises(LookupError, match="nothing has come of it"):
            hub.book("far", "ETH")
    await venue.drain()
    await transport.drain()
