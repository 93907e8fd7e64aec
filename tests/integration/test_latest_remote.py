"""Latest values over a real bus: the same calls, with what the feed publishes."""

from __future__ import annotations

import asyncio

from tapewire import messages as m
from tapewire.client import Latest
from tapewire.nats_server import NatsServer
from tapewire.subjects import subject
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S
from tests.integration.test_transport_contract import patient, until


async def test_another_host_has_a_venues_values_and_sees_what_is_missing(nats_server: NatsServer) -> None:
    publisher = NatsTransport(patient(nats_server.url), name="test")
    await publisher.connect()
    came = asyncio.Event()
    async with await Latest.remote(nats_server.url, env="latestremote", feed="binance") as store:
        assert store.alive
        store.subscribe("X", lambda value: came.set())
        to = subject("latestremote", "binance", "quote", "X")
        for seq in (1, 2, 5):
            publisher.publish(to, bytes(m.Quote(seq=seq, instrument=1, ticker="X", bid_price=seq, bid_qty=1)))
        await publisher.flush()
        await asyncio.wait_for(came.wait(), PATIENCE_S)
        await until(lambda: store.latest("X").seq == 5)
        value = store.latest("X")
        assert (value.bid_price, value.gaps) == (5, 1)
        assert [one.seq for one in store.recent_quotes("X", 2)] == [2, 5]
    await publisher.drain()
