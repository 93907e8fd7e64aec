"""Stores outside that follow tapes: run one, see how far it is, let old rows go."""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import click

from tapewire.cli._options import config_option, json_option
from tapewire.errors import TapewireError


@click.group()
def command() -> None:
    """Follow tapes into a store outside, exactly once; see how far each is.

    \b
    tapewire sink run postgres --config tapewire.toml
    tapewire sink status
    """


@command.command()
@click.argument("name")
@config_option
@click.option(
    "--from", "begin", help="Build anew from here: a seq (with --tape), or a time as 2026-11-21T09:00 or -2h."
)
@click.option("--tape", default="", help="With --from: this tape alone.")
def run(name: str, path: Path | None, begin: str | None, tape: str) -> None:
    """Run the sink NAME (postgres, kafka, redis) until SIGTERM. Its log is JSON.

    --from takes back what the store has from there on, in one step, and follows the tape again from there.

    \b
    tapewire sink run postgres --config tapewire.toml
    tapewire sink run postgres --from 1 --tape orders.0
    tapewire sink run postgres --from 2026-11-21T09:00
    """
    arguments = [
        name,
        *(["--config", str(path)] if path else []),
        *_beginning(begin),
        *(["--tape", tape] if tape else []),
    ]
    if click.get_current_context().find_root().params.get("debug"):
        os.environ["TAPEWIRE_DEBUG"] = "1"
    sys.argv = ["tapewire sink run", *arguments]
    runpy.run_module("services.flusher.sinks", run_name="__main__", alter_sys=True)


def _beginning(begin: str | None) -> list[str]:
    """A seq is digits alone; everything else is a time."""
    import time

    from tapewire.times import parse

    if begin is None:
        return []
    if begin.isdigit():
        return ["--from-seq", begin]
    return ["--from-time", str(parse(begin, time.time_ns()))]


@command.command()
@click.argument("name", required=False)
@config_option
@json_option
def status(name: str | None, path: Path | None, as_json: bool) -> None:
    """Show position, lag, rate and last error of each sink and tape.

    Of a sink that runs from what it says; of one that does not, from the store itself.

    \b
    tapewire sink status
    tapewire sink status postgres --json
    """
    from tapewire.config import load

    lines = _service("asking").status(load(path), name)
    if as_json:
        import orjson

        click.echo(orjson.dumps(lines, option=orjson.OPT_INDENT_2).decode())
        return
    if not lines:
        click.echo("no sink is configured: set the url of one, as [sinks.postgres] url")
    for one in lines:
        runs = f"{one['state']}, process {one['pid']}" if one["running"] else "not running"
        click.echo(f"{one['sink']}: {runs}, {one['target']}")
        if one["reason"]:
            click.echo(f"    {one['reason']}")
        for row in one["tapes"]:
            rate = "" if row["rate"] is None else f"  {row['rate']:,} records/s"
            click.echo(f"    {row['tape']:<16} {row['state']:<8} at {row['seq']:>14,}  behind {row['lag']:>12,}{rate}")
            if row["reason"]:
                click.echo(f"        {row['reason']}")
        if not one["running"]:
            click.echo(f"    start it: tapewire sink run {one['sink']}; or, if nobody wants it: tapewire sink forget")


@command.command()
@click.argument("name")
@config_option
@click.option("--days", type=click.IntRange(min=1), help="Days of rows that stay.")
@click.option("--mb", type=click.IntRange(min=1), help="What may stay, 10^6 bytes; the oldest days go.")
@click.option("--yes", is_flag=True, help="Do it. Without, only say what would go.")
@json_option
def retain(name: str, path: Path | None, days: int | None, mb: int | None, yes: bool, as_json: bool) -> None:
    """Let rows of old days go in the store NAME; say first what that would be.

    Positions that still stand are kept, however old.

    \b
    tapewire sink retain postgres --days 90 --mb 500000
    tapewire sink retain postgres --days 90 --yes --json
    """
    from tapewire.config import load

    report = _service("asking").retain(load(path), name, days or 0, mb or 0, yes)
    if as_json:
        import orjson

        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        return
    for one in report["parts"]:
        fate = "dropped" if one["dropped"] else "stays" if yes else "would go"
        click.echo(f"{fate:<8}  {one['name']:<32} {one['bytes']:>14,} bytes  {one['why']}")
    if not report["parts"]:
        click.echo("nothing is beyond that")
    elif not yes:
        click.echo("nothing was changed; --yes does it")


@command.command()
@click.argument("name")
@config_option
@click.option("--tape", default="", help="Of this tape alone.")
@click.option("--yes", is_flag=True, help="Do it. Without, only say what would be let go.")
@json_option
def forget(name: str, path: Path | None, tape: str, yes: bool, as_json: bool) -> None:
    """Let retention remove what the sink NAME has not taken; say first what that would be.

    For a sink that is no longer wanted, also one that the settings no longer name. What its store has is left there.

    \b
    tapewire sink forget postgres
    tapewire sink forget postgres --tape orders.0 --yes --json
    """
    from tapewire.config import load

    report = _service("forgetting").forget(load(path), name, tape, yes)
    refused = any(one["reason"] for one in report["tapes"])
    if as_json:
        import orjson

        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        for one in report["tapes"]:
            fate = "stays" if one["reason"] else "let go" if yes else "would go"
            click.echo(f"{fate:<8}  {one['tape']:<16} holds all behind {one['seq']:>14,}: {one['behind']:,} records")
            if one["reason"]:
                click.echo(f"          {one['reason']}")
        if not report["tapes"]:
            click.echo(f"the sink {name} holds nothing back")
        elif not yes:
            click.echo("nothing was changed; --yes does it")
    if yes and refused:
        sys.exit(1)


def _service(module: str) -> Any:
    try:
        return importlib.import_module(f"services.flusher.sinks.{module}")
    except ModuleNotFoundError as error:
        raise TapewireError(f"the service flusher is not installed here: {error}") from error
