"""Orders by the bus that the engine is late with, or that are too late themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import nats
from nats.aio.client import Client
from structlog.testing import capture_logs

from tapewire import messages as m
from tapewire import order_bus, subjects
from tests.client.stack import BusStack
from tests.engine_process import PATIENCE_S
from tests.stopped import stopped


class Sender:
    """A bus client that knows the messages and nothing else of ours."""

    def __init__(self, stack: BusStack, connection: Client) -> None:
        self._env, self._connection = stack.env, connection

    async def ask(self, kind: str, account: int, payload: bytes, **headers: str) -> dict[str, str]:
        subject = subjects.subject(self._env, order_bus.FEED, kind, account)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self._connection.request(subject, payload, timeout=PATIENCE_S, headers=given or None)
        return dict(answer.headers or {})

    async def order(self, account: int, text: str, **headers: str) -> str:
        """The status that it is answered."""
        terms = {"ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.gtc, "price": 9000, "qty": 1}
        order = m.NewOrder(account=account, instrument=1, side=m.Side.buy, client_text=text, **terms)
        return (await self.ask(order_bus.COMMAND, account, bytes(order), **headers))[order_bus.STATUS]


@asynccontextmanager
async def sender(stack: BusStack) -> AsyncIterator[Sender]:
    connection = await nats.connect(stack.nats.url)
    try:
        yield Sender(stack, connection)
    finally:
        await connection.close()


def sent(stack: BusStack, text: str) -> int:
    """How many orders of that text the tape has."""
    return sum(isinstance(one, m.NewOrder) and one.client_text == text for one in stack.records())


async def test_asking_for_the_history_sends_nothing(tmp_path: Path) -> None:
    """Not even when the ClOrdID of an order that was answered late has been forgotten since."""
    with BusStack(tmp_path, api="remember = 3\nanswer_timeout = 3.0", journal=False) as stack:
        async with sender(stack) as client:
            assert await client.order(2, "first") == "201"
            assert stack.engine.process is not None
            with stopped(stack.engine.process.pid):
                assert await client.order(1, "late") == "202"
                history = msgspec.json.encode({"after": 0, "limit": 100})
                assert (await client.ask(order_bus.HISTORY, 1, history))[order_bus.PENDING] == "late"
            for number in range(4):
                assert await client.order(1, f"more-{number}") == "201"
            assert order_bus.PENDING not in await client.ask(order_bus.HISTORY, 1, history)
            assert await client.order(1, "last") == "201"
        assert sent(stack, "late") == 1


async def test_a_mass_cancel_without_an_answer_is_asked_about_and_carried_out_once(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        async with stack.connect(1, answer_timeout=2.5) as tw:
            for number in range(3):
                await (await tw.buy("ACME", 1, f"9{number}.00")).ack()
            assert stack.engine.process is not None
            with stopped(stack.engine.process.pid), capture_logs() as said:
                asking = asyncio.create_task(tw.cancel_all())
                async with asyncio.timeout(PATIENCE_S):
                    while not any(line["event"] == "order_in_doubt" for line in said):
                        await asyncio.sleep(0.01)
                assert not asking.done()
            count, report = await asking
        assert (count, report.kind) == (3, "completed")
        assert sum(isinstance(one, m.MassCancel) for one in stack.records()) == 1


async def test_a_time_that_cannot_be_read_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with BusStack(tmp_path, journal=False) as stack:
        async with sender(stack) as client:
            for text in ("1", "²", "-1", "9" * 5000, "soon"):
                assert await client.order(1, "expired", Tapewire_Expires=text) == "408"
        assert sent(stack, "expired") == 0
