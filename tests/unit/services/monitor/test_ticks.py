"""A marked tick becomes a trace from the socket to its subscriber; of others nothing but the headers is looked at."""

from __future__ import annotations

import asyncio

from services.monitor.ticks import TickTracer
from tapewire import messages as m
from tapewire.config import Config, Feed
from tapewire.trace_context import tick_context
from tapewire.traces import ids
from tapewire.traces.spans import Span
from tapewire.transports.memory import MemoryBus, MemoryTransport

T = 1_700_000_000_000_000_000


async def turns(count: int = 200) -> None:
    """All that lies ready on the loop is done by then, however slow the machine is: nothing here waits for anything."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_marked_tick_is_traced_from_the_socket_to_its_subscriber() -> None:
    bus, spans, stop = MemoryBus(), list[Span](), asyncio.Event()
    settings = Config(env="demo", feeds={"kraken": Feed(venue="kraken", tickers=("BTC/USD",))})
    tracer = TickTracer(settings, MemoryTransport(bus), spans.extend, clock=lambda: T + 900)
    task = asyncio.create_task(tracer.run(stop))
    connector = MemoryTransport(bus)
    await connector.connect()
    await turns()
    trade = m.Trade(seq=8, ts=T + 300, ts_recv=T, ts_event=T - 50, ticker="BTC/USD", price=1, qty=2)
    connector.publish("demo.kraken.trade.BTC_USD", bytes(trade), tick_context("demo", "kraken", 8).header_block())
    connector.publish("demo.kraken.trade.BTC_USD", bytes(trade))
    await turns()
    stop.set()
    await task
    await connector.drain()
    assert tracer.traced == 1
    assert [(one.name, one.service, one.start - T, one.end - T) for one in spans] == [
        ("tick", "connector", 0, 900),
        ("normalise", "connector", 0, 300),
        ("bus", "subscriber", 300, 900),
    ]
    assert {one.trace_id for one in spans} == {ids.trace_id("demo", "md.kraken", 0, 8)}
    assert [one.parent_id for one in spans] == [0, spans[0].span_id, spans[0].span_id]
    assert spans[0].attributes == {
        "tapewire.feed": "kraken",
        "tapewire.kind": "trade",
        "tapewire.seq": 8,
        "tapewire.ticker": "BTC/USD",
        "tapewire.venue_ts": T - 50,
        "tapewire.venue_to_socket_ns": 50,
    }
