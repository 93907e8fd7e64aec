"""Look at tapes: list, follow, check, cut, delete what is old."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import Instant, complete_tapes, data_option, json_option
from tapewire.cli._progress import progress

if TYPE_CHECKING:
    from tapewire.render import Renderer
    from tapewire.tape import TapeReader

POLL = 1024
WAIT_S = 0.5
_DAY_NS = 86_400_000_000_000


@click.group()
def command() -> None:
    """Look at tapes and care for them.

    \b
    tapewire tape ls
    tapewire tape tail orders.0 --from-time 2026-11-21T10:31:07
    tapewire tape check orders.0
    """


@command.command()
@data_option
@json_option
def ls(data: Path, as_json: bool) -> None:
    """List the tapes: what they hold, who writes them, how far their consumers are.

    \b
    tapewire tape ls
    tapewire tape ls --json
    """
    import orjson

    from tapewire.folders import Folders
    from tapewire.tape.inspect import inspect, tapes

    found = [inspect(path) for path in tapes(Folders(data).tapes)]
    if as_json:
        click.echo(orjson.dumps([tape.to_dict() for tape in found]))
        return
    if not found:
        click.echo(
            f"no tapes below {data}: start a writer (tapewire demo), or name another folder with --data", err=True
        )
        return
    rows = [("tape", "first", "last", "durable", "segments", "MB", "durability", "writer", "consumers")]
    rows += [
        (
            tape.name,
            f"{tape.first_seq:,}",
            f"{tape.positions.written_seq:,}",
            f"{tape.positions.durable_seq:,}",
            str(len(tape.segments)),
            f"{tape.bytes / 1e6:,.1f}",
            tape.durability,
            f"pid {tape.writer_pid}" if tape.writer_pid else "none",
            " ".join(f"{name}={seq:,}" for name, seq in tape.consumers.items()),
        )
        for tape in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@command.command()
@click.argument("name", shell_complete=complete_tapes)
@click.option("--from", "from_seq", type=click.IntRange(min=1), help="Begin with this record.")
@click.option("--from-time", type=Instant(), help="Begin with the first record sequenced at this time or later.")
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with the last N.")
@click.option("--follow/--no-follow", default=True, help="Go on as the tape grows, or end with it.")
@data_option
@json_option
def tail(
    name: str, from_seq: int | None, from_time: int | None, count: int, follow: bool, data: Path, as_json: bool
) -> None:
    """Show the records of the tape NAME, decoded, one per line; follow it as it grows.

    \b
    tapewire tape tail orders.0 -n 50
    tapewire tape tail md.kraken --no-follow --json
    """
    from tapewire.folders import Folders
    from tapewire.render import Renderer
    from tapewire.tape import TapeReader

    with TapeReader(Folders(data).tape(name), from_seq=from_seq, limit="written") as reader:
        if from_time is not None:
            reader.seek_time(from_time)
        elif from_seq is None:
            reader.seek_seq(max(reader.first_seq, reader.positions.written_seq + 1 - count))
        renderer = Renderer()
        if name.startswith("orders."):
            _learn_exponents(reader.path, name, renderer)
        try:
            for raws in _batches(reader, follow):
                _show(name, raws, None if as_json else renderer)
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            # Whoever read us has gone (`| head`); Python would try the broken pipe once more on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _learn_exponents(path: Path, name: str, renderer: Renderer) -> None:
    """Orders carry mantissas only: how many places they have, the definitions say."""
    from tapewire import definitions
    from tapewire.errors import TapeGone

    try:
        instruments = definitions.read(path, "written").instruments
    except TapeGone as error:
        click.echo(f"prices and quantities are shown without their decimal places: {error}", err=True)
        return
    for definition in instruments.values():
        renderer.line(name, definition)


def _batches(reader: TapeReader, follow: bool) -> Iterator[list[bytes]]:
    while True:
        while raws := reader.poll(POLL):
            yield raws
        if not follow:
            return
        reader.wait(WAIT_S)


def _show(tape: str, raws: list[bytes], renderer: Renderer | None) -> None:
    """One line per record, by `renderer` or as JSON."""
    import orjson

    from tapewire.errors import WireError
    from tapewire.messages import decode

    lines = []
    for raw in raws:
        try:
            message = decode(raw)
        except WireError as error:
            click.echo(f"{tape}: a record this build cannot decode: {error}", err=True)
            continue
        as_json = {"tape": tape, **message.to_dict()} if renderer is None else {}
        lines.append(renderer.line(tape, message) if renderer else orjson.dumps(as_json).decode())
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


@command.command()
@click.argument("names", nargs=-1, shell_complete=complete_tapes)
@data_option
@json_option
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], data: Path, as_json: bool) -> None:
    """Read the tapes NAMES (all by default) through: every checksum, every sequence number.

    Exits with 1 if one does not hold.

    \b
    tapewire tape check orders.0
    """
    import orjson

    from tapewire.folders import Folders
    from tapewire.tape import inspect

    folders = Folders(data)
    paths = [folders.tape(name) for name in names] or inspect.tapes(folders.tapes)
    with progress() as tell:
        reports = [inspect.check(path, partial(tell, path.name)) for path in paths]
    if as_json:
        click.echo(orjson.dumps([report.to_dict() for report in reports]))
    for report in reports if not as_json else []:
        speed = report.records / report.seconds / 1e6 if report.seconds else 0.0
        state = "holds" if report.damage is None else "DAMAGED"
        click.echo(
            f"{report.name}: {state}: {report.records:,} records ({report.first_seq:,} to {report.last_seq:,}), "
            f"{report.bytes / 1e6:,.1f} MB in {report.seconds:.2f} s, {speed:.1f} M records/s"
        )
        if report.damage is not None:
            click.echo(f"  {report.damage}")
    ctx.exit(any(report.damage is not None for report in reports))


@command.command()
@click.argument("name", shell_complete=complete_tapes)
@click.option("--before", "seq", type=click.IntRange(min=2), required=True, help="The first record to take off.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def cut(name: str, seq: int, yes: bool, data: Path, as_json: bool) -> None:
    """End the tape NAME before a record, after damage. What is taken off is kept in a folder beside it.

    No writer may have the tape open. Snapshots and consumers that are ahead of the cut are moved aside, too. A tape
    whose beginning was removed is not cut before its oldest snapshot.

    \b
    tapewire tape cut orders.0 --before 120001
    """
    import orjson

    from tapewire.folders import Folders
    from tapewire.tape import inspect
    from tapewire.tape.cutting import cut_tape

    tape = Folders(data).tape(name)
    info = inspect.inspect(tape)
    if not yes:
        click.confirm(
            f"{info.name} ends with record {info.positions.written_seq:,}. Take off everything from record {seq:,} on?",
            abort=True,
            err=True,
        )
    done, backup = cut_tape(tape, seq, time.time_ns())
    if as_json:
        click.echo(orjson.dumps({"tape": info.name, "backup": str(backup), **done._asdict()}))
    else:
        click.echo(f"{info.name} now ends with record {done.last_seq:,}. What was taken off is in {backup}")


@command.command()
@click.argument("names", nargs=-1, shell_complete=complete_tapes)
@click.option("--max-age-days", type=click.FloatRange(min=0), help="Keep records younger than this.")
@click.option("--max-mb", type=click.FloatRange(min=0), help="Keep at most this much of each tape (10^6 bytes).")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def retain(
    names: tuple[str, ...],
    max_age_days: float | None,
    max_mb: float | None,
    dry_run: bool,
    yes: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Delete old segments of the tapes NAMES (all by default), never ahead of a consumer.

    Shows what goes, then asks. The platform may run meanwhile. Of an orders tape everything stays from the oldest
    snapshot on that a restart can begin with: docs/tapes.md.

    \b
    tapewire tape retain --max-age-days 30 --dry-run
    """
    import orjson

    from tapewire.folders import Folders
    from tapewire.tape import inspect, retention

    if max_age_days is None and max_mb is None:
        raise click.UsageError("say what to keep: --max-age-days, --max-mb, or both")
    folders = Folders(data)
    paths = [folders.tape(name) for name in names] or inspect.tapes(folders.tapes)
    policy = retention.Policy(
        None if max_age_days is None else int(max_age_days * _DAY_NS), None if max_mb is None else int(max_mb * 1e6)
    )
    plans = [retention.plan(path, policy, time.time_ns()) for path in paths]
    if as_json:
        click.echo(orjson.dumps([plan.to_dict() for plan in plans]))
    for plan in plans if not as_json else []:
        click.echo(
            f"{plan.tape.name}: {len(plan.delete)} segments, {plan.bytes / 1e6:,.1f} MB to delete; then it begins with "
            f"record {plan.first_seq_kept:,} ({plan.kept_because})"
        )
    if dry_run or not any(plan.delete for plan in plans):
        return
    if not yes:
        click.confirm("Delete them?", abort=True, err=True)
    with progress("tapes") as tell:
        for done, plan in enumerate(plans):
            tell("deleting", done, len(plans))
            retention.carry_out(plan)


