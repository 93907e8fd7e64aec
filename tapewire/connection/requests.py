"""Requests on the bus whose order is certain: all go the way of `publish`, so what is asked later arrives later.

A question about an order is thereby answered by a door that has seen the order, if it ever does. Answers come to one
inbox of this connection, each under a number of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tapewire.errors import TransportError
from tapewire.interfaces import Received, Subscription, Transport
from tapewire.transports import headers as header_blocks

NOBODY = "503"


class NobodyListens(TransportError):
    """The server says that nobody is subscribed there: the request reached no one, and never will."""


class Requests:
    """One inbox, any number of requests under way."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._inbox = ""
        self._number = 0
        self._open: dict[str, asyncio.Future[Received]] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._inbox = self._transport.new_inbox()
        self._subscription = await self._transport.subscribe(f"{self._inbox}.*", self._on_answer)

    async def close(self) -> None:
        for future in self._open.values():
            future.cancel()
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def ask(
        self, subject: str, payload: bytes, timeout: float, headers: Mapping[str, str] | None = None
    ) -> Received:
        """The answer. Raises NobodyListens, TimeoutError (anything may have happened), or TransportError: not sent."""
        self._number += 1
        number = str(self._number)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        block = header_blocks.block(headers) if headers else None
        try:
            if not self._transport.publish(subject, payload, block, f"{self._inbox}.{number}"):
                raise TransportError(f"request on {subject}: the outgoing buffer is full; nothing was sent")
            answer: Received = await asyncio.wait_for(future, timeout)
        finally:
            del self._open[number]
        if not answer.data and (answer.headers or {}).get(header_blocks.STATUS) == NOBODY:
            raise NobodyListens(f"request on {subject}: nobody listens there")
        return answer

    def _on_answer(self, answer: Received) -> None:
        future = self._open.get(answer.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(answer)
