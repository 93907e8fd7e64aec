"""The router on a real bus: it asks for the books it does not know, hears what changes, and tells how parents stand."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from services.router.bus import Bus
from services.router.market_feed import MarketFeed, Source
from tapewire import logs
from tapewire import messages as m
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.subjects import subject
from tapewire.transports.nats import NatsTransport
from tests.integration.test_transport_contract import patient, until

ENV = "rbus"
LIVE = m.BookQuality.live


def snapshot(seq: int) -> m.BookSnapshot:
    levels = [m.BookLevel(price=99, qty=5, orders=1, side=m.Side.buy)]
    return m.BookSnapshot(ticker="ACME", book_seq=seq, quality=LIVE, levels=levels)


async def test_books_are_asked_for_and_parents_told(nats_server: NatsServer) -> None:
    feed, rung = MarketFeed({("house", "ACME"): Source(1, 1)}, 0, 5), threading.Event()
    other, heard = NatsTransport(patient(nats_server.url)), list[Received]()
    await other.connect()
    await other.subscribe(f"{ENV}.router.>", heard.append)
    await other.subscribe(f"{ENV}.ops.>", heard.append)

    def answer(message: Received) -> None:
        assert message.data == b"book"
        other.publish(message.reply, bytes(snapshot(7)))

    await other.subscribe(f"{ENV}.house.snapshot.*", answer)
    bus = Bus(
        lambda fail: NatsTransport(patient(nats_server.url), on_failure=fail), feed, ENV, rung.set, logs.get("test")
    )
    await asyncio.to_thread(bus.start)
    try:
        await until(lambda: not feed.wants_snapshot("house", "ACME"))
        level = m.BookLevel(price=98, qty=4, orders=1, side=m.Side.buy)
        delta = m.BookDelta(ticker="ACME", book_seq=8, quality=LIVE, levels=[level])
        other.publish(subject(ENV, "house", "book", "ACME"), bytes(delta))
        books: list[m.Message] = []

        def told() -> bool:
            books.extend(feed.drain(time.time_ns(), ()))
            return bool(books) and len(books[-1].levels) == 2  # type: ignore[attr-defined]

        await until(told)
        assert rung.is_set()
        changed = bytes(m.ParentChanged(parent_id=3, account=7))
        bus.publish(7, changed)
        bus.health(5, m.HealthState.ready, "fine")
        await until(lambda: len(heard) == 2)
        assert [(one.subject, type(m.decode(one.data)).__name__) for one in heard] == [
            (f"{ENV}.router.parent.7", "ParentChanged"),
            (f"{ENV}.ops.health.router", "ServiceHealth"),
        ]
        assert heard[0].data == changed
        bus.check()
    finally:
        await asyncio.to_thread(bus.stop)
        await other.close()


async def test_what_cannot_be_read_ends_the_router(nats_server: NatsServer) -> None:
    feed, ended = MarketFeed({("house", "ACME"): Source(1, 1)}, 0, 5), threading.Event()
    bus = Bus(
        lambda fail: NatsTransport(patient(nats_server.url), on_failure=fail),
        feed,
        "rbad",
        ended.set,
        logs.get("test"),
    )
    await asyncio.to_thread(bus.start)
    other = NatsTransport(patient(nats_server.url))
    await other.connect()
    other.publish("rbad.house.trade.ACME", b"nonsense")
    await until(ended.is_set)
    await other.close()
    bus.stop()
    with pytest.raises(ValueError, match="bytes"):
        bus.check()
