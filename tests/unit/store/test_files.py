"""The files of the archive: names, footers, encodings, and which row groups a minute touches."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.store import layout, schema
from tapewire.store.columns import Part, convert
from tapewire.store.disk import Disk
from tapewire.store.read import Footers, read_rows
from tapewire.store.write import split_days, write_piece
from tests.oracle.market import NOON, house, market_data

SECOND = 10**9


def parts_of_every_kind() -> list[Part]:
    return [*convert(market_data(1, 300, step=SECOND), {}), *convert(house(1, 100), {})]


@given(st.text(max_size=31).filter(lambda text: "\0" not in text))
def test_a_ticker_is_found_again_from_the_name_of_its_folder(ticker: str) -> None:
    name = layout.escape(ticker)
    assert layout.unescape(name) == ticker
    assert name.isascii()
    assert "/" not in name
    assert len(name) < 255


def test_every_kind_is_written_and_read_back_with_its_schema(tmp_path: Path) -> None:
    seen = set()
    for part in parts_of_every_kind():
        for partition, piece in split_days(part, "kraken"):
            path = write_piece(tmp_path, partition, "md.kraken", piece, Disk())
            assert read_rows(path, Footers()).equals(piece.table)
            assert read_rows(path, Footers()).schema.equals(part.kind.schema)
            seen.add(part.kind.name)
    assert seen == set(schema.KINDS)


def test_a_footer_says_where_every_row_came_from(tmp_path: Path) -> None:
    part = next(part for part in parts_of_every_kind() if part.kind is schema.TRADES and part.ticker == "BTC/USD")
    (partition, piece), *_ = split_days(part, "kraken")
    footer = Footers().get(write_piece(tmp_path, partition, "md.kraken", piece, Disk()))
    seqs = piece.table["seq"].to_pylist()
    assert footer.said == {
        "tapewire.schema_version": "1",
        "tapewire.kind": "trades",
        "tapewire.feed": "kraken",
        "tapewire.ticker": "BTC/USD",
        "tapewire.tape": "md.kraken",
        "tapewire.first_seq": str(seqs[0]),
        "tapewire.last_seq": str(seqs[-1]),
        "tapewire.price_exponents": "-4,-2",
        "tapewire.qty_exponents": "-8,-5",
    }


def test_a_file_is_found_again_by_its_name_alone(tmp_path: Path) -> None:
    part = next(part for part in parts_of_every_kind() if part.kind is schema.QUOTES and part.ticker == "BRK.B")
    (partition, piece), *_ = split_days(part, "x")
    path = write_piece(tmp_path, partition, "md.x", piece, Disk())
    seqs = piece.table["seq"].to_pylist()
    assert list(layout.pieces(tmp_path, "quotes", "x", "BRK.B", date(2026, 11, 21), date(2026, 11, 21))) == [
        layout.Piece(path, partition, "md.x", seqs[0], seqs[-1])
    ]
    assert list(layout.pieces(tmp_path, "quotes", first_day=date(2026, 11, 22))) == []
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", schema.KINDS.values(), ids=schema.KINDS)
def test_columns_have_the_encodings_that_were_chosen_for_them(kind: schema.Kind, tmp_path: Path) -> None:
    part = next(part for part in parts_of_every_kind() if part.kind is kind)
    (partition, piece), *_ = split_days(part, "x")
    group = pq.read_metadata(write_piece(tmp_path, partition, "md.x", piece, Disk())).row_group(0)
    for at, column in enumerate(kind.columns):
        found = group.column(at)
        expected = "RLE_DICTIONARY" if column.encoding == schema.DICTIONARY else column.encoding
        assert expected in found.encodings, column.name
        assert (found.compression, found.has_column_index) == ("ZSTD", True)


def test_a_minute_out_of_a_day_decodes_only_the_groups_that_can_hold_it(tmp_path: Path) -> None:
    ts = pa.array(range(NOON, NOON + 10_000 * SECOND, SECOND), pa.int64())
    columns = {c.name: pa.array([1] * len(ts), c.type) for c in schema.TRADES.columns} | {"ts": ts}
    columns["seq"] = pa.array(range(1, len(ts) + 1), pa.uint64())
    part = Part(schema.TRADES, "A", pa.table(columns, schema=schema.TRADES.schema))
    (partition, piece), *_ = split_days(part, "x")
    path = write_piece(tmp_path, partition, "md.x", piece, Disk(), row_group_rows=1024)
    footers = Footers()
    assert [low for low, _ in footers.get(path).spans] == [NOON + n * 1024 * SECOND for n in range(10)]
    found = read_rows(path, footers, NOON + 2000 * SECOND, NOON + 2060 * SECOND)
    assert found["seq"].to_pylist() == list(range(2001, 2061))
    assert read_rows(path, footers, NOON + 20_000 * SECOND, None).num_rows == 0


def test_footers_are_forgotten_beyond_their_bound(tmp_path: Path) -> None:
    footers = Footers(bound=2)
    for part in parts_of_every_kind()[:4]:
        (partition, piece), *_ = split_days(part, "x")
        footers.get(write_piece(tmp_path, partition, "md.x", piece, Disk()))
    assert len(footers._kept) == 2
