"""What the API logs about a request by the bus names its trace."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import structlog

from services.api.bus_door import BusDoor
from tapewire import messages as m
from tapewire import order_bus, subjects
from tapewire.transports import headers
from tapewire.transports.memory import MemoryBus, MemoryTransport
from tests.stream.world import running, until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_a_request_by_the_bus_that_fails_is_in_the_log_with_its_trace(tmp_path: Path) -> None:
    bus, lines = MemoryBus(), structlog.testing.CapturingLogger()
    log = structlog.wrap_logger(
        lines,
        processors=[structlog.contextvars.merge_contextvars],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    async with running(tmp_path) as world:
        served, client = MemoryTransport(bus), MemoryTransport(bus)
        await served.connect()
        await client.connect()
        env = world.settings.env
        door = BusDoor(env, served, world.entry, world.tape, time.time_ns, log)
        await door.start()
        world.writer.close()  # as a disk that refuses: the request cannot be put on the API's tape
        order = m.NewOrder(
            account=1, instrument=1, side=m.Side.buy, ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtc,
            price=9950, qty=1, client_text="a",
        )  # fmt: skip
        subject = subjects.subject(env, order_bus.FEED, order_bus.COMMAND, 1)
        block = headers.block({"traceparent": f"00-{TRACE}-{SPAN}-01"})
        client.publish(subject, bytes(order), block, client.new_inbox())
        await until(lambda: lines.calls)
        await asyncio.wait_for(door.close(), 5)
        world.stop.set()
    (line,) = (one.kwargs for one in lines.calls)
    assert (line["event"], line["trace_id"]) == ("bus_request_failed", TRACE)
    assert int(line["span_id"], 16) > 0, "ours"
    assert "this writer is not open" in line["error"]
