"""Draws docs/demo.svg, the terminal view of a demo, from one that runs: `python -m tools.draw_demo [--dir DATA]`.

It looks at the demo's folder and bus as the demo itself does, so that the picture shows what was there and nothing
else. The demo should have run for a minute; halt or call something meanwhile, and statuses are to be seen, too.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from tapewire import config as configuration
from tapewire import messages as m
from tapewire.demo.observe import Observer
from tapewire.demo.run import VENUES, Demo, Options
from tapewire.demo.view import Market, View
from tapewire.folders import Folders
from tapewire.interfaces import Received
from tapewire.transports.nats import NatsTransport

FILE = Path(__file__).resolve().parents[1] / "docs" / "demo.svg"
WIDTH, HEIGHT = 150, 44  # of the terminal
FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono"
SHOWN_AS = Options.data
"""Where the picture says that the data is: where a demo has it that was told nothing else."""


async def look(folder: Path, seconds: float) -> str:
    """The view after `seconds` of looking, as SVG."""
    configured = configuration.load(folder / "demo.toml")
    observer, market = Observer(Folders(folder.absolute()), VENUES), Market()

    def take(message: Received) -> None:
        market.take(message.subject.split(".")[1], m.decode(message.data))

    transport = NatsTransport(configured.nats)
    await transport.connect()
    try:
        for subject in ("demo.*.trade.*", "demo.*.quote.*", "demo.*.auction.*", "demo.house.status.*"):
            await transport.subscribe(subject, take)
        demo = Demo(replace(Options(), data=SHOWN_AS), Console(file=io.StringIO()))
        view = View(configured.nats.url, str(SHOWN_AS), demo.hints())
        console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
        began, shown = time.monotonic(), view.render(observer.sample(), market, 0.0, WIDTH)
        while (elapsed := time.monotonic() - began) < seconds:
            await asyncio.sleep(0.25)  # as often as the demo looks: rates are since the look before
            shown = view.render(observer.sample(), market, elapsed, WIDTH)
    finally:
        await transport.drain()
    console.print(shown)
    return console.export_svg(title="tapewire demo")


@click.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Options.data, show_default=True)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="How long to look before it is drawn.")
def main(folder: Path, seconds: float) -> None:
    """See the module."""
    svg = asyncio.run(look(folder, seconds))
    # The fonts of the picture are the reader's: it takes nothing from elsewhere.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", FONTS)
    svg = svg.replace("Generated with Rich https://www.textualize.io", "Made from a running `tapewire demo`")
    FILE.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
    click.echo(f"{FILE}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
