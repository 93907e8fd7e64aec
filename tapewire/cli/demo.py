"""Run the whole platform on this machine, with simulated venues and traders."""

from __future__ import annotations

from pathlib import Path

import click

from tapewire.errors import TapewireError


@click.command()
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after this long. Default: at Ctrl-C.")
@click.option("--headless", is_flag=True, help="No terminal view; say only what matters.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the summary here.")
@click.option(
    "--data", "recordings", type=click.Path(path_type=Path), help="Replay recorded captures from this folder."
)
@click.option("--kill", is_flag=True, help="Kill the engine in mid-flow and show what recovery gives back.")
@click.option(
    "--dir",
    "data",
    type=click.Path(path_type=Path),
    default=Path(".tapewire/demo"),
    show_default=True,
    envvar="TAPEWIRE_DATA",
    help="Data folder; a second start continues the same tapes.",
)
@click.option(
    "--rate", type=click.IntRange(1, 100_000), default=400, show_default=True, help="House commands a second."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the generated flow.")
def command(
    seconds: float | None,
    headless: bool,
    json_file: Path | None,
    recordings: Path | None,
    kill: bool,
    data: Path,
    rate: int,
    seed: int,
) -> None:
    """Run the whole platform on this machine: a bus, three simulated venues speaking the real protocols, a connector
    for each, the house market with traders, the flusher, and a view of it all. Ctrl-C drains, stops and verifies.

    \b
    tapewire demo                                      until Ctrl-C
    tapewire demo --seconds 30 --headless --json out.json
    tapewire demo --kill                               what a killed engine loses: nothing
    tapewire demo --data ../shared/data                recorded venues instead of generated ones
    """
    import orjson
    from rich.console import Console

    from tapewire.demo.report import show
    from tapewire.demo.run import Demo, Options
    from tapewire.lifecycle import run

    console = Console()
    if not headless and not console.is_terminal:
        raise TapewireError("standard output is no terminal: add --headless (and --json FILE for the summary)")
    options = Options(
        data=data,
        recordings=recordings,
        seconds=seconds or 0.0,
        headless=headless,
        kill_engine=kill,
        rate=rate,
        seed=seed,
    )
    demo = Demo(options, console)
    outcome = run(demo.run())
    show(console, outcome.summary)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(outcome.summary, option=orjson.OPT_INDENT_2))
    if not outcome.ok:
        raise TapewireError("not all was as it should be: see above")
