"""What every transport must do: the same test bodies on NATS (a real server) and in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest

from tapewire.config import Nats
from tapewire.errors import SubjectError, TransportError
from tapewire.interfaces import Received, Transport
from tapewire.nats_server import NatsServer
from tapewire.trace_context import TraceContext, of_headers
from tapewire.transports import MAX_PAYLOAD_BYTES
from tapewire.transports.memory import MemoryBus, MemoryTransport
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S

Make = Callable[..., Awaitable[Transport]]


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def _keep(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    debug = info = warning = error = exception = _keep


def patient(url: str, **more: Any) -> Nats:
    """Settings under which a machine that is busy elsewhere is waited for."""
    return Nats(url=url, **({"connect_timeout": PATIENCE_S, "drain_timeout": PATIENCE_S} | more))


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture(params=["nats", "memory"])
async def make(request: pytest.FixtureRequest, nats_server: NatsServer, log: Lines) -> AsyncIterator[Make]:
    """Makes connected transports that reach each other."""
    made: list[Transport] = []
    bus = MemoryBus()

    async def connected(**options: Any) -> Transport:
        transport: Transport
        if request.param == "memory":
            transport = MemoryTransport(bus, log=log, **options)  # type: ignore[arg-type]
        else:
            transport = NatsTransport(patient(nats_server.url), log=log, **options)  # type: ignore[arg-type]
        made.append(transport)
        await transport.connect()
        return transport

    yield connected
    for transport in made:
        await transport.close()


async def until(done: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.005)


def payloads(messages: Iterable[Received]) -> list[tuple[str, bytes]]:
    return [(message.subject, message.data) for message in messages]


async def test_messages_arrive_in_order_at_all_whose_pattern_fits(make: Make) -> None:
    publisher, subscriber = await make(), await make()
    everything: list[Received] = []
    trades: list[Received] = []
    await subscriber.subscribe("t1.>", everything.append)
    await subscriber.subscribe("t1.*.trade.*", trades.append)
    sent = [(f"t1.binance.{kind}.BTC=2FUSD", b"%d" % n) for n in range(200) for kind in ("trade", "quote")]
    assert all(publisher.publish(subject, payload) for subject, payload in sent)
    await publisher.flush()
    await until(lambda: len(everything) == 400)
    assert payloads(everything) == sent
    assert payloads(trades) == [one for one in sent if "trade" in one[0]]
    assert publisher.stats.published == 400
    assert subscriber.stats.received == 600


async def test_a_coroutine_handler_is_awaited_message_by_message(make: Make) -> None:
    bus = await make()
    seen: list[str] = []

    async def handler(message: Received) -> None:
        seen.append(f"begin {message.data.decode()}")
        await asyncio.sleep(0)
        seen.append(f"end {message.data.decode()}")

    await bus.subscribe("t2.a.b.c", handler)
    bus.publish("t2.a.b.c", b"1")
    bus.publish("t2.a.b.c", b"2")
    await until(lambda: len(seen) == 4)
    assert seen == ["begin 1", "end 1", "begin 2", "end 2"]


async def test_headers_made_once_travel_with_every_message(make: Make) -> None:
    bus = await make()
    got: list[Received] = []
    await bus.subscribe("t3.>", got.append)
    context = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1, "vendor=1")
    block = context.header_block()
    for _ in range(3):
        bus.publish("t3.a.b.c", b"traced", block)
    bus.publish("t3.a.b.c", b"")
    await until(lambda: len(got) == 4)
    assert [of_headers(message.headers) for message in got] == [context, context, context, None]
    assert [message.data for message in got] == [b"traced", b"traced", b"traced", b""]


async def test_a_request_gets_the_first_answer(make: Make) -> None:
    asking, answering = await make(), await make()

    def answer(message: Received) -> None:
        answering.publish(message.reply, message.data.upper())

    await answering.subscribe("t4.house.snapshot.*", answer)
    answers = await asyncio.gather(
        *(asking.request(f"t4.house.snapshot.{name}", name.encode(), timeout=PATIENCE_S) for name in "abc")
    )
    assert [message.data for message in answers] == [b"A", b"B", b"C"]


async def test_a_request_that_nobody_answers_is_an_error_that_says_so(make: Make) -> None:
    bus = await make()
    with pytest.raises(TransportError, match=r"request on t5\.a\.b\.c: nobody answers there"):
        await bus.request("t5.a.b.c", b"", timeout=PATIENCE_S)
    await bus.subscribe("t5.a.b.silent", lambda message: None)
    with pytest.raises(TransportError, match=r"request on t5\.a\.b\.silent: no answer within 0.05 s"):
        await bus.request("t5.a.b.silent", b"", timeout=0.05)


async def test_a_slow_consumer_loses_the_newest_is_counted_and_told_once_a_second(make: Make, log: Lines) -> None:
    publisher, subscriber = await make(), await make()
    taken, go = asyncio.Event(), asyncio.Event()
    got: list[bytes] = []

    async def slow(message: Received) -> None:
        taken.set()
        await go.wait()
        got.append(message.data)

    subscription = await subscriber.subscribe("t6.>", slow, max_pending=10)
    publisher.publish("t6.a.b.c", b"0")
    await asyncio.wait_for(taken.wait(), PATIENCE_S)  # it holds that one, and ten more may wait behind it
    began = time.monotonic()
    for n in range(1, 1000):
        publisher.publish("t6.a.b.c", b"%d" % n)
    await publisher.flush()
    await until(lambda: subscription.dropped == 989)
    assert subscriber.stats.dropped == 989

    def alarms() -> list[dict[str, Any]]:
        return [fields for event, fields in log.lines if event == "slow_consumer"]

    await until(lambda: alarms()[-1]["dropped_total"] == 989)
    # The first at once, then each second's together: two, but on a machine that took longer to drop them.
    assert len(alarms()) <= 2 + int(time.monotonic() - began - 1.0)
    assert (alarms()[0]["dropped"], sum(one["dropped"] for one in alarms())) == (1, 989)
    assert {(one["pattern"], one["max_pending"]) for one in alarms()} == {("t6.>", 10)}
    go.set()
    await until(lambda: len(got) == 11)
    assert got == [b"%d" % n for n in range(11)]


async def test_a_handler_that_raises_is_told_and_the_next_message_goes_on(make: Make, log: Lines) -> None:
    failures: list[BaseException] = []
    bus = await make(on_failure=failures.append)
    got: list[bytes] = []

    def fails_once(message: Received) -> None:
        if message.data == b"bad":
            raise ValueError("cannot take it")
        got.append(message.data)

    await bus.subscribe("t7.>", fails_once)
    bus.publish("t7.a.b.c", b"bad")
    bus.publish("t7.a.b.c", b"good")
    await until(lambda: got == [b"good"])
    assert [str(error) for error in failures] == ["cannot take it"]
    assert bus.stats.handler_errors == 1
    assert [event for event, _ in log.lines] == ["handler_failed"]


async def test_after_unsubscribe_nothing_arrives(make: Make) -> None:
    bus = await make()
    got: list[Received] = []
    subscription = await bus.subscribe("t8.>", got.append)
    bus.publish("t8.a.b.c", b"1")
    await until(lambda: len(got) == 1)
    await subscription.unsubscribe()
    bus.publish("t8.a.b.c", b"2")
    await bus.flush()
    await asyncio.sleep(0.05)
    assert [message.data for message in got] == [b"1"]


async def test_drain_lets_handlers_finish_sends_what_is_left_and_closes(make: Make) -> None:
    draining, other = await make(), await make()
    handled: list[bytes] = []
    heard: list[bytes] = []

    async def handler(message: Received) -> None:
        await asyncio.sleep(0.001)
        handled.append(message.data)

    await draining.subscribe("t9.in.>", handler)
    await other.subscribe("t9.out.>", lambda message: heard.append(message.data))
    for n in range(20):
        other.publish("t9.in.a.b", b"%d" % n)
    await other.flush()
    await until(lambda: handled)
    draining.publish("t9.out.a.b", b"last words")
    await draining.drain()
    assert handled == [b"%d" % n for n in range(20)]
    await until(lambda: heard == [b"last words"])
    assert not draining.connected
    with pytest.raises(TransportError, match="closed"):
        draining.publish("t9.out.a.b", b"too late")
    with pytest.raises(TransportError, match=r"t9\.in"):
        await draining.subscribe("t9.in.>", handler)


async def test_what_the_bus_cannot_carry_is_refused_before_it_is_sent(make: Make) -> None:
    bus = await make()
    with pytest.raises(TransportError, match=f"{MAX_PAYLOAD_BYTES + 1} bytes, at most {MAX_PAYLOAD_BYTES}"):
        bus.publish("t10.a.b.c", bytes(MAX_PAYLOAD_BYTES + 1))
    for subject in ("t10.a b.c.d", "t10.*.b.c", "t10.>", "t10..b", "", "t10.a\r\nPUB x 0\r\n"):
        with pytest.raises(SubjectError):
            bus.publish(subject, b"")
    assert bus.publish("t10.a.b.c", bytes(MAX_PAYLOAD_BYTES))
    await bus.flush()
    assert bus.stats.published == 1
