"""Tapes on other hosts: how far each has come, who writes it; begin a stream anew.

Without a subcommand, the service itself.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import click

from tapewire.cli._options import complete_tapes, config_option, data_option, json_option
from tapewire.errors import TapeError


@click.group(invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context, path: Path | None) -> None:
    """Run the replica; or say how its tapes stand.

    \b
    tapewire replica --config tapewire.toml
    tapewire replica status
    """
    if context.invoked_subcommand is not None:
        return
    if context.find_root().params.get("debug"):
        os.environ["TAPEWIRE_DEBUG"] = "1"
    sys.argv = ["tapewire replica", *(["--config", str(path)] if path else [])]
    runpy.run_module("services.replica", run_name="__main__", alter_sys=True)


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Each tape that this host sends or mirrors: its role, how far it is, what is wrong. Exit status 1 if something is.

    \b
    tapewire replica status
    tapewire replica status --json
    """
    from rich.console import Console
    from rich.table import Table

    from tapewire.folders import Folders

    rows = [row for tape in sorted(Folders(data).tapes.glob("*")) if (row := _row(tape)) is not None]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        table = Table("tape", "role", "epoch", "writer's host", "record", "behind", "", box=None, padding=(0, 2, 0, 0))
        for row in rows:
            behind = f"{row['lag_records']:,} records" if row["lag_records"] else f"{row['lag_bytes']:,} bytes"
            cells = (row["tape"], row["role"], str(row["epoch"]), row["holder"], f"{row['seq']:,}", behind, row["why"])
            table.add_row(*cells)
        Console().print(table)
        if not rows:
            click.echo(f"no tape below {data} is sent or mirrored: see [replica] in docs/replication.md", err=True)
    if any(row["role"] in ("fenced", "differs") or not row["running"] for row in rows):
        sys.exit(1)


def _row(tape: Path) -> dict[str, Any] | None:
    import msgspec

    from tapewire.replication import state as states

    found = states.read(tape)
    if found is None:
        return None
    running = not found.stale(time.time_ns())
    row: dict[str, Any] = {**msgspec.structs.asdict(found), "running": running}
    if not running and not row["why"]:
        row["why"] = "the replica does not run"
    return row


@command.command()
@click.argument("tape", shell_complete=complete_tapes)
@click.option("--yes", is_flag=True, help="Nothing reads it now: I have stopped what did.")
@data_option
@json_option
def afresh(tape: str, yes: bool, data: Path, as_json: bool) -> None:
    """Move the copy of a mirrored TAPE aside, so that the replica gets it anew: from the sender's newest snapshot on.

    For a mirror that was away until retention had removed what it needs next. What was here is kept, in
    `<tape>/cut-<time>`. Stop the replica and whatever reads the copy first: they would go on reading what was moved.

    \b
    tapewire replica afresh orders.0 --yes
    """
    from tapewire.folders import Folders
    from tapewire.tape import TapeMirror, TapeReader
    from tapewire.tape.cutting import set_aside

    folder = Folders(data).tape(tape)
    with TapeReader(folder, from_seq=None) as reader:
        mirror, last = reader.mirror, reader.positions.released_seq
    if not mirror:
        raise TapeError(f"{folder}: is no mirror: this host wrote it. Nothing was changed")
    if not yes:
        raise TapeError(f"{folder}: a mirror up to record {last:,}. Nothing was changed; with --yes it is moved aside")
    held = TapeMirror(folder, tape)  # takes the lock: raises TapeFenced while a replica or an engine has the tape
    try:
        kept = set_aside(folder, time.time_ns())
    finally:
        held.abandon()
    click.echo(
        json.dumps({"tape": tape, "kept": str(kept)})
        if as_json
        else f"{tape}: gone to {kept}; the replica gets it anew"
    )


@command.command()
@click.argument("tape", shell_complete=complete_tapes)
@click.option("--yes", is_flag=True, help="No other host has taken the tape: I have looked.")
@data_option
@json_option
def renew(tape: str, yes: bool, data: Path, as_json: bool) -> None:
    """Let the replica of this host go on with TAPE's stream as it is now, or begin a new one if it is gone.

    After the stream was deleted, or put back to an older state: what this host knew of it is forgotten. It takes
    effect at the replica's next start. Whether another host took the tape while nobody looked, only you can tell: two
    hosts that both write it is what this could lead to. Look at `tapewire replica status` on each.

    \b
    tapewire replica renew orders.0 --yes
    """
    from tapewire.folders import Folders
    from tapewire.replication import host

    folder = Folders(data).tape(tape)
    path = folder / host.FOLDER / "known"
    if not path.exists():
        raise TapeError(
            f"{folder}: nothing is known of its stream that could be forgotten: the replica takes it as it is"
        )
    if not yes:
        raise TapeError(
            f"{folder}: its stream had {path.read_text().strip()}. Nothing was changed; with --yes it is forgotten"
        )
    host.ask_renewal(folder)
    click.echo(
        json.dumps({"tape": tape, "renewed": True}) if as_json else f"{tape}: goes on with its stream at the next start"
    )
