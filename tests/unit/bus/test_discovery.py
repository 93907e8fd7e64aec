"""Discovery on the bus in memory; what it says is read with nats-py's own types."""

from __future__ import annotations

import orjson
import pytest
from nats.micro.service import ServiceInfo, ServicePing, ServiceStats

from tapewire.bus.discovery import Discovery
from tapewire.errors import TransportError
from tapewire.interfaces import Received
from tapewire.transports.memory import MemoryBus, MemoryTransport


async def test_it_is_found_by_all_three_questions_and_counts_what_it_answers() -> None:
    bus = MemoryBus()
    here, there = MemoryTransport(bus), MemoryTransport(bus)
    await here.connect()
    await there.connect()
    service = Discovery(here, "shop", "1.2.3", "sells echoes", env="test")

    def echo(message: Received) -> None:
        if message.data == b"bad":
            raise ValueError("no such echo")
        here.publish(message.reply, message.data)

    await service.endpoint("echo", "test.shop.echo.*", echo, "what you say")
    await service.start()

    assert (await there.request("test.shop.echo.a", b"hello")).data == b"hello"
    with pytest.raises(TransportError):
        await there.request("test.shop.echo.a", b"bad", timeout=0.05)

    ping = ServicePing.from_dict(orjson.loads((await there.request("$SRV.PING", b"")).data))
    assert (ping.name, ping.version, ping.metadata) == ("shop", "1.2.3", {"env": "test"})
    info = ServiceInfo.from_dict(orjson.loads((await there.request("$SRV.INFO.shop", b"")).data))
    assert [(e.name, e.subject) for e in info.endpoints] == [("echo", "test.shop.echo.*")]
    raw = orjson.loads((await there.request(f"$SRV.STATS.shop.{ping.id}", b"")).data)
    stats = raw["endpoints"][0]
    assert (stats["num_requests"], stats["num_errors"], stats["last_error"]) == (2, 1, "ValueError: no such echo")
    assert stats["processing_time"] > 0
    assert ServiceStats.from_dict(raw).name == "shop"

    await service.close()
    with pytest.raises(TransportError):
        await there.request("$SRV.PING", b"", timeout=0.05)


async def test_an_answer_goes_to_an_inbox_and_nowhere_else() -> None:
    bus = MemoryBus()
    here = MemoryTransport(bus)
    await here.connect()
    asked, heard = list[Received](), list[Received]()
    service = Discovery(here, "shop", "1.2.3", "")
    await service.endpoint("echo", "test.shop.echo.*", asked.append)
    await service.start()
    await here.subscribe("test.house.trade.*", heard.append)
    for subject in ("test.shop.echo.a", "$SRV.PING"):
        here.publish(subject, b"x", reply="test.house.trade.ACME")
    await here.flush()
    assert (asked, heard) == ([], [])
    stats = orjson.loads((await here.request("$SRV.STATS", b"")).data)["endpoints"][0]
    assert stats["last_error"] == "an answer was wanted on test.house.trade.ACME, which is no inbox"
