"""Every example of docs/matching.md and every table beside this file, on oracle, compiled core and whole stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.matcher import Matcher
from tests.acceptance.markets import MARKETS, Core
from tests.acceptance.runner import check
from tests.acceptance.table import Table, tables_of_document, tables_of_file
from tests.oracle.naive_book import NaiveMatcher

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "matching.md"
HERE = Path(__file__).parent
TABLES = [
    *tables_of_document(DOCUMENT, "docs/matching.md"),
    *(table for file in sorted(HERE.glob("*.market")) for table in tables_of_file(file, file.name)),
]
PARTS = {"oracle": "matcher", "compiled": "matcher", "stack": "engine"}


def cases() -> list[object]:
    runs = [(table, name) for table in TABLES for name in MARKETS if table.only in ("", PARTS[name])]
    return [pytest.param(table, name, id=f"{table.id}-{name}") for table, name in runs]


@pytest.mark.parametrize(("table", "name"), cases())
def test_the_market_does_what_the_table_says(table: Table, name: str) -> None:
    with MARKETS[name]() as market:
        check(table, market)


@pytest.mark.parametrize("table", [t for t in TABLES if t.only != "engine"], ids=lambda t: t.id)
def test_oracle_and_core_answer_with_the_same_bytes(table: Table) -> None:
    oracle, compiled = Core(NaiveMatcher()), Core(Matcher())
    for market in (oracle, compiled):
        check(table, market)
    assert compiled.log == oracle.log
    assert compiled.matcher.snapshot() == oracle.matcher.snapshot()
    assert Matcher.restore(compiled.matcher.snapshot()).digest() == oracle.matcher.digest()


def test_there_is_no_second_table_of_the_same_name() -> None:
    names = [(table.source, table.title) for table in TABLES]
    assert sorted(names) == sorted(set(names))
