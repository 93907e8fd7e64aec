"""Every example of docs/matching.md and every table beside this file, on oracle, compiled core and whole stack."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.acceptance.answers import EVENTS
from tests.acceptance.markets import MARKETS, Core
from tests.acceptance.runner import check
from tests.acceptance.sentences import camel
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


ANSWERS = {answer for table in TABLES for row in table.rows for answer in row.expected}
OURS = ("unspecified", "market_data_stale")
"""Enumerants that no order of our own market meets."""


def names(enum: type[IntEnum]) -> set[str]:
    return {camel(each.name) for each in enum if each.name not in OURS}


def said(pattern: str) -> set[str]:
    return {found for answer in ANSWERS for found in re.findall(pattern, answer)}


def test_every_reason_and_status_is_shown_by_some_table() -> None:
    assert said(r"^rejected: (\w+)") == names(m.RejectReason)
    assert said(r"cancelled \((\w+)\)") == names(m.CancelReason)
    assert said(r"triggered \((\w+)\)") == names(m.TriggerReason)
    assert said(r"restated \((\w+)\)") == names(m.RestateReason)
    assert said(r"^[A-Z]+ (\w+), was \w+") == names(m.InstrumentStatus)
    assert said(r"^[A-Z]+ \w+, was \w+ \((\w+)\)") == names(m.StatusReason) - {"requested"}
    assert said(r"(\w+), band") == names(m.LimitState)


def test_the_document_names_every_reason_event_and_order_type() -> None:
    text = DOCUMENT.read_text()
    told = set(re.findall(r"`(\w+)`", text))
    for enum in (m.RejectReason, m.CancelReason, m.SelfTrade, m.TimeInForce, m.InstrumentStatus, m.LimitState):
        assert {camel(each.name) for each in enum} - told == {"unspecified"} - told, enum.__name__
    assert {event.__name__ for event in EVENTS} - told == set()


def test_there_is_no_second_table_of_the_same_name() -> None:
    names = [(table.source, table.title) for table in TABLES]
    assert sorted(names) == sorted(set(names))
