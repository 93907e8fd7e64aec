"""How the API is, on the bus: `<env>.ops.health.api`, once a second, as every service says it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Final

from services.api.entry import Entry
from services.api.hub import Hub
from tapewire import messages as m
from tapewire.interfaces import Transport
from tapewire.subjects import subject

SERVICE: Final = "api"
EVERY_S: Final = 1.0


async def tell(env: str, transport: Transport, hub: Hub, entry: Entry, stop: asyncio.Event) -> None:
    """Until `stop`, and once more then: it drains."""
    to = subject(env, "ops", "health", SERVICE)
    while True:
        transport.publish(to, bytes(health(hub, entry, stopping=stop.is_set())))
        if stop.is_set():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_S)


def health(hub: Hub, entry: Entry, *, stopping: bool) -> m.ServiceHealth:
    """As it stands now."""
    state = m.HealthState.ready
    if stopping:
        state = m.HealthState.draining
    elif not entry.ready:
        state = m.HealthState.starting
    elif not (hub.ready and entry.engine_listens):
        state = m.HealthState.degraded
    detail = f"seq={hub.seq} waiting={entry.waiting} received={entry.received} late={entry.late}"
    return m.ServiceHealth(ts=entry.clock(), pid=os.getpid(), state=state, service=SERVICE, detail=detail)
