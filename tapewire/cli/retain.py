"""What retention would remove of every store, why, and who holds what back; removed only when told to."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import json_option

if TYPE_CHECKING:
    from tapewire.config import Config
    from tapewire.retention import Piece, Planned

NAMES = ("tapes", "imported", "archive", "cuts", "inputs", "rings")


@click.command()
@click.argument("stores", nargs=-1, type=click.Choice(NAMES))
@click.option("--apply", "carry_out", is_flag=True, help="Remove it. Without this nothing is changed.")
@click.option(
    "--every", type=click.FloatRange(min=1.0), help="With --apply: again after so many seconds, until SIGTERM."
)
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
@json_option
def command(
    stores: tuple[str, ...], carry_out: bool, every: float | None, path: Path | None, as_json: bool
) -> None:
    """Remove what [retention] does not keep of STORES (all by default): shows what would go.

    With --apply it is removed; never what a consumer still needs, which is shown with who holds it back. The platform
    may run meanwhile. With --every it stays, removes again and again, says so in its log, and answers for its health.

    \b
    tapewire retain
    tapewire retain archive cuts --apply --json
    tapewire retain tapes --apply --every 86400
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
    planned = retention.plan(config, time.time_ns(), stores or NAMES)
    gone, stayed = retention.carry_out(config, planned) if carry_out else ([], [])
    if as_json:
        told = {
            "applied": carry_out,
            "stores": [one.to_dict() for one in planned],
            "removed": [piece.to_dict() for piece in gone],
            "stayed": stayed,
        }
        click.echo(orjson.dumps(told).decode())
    else:
        _show(planned)
        for why in stayed:
            click.echo(f"stays: {why}")
        size = sum(piece.bytes for piece in (gone if carry_out else _going(planned)))
        count = len(gone if carry_out else _going(planned))
        click.echo(
            f"{count} pieces, {size / 1e6:,.1f} MB {'removed' if carry_out else 'would go; remove them with --apply'}"
        )
    if stayed:
        sys.exit(1)


def _stay(config: Config, stores: tuple[str, ...], every: float) -> None:
    from tapewire import lifecycle, logs
    from tapewire.retention.timer import Timer

    config.folders.prepare(config.rings)
    lifecycle.run(Timer(config, stores, every, logs.configure("retain")).serve())


def _going(planned: list[Planned]) -> list[Piece]:
    return [piece for one in planned for piece in one.going]


def _show(planned: list[Planned]) -> None:
    click.echo(f"{'store':<10}{'holds MB':>12}{'goes MB':>12}  what")
    for one in planned:
        going = sum(piece.bytes for piece in one.going)
        limit = "" if one.limit.given else f"no limit: [retention.{one.store}] days, mb"
        click.echo(f"{one.store:<10}{one.bytes / 1e6:>12,.1f}{going / 1e6:>12,.1f}  {limit}")
        for piece in one.going:
            click.echo(f"{'':<22}{piece.bytes / 1e6:>12,.1f}  {piece.name}: {piece.why}")
        for piece in one.held:
            click.echo(f"{'':<22}{'held':>12}  {piece.name}: by {piece.held_by}")
