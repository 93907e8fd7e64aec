"""Parent orders: algorithms, smart order routing, children at venues; verify or replay what it did.

Without a subcommand, the service itself.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import click

from tapewire.cli._options import config_option, data_option, json_option
from tapewire.cli._progress import progress
from tapewire.errors import TapewireError


@click.group(invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context, path: Path | None) -> None:
    """Run the router; or `verify` and `replay` its tape.

    \b
    tapewire router --config tapewire.toml
    tapewire router verify
    tapewire router replay --json
    """
    if context.invoked_subcommand is not None:
        return
    if context.find_root().params.get("debug"):
        os.environ["TAPEWIRE_DEBUG"] = "1"
    sys.argv = ["tapewire router", *(["--config", str(path)] if path else [])]
    runpy.run_module("services.router", run_name="__main__", alter_sys=True)


@command.command()
@click.argument("tape", default="router.0")
@data_option
@json_option
def verify(tape: str, data: Path, as_json: bool) -> None:
    """Replay TAPE (router.0) and compare every event, byte for byte. Reads only.

    \b
    tapewire router verify
    tapewire router verify router.1 --json
    """
    report = _replayed(tape, data, 0)
    if as_json:
        _print_json(report)
        return
    verdict = "ok    " if report.ok else "FAILED"
    click.echo(f"{verdict} {report.tape:<16} {report.inputs:,} inputs  {report.events:,} events as recorded")
    _end(report)


@command.command()
@click.argument("tape", default="router.0")
@data_option
@click.option("--until", type=click.IntRange(min=0), default=0, help="Stop behind this record. Default: the last.")
@json_option
def replay(tape: str, data: Path, until: int, as_json: bool) -> None:
    """Trade it all again from the tape's inputs alone, and see that the orders are the same.

    \b
    tapewire router replay
    tapewire router replay router.0 --until 5000 --json
    """
    report = _replayed(tape, data, until)
    if as_json:
        _print_json(report)
    else:
        rate = report.inputs / report.seconds if report.seconds else 0.0
        click.echo(
            f"{report.inputs:,} inputs of {report.days * 24:,.2f} hours in {report.seconds:.2f} s ({rate:,.0f}/s): "
            f"{report.events:,} events, {report.parents:,} parents, {report.children:,} children, all as recorded"
            if report.ok
            else f"{report.inputs:,} inputs in {report.seconds:.2f} s"
        )
        for name, count in report.counts.items():
            click.echo(f"    {name:<22} {count:>12,}")
        for note in report.notes:
            click.echo(f"    {note}")
    _end(report)


def _replayed(tape: str, data: Path, until: int) -> Any:
    import importlib

    from tapewire.folders import Folders

    path = Folders(data).tape(tape)
    if not path.is_dir():
        raise TapewireError(f"{path}: no such tape. See --data")
    with progress() as tell:
        return importlib.import_module("services.router.verify").verify_tape(path, tell, until=until)


def _print_json(report: Any) -> None:
    """The document says what does not hold; so does the exit status."""
    import orjson

    click.echo(orjson.dumps(report.to_dict(), option=orjson.OPT_INDENT_2).decode())
    click.get_current_context().exit(not report.ok)


def _end(report: Any) -> None:
    for problem in report.problems:
        click.echo(f"    {problem}")
    if not report.ok:
        raise TapewireError("the tape is not what its inputs give: see above")
