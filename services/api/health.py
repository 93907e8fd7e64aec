"""How the API is, on the bus: `<env>.ops.health.api`, once a second, as every service says it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final

from services.api.cache import Cache
from services.api.entry import Entry
from services.api.hub import Hub
from tapewire import messages as m
from tapewire.config import Config
from tapewire.interfaces import Transport
from tapewire.subjects import subject

SERVICE: Final = "api"
EVERY_S: Final = 1.0


def reasons(hub: Hub, entry: Entry) -> list[str]:
    """Why requests are refused, or reads old; from any thread."""
    if not entry.ready:
        return ["starting or ending: no requests are taken"]
    why = [] if hub.ready else [f"behind the orders tape: record {hub.seq} is taken in"]
    if not entry.engine_listens:
        why.append("no engine takes commands: its ring has no reader")
    return why


def figures(hub: Hub, entry: Entry, cache: Cache | None) -> str:
    known = "" if cache is None else f" cache={cache.state} cached={cache.answered}"
    return f"seq={hub.seq} waiting={entry.waiting} received={entry.received} late={entry.late}{known}"


async def tell(
    settings: Config, transport: Transport, hub: Hub, entry: Entry, cache: Cache | None, stop: asyncio.Event
) -> None:
    """Until `stop`, and once more then: it drains."""
    to, told_as = subject(settings.env, "ops", "health", SERVICE), settings.health.told_as(SERVICE)
    while True:
        transport.publish(to, bytes(health(hub, entry, cache, told_as, stopping=stop.is_set())))
        if stop.is_set():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_S)


def health(hub: Hub, entry: Entry, cache: Cache | None, told_as: str, *, stopping: bool) -> m.ServiceHealth:
    """As it stands now."""
    state = m.HealthState.ready
    if stopping:
        state = m.HealthState.draining
    elif not entry.ready:
        state = m.HealthState.starting
    elif reasons(hub, entry):
        state = m.HealthState.degraded
    detail = figures(hub, entry, cache)
    return m.ServiceHealth(ts=entry.clock(), pid=os.getpid(), state=state, service=told_as, detail=detail)
