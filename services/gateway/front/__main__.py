"""`python -m services.gateway.front`: the FIX front door of the configuration, in a process of its own."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import click

from services.gateway.front.admission import COUNTERS, Admission
from services.gateway.front.server import Front
from tapewire import config as configuration
from tapewire import health, lifecycle
from tapewire.clock import SystemClock
from tapewire.config import Config, GatewaySession
from tapewire.errors import ConfigError
from tapewire.fix.auth import KeptReplays
from tapewire.histogram import StatsPage
from tapewire.lifecycle import stop_on_signals
from tapewire.logs import configure

SERVICE = "gateway-front"
GATEWAY_WITHIN_S = 0.5
STATS_EVERY_S = 0.25
GAUGES = ("half_open", "live")
FILES_BESIDE_CONNECTIONS = 64
MOST_COUNTERS = 64  # of a page of statistics


def backlog_counter(session: GatewaySession) -> str:
    """Where a market-data session's waiting bytes stand in the page `gateway.front`, for who must conflate."""
    return f"backlog.{session.number}"


def create_page(settings: Config) -> StatsPage:
    """Counters, gauges, and the backlog of every market-data session."""
    followed = [backlog_counter(one) for one in settings.gateway.sessions if one.kind == "market-data"]
    names = (*COUNTERS, *GAUGES, *followed)
    if len(names) > MOST_COUNTERS:
        room = MOST_COUNTERS - len(COUNTERS) - len(GAUGES)
        raise ConfigError(f"gateway.sessions: {len(followed)} of kind market-data; one front has room for {room}")
    return StatsPage.create(settings.folders.stats / "gateway.front", (), names)


def raise_file_limit(connections: int) -> None:
    """Each admitted connection takes two files. ConfigError: this process may not open as many."""
    needed = 2 * connections + FILES_BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        room = (hard - FILES_BESIDE_CONNECTIONS) // 2
        raise ConfigError(
            f"gateway.max_connections: holds {connections}, which takes {needed} open files; this process may have "
            f"{hard}. Raise the limit (ulimit -n), or set at most {room}"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def serve(settings: Config, name: str) -> None:
    """Runs the front until SIGTERM or Ctrl-C."""
    log = configure("gateway-front")
    gateway, folders = settings.gateway, settings.folders
    raise_file_limit(gateway.max_connections)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # secrets of all clients would be in it
    folders.prepare(settings.rings)
    stop = stop_on_signals()
    with create_page(settings) as page, health.serve(settings, SERVICE) as told:
        told.watch_loop(stop)
        clock = SystemClock()
        admission = Admission(gateway, KeptReplays(folders.front_logons, clock.now()))
        followed = {one.number for one in gateway.sessions if one.kind == "market-data"}

        def backlog(session: GatewaySession, waiting: int) -> None:
            if session.number in followed:
                page.set(backlog_counter(session), waiting)

        front = Front(gateway, admission, folders.front_token, clock, log, backlog)
        asyncio.get_running_loop().set_exception_handler(front.on_loop_error)
        await front.start()
        told.check(ready=lambda: reasons(folders.health / name), detail=lambda: f"live={len(admission.live)}")
        log.info("listening", host=gateway.host, port=front.port, tls=gateway.tls, sessions=len(gateway.sessions))
        stopping = asyncio.get_running_loop().create_task(stop.wait())
        while not stopping.done():
            tell(page, admission)
            if front.failure is not None:
                raise front.failure
            await asyncio.wait((stopping,), timeout=STATS_EVERY_S)
        await front.drain()
        tell(page, admission)
        log.info("stopped", **admission.counts)


def reasons(gateway: Path) -> list[str]:
    """Why a Logon leads nowhere. `gateway`: the socket at which the gateway behind us says how it is."""
    behind = health.ask_socket(gateway, timeout=GATEWAY_WITHIN_S)
    return [f"the gateway behind is {behind.state}: {'; '.join(behind.reasons)}"] if not behind.ok else []


def tell(page: StatsPage, admission: Admission) -> None:
    """Copies counters and gauges to the page."""
    for name in COUNTERS:
        page.set(name, admission.counts[name])
    page.set("half_open", len(admission.half_open))
    page.set("live", len(admission.live))


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@click.option("--name", default="gateway", show_default=True, help="Of the gateway behind, as it was started.")
def main(path: Path | None, name: str) -> None:
    """Takes FIX connections for [gateway], verifies their Logons and passes them on to the session layer."""
    lifecycle.run(serve(configuration.load(path), name))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire gateway front")
