"""The document's tables and examples, played; what algorithms refuse; the picture."""

from __future__ import annotations

import doctest
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.router.algorithms import refuses
from services.router.interfaces import Terms
from services.router.markets import View
from tapewire import messages as m
from tests.unit.services.router.algorithm_tables import SECOND, Table, tables, terms_of
from tools import draw_schedules

DOCS = Path(__file__).resolve().parents[4] / "docs" / "algorithms.md"
TABLES = tables(DOCS)
R = m.RejectReason


def squeezed(rows: list[str]) -> list[str]:
    return [re.sub(r"\s+", " ", row) for row in rows]


@pytest.mark.parametrize("text", [text for _, text in TABLES], ids=[f"line {line}" for line, _ in TABLES])
def test_what_the_document_says_happens(text: str) -> None:
    played = Table(text).play()
    assert squeezed([true for _, true in played]) == squeezed([said for said, _ in played])


def test_a_table_that_says_otherwise_is_found_out() -> None:
    wrong = TABLES[0][1].replace("rest 25 at 99", "rest 25 at 98", 1)
    played = Table(wrong).play()
    assert squeezed([true for _, true in played]) != squeezed([said for said, _ in played])


def test_every_algorithm_has_a_table() -> None:
    named = {text.split()[0] for _, text in TABLES}
    assert named == {a.name for a in m.Algorithm if a not in (m.Algorithm.unspecified, m.Algorithm.vwap)}


def test_the_examples_of_the_document_are_true() -> None:
    found = doctest.DocTestParser().get_doctest(DOCS.read_text(), {}, DOCS.name, str(DOCS), 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(found, out=said.append)
    assert (result.failed, said) == (0, [])
    assert result.attempted > 8


def test_the_picture_is_of_today_s_schedules() -> None:
    assert draw_schedules.FILE.read_text() == draw_schedules.render(), "run python -m tools.draw_schedules"


TWAP = terms_of("twap qty=100 end=40")
POV = terms_of("pov qty=100 participation=1000")
ICEBERG = terms_of("iceberg qty=100 limit=100 display=30")
SWEEP = terms_of("sweep qty=100 limit=100 tif=day")
VWAP = replace(TWAP, algorithm=m.Algorithm.vwap)
MARKET = View(m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=10))


@pytest.mark.parametrize(
    ("terms", "changes", "answer"),
    [
        (TWAP, {"algorithm": m.Algorithm.unspecified}, (R.invalid_field, 0, 0)),
        (TWAP, {"qty": 0}, (R.invalid_qty, 0, 10)),
        (TWAP, {"qty": 105}, (R.invalid_qty, 105, 10)),
        (TWAP, {"limit_price": -1}, (R.invalid_price, -1, 0)),
        (TWAP, {"end_time": 0}, (R.invalid_field, 0, 0)),
        (TWAP, {"end_time": 5 * SECOND}, (R.invalid_field, 5 * SECOND, 5 * SECOND)),
        (TWAP, {"start_time": 40 * SECOND}, (R.invalid_field, 40 * SECOND, 40 * SECOND)),
        (TWAP, {"interval": 5}, (R.invalid_field, 5, SECOND)),
        (TWAP, {"interval": SECOND, "end_time": 20_005 * SECOND}, (R.invalid_field, SECOND, 2 * SECOND)),
        (TWAP, {"randomness": 10_001}, (R.invalid_field, 10_001, 10_000)),
        (TWAP, {"urgency": 10_001}, (R.invalid_field, 10_001, 10_000)),
        (TWAP, {"max_participation": 10_001}, (R.invalid_field, 10_001, 10_000)),
        (VWAP, {}, (R.invalid_field, m.Algorithm.vwap, 0)),
        (POV, {"participation": 0}, (R.invalid_field, 0, 0)),
        (POV, {"max_participation": 999}, (R.invalid_field, 999, 1_000)),
        (ICEBERG, {"display_qty": 0}, (R.invalid_field, 0, 100)),
        (ICEBERG, {"display_qty": 101}, (R.invalid_field, 101, 100)),
        (ICEBERG, {"limit_price": 0}, (R.invalid_price, 0, 0)),
        (SWEEP, {"limit_price": 0}, (R.invalid_price, 0, 0)),
        (SWEEP, {"time_in_force": m.TimeInForce.gtc}, (R.invalid_field, m.TimeInForce.gtc, 0)),
        (SWEEP, {"time_in_force": m.TimeInForce.ioc, "max_participation": 5}, (R.invalid_field, 5, 0)),
    ],
)
def test_terms_that_cannot_be_worked_are_refused(terms: Terms, changes: dict[str, Any], answer: Any) -> None:
    refused = refuses(replace(terms, **changes), 5 * SECOND, MARKET, None)
    assert refused is not None
    assert refused[:3] == answer
    assert refused.text


@pytest.mark.parametrize("terms", [TWAP, POV, ICEBERG, SWEEP], ids=lambda terms: terms.algorithm.name)
def test_good_terms_are_not(terms: Terms) -> None:
    assert refuses(terms, 5 * SECOND, MARKET, None) is None


def test_vwap_needs_volume_between_its_start_and_its_end() -> None:
    hours = [m.ProfileBucket(int(hour == 3)) for hour in range(24)]
    profile = m.VolumeProfile(bucket_ns=3600 * SECOND, days=1, ticker="X", buckets=hours)
    for end, refused in ((3, True), (4, False)):
        answer = refuses(replace(VWAP, end_time=end * 3600 * SECOND), 0, MARKET, profile)
        assert (answer is not None) == refused
