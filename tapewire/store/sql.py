"""SQL over everything: one view per kind, history and today together, run by DuckDB.

Each view has the columns of its kind, and `feed`, `ticker`, `date` (UTC day), `time` (`ts` as a timestamp). Prices and
quantities come twice: `price` is the exact decimal (18 places), `price_mantissa` the integer beside `price_exponent`,
which is faster to add up. Enumerants are names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tapewire.errors import StoreError
from tapewire.store import checkpoint as checkpoints
from tapewire.store import layout
from tapewire.store.query import for_good, labelled
from tapewire.store.schema import ENUMS, KINDS, STATUSES, Kind
from tapewire.store.tail import Tail

SCALE: Final = 18  # places of the decimals: these and a mantissa's 19 digits fit DuckDB's 38


def sql(data: Path, statement: str, today: bool = True) -> pa.Table:
    """The rows that `statement`, one SELECT of DuckDB's dialect, gives. `today=False` reads the archive only and leaves
    the tapes alone. It can read the archive, nothing else, and write nothing. Raises StoreError with DuckDB's words.
    """
    import duckdb  # a quarter of a second to load: only where it is used

    connection = duckdb.connect(":memory:")
    try:
        statements = connection.extract_statements(statement)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise StoreError(f"expected one SELECT, got {len(statements)} statement(s): {statement!r}")
        _make_views(connection, Path(data).resolve(), today)
        archive = str(layout.archive(Path(data).resolve()))
        connection.execute("SET allowed_directories = [" + _text(archive) + "]")
        connection.execute("SET enable_external_access = false")
        return connection.sql(statement).to_arrow_table()
    except duckdb.Error as error:
        raise StoreError(f"SQL: {error}\nTables: {', '.join(KINDS)}.") from None
    finally:
        connection.close()


def _make_views(connection: Any, data: Path, today: bool) -> None:
    archived = {path.stem for path in (layout.archive(data) / "_checkpoints").glob("[!.]*.json")}
    points = {tape: checkpoints.read(data, tape) for tape in sorted({*archived, *layout.tapes(data)})}
    tails: list[Tail] = []
    for tape in layout.tapes(data) if today else ():
        tail = Tail(data, tape)
        tail.refresh(points[tape])
        tail.close()
        tails.append(tail)
    for kind in KINDS.values():
        files = [str(piece.path) for piece in for_good(layout.pieces(data, kind.name), points)]
        held = _today(kind, tails, points)
        connection.register(f"_{kind.name}_today", held)
        connection.execute(f"CREATE VIEW {kind.name} AS {_view(kind, files)}")


def _today(kind: Kind, tails: list[Tail], points: dict[str, checkpoints.Checkpoint]) -> pa.Table:
    tables = [labelled(kind, "", "", kind.schema.empty_table())]
    for tail in tails:
        for ticker in tail.tickers(kind.name):
            rows = tail.rows(kind.name, ticker, points[tail.tape].archived, None, None)
            tables += [labelled(kind, tail.feed, ticker, table) for table in rows]
    return pa.concat_tables(tables).unify_dictionaries()


def _view(kind: Kind, files: Sequence[str]) -> str:
    names = [column.name for column in kind.columns]
    plain = ", ".join(names)
    rows = (
        f"SELECT feed::VARCHAR AS feed, ticker::VARCHAR AS ticker, make_timestamp_ns(ts)::DATE AS date, {plain} "
        f"FROM _{kind.name}_today"
    )
    if files:
        listed = ", ".join(_text(path) for path in files)
        types = "{'feed': VARCHAR, 'date': DATE, 'ticker': VARCHAR}"
        source = f"read_parquet([{listed}], hive_partitioning = true, hive_types = {types})"
        # Bare columns where it may be, for only those let DuckDB leave out whole files.
        ticker = "coalesce(ticker, '')" if kind is STATUSES else "ticker"
        rows += f" UNION ALL SELECT feed, {ticker} AS ticker, date, {plain} FROM {source}"
    return f"SELECT {', '.join(_expressions(kind, names))} FROM ({rows})"


def _expressions(kind: Kind, names: list[str]) -> list[str]:
    shown = ["feed", "ticker", "date", "make_timestamp_ns(ts) AS time"]
    for name in names:
        if name in kind.prices or name in kind.quantities:
            exponent = "price_exponent" if name in kind.prices else "qty_exponent"
            shown += [f"{name}::DECIMAL(19,0) * {_power(exponent)} AS {name}", f"{name} AS {name}_mantissa"]
        elif name in ENUMS:
            members = ", ".join(_text(member.name) for member in ENUMS[name])
            shown.append(f"coalesce([{members}][{name} + 1], {name}::VARCHAR) AS {name}")
        else:
            shown.append(name)
    return shown


def _power(exponent: str) -> str:
    """10^exponent as an exact decimal. An exponent it cannot hold fails the query, with words that say so."""
    cases = " ".join(f"WHEN {-n} THEN {_one_at(n)}::DECIMAL(19,{SCALE})" for n in range(SCALE + 1))
    words = f"concat('exponent ', {exponent}, ' is not in -{SCALE}..0: use the _mantissa columns')"
    return f"CASE {exponent} {cases} ELSE CAST({words} AS DECIMAL(19,{SCALE})) END"


def _one_at(places: int) -> str:
    return "1" if places == 0 else "0." + "0" * (places - 1) + "1"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
