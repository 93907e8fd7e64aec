"""Replay every tape, compare the derived events and digests with the recorded ones."""

from __future__ import annotations

from pathlib import Path

import click

from tapewire.cli._options import complete_tapes, data_option
from tapewire.cli._progress import progress
from tapewire.errors import TapewireError


@click.command()
@click.argument("tapes", nargs=-1, shell_complete=complete_tapes)
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document with a report per tape.")
def command(tapes: tuple[str, ...], data: Path, as_json: bool) -> None:
    """Replay TAPES (all by default) and compare: every checksum and sequence number, every event byte by byte with what
    its command gives, the digest of every snapshot; where retention removed the beginning of a tape, from its oldest
    snapshot on. Reads only; a running writer is not disturbed.

    \b
    tapewire verify
    tapewire verify orders.0 --data /srv/tapewire --json
    """
    import importlib

    import orjson

    from tapewire.folders import Folders

    folder = Folders(data).tapes
    paths = [folder / name for name in tapes] or sorted(path for path in folder.glob("*") if path.is_dir())
    missing = [path.name for path in paths if not path.is_dir()]
    if missing or not paths:
        there = ", ".join(sorted(path.name for path in folder.glob("*"))) or "none"
        raise TapewireError(f"{folder}: no tape {', '.join(missing) or 'at all'}; there are: {there}. See --data")
    # A service is named, not imported: tapewire depends on none.
    engine = importlib.import_module("services.engine.verify")
    router = importlib.import_module("services.router.verify")
    with progress() as tell:
        reports = [(router if path.name.startswith("router.") else engine).verify_tape(path, tell) for path in paths]
    if as_json:
        document = {"ok": all(r.ok for r in reports), "tapes": [r.to_dict() for r in reports]}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        for report in reports:
            click.echo(line(report))
            for said in (*report.problems, *report.notes):
                click.echo(f"    {said}")
    if not all(report.ok for report in reports):
        raise TapewireError("not every tape holds: see above")


def line(report: object) -> str:
    r = vars(report)
    verdict = "ok    " if r["ok"] else "FAILED"
    rate = r["records"] / r["seconds"] if r["seconds"] else 0.0
    parts = [f"{verdict} {r['tape']:<16} {r['records']:>12,} records  {rate / 1e6:6.2f} M/s"]
    if r.get("inputs"):
        parts.append(f"{r['inputs']:,} inputs  {r['events']:,} events as recorded")
    if r.get("digest"):
        parts.append(f"{r['commands']:,} commands  {r['snapshots_equal']} snapshots equal  digest {r['digest'][:16]}…")
    if r.get("begins", 1) > 1:
        before = f" ({r['checked']:,} before it by their checksums only)" if r["checked"] else ""
        parts.append(f"from record {r['begins']:,} on{before}: what came before was removed")
    if r.get("redecided"):
        parts.append(f"today's risk rules would decide {r['redecided']:,} commands otherwise")
    return "  ".join(parts)
