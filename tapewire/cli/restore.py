"""Bring tapes back from a backup, into a data folder without tapes."""

from __future__ import annotations

from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option
from tapewire.cli._progress import progress

NEXT = """\
What happened after the backup was taken is not on these tapes. Next:
  1  make sure that the lost host stays off: two engines of one shard must never trade
  2  tapewire verify --data {data}        every event replayed and compared
  3  start the services as ever; each begins a new epoch, and folds what the tapes say
  4  tell the clients: orders and fills after the time above are to be reconciled by hand; FIX clients
     log on with ResetSeqNumFlag (141=Y), API clients read their orders anew
  5  stores and subscribers that had come further notice by the epoch; docs/operations.md says what each does"""


@click.command()
@click.argument("folder", metavar="SRC", type=click.Path(path_type=Path, file_okay=False, exists=True))
@data_option
@json_option
def command(folder: Path, data: Path, as_json: bool) -> None:
    """Restores the tapes of the backup in SRC, checks every byte and every record, and says where each tape ends.

    A file that does not hold is refused with its place, and then nothing is restored.

    \b
    tapewire restore /mnt/backup/prod --data /var/lib/tapewire
    """
    import orjson

    from tapewire import backup
    from tapewire.folders import Folders
    from tapewire.times import show

    with progress("files") as tell:
        made, seconds = backup.restore(folder, Folders(data), tell)
    taken_ns = backup.read_manifest(folder).taken_ns
    if as_json:
        told = {"seconds": seconds, "taken_ns": taken_ns, "tapes": [one.to_dict() for one in made]}
        click.echo(orjson.dumps(told).decode())
        return
    click.echo(f"restored in {seconds:.1f} s what was durable at {show(taken_ns)}")
    for one in made:
        click.echo(f"{one.name}: records {one.first_seq:,} to {one.last_seq:,}, epoch {one.epoch}")
        for name, seq in one.taken_back.items():
            click.echo(f"  consumer {name} had come to record {seq:,}: taken back to {one.last_seq:,}")
    click.echo(NEXT.format(data=data))