@command.command()
@click.argument("name", shell_complete=complete_tapes)
@click.option("--from", "start", type=Instant(), help="Records from this time on. Default: all.")
@click.option("--to", "end", type=Instant(), help="Records before this time. Default: all.")
@click.option("--interval", type=click.FloatRange(min=0.001), default=1.0, show_default=True, help="Seconds, in a log.")
@click.option("--hlog", type=click.Path(path_type=Path), help="Also write HdrHistogram's log, a line an interval.")
@data_option
@json_option
def latency(
    name: str, start: int | None, end: int | None, interval: float, hlog: Path | None, data: Path, as_json: bool
) -> None:
    """Percentiles of what the records of the tape NAME took: `edge` from the venue's or client's clock to our edge,
    `queue` from there until they were sequenced.

    \b
    tapewire tape latency orders.0 --from -5m
    tapewire tape latency md.kraken --hlog kraken.hlog
    """
    import orjson

    from tapewire.errors import TapewireError
    from tapewire.folders import Folders
    from tapewire.histogram import hdr
    from tapewire.plot import timing
    from tapewire.plot.records import Stretch
    from tapewire.plot.words import duration

    with progress() as tell:
        found = timing.intervals(
            Stretch(Folders(data).tape(name), start, end), int(interval * 1e9), partial(tell, name)
        )
    whole = timing.merged(found)
    if hlog is not None and found:
        try:
            with hlog.open("w", encoding="ascii") as out:
                hdr.write_log(out, found[0].start, [(one.start, one.end, one.histograms) for one in found])
        except OSError as error:
            raise TapewireError(f"{hlog}: cannot be written: {error.strerror}") from error
    shares = (50.0, 90.0, 99.0, 99.9, 99.99)
    if as_json:
        told = {
            span: {"count": one.count, "mean_ns": one.mean, "max_ns": one.max}
            | {f"p{share:g}_ns": one.percentile(share) for share in shares}
            for span, one in whole.items()
        }
        click.echo(orjson.dumps({"tape": name, "spans": told}).decode())
        return
    click.echo(f"{'span':<8}" + "".join(f"{f'p{share:g}':>10}" for share in shares) + f"{'max':>10}{'count':>12}")
    for span, one in whole.items():
        values = [duration(one.percentile(share)) for share in shares] + [duration(one.max)]
        click.echo(f"{span:<8}" + "".join(f"{value:>10}" for value in values) + f"{one.count:>12,}")
