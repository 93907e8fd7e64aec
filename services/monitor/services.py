"""How the services of this host are: asked at their sockets, told on the bus for those that do not speak there.

    <data>/health/<service> ◀─ GET /ready, once a second ─ Services ─▶ <env>.ops.health.<service>
                                                              └──────▶ `tapewire_service_ready`

Whoever speaks for itself (connectors, journal, api, router) is told by us only when it does not answer any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tapewire import health
from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import TransportError
from tapewire.health import Answer
from tapewire.interfaces import Transport
from tapewire.logs import Logger
from tapewire.metrics.samples import Reading
from tapewire.subjects import is_word, subject

EVERY_S: Final = 1.0
ANSWER_S: Final = 0.5
"""Who does not answer within that hangs; all are asked at the same time."""
AT_ONCE: Final = 16
MOST: Final = 128
"""Services of one data folder that are looked at."""
RETRY_S: Final = 5.0
"""Between two attempts to reach a bus that was not there at the start; later ones are the transport's affair."""
DETAIL_MAX: Final = 400
SPEAKERS: Final = ("journal", "api", "router")
_STATES: Final = {state.name: state for state in m.HealthState}


class Services:
    """A part of the monitor. `connect` makes a transport that is not connected yet; None: nothing is told on a bus."""

    def __init__(
        self,
        settings: Config,
        connect: Callable[[], Transport] | None,
        log: Logger,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._env, self._folder, self._told_as = settings.env, settings.folders.health, settings.health.told_as
        self._connect, self._log, self._clock = connect, log, clock
        self._bus: Transport | None = None
        self._retry_at = 0.0
        self._found: list[Answer] = []

    def reasons(self) -> list[str]:
        """Why nobody hears from us how services are."""
        if self._connect is not None and (self._bus is None or not self._bus.connected):
            return ["the bus is away: nobody there hears how services are"]
        return []

    def put(self, reading: Reading) -> None:
        """What was found last. From any thread."""
        for answer in self._found:
            reading.put("tapewire_service_ready", answer.ok, answer.service)

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                self._found = await self._look()
                await self._reach()
                if self._bus is not None:
                    for answer in self._found:
                        if answer.state == "unreachable" or not speaks(answer.service):
                            self._tell(self._bus, answer)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_S)
        finally:
            if self._bus is not None:
                await self._bus.drain()

    async def _look(self) -> list[Answer]:
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(path: Path) -> Answer:
            async with room:
                return await asyncio.to_thread(health.ask_socket, path, timeout=ANSWER_S)

        paths = [path for path in health.sockets(self._folder) if is_word(path.name)]
        return await asyncio.gather(*(ask(path) for path in paths[:MOST]))

    async def _reach(self) -> None:
        if self._bus is not None or self._connect is None or time.monotonic() < self._retry_at:
            return
        bus = self._connect()
        try:
            await bus.connect()
        except TransportError as error:
            self._retry_at = time.monotonic() + RETRY_S
            self._log.warning("health is not told on the bus", error=str(error), again_in_s=RETRY_S)
            return
        self._bus = bus

    def _tell(self, bus: Transport, answer: Answer) -> None:
        told = m.ServiceHealth(
            ts=self._clock(),
            pid=answer.pid,
            state=_STATES.get(answer.state, m.HealthState.degraded),
            service=self._told_as(answer.service),
            detail="; ".join((*answer.reasons, *filter(None, (answer.detail,))))[:DETAIL_MAX],
        )
        bus.publish(subject(self._env, "ops", "health", answer.service), bytes(told))


def speaks(service: str) -> bool:
    """Whether it says on the bus itself how it is."""
    return service in SPEAKERS or service.startswith("connector-")
