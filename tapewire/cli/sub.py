"""Watch the bus: messages that fit a pattern, decoded, one per line."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from tapewire.cli._options import config_option
from tapewire.config import Config, load_with_origins
from tapewire.config.sections import Nats


@click.command()
@click.argument("pattern")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line: all fields, integers with their exponents."
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many messages.")
@click.option("--url", help="The NATS server. Default: the one the demo runs, else nats.url of the settings.")
@config_option
def command(pattern: str, as_json: bool, count: int | None, url: str | None, path: Path | None) -> None:
    """Watch the bus. PATTERN is <env>.<feed>.<kind>.<key>, each part a name or *, or > for all that follows.

    \b
    tapewire sub 'demo.binance.trade.*'           every trade of one feed
    tapewire sub 'demo.*.quote.BTCUSDT' --json    the top of one book, from all feeds
    tapewire sub 'demo.kraken.trade.BTC/USD'      a ticker as the venue writes it
    tapewire sub 'demo.>'                         everything
    """
    from tapewire.lifecycle import run
    from tapewire.subjects import parse_pattern

    settings = _settings(path, url)
    run(_watch(parse_pattern(pattern), settings, as_json, count))


def _settings(path: Path | None, url: str | None) -> Nats:
    """Where to look: what was asked for, what was set, or the port that the running demo got."""
    import msgspec

    from tapewire.nats_server import running_url

    loaded = load_with_origins(path)
    config: Config = loaded.config
    if url is None and loaded.origins["nats.url"] == "default":
        url = running_url(config.folders.nats)
    return msgspec.structs.replace(config.nats, url=url) if url else config.nats


async def _watch(pattern: str, settings: Nats, as_json: bool, count: int | None) -> None:
    from tapewire.errors import WireError
    from tapewire.interfaces import Received
    from tapewire.lifecycle import stop_on_signals
    from tapewire.messages import decode
    from tapewire.render import Renderer
    from tapewire.render import as_json as to_json
    from tapewire.transports.nats import NatsTransport, without_secret

    renderer, shown, failures = Renderer(), 0, list[BaseException]()
    stop = stop_on_signals()
    loop = asyncio.get_running_loop()
    pending: list[str] = []

    def show(received: Received) -> None:
        nonlocal shown
        if stop.is_set():
            return
        try:
            message = decode(received.data)
            line = to_json(received.subject, message).decode() if as_json else renderer.line(received.subject, message)
        except WireError as error:
            click.echo(f"{received.subject}: {error}", err=True)
            return
        if not pending:
            loop.call_soon(write)
        pending.append(line)
        shown += 1
        if shown == count:
            stop.set()

    def write() -> None:
        """Writes what came in one turn of the loop at once: a line at a time would cost a system call each."""
        try:
            sys.stdout.write("\n".join(pending) + "\n")
            sys.stdout.flush()
        except BrokenPipeError as error:
            # Whoever read us has gone (`| head`): nothing more to do, and nothing to complain about.
            failures.append(error)
            stop.set()
        pending.clear()

    def fail(error: BaseException) -> None:
        failures.append(error)
        stop.set()

    transport = NatsTransport(settings, name="tapewire sub", on_failure=fail)
    await transport.connect()
    await transport.subscribe(pattern, show)
    click.echo(f"watching {pattern} at {without_secret(settings.url)}; Ctrl-C ends", err=True)
    await stop.wait()
    await transport.close()
    await asyncio.sleep(0)
    if failures and isinstance(failures[0], BrokenPipeError):
        # Python would try the broken pipe once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif failures:
        raise failures[0]
