"""Orders by the stream: what breaks in our hands is one answer, and the others go on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog

from services.api.authors import Author, Bucket
from services.api.desk import Desk, Response
from services.api.stream.answers import Answer
from services.api.stream.client import Client
from services.api.stream.counters import Counters
from services.api.stream.ordering import Ordering
from services.api.stream.requests import Entered

NOW = 1_790_000_000 * 10**9
ORDER = b'{"cl_ord_id":"a","account":1,"ticker":"X","side":"buy","type":"market","qty":"1"}'


class BreakingDesk:
    """Fails at every second order."""

    def __init__(self) -> None:
        self.asked = 0

    async def order(self, author: Author, asked: Any, origin: Any) -> Response:
        self.asked = number = self.asked + 1
        await asyncio.sleep(0)
        if number % 2:
            raise ValueError("something that nobody thought of")
        return Response(201, asked)


class Told:
    """As much of a client as an order needs."""

    def __init__(self) -> None:
        self.author = Author("t", 1, ("trade",), (1,), Bucket(100, 100))
        self.pending, self.closing, self.address = 0, False, "192.0.2.1"
        self.answers = list[Answer]()

    def tell(self, answer: Answer) -> None:
        self.answers.append(answer)


async def test_an_order_that_breaks_is_told_500_logged_with_its_trace_and_counted() -> None:
    client, failures, counters = Told(), list[BaseException](), Counters()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        ordering = Ordering(
            cast(Desk, BreakingDesk()), 16, lambda: NOW, failures.append, counters, structlog.get_logger()
        )
        for number in range(4):
            ordering.enter(cast(Client, client), Entered("order", number, 0, None, "", ORDER), ORDER)
        await ordering.drain()
    assert [(one.id, one.status) for one in client.answers] == [(0, 500), (1, 201), (2, 500), (3, 201)]
    assert (failures, counters.failed, client.pending) == ([], 2, 0)
    assert [line["event"] for line in lines] == ["request failed"] * 2
    assert "something that nobody thought of" in lines[0]["error"]
