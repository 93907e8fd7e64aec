"""The same services on several hosts, joined by NATS alone: `tapewire up --topology split`.

engine     engine, journal, sinks; sends its orders tape (replica), takes the rings of the others (relay)
risk, matcher                     what the engine asks over the bus (`[engine] topology = "split"`)
gateway    gateway, front;        mirrors the orders tape, carries its ring to the engine
api        api, archive;          mirrors the orders tape, the router's, market data; carries its rings to both
router     router, its sessions,  mirrors the orders tape and market data, sends its own; carries its ring, takes its
           archive;               clients'
feeds      connectors, flusher;   sends its tapes of market data

A host is a data folder, <data>/hosts/<host>, and a folder of rings in memory. All read the same file; what differs
stands in the environment of each process. On real machines the same holds, with one of these hosts each.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from tapewire.config import Config
from tapewire.folders import default_rings
from tapewire.up.plan import Unit, plan

HOSTS: Final = ("risk", "matcher", "engine", "feeds", "gateway", "api", "router")
ENGINE: Final = "engine"
FEEDS: Final = "feeds"
READ_THE_PAST: Final = ("api", "router")
"""They ask the store under their data folder: for bars of any feed, for what was traded in days before."""
STATELESS: Final = ("risk", "matcher")
"""Hosts without tapes and rings: there is nothing to watch but what their services say themselves."""


def split(config: Config, file: Path, environment: dict[str, str]) -> list[Unit]:
    """`environment`: of every process, such as the address of the bus. Names are `<unit>@<host>`."""
    config = replace(config, engine=replace(config.engine, topology="split"))
    environment = environment | {"TAPEWIRE_ENGINE__TOPOLOGY": "split"}
    by_host: dict[str, list[Unit]] = {}
    for unit in plan(config, file):
        if unit.name != "monitor":
            by_host.setdefault(host_of(unit.name), []).append(unit)
    units: list[Unit] = []
    for place, host in enumerate(one for one in HOSTS if one in by_host):
        own = environment | _folders(config, host) | _carried(config, host, by_host) | _metrics(config, place)
        own["TAPEWIRE_HEALTH__HOST"] = host
        at = ("--config", str(file))
        services = [*by_host[host]]
        if host not in STATELESS:
            services.append(Unit("monitor", ("services.monitor", *at), 3))
        if host in READ_THE_PAST and config.flusher.archive:
            services.append(Unit("flusher", ("services.flusher", "--archive-only", *at), 3))
        rank = 0 if host == ENGINE else 1  # those of the engine's host end last: they take what the others still send
        if any(key.startswith("TAPEWIRE_REPLICA__") for key in own):
            services.append(Unit("replica", ("services.replica", *at), rank))
        if any(key.startswith("TAPEWIRE_RELAY__") for key in own):
            services.append(Unit("relay", ("services.relay", *at), rank))
        units += [Unit(f"{one.name}@{host}", one.arguments, one.rank, own) for one in services]
    return sorted(units, key=lambda unit: unit.rank)


def host_of(unit: str) -> str:
    """Where a service stands, by the name of its unit."""
    service, _, _ = unit.partition(".")
    if service in ("connector", "flusher", "market"):
        return FEEDS
    return {"journal": ENGINE, "sink": ENGINE, "venue": "router"}.get(service, service)


def data_of(config: Config, host: str) -> Path:
    return config.data / "hosts" / host


def rings_of(config: Config, host: str) -> Path:
    """In memory where they are by default, else below where the settings want them."""
    if config.rings == default_rings(config.env, config.data):
        return default_rings(config.env, data_of(config, host))
    return config.rings / host


def _folders(config: Config, host: str) -> dict[str, str]:
    return {
        "TAPEWIRE_DATA": str(data_of(config, host).absolute()),
        "TAPEWIRE_RINGS": str(rings_of(config, host).absolute()),
    }


def _carried(config: Config, host: str, hosts: Iterable[str]) -> dict[str, str]:
    """Which tapes this host sends and mirrors, and which rings it carries and takes."""
    orders, router = f"orders.{config.engine.shard}", f"router.{config.router.number}"
    lists: dict[str, list[str]] = {"REPLICA__SEND": [], "REPLICA__MIRROR": [], "RELAY__OUT": [], "RELAY__IN": []}
    for other in hosts:
        to_engine, to_router = _rings(config, other)
        if ENGINE in hosts and other != ENGINE and to_engine and host in (ENGINE, other):
            lists["RELAY__IN" if host == ENGINE else "RELAY__OUT"] += to_engine
            lists["REPLICA__SEND" if host == ENGINE else "REPLICA__MIRROR"].append(orders)
        if "router" in hosts and other != "router" and to_router and host in ("router", other):
            lists["RELAY__IN" if host == "router" else "RELAY__OUT"] += [f"router/{one}" for one in to_router]
            lists["REPLICA__SEND" if host == "router" else "REPLICA__MIRROR"].append(router)
        if FEEDS in hosts and other in READ_THE_PAST and host in (FEEDS, other):
            lists["REPLICA__SEND" if host == FEEDS else "REPLICA__MIRROR"] += [f"md.{feed}" for feed in config.feeds]
    return {f"TAPEWIRE_{key}": ",".join(dict.fromkeys(names)) for key, names in lists.items() if names}


def _rings(config: Config, host: str) -> tuple[list[str], list[str]]:
    """The producers that stand on a host: of the engine, and clients of the router."""
    producers = {one.name for one in config.engine.producers}
    clients = {one.name for one in config.router.clients}
    wanted = {
        "gateway": ((GATEWAY,), ()),
        "api": ((config.api.producer, config.api.operator), (config.api.router_client,)),
        "router": ((config.router.producer,), ()),
    }.get(host, ((), ()))
    return [one for one in wanted[0] if one in producers], [one for one in wanted[1] if one in clients]


GATEWAY: Final = "gateway"
"""The producer that `tapewire gateway` is without --name."""


def _metrics(config: Config, place: int) -> dict[str, str]:
    """One port for each host's monitor, from the configured one on."""
    port = config.monitor.metrics_port
    return {"TAPEWIRE_MONITOR__METRICS_PORT": str(port + place if port else 0)}
