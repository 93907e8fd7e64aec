"""`tapewire monitor`: reads configuration, runs the parts until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

from pathlib import Path

import click

from services.monitor.exposure import Exposure
from services.monitor.metrics import Metrics
from services.monitor.parts import Part, run_all
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Config
from tapewire.interfaces import Transport
from tapewire.lifecycle import run, stop_on_signals
from tapewire.logs import Logger, configure
from tapewire.metrics.exemplars import Exemplars
from tapewire.process import stand_back
from tapewire.transports.nats import NatsTransport


def parts_of(settings: Config, log: Logger) -> list[Part]:
    """What is to run by the configuration."""
    exemplars = Exemplars()
    parts: list[Part] = []
    if settings.monitor.metrics_port:
        exposure = Exposure(settings, log) if settings.monitor.exposure else None
        parts.append(Metrics(settings, exemplars, log, exposure.put if exposure else None))
        parts += [exposure] if exposure else []
    if settings.monitor.otlp_url:
        from services.monitor.export import otlp  # not before it is wanted: the SDK takes a while
        from services.monitor.tracing import Tracing

        bus = tick_bus(settings, log)
        parts.append(Tracing(settings, otlp(settings.monitor.otlp_url), bus, log, exemplars.add))
    return parts


def tick_bus(settings: Config, log: Logger) -> Transport | None:
    """By which ticks come; None if none is traced."""
    if not settings.monitor.tick_every or not settings.feeds:
        return None

    def fail(error: BaseException) -> None:
        log.error("the bus failed", error=repr(error))

    return NatsTransport(settings.nats, name="monitor", on_failure=fail, log=log)


async def serve(settings: Config, log: Logger) -> None:
    stop = stop_on_signals()
    parts = parts_of(settings, log)
    log.info("watching", parts=[type(part).__name__ for part in parts])
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
