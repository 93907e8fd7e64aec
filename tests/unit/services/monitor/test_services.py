"""How the services of a host are told on the bus: of several hosts none hides another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.api.hub import observed
from services.monitor.services import Services
from tapewire import config as configuration
from tapewire import health
from tapewire import messages as m
from tapewire.config.health import TOLD_MAX, Health
from tapewire.interfaces import Received
from tapewire.logs import configure
from tapewire.transports.memory import MemoryBus, MemoryTransport


@pytest.mark.parametrize(
    ("host", "service", "told"),
    [
        ("", "engine", "engine"),
        ("e", "engine", "engine@e"),
        ("a-very-long-name-of-a-pod-engine-1", "engine", "engine@ng-name-of-a-pod-engine-1"),
    ],
)
def test_a_service_is_told_with_the_name_of_its_host(host: str, service: str, told: str) -> None:
    assert Health(host=host).told_as(service) == told
    assert len(told) <= TOLD_MAX


async def test_the_same_service_of_two_hosts_is_shown_twice(tmp_path: Path) -> None:
    bus, shown, stop = MemoryBus(), observed.Services(), asyncio.Event()
    listening = MemoryTransport(bus)
    await listening.connect()

    def hear(one: Received) -> None:
        shown.hear(m.decode(one.data))

    await listening.subscribe("dev.ops.health.*", hear)
    running, served = [], []
    for host in ("primary", "standby"):
        data = tmp_path / host
        data.mkdir()
        own = {"ENV": "dev", "DATA": str(data), "RINGS": str(data / "rings"), "HEALTH__HOST": host}
        settings = configuration.load(None, {f"TAPEWIRE_{key}": value for key, value in own.items()})
        served.append(health.serve(settings, "engine"))
        running.append(Services(settings, lambda: MemoryTransport(bus), configure("monitor")).run(stop))
    tasks = [asyncio.create_task(one) for one in running]
    async with asyncio.timeout(30):
        while len(shown.shown(0).services) < 2:
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.gather(*tasks)
    for one in served:
        one.close()
    assert set(shown.shown(0).services) == {"engine@primary", "engine@standby"}
