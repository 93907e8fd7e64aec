"""What retention would remove of every store, why, and who holds what back; removed only when told to."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import config_option, json_option

if TYPE_CHECKING:
    from tapewire.config import Config
    from tapewire.retention import Outcome, Planned

NAMES = ("tapes", "imported", "archive", "cuts", "inputs", "rings")


@click.command()
@click.argument("stores", nargs=-1, type=click.Choice(NAMES))
@click.option("--apply", "carry_out", is_flag=True, help="Remove it. Without this nothing is changed.")
@click.option("--clock-is-right", "trust", is_flag=True, help="Believe it, though it ran ahead since the last run.")
@click.option(
    "--every", type=click.FloatRange(min=1.0), help="With --apply: again after so many seconds, until SIGTERM."
)
@config_option
@json_option
def command(
    stores: tuple[str, ...], carry_out: bool, trust: bool, every: float | None, path: Path | None, as_json: bool
) -> None:
    """Remove what [retention] does not keep of STORES (all by default): shows what would go.

    With --apply it is removed; never what a consumer still needs, which is shown with who holds it back. The platform
    may run meanwhile. Status 1: something could not be looked at, or stays after all. With --every it goes on, writes
    its log, and answers for its health.

    \b
    tapewire retain
    tapewire retain archive cuts --apply --json
    """
    import orjson

    from tapewire import retention
    from tapewire.config import load

    config = load(path)
    if every is not None:
        if not carry_out or as_json:
            raise click.UsageError("--every: it removes and writes its log; expected --apply with it, and no --json")
        _stay(config, stores or NAMES, every)
        return
    do = retention.run if carry_out else retention.look
    outcome = do(config, stores or NAMES, trust=trust)
    if as_json:
        told = {
            "applied": carry_out,
            "clock": outcome.clock,
            "stores": [one.to_dict() for one in outcome.planned],
            "removed": [piece.to_dict() for piece in outcome.gone],
            "stayed": outcome.stayed,
        }
        click.echo(orjson.dumps(told).decode())
    else:
        _show(outcome, carry_out)
    if outcome.failed:
        sys.exit(1)


def _stay(config: Config, stores: tuple[str, ...], every: float) -> None:
    from tapewire import lifecycle, logs
    from tapewire.retention.timer import Timer

    config.folders.prepare(config.rings)
    lifecycle.run(Timer(config, stores, every, logs.configure("retain")).serve())


def _show(outcome: Outcome, carried_out: bool) -> None:
    click.echo(f"{'store':<12}{'holds MB':>12}{'goes MB':>12}")
    for one in outcome.planned:
        _show_store(one, "went" if carried_out else "goes", outcome)
    for why in outcome.failed:
        _line("left", why)
    if outcome.clock:
        _line("clock", outcome.clock)
    pieces = outcome.gone if carried_out else [piece for one in outcome.planned for piece in one.going]
    does = "removed" if carried_out else "would go; `tapewire retain --apply` removes them" if pieces else "would go"
    size = sum(piece.bytes for piece in pieces)
    click.echo(f"{len(pieces)} piece{'' if len(pieces) == 1 else 's'}, {size / 1e6:,.1f} MB {does}")


def _show_store(one: Planned, word: str, outcome: Outcome) -> None:
    going = sum(piece.bytes for piece in one.going)
    limit = "" if one.limit.given else f"   keeps all: no [retention.{one.store}]"
    click.echo(f"{one.store:<12}{one.bytes / 1e6:>12,.1f}{going / 1e6:>12,.1f}{limit}")
    for piece in one.going:
        if word == "goes" or piece in outcome.gone:
            _line(word, f"{piece.name}: {piece.why} ({piece.bytes / 1e6:,.1f} MB)")
    for piece in one.held:
        _line("held", f"{piece.name}: by {piece.held_by}")


def _line(word: str, text: str) -> None:
    width = shutil.get_terminal_size().columns
    click.echo(click.wrap_text(text, width, initial_indent=f"  {word:<6}", subsequent_indent=" " * 8))
