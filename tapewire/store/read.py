"""Reading one file of the archive: footers are kept, and only row groups that can hold the asked time are decoded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FOOTERS_MAX: Final = 4_096  # about 8 kB each for a segment's worth of rows


class Footer(NamedTuple):
    """What is kept of a file: its metadata, and the first and last `ts` (ns, both inclusive) of each row group."""

    metadata: pq.FileMetaData
    spans: tuple[tuple[int, int], ...]
    said: dict[str, str]


class Footers:
    """The footers read so far, the least recently used forgotten first. Files of the archive never change."""

    def __init__(self, bound: int = FOOTERS_MAX) -> None:
        self._bound = bound
        self._kept: OrderedDict[Path, Footer] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path) -> Footer:
        """Raises OSError, or pyarrow.ArrowInvalid where the file is not whole."""
        with self._lock:
            found = self._kept.get(path)
            if found is not None:
                self._kept.move_to_end(path)
                return found
        found = read_footer(path)
        with self._lock:
            self._kept[path] = found
            while len(self._kept) > self._bound:
                self._kept.popitem(last=False)
        return found


def read_footer(path: Path) -> Footer:
    metadata = pq.read_metadata(path)
    at = metadata.schema.to_arrow_schema().get_field_index("ts")
    spans = []
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(at).statistics
        spans.append((statistics.min, statistics.max))
    said = {key.decode(): value.decode() for key, value in (metadata.metadata or {}).items()}
    return Footer(metadata, tuple(spans), said)


def read_rows(
    path: Path,
    footers: Footers,
    start: int | None = None,
    end: int | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Rows with start <= ts < end (ns; None: no bound), in the tape's order. `columns` must contain `ts` if bounded."""
    footer = footers.get(path)
    groups = [
        number
        for number, (low, high) in enumerate(footer.spans)
        if (start is None or high >= start) and (end is None or low < end)
    ]
    with pa.memory_map(str(path)) as source:
        file = pq.ParquetFile(source, metadata=footer.metadata)
        table = file.read_row_groups(groups, columns=columns, use_threads=len(groups) > 8)
    return between(table, start, end)


def between(table: pa.Table, start: int | None, end: int | None) -> pa.Table:
    """Rows with start <= ts < end. Costs nothing where all of them are, or where there is no bound."""
    if table.num_rows == 0 or (start is None and end is None):
        return table
    ts = table["ts"]
    low, high = (value.as_py() for value in pc.min_max(ts).values())
    if start is not None and low < start:
        keep = pc.greater_equal(ts, _scalar(start))
        if end is not None and high >= end:
            keep = pc.and_(keep, pc.less(ts, _scalar(end)))
        return table.filter(keep)
    if end is not None and high >= end:
        return table.filter(pc.less(ts, _scalar(end)))
    return table


def _scalar(ts: int) -> pa.Scalar:
    """pyarrow spends 70 µs on finding out what a bare Python number is."""
    return pa.scalar(ts, pa.int64())
