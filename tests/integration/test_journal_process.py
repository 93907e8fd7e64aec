"""Engine, republisher and bus as processes: what subscribers hear is what the matcher did, kills included."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from services.matcher import Matcher
from tapewire import messages as m
from tapewire import snapshots
from tapewire.client import OrderClient
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tapewire.transports.nats import NatsTransport
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT, EngineProcess, order
from tests.integration.test_transport_contract import patient, until
from tests.sections import sections

START_S = 60.0
Levels = dict[tuple[m.Side, int], tuple[int, int]]


@asynccontextmanager
async def journal(config: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.journal", "--config", config, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def trade(client: OrderClient, pick: random.Random, orders: int) -> None:
    """Random orders of two accounts around one price, and cancels of some; returns when all are answered."""
    live: list[tuple[int, int]] = []
    for number in range(1, orders + 1):
        if live and pick.random() < 0.2:
            last = client.cancel(*live.pop(pick.randrange(len(live))))
        else:
            side = pick.choice((m.Side.buy, m.Side.sell))
            last = order(client, side, pick.randint(990, 1010), pick.randint(1, 9), pick.choice((1, 2)))
        if number % 20 == 0 or number == orders:
            live += [(e.order_id, e.account) for e in client.answers(last, START_S) if isinstance(e, m.OrderAccepted)]


def rebuilt(deltas: Iterable[m.Message]) -> Levels:
    """The book that a subscriber makes of the deltas; one it hears twice changes nothing."""
    levels: Levels = {}
    seen = 0
    for delta in deltas:
        assert isinstance(delta, m.BookDelta)
        if delta.book_seq <= seen:
            continue
        assert delta.book_seq == seen + 1
        seen = delta.book_seq
        for level in delta.levels:
            levels[level.side, level.price] = (level.qty, level.orders)
    return {key: level for key, level in levels.items() if level[0]}


def of_matcher(tape: Path) -> Levels:
    """The book in the engine's last snapshot."""
    (newest, *_) = snapshots.newest(tape, 1 << 62)
    assert isinstance(newest, snapshots.Snapshot)
    matcher = Matcher.restore(sections(newest.state).matcher)
    sides = (m.Side.buy, m.Side.sell)
    return {(side, price): (qty, n) for side in sides for price, qty, n in matcher.depth(1, side, 1000)}


async def test_trades_and_books_on_the_bus_are_the_matchers_through_kills_of_both(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    bus = f'[nats]\nurl = "{nats_server.url}"\n[publisher]\nhealth_interval = 0.05\n'
    engine, pick = EngineProcess(tmp_path, more=INSTRUMENT + ACCOUNTS + bus), random.Random(3)
    env, heard = f"t{os.getpid()}", list[Received]()
    listening = NatsTransport(patient(nats_server.url))
    await listening.connect()
    await listening.subscribe(f"{env}.house.>", heard.append)
    try:
        async with journal(engine.config) as first:
            await asyncio.to_thread(engine.start)
            with await asyncio.to_thread(engine.client) as client:
                await asyncio.to_thread(trade, client, pick, 300)
                await until(lambda: len(of_kind(heard, "trade")) > 50, START_S)
                engine.kill()
                await asyncio.to_thread(engine.start)
                await asyncio.to_thread(trade, client, pick, 100)
                first.send_signal(signal.SIGKILL)
                await first.wait()
                await asyncio.to_thread(trade, client, pick, 100)
        assert await asyncio.to_thread(engine.end) == 0
        with TapeReader(engine.tape) as reader:
            executed = [r for r in map(m.decode, reader) if isinstance(r, m.OrderExecuted)]
        async with journal(engine.config) as second:
            await until(lambda: trades(heard)[-1:] == [told(executed[-1])], START_S)
            await until(lambda: rebuilt(of_kind(heard, "book")) == of_matcher(engine.tape), START_S)
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
    finally:
        engine.close()
        await listening.drain()
    # What was published between the last stored position and the kill comes again, the same; nothing is missing.
    assert list(dict.fromkeys(trades(heard))) == [told(e) for e in executed]
    quote = of_kind(heard, "quote")[-1]
    assert isinstance(quote, m.Quote)
    book = of_matcher(engine.tape)
    assert quote.bid_price == max(price for side, price in book if side == m.Side.buy)
    assert quote.ask_price == min(price for side, price in book if side == m.Side.sell)


def of_kind(heard: list[Received], kind: str) -> list[m.Message]:
    return [m.decode(one.data) for one in heard if one.subject.split(".")[2] == kind]


def trades(heard: list[Received]) -> list[tuple[int, int, int, int]]:
    return [(t.seq, t.trade_id, t.price, t.qty) for t in of_kind(heard, "trade") if isinstance(t, m.Trade)]


def told(executed: m.OrderExecuted) -> tuple[int, int, int, int]:
    return executed.seq, executed.match_id, executed.price, executed.qty
