"""Columns to Parquet: encodings chosen per column, a footer that says where every row came from, durable or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tapewire.store import layout
from tapewire.store.columns import Part
from tapewire.store.disk import Disk
from tapewire.store.schema import SCHEMA_VERSION, Kind

ROW_GROUP_ROWS: Final = 16_384  # what one minute's query has to decode at least
ZSTD_LEVEL: Final = 1


def split_days(part: Part, feed: str) -> list[tuple[layout.Partition, Part]]:
    """The rows of `part` by UTC day of `ts`. Nearly always one day."""
    ts = part.table["ts"]
    low, high = (value.as_py() for value in pc.min_max(ts).values())
    if low // layout.NS_PER_DAY == high // layout.NS_PER_DAY:
        return [(layout.Partition(part.kind.name, feed, layout.day_of(low), part.ticker), part)]
    days = pc.divide(ts, layout.NS_PER_DAY)  # towards zero: the same as downwards since 1970
    return [
        (
            layout.Partition(part.kind.name, feed, layout.day_of(day * layout.NS_PER_DAY), part.ticker),
            part._replace(table=part.table.filter(pc.equal(days, day))),
        )
        for day in sorted(pc.unique(days).to_pylist())
    ]


def write_piece(
    data: Path, partition: layout.Partition, tape: str, part: Part, disk: Disk, row_group_rows: int = ROW_GROUP_ROWS
) -> Path:
    """Writes one file of the archive, durable when this returns; its name follows from its rows, so that writing the
    same rows again replaces it. `part` holds the rows of that partition, at least one. Raises OSError.
    """
    table = part.table
    first, last = table["seq"][0].as_py(), table["seq"][-1].as_py()
    folder = layout.folder(data, partition)
    disk.make_folder(folder)
    path = folder / layout.piece_name(tape, first, last)
    disk.replace_file(path, encode(table, part.kind, footer(partition, tape, table), row_group_rows))
    return path


def footer(partition: layout.Partition, tape: str, table: pa.Table) -> dict[str, str]:
    """What the file says about itself. Exponents are those that occur, smallest first, separated by commas."""
    said = {
        "tapewire.schema_version": str(SCHEMA_VERSION),
        "tapewire.kind": partition.kind,
        "tapewire.feed": partition.feed,
        "tapewire.ticker": partition.ticker,
        "tapewire.tape": tape,
        "tapewire.first_seq": str(table["seq"][0].as_py()),
        "tapewire.last_seq": str(table["seq"][-1].as_py()),
    }
    for name in ("price_exponent", "qty_exponent"):
        if name in table.column_names:
            said[f"tapewire.{name}s"] = ",".join(map(str, sorted(pc.unique(table[name]).to_pylist())))
    return said


def encode(table: pa.Table, kind: Kind, said: dict[str, str], row_group_rows: int = ROW_GROUP_ROWS) -> pa.Buffer:
    """The bytes of the Parquet file."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=kind.dictionaries,
        column_encoding=kind.encodings,
        write_page_index=True,
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=row_group_rows)
        writer.add_key_value_metadata(said)
    return sink.getvalue()
