"""Copy all tapes of this host, while everything runs, to a folder elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option, settings
from tapewire.cli._progress import progress


@click.command()
@click.argument("folder", metavar="DEST", type=click.Path(path_type=Path, file_okay=False))
@click.option("--verify", "only_verify", is_flag=True, help="Copy nothing: read the backup in DEST, every byte.")
@click.option("--prune", is_flag=True, help="What retention removed from the tapes goes from DEST, too.")
@click.option("--hold", is_flag=True, help="From now on retention leaves on the tapes what is in no backup.")
@data_option
@json_option
def command(folder: Path, only_verify: bool, prune: bool, hold: bool, data: Path, as_json: bool) -> None:
    """Brings the backup in DEST up to now: every tape up to its last durable record, with its snapshots.

    The first run copies all, later ones what has come since. Nothing is stopped and nothing waits. A run that is
    killed leaves the backup before it. DEST belongs on another disk: see docs/operations.md.

    \b
    tapewire backup /mnt/backup/prod
    tapewire backup /mnt/backup/prod --verify --json
    """
    import orjson

    from tapewire import backup
    from tapewire.folders import Folders

    if only_verify:
        with progress("files") as tell:
            manifest = backup.verify(folder, lambda done, total: tell(str(folder), done, total))
        told: dict[str, object] = {
            "ok": True,
            "taken_ns": manifest.taken_ns,
            "tapes": [_tape(t) for t in manifest.tapes],
        }
    else:
        with progress("segments") as tell:
            taken = backup.take(Folders(data), settings().env, folder, prune=prune, hold=hold, progress=tell)
        manifest, told = taken.manifest, taken.to_dict()
        if not as_json:
            click.echo(f"{taken.copied_bytes / 1e6:,.1f} MB copied in {taken.seconds:.1f} s; {folder} holds")
    if as_json:
        click.echo(orjson.dumps(told).decode())
        return
    for one in manifest.tapes:
        click.echo(f"{one.name}: records {one.first_seq:,} to {one.last_seq:,}, epoch {one.epoch}")


def _tape(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in ("name", "first_seq", "last_seq", "epoch")}
