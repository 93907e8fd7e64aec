"""Ask for rows: trades, quotes, levels, executions, … of any time, from the archive and the tapes together."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tapewire.cli._options import data_option

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ROWS: Final = 1_000  # what a table shows unless --limit says otherwise
LINES_AT_ONCE: Final = 4_096
SQL_PLACES: Final = 18


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("what")
@click.argument("ticker", metavar="TICKER | SELECT …")
@click.option("--from", "start", help="First moment wanted, included. Default: the beginning.")
@click.option("--to", "end", help="First moment not wanted any more. Default: now, and what comes in meanwhile.")
@click.option("--feed", help="Only this feed: binance, kraken, house, … Default: all that have the ticker.")
@click.option("--limit", type=click.IntRange(min=1), help="The first so many rows.")
@click.option("--last", type=click.IntRange(min=1), help="The last so many rows.")
@click.option("--table", "form", flag_value="table", default=True, help="For people (the default).")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a head line.")
@click.option("--json", "form", flag_value="json", help="One JSON object per line; decimals as text.")
@data_option
def command(
    what: str,
    ticker: str,
    start: str | None,
    end: str | None,
    feed: str | None,
    limit: int | None,
    last: int | None,
    form: str,
    data: Path,
) -> None:
    """Ask for rows. WHAT is trades, quotes, levels, executions, instruments, statuses, or sql.

    \b
    tapewire query trades BTCUSDT --from 2026-11-21T09:00 --to now --feed binance
    tapewire query quotes BTC/USD --from -5m --csv
    tapewire query trades BTCUSDT --last 20
    tapewire query sql "select ticker, count(*), sum(qty) from trades group by ticker"

    Times: ISO (UTC unless it says otherwise), 09:30 (today), now, today, yesterday, -5m, or s, ms, µs, ns since 1970.
    """
    from tapewire.times import parse

    if limit and last:
        raise click.UsageError("--limit and --last cannot be used together")
    if what == "sql":
        from tapewire.store.sql import sql

        _refuse_with_sql(start, end, feed)
        table, cut = _cut_to(sql(data, ticker), limit, last, form)
    else:
        from tapewire.store.query import query

        now = time.time_ns()
        wanted = -last if last else limit or (TABLE_ROWS + 1 if form == "table" else None)
        first, until = (parse(text, now) if text else None for text in (start, end))
        table = query(data, what, ticker, feed, first, until, wanted)
        if table.num_rows == 0:
            _say_what_there_is(data, what, ticker, feed)
        table, cut = _cut_to(_for_people(table), limit, last, form)
    try:
        for text in _lines(table, form):
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone (`| head`): Python would complain about it at its end
        return
    if cut:
        click.echo(f"… cut after {TABLE_ROWS} rows: use --limit, --last, --from and --to, or --csv", err=True)


def _refuse_with_sql(*given: str | None) -> None:
    if any(given):
        raise click.UsageError("sql takes its bounds from the statement: where time >= … and feed = …")


def _say_what_there_is(folder: Path, kind: str, ticker: str, feed: str | None) -> None:
    from tapewire.store.query import store
    from tapewire.times import show

    first, last = store(folder.resolve()).span(kind, ticker, feed)
    click.echo(f"no {kind} of {ticker} in that time; there are some from {show(first)} to {show(last)}", err=True)


def _cut_to(table: pa.Table, limit: int | None, last: int | None, form: str) -> tuple[pa.Table, bool]:
    from tapewire.store.query import limited

    if limit or last:
        return limited(table, -last if last else limit), False
    return limited(table, TABLE_ROWS if form == "table" else None), form == "table" and table.num_rows > TABLE_ROWS


def _for_people(table: pa.Table) -> pa.Table:
    """`time` in front, enumerants by name."""
    import pyarrow as pa

    from tapewire.store.schema import ENUMS
    from tapewire.times import show

    for name, enum in ENUMS.items():
        if name in table.column_names:
            names = {member.value: member.name for member in enum}
            values = [names.get(value, str(value)) for value in table[name].to_pylist()]
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    times = pa.array([show(ts) for ts in table["ts"].to_pylist()], pa.string())
    return table.add_column(0, "time", times)


def _lines(table: pa.Table, form: str) -> Iterator[str]:
    names = table.column_names
    if form == "table":
        yield _boxed(table)
        return
    if form == "csv":
        yield _csv_line(names)
    for batch in table.to_batches(max_chunksize=LINES_AT_ONCE):
        rows = zip(*(_values(batch.column(at)) for at in range(len(names))), strict=True)
        if form == "csv":
            yield "".join(_csv_line([_text(value) for value in row]) for row in rows)
        else:
            yield "".join(_json_line(dict(zip(names, row, strict=True))) for row in rows)


def _values(column: Any) -> list[Any]:
    """As Python values; timestamps as text, for a datetime would lose their nanoseconds."""
    import pyarrow as pa

    from tapewire.times import show

    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    ns = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()).to_pylist()
    return [None if ts is None else show(ts) for ts in ns]


def _csv_line(values: list[str]) -> str:
    quoted = ['"' + v.replace('"', '""') + '"' if any(c in v for c in ',"\r\n') else v for v in values]
    return ",".join(quoted) + "\n"


def _json_line(row: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(row, default=_text).decode() + "\n"


def _boxed(table: pa.Table) -> str:
    """Aligned columns, numbers to the right; every digit shown, however narrow the terminal."""
    names = [name for name in table.column_names if name not in ("ts", "ts_event", "recv_delay", "origin_seq")]
    columns = [[_text(value) for value in _values(table[name])] for name in names]
    widths = [max(len(name), *map(len, column), 0) for name, column in zip(names, columns, strict=True)]
    right = [not str(table[name].type).startswith(("string", "dictionary", "timestamp")) for name in names]

    def line(cells: tuple[str, ...] | list[str]) -> str:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(aligned).rstrip() + "\n"

    return line(names) + "".join(line(row) for row in zip(*columns, strict=True))


def _text(value: Any) -> str:
    from decimal import Decimal

    if isinstance(value, Decimal):
        text = format(value, "f")
        # SQL gives every decimal 18 places; rows asked for by kind have exactly those of their exponent.
        return text.rstrip("0").rstrip(".") if value.as_tuple().exponent == -SQL_PLACES else text
    return "" if value is None else str(value)
