"""`python -m services.simulator fix`: a venue as a process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import orjson

from services.simulator.fix_venue.dialects import DIALECTS
from services.simulator.fix_venue.running import CROWD_ACCOUNTS, HOUSE_ACCOUNT, Options, running
from services.simulator.fix_venue.server import FixServer, tls_context
from services.simulator.fix_venue.terms import Client
from tapewire import logs
from tapewire.config import Nats
from tapewire.errors import ConfigError
from tapewire.lifecycle import run, stop_on_signals

KEYS = ("comp_id", "account", "username", "password", "key")


def client_of(text: str, session: int) -> Client:
    """A client out of `comp_id=ALICE,account=1,username=a,password=b,key=FILE`. Raises ConfigError."""
    given = dict(part.partition("=")[::2] for part in text.split(","))
    if not given.get("comp_id") or not set(given) <= set(KEYS) or not given.get("account", "1").isdigit():
        raise ConfigError(f"--client {text}: expected comp_id=TEXT and some of {', '.join(KEYS[1:])}, as key=value,…")
    secret = b""
    if file := given.get("key"):
        try:
            secret = Path(file).read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"--client key={file}: cannot be read: {error.strerror}. Name a readable file") from error
    return Client(
        given["comp_id"],
        account=int(given.get("account", "1")),
        session=session,
        username=given.get("username", ""),
        password=given.get("password", ""),
        secret=secret,
    )


async def serve(data: Path, options: Options, ports_file: Path | None) -> None:
    """Runs a venue until SIGTERM."""
    log = logs.get("fix venue")
    stop = stop_on_signals()
    async with running(data, options, stop.is_set) as server:
        if ports_file is not None:
            announce(ports_file, server)
        log.info("listening", dialect=options.dialect, ports=server.ports, control_port=server.control_port)
        ended = asyncio.ensure_future(server.wait())
        waited = asyncio.ensure_future(stop.wait())
        done, pending = await asyncio.wait((ended, waited), return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
    log.info("stopped")


def announce(path: Path, server: FixServer) -> None:
    """Writes where the venue is, all at once: a reader sees the whole file or none. Raises ConfigError."""
    found: dict[str, object] = {"dialect": server.venue.dialect.name, "port": server.port}
    found |= {"control_port": server.control_port, "ports": server.ports}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(
            f"--ports-file {path}: cannot be written: {error.strerror}. Name a file in a folder this user may write to"
        ) from error


@click.command("fix")
@click.option("--dialect", type=click.Choice(list(DIALECTS)), default="fix44", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="the engine's data folder")
@click.option("--engine", is_flag=True, help="start an engine over --data; otherwise one must run there")
@click.option("--producer", default="venue", show_default=True, help="its inbound ring, as in [engine] producers")
@click.option("--shard", default=0, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, help="of FIX; otherwise any free one")
@click.option("--control-port", default=0, help="of /_sim/…; otherwise any free one")
@click.option("--ports-file", type=click.Path(path_type=Path), help="written once all listen: JSON")
@click.option("--client", "clients", multiple=True, metavar="K=V,…", help="comp_id, account, username, password, key")
@click.option(
    "--instrument", "instruments", multiple=True, metavar="TICKER:TICK:LOT:REFERENCE", help="of an engine of its own"
)
@click.option("--house-account", default=HOUSE_ACCOUNT, show_default=True, help="makes the opening book")
@click.option("--levels", default=5, show_default=True, help="of the opening book, on each side")
@click.option("--lots", default=0, help="on each level; otherwise a size that is usual at the venue")
@click.option("--copy-delay", default=1.0, show_default=True, help="seconds that a drop copy is later than order entry")
@click.option("--rate", default=20.0, show_default=True, help="commands of other traders a second; 0: none")
@click.option("--seed", default=1, show_default=True, help="of the other traders")
@click.option("--publish", default="", metavar="ENV.FEED", help="publish its market on the bus as this feed")
@click.option("--nats", default=Nats().url, show_default=True, help="the bus")
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS: a PEM certificate")
@click.option("--key", type=click.Path(path_type=Path), help="its private key")
@click.option("--sni", default="", help="the name that clients must ask for in TLS")
def command(
    dialect: str,
    data: Path,
    engine: bool,
    producer: str,
    shard: int,
    host: str,
    port: int,
    control_port: int,
    ports_file: Path | None,
    clients: tuple[str, ...],
    instruments: tuple[str, ...],
    house_account: int,
    levels: int,
    lots: int,
    copy_delay: float,
    rate: float,
    seed: int,
    publish: str,
    nats: str,
    certificate: Path | None,
    key: Path | None,
    sni: str,
) -> None:
    """An outside venue that speaks FIX, matches by an engine, and misbehaves on request."""
    logs.configure("fix venue")
    if (certificate is None) != (key is None) or (sni and certificate is None):
        raise ConfigError("--certificate, --key, --sni: expected the first two together, and the third only with them")
    options = Options(
        dialect,
        clients=[client_of(text, number) for number, text in enumerate(clients, 1)],
        instruments=instruments,
        engine=engine,
        shard=shard,
        producer=producer,
        host=host,
        port=port,
        control_port=control_port,
        tls=tls_context(certificate, key, sni) if certificate is not None and key is not None else None,
        house_account=house_account,
        crowd_accounts=CROWD_ACCOUNTS,
        seed=seed,
        copy_delay=copy_delay,
        rate=rate,
        levels=levels,
        lots=lots,
        publish=publish,
        nats=nats,
    )
    run(serve(data, options, ports_file))
