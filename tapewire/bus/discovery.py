"""NATS micro services: who is there, what may be asked, how often it was ($SRV, as `nats service ls` reads it).

    $SRV.PING   $SRV.PING.<name>   $SRV.PING.<name>.<id>        and so with INFO and STATS

Written on `Transport`, because nats-py's own takes its connection for itself and knows no bus in memory; checked in the
tests against nats-py's messages.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tapewire.interfaces import Handler, Received, Subscription, Transport

PREFIX: Final = "$SRV"
TYPE: Final = "io.nats.micro.v1."
INBOX: Final = "_INBOX."
QUEUE: Final = ""
"""Every instance answers: each has its own part of the market."""


@dataclass(slots=True)
class Endpoint:
    """One subject, or pattern, that is answered."""

    name: str
    subject: str
    description: str
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    spent_ns: int = 0


class Discovery:
    """One service's entry. `start` after its endpoints are there; ends with the transport, or with `close`."""

    def __init__(self, transport: Transport, name: str, version: str, description: str, **metadata: str) -> None:
        """`name`: letters, digits, `-` and `_`. `version`: three numbers with dots."""
        self._transport, self._name, self._version = transport, name, version
        self._description, self._metadata = description, metadata
        self._id = secrets.token_hex(10)
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._endpoints: list[Endpoint] = []
        self._subscriptions: list[Subscription] = []

    async def endpoint(self, name: str, subject: str, handler: Handler, description: str = "") -> Subscription:
        """Subscribes `handler` to `subject` as `Transport.subscribe` does, and counts what comes. It answers itself.

        What wants its answer anywhere but in an inbox never reaches it: an answer is published with this service's
        permissions, and must not look like something it said by itself.
        """
        at = Endpoint(name, subject, description)
        self._endpoints.append(at)
        subscription = await self._transport.subscribe(subject, _counted(handler, at))
        self._subscriptions.append(subscription)
        return subscription

    async def start(self) -> None:
        """From now on it is found."""
        for verb, answer in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for subject in (verb, f"{verb}.{self._name}", f"{verb}.{self._name}.{self._id}"):
                self._subscriptions.append(
                    await self._transport.subscribe(f"{PREFIX}.{subject}", _answering(self._transport, answer))
                )

    async def close(self) -> None:
        await asyncio.gather(*(subscription.unsubscribe() for subscription in self._subscriptions))
        self._subscriptions.clear()

    def _who(self, kind: str) -> dict[str, Any]:
        return {
            "type": TYPE + kind,
            "name": self._name,
            "id": self._id,
            "version": self._version,
            "metadata": self._metadata,
        }

    def _ping(self) -> dict[str, Any]:
        return self._who("ping_response")

    def _info(self) -> dict[str, Any]:
        endpoints = [
            {
                "name": one.name,
                "subject": one.subject,
                "queue_group": QUEUE,
                "metadata": {"description": one.description},
            }
            for one in self._endpoints
        ]
        return {**self._who("info_response"), "description": self._description, "endpoints": endpoints}

    def _stats(self) -> dict[str, Any]:
        endpoints = [
            {
                "name": one.name,
                "subject": one.subject,
                "queue_group": QUEUE,
                "num_requests": one.requests,
                "num_errors": one.errors,
                "last_error": one.last_error,
                "processing_time": one.spent_ns,
                "average_processing_time": one.spent_ns // one.requests if one.requests else 0,
                "data": {},
            }
            for one in self._endpoints
        ]
        return {**self._who("stats_response"), "started": self._started, "endpoints": endpoints}


def _answering(transport: Transport, answer: Callable[[], dict[str, Any]]) -> Handler:
    def on_request(message: Received) -> None:
        if message.reply.startswith(INBOX):
            transport.publish(message.reply, orjson.dumps(answer()))

    return on_request


def _counted(handler: Handler, at: Endpoint) -> Handler:
    """A coroutine function stays one: a transport treats it otherwise than a plain function."""
    if inspect.iscoroutinefunction(handler):

        async def later(message: Received) -> None:
            if _is_answerable(message, at):
                with _counting(at):
                    await handler(message)

        return later

    def at_once(message: Received) -> None:
        if _is_answerable(message, at):
            with _counting(at):
                handler(message)

    return at_once


def _is_answerable(message: Received, at: Endpoint) -> bool:
    if message.reply.startswith(INBOX):
        return True
    at.requests += 1
    at.errors += 1
    at.last_error = f"an answer was wanted on {message.reply or 'no subject'}, which is no inbox"
    return False


@contextmanager
def _counting(at: Endpoint) -> Iterator[None]:
    began = time.perf_counter_ns()
    try:
        yield
    except Exception as error:
        at.errors += 1
        at.last_error = f"{type(error).__name__}: {error}"
        raise
    finally:
        at.requests += 1
        at.spent_ns += time.perf_counter_ns() - began
