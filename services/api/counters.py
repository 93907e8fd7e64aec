"""What the API counts, on a page that others read: `<data>/stats/api.<number>`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.api.stream.counters import NAMES as STREAM
from tapewire.histogram import StatsPage

if TYPE_CHECKING:
    from services.api.app import Api
    from services.api.http.server import HttpServer
    from services.api.stream.server import StreamServer

EVERY_S: Final = 0.5
REFUSED: Final = (400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431, 500, 503)
COUNTERS: Final = (
    *("requests", "received", "answered", "late", "repeated", "connections", "connections_refused", "waiting"),
    *("logins", *(f"refused.{status}" for status in REFUSED), *(f"stream.{name}" for name in STREAM)),
)
ANSWER: Final = "answer"
"""Histogram: ns from a request's last byte until its answer was folded."""


def page(stats: Path, number: int) -> StatsPage:
    """Raises StatsError if another API of this number runs."""
    return StatsPage.create(stats / f"api.{number}", (ANSWER,), COUNTERS)


async def count(page: StatsPage, api: Api, server: HttpServer, stream: StreamServer, stop: asyncio.Event) -> None:
    """Keeps the page up to date until `stop`."""
    while True:
        entry = api.entry
        page.set("requests", api.handled)
        for name in ("received", "answered", "late", "repeated", "waiting"):
            page.set(name, getattr(entry, name))
        page.set("connections", len(server))
        page.set("connections_refused", server.refused)
        page.set("logins", len(api.sessions))
        for status in REFUSED:
            page.set(f"refused.{status}", api.refused[status])
        for name, value in stream.counters.to_dict().items():
            page.set(f"stream.{name}", value)
        if stop.is_set():
            return
        await asyncio.sleep(EVERY_S)
