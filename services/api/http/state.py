"""Endpoints about the platform itself: tape, time machine, health, latency, metrics."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from services.api import platform, types
from services.api.desk import Response
from services.api.http import queries
from services.api.http.call import OPEN, Call, Endpoint
from services.api.http.messages import Reply
from services.api.http.orders import number
from services.api.http.past import as_of
from services.api.problems import Problem
from services.api.shapes import Alive, Ready

SEQ: Final = {"seq": "Number of a record of the orders tape."}


def need_tape(call: Call) -> None:
    """Raises Problem (403): the tape tells of every account."""
    if not call.author.sees_all:
        raise Problem(403, f"{call.author.name} has neither the scope admin nor risk", reason="scope", limit="admin")


async def records(call: Call) -> Response:
    need_tape(call)
    asked: queries.OfTape = call.query
    types_ = frozenset(asked.type.split(",")) if asked.type else frozenset()
    return Response(200, await call.api.hub.records(asked.after, asked.limit, types_))


async def record(call: Call) -> Response:
    need_tape(call)
    seq = number(call, "seq")
    found = await call.api.hub.records(seq - 1, 1)
    if not found.records or found.records[0].seq != seq:
        raise LookupError(f"the tape has no record {seq}, or no longer")
    return Response(200, found.records[0])


def tape_state(call: Call) -> Response:
    return Response(200, call.api.hub.state())


async def past(call: Call) -> Response:
    return Response(200, await as_of(call, number(call, "seq")))


def health(call: Call) -> Response:
    return Response(200, Alive())


def ready(call: Call) -> Response:
    api = call.api
    body = Ready(False, api.hub.ready, api.entry.engine_listens, api.entry.ready, api.hub.seq)
    body.ready = body.tape and body.engine and body.entry
    return Response(200 if body.ready else 503, body)


def services(call: Call) -> Response:
    return Response(200, call.api.hub.services())


def feeds(call: Call) -> Response:
    return Response(200, call.api.hub.feeds())


def latency(call: Call) -> Response:
    return Response(200, call.api.hub.latency())


async def metrics(call: Call) -> Reply:
    body, media = await asyncio.to_thread(call.api.scrape, call.request.headers.get("accept", ""))
    return Reply(200, body, media)


class Exposition(Struct):
    """Text for Prometheus."""


ENDPOINTS: Final = (
    Endpoint(
        *("GET", "/v1/tape", records, "Records of the tape"),
        "Decoded, oldest first; scope admin or risk. `after` is a cursor by seq.",
        "tape",
        {200: (platform.TapeRecords, "Records")},
        query=queries.OfTape,
        problems=(410,),
    ),
    Endpoint(
        *("GET", "/v1/tape/state", tape_state, "Where the tape is"),
        "How far it is written, durable and released, and how far each consumer has come.",
        "tape",
        {200: (platform.TapeState, "Positions, lags and rates")},
    ),
    Endpoint(
        *("GET", "/v1/tape/{seq}", record, "One record"),
        "Decoded; scope admin or risk.",
        "tape",
        {200: (platform.TapeRecord, "The record")},
        params=SEQ,
        problems=(404, 410),
    ),
    Endpoint(
        *("GET", "/v1/as-of/{seq}", past, "Everything as of a past record"),
        "Books, statuses, trades, orders, positions and risk as they were right after it: the time machine.",
        "tape",
        {200: (types.AsOf, "As it was")},
        params=SEQ,
        problems=(404, 410, 503),
    ),
    Endpoint(
        *("GET", "/v1/health", health, "Whether it lives"),
        "For supervisors; says nothing more.",
        "platform",
        {200: (Alive, "It does")},
        scope=OPEN,
        early=True,
    ),
    Endpoint(
        *("GET", "/v1/ready", ready, "Whether it is ready"),
        "Ready: the tape is caught up, an engine listens, requests are taken.",
        "platform",
        {200: (Ready, "It is"), 503: (Ready, "It is not")},
        scope=OPEN,
        early=True,
    ),
    Endpoint(
        *("GET", "/v1/services", services, "Services"),
        "What each service said of itself last.",
        "platform",
        {200: (platform.Services, "By name")},
    ),
    Endpoint(
        *("GET", "/v1/feeds", feeds, "Feeds"),
        "State and quality of each market data feed, with gaps and resyncs.",
        "platform",
        {200: (platform.Feeds, "By name")},
    ),
    Endpoint(
        *("GET", "/v1/latency", latency, "Latency"),
        "Percentiles of the engine's stages, ns.",
        "platform",
        {200: (platform.Latency, "By stage")},
    ),
    Endpoint(
        *("GET", "/v1/metrics", metrics, "Metrics"),
        "All counters and histograms of this data folder, for Prometheus.",
        "platform",
        {200: (Exposition, "Text in Prometheus' format")},
        early=True,
    ),
)
