"""All services of this host, live: CPU, memory, rates, lag, latency, feeds, tapes, rings."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import data_option, json_option

if TYPE_CHECKING:
    from tapewire.metrics.reading import HostReader
    from tapewire.metrics.recent import Recent
    from tapewire.metrics.samples import Reading

KEYS = "ncms"


@click.command()
@click.option("--interval", type=click.FloatRange(min=0.1, max=60), default=1.0, show_default=True, help="Seconds.")
@click.option("--sort", type=click.Choice(["name", "cpu", "memory", "switches"]), default="name", show_default=True)
@data_option
@json_option
def command(interval: float, sort: str, data: Path, as_json: bool) -> None:
    """Shows the services of one data folder, whoever started them, and looks again every second.

    Percentiles and rates are of the last interval. Keys: n, c, m, s sort by name, CPU, memory, context switches; q
    ends. --json looks twice, an interval apart, and prints one document. Nothing that runs notices.

    \b
    tapewire top --data .tapewire/demo
    tapewire top --json | jq .tapes
    """
    from tapewire.folders import Folders
    from tapewire.metrics.reading import HostReader
    from tapewire.metrics.recent import Recent

    reader, recent = HostReader(Folders(data)), Recent()
    recent.take(reader.read(), time.monotonic())
    try:
        if as_json:
            time.sleep(interval)
            _print_json(reader, recent)
        else:
            _watch(reader, recent, interval, sort[0], str(data))
    finally:
        reader.close()


def _print_json(reader: HostReader, recent: Recent) -> None:
    import orjson

    from tapewire.cli._top import document

    reading = reader.read()
    recent.take(reading, time.monotonic())
    click.echo(orjson.dumps(document(reading, recent), option=orjson.OPT_INDENT_2).decode())


def _watch(reader: HostReader, recent: Recent, interval: float, sort: str, data: str) -> None:
    from rich.live import Live

    from tapewire.cli._top import document, draw

    if not sys.stdout.isatty():
        raise click.UsageError("the output is no terminal; --json prints one document")
    reading: Reading = reader.read()
    with Live(screen=True, auto_refresh=False) as live, _keys() as key_within:
        while True:
            recent.take(reading, time.monotonic())
            told = document(reading, recent)
            look_again = time.monotonic() + interval
            while (left := look_again - time.monotonic()) > 0:
                live.update(draw(told, sort, data), refresh=True)
                key = key_within(left)
                if key in ("q", "Q", "\x03", "\x04", "\x1b"):
                    return
                if key is not None and key in KEYS:
                    sort = key
            reading = reader.read()


@contextmanager
def _keys() -> Iterator[Callable[[float], str | None]]:
    """Gives a function that waits so many seconds for a key; None: there was none. Where no keyboard is, none comes."""
    import termios
    import tty

    if not sys.stdin.isatty():
        yield _no_key
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def within(seconds: float) -> str | None:
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return os.read(descriptor, 1).decode(errors="replace") if ready else None

    try:
        tty.setcbreak(descriptor)
        yield within
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _no_key(seconds: float) -> str | None:
    time.sleep(seconds)
    return None
