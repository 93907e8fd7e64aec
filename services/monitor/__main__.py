"""`tapewire monitor`: reads configuration, runs the parts until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
from functools import partial
from pathlib import Path

import click

from services.monitor.exposure import Exposure
from services.monitor.metrics import Metrics
from services.monitor.parts import Part, run_all
from services.monitor.services import Services
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.config import Config
from tapewire.interfaces import Transport
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.metrics.exemplars import Exemplars
from tapewire.metrics.samples import Reading
from tapewire.process import stand_back
from tapewire.transports import nats_access
from tapewire.transports.nats import NatsTransport

SERVICE = "monitor"


def parts_of(settings: Config, log: Logger) -> list[Part]:
    """What is to run by the configuration. Raises TransportError: the key for the bus cannot be read."""
    if settings.monitor.bus:
        nats_access.check(settings.nats, SERVICE)
    exemplars = Exemplars()
    services = Services(settings, partial(bus_of, settings, log) if settings.monitor.bus else None, log)
    parts: list[Part] = [services]
    if settings.monitor.metrics_port:
        exposure = Exposure(settings, log) if settings.monitor.exposure else None

        def put(reading: Reading) -> None:
            services.put(reading)
            if exposure is not None:
                exposure.put(reading)

        parts.append(Metrics(settings, exemplars, log, put))
        parts += [exposure] if exposure else []
    if settings.monitor.otlp_url:
        from services.monitor.export import otlp  # not before it is wanted: the SDK takes a while
        from services.monitor.tracing import Tracing

        ticks = settings.monitor.tick_every and settings.feeds
        bus = bus_of(settings, log) if ticks else None
        parts.append(Tracing(settings, otlp(settings.monitor.otlp_url), bus, log, exemplars.add))
    return parts


def bus_of(settings: Config, log: Logger) -> Transport:
    """By which ticks come, and health goes; each has a connection of its own."""

    def fail(error: BaseException) -> None:
        log.error("the bus failed", error=repr(error))

    return NatsTransport(settings.nats, name="monitor", on_failure=fail, log=log)


async def serve(settings: Config, log: Logger) -> None:
    stop = stop_on_signals()
    with health.serve(settings, SERVICE) as told:
        told.watch_loop(stop)
        await watch(settings, log, told, stop)


async def watch(settings: Config, log: Logger, told: health.Health, stop: asyncio.Event) -> None:
    parts = parts_of(settings, log)
    log.info("watching", parts=[type(part).__name__ for part in parts])
    told.check(ready=lambda: [why for part in parts if isinstance(part, Services) for why in part.reasons()])
    await run_all(parts, stop)
    await stop.wait()
    log.info("stopped")


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """Watches the platform: traces of orders and ticks, metrics."""
    settings = configuration.load(path)
    stand_back(settings.monitor.nice)
    settings.folders.prepare(settings.rings)
    run(serve(settings, configure("monitor")))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire monitor")
