"""Draw one order's way as a waterfall, straight off the tapes."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option, settings


@click.command()
@click.argument("what", default="")
@click.option(
    "--seq", type=click.IntRange(min=1), default=None, help="A record of the orders tape: a command or an event."
)
@click.option("--parent", type=click.IntRange(min=1), default=None, help="A parent order of the router.")
@click.option("--width", type=click.IntRange(min=40), default=None, help="Columns. Default: as wide as the terminal.")
@data_option
@json_option
def command(what: str, seq: int | None, parent: int | None, width: int | None, data: Path, as_json: bool) -> None:
    """Draw the way of WHAT: an OrderID (17, or 0-17 as in FIX), a ClOrdID, or a trace id.

    \b
    tapewire trace 17
    tapewire trace --seq 4242
    tapewire trace 4bf92f3577b34da6a3ce929d0e0e4736

    It needs no collector, and the order need not have been sampled: the tapes say what happened when, and the stage log
    of the last 65,536 batches what the engine did between. Cancels and replaces of the order follow below.
    """
    import msgspec
    import orjson

    from tapewire.traces.find import find
    from tapewire.traces.waterfall import waterfall

    if not what and seq is None and parent is None:
        raise click.UsageError("expected WHAT, --seq or --parent")
    of = msgspec.structs.replace(settings(), data=data)
    trace = find(of, what, seq=seq or 0, parent=parent or 0, now=time.time_ns())
    if as_json:
        spans = [*trace.spans, *(span for other in trace.linked for span in other)]
        click.echo(orjson.dumps([_plain(dataclasses.asdict(span)) for span in spans]))
        return
    columns = width or shutil.get_terminal_size((110, 24)).columns
    for spans in (trace.spans, *trace.linked):
        click.echo("\n".join(waterfall(spans, columns)))
        click.echo()


def _plain(span: dict[str, object]) -> dict[str, object]:
    """Ids as hex: that is how everybody writes them, and they do not fit other programs' integers."""
    for one in (span, *span["links"]):  # type: ignore[misc]
        one["trace_id"], one["span_id"] = f"{one['trace_id']:032x}", f"{one['span_id']:016x}"
    span["parent_id"] = f"{span['parent_id']:016x}" if span["parent_id"] else ""
    return span
