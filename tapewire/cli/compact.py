"""Join the many small files of each archived day into one."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tapewire.cli._options import Instant, data_option, json_option
from tapewire.cli._progress import progress


@click.command()
@data_option
@click.option("--before", type=Instant(), default=None, help="Only days before this one; default: before today.")
@json_option
def command(data: Path, before: int | None, as_json: bool) -> None:
    """Join the small files of each archived day into one: the same rows, compared before any file goes.

    The flusher and queries go on meanwhile. It can be ended at any time, and run again.

    \b
    tapewire compact
    tapewire compact --before 2026-11-01 --data /srv/tapewire --json
    """
    import msgspec

    from tapewire.store.compact import compact
    from tapewire.store.layout import day_of

    with progress("files") as tell:
        done = compact(data, day_of(before if before is not None else time.time_ns()), tell)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done)).decode())
        return
    if done.removed:
        click.echo(f"removed {done.removed:,} files that a run before had joined already")
    if not done.files_after:
        click.echo("nothing to join: each day is in one file, or in files that are large enough")
        return
    click.echo(
        f"{done.files_before:,} files of {done.folders:,} folders are {done.files_after:,} now: {done.rows:,} rows, "
        f"{done.bytes_before / 1e6:,.1f} MB before, {done.bytes_after / 1e6:,.1f} MB after"
    )
