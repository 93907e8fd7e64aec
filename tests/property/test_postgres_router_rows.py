"""The compiled rows of a router's tape against what its records plainly say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.flusher.sinks.postgres._copy import Rows
from services.flusher.sinks.postgres.tables import COLUMNS
from tapewire import messages as m
from tests.oracle.naive_router_rows import rows_of_router
from tests.property.test_postgres_rows import assert_rows
from tests.router_day import Day

SEEDS = st.integers(0, 1 << 32)
OF_A_ROUTER = (
    *(m.NewParent, m.ReplaceParent, m.CancelParent, m.ParentChanged, m.ParentRefused, m.RouteDecided, m.NewChild),
    *(m.ReplaceChild, m.CancelChild, m.VenueReported, m.VenueChanged, m.MarketDefinition, m.InstrumentDefinition),
    *(m.KillSwitch, m.EpochStarted, m.InputRefused, m.Trade, m.Quote, m.TradeBusted, m.TradeCorrected),
)


@cache
def day() -> tuple[bytes, ...]:
    return tuple(Day(4, 0.1, 0.05).run().raws)


def number(pick: random.Random) -> int:
    return pick.choice((0, 0, 1, pick.randint(1, 1000), pick.randint(0, (1 << 63) - 1)))


def anything(pick: random.Random, kind: type[m.Message], seq: int) -> m.Message:
    """A record of that kind with every field as may be, also as no router would write it."""
    plain = kind(seq=seq, ts=pick.randint(1, 1 << 60), cause=pick.choice((0, seq - 1)), instrument=pick.randint(0, 3))
    terms: dict[str, Any] = {}
    for name in kind.FIELDS:
        value = getattr(plain, name)
        if name in ("seq", "ts", "cause", "instrument", "type", "source", "price_exponent", "qty_exponent"):
            continue
        if name == "type_found":
            terms[name] = pick.choice(list(m.MessageType))
        elif isinstance(value, str):
            terms[name] = pick.choice(("", "v1", "ACME", "Grüße"))
        elif isinstance(value, bool):
            terms[name] = pick.random() < 0.5
        elif isinstance(value, tuple | list):
            if kind is m.RouteDecided:
                terms[name] = [
                    m.VenueScore(
                        price=number(pick),
                        size=number(pick),
                        fee=pick.randint(-1000, 1000),
                        score=number(pick),
                        qty=number(pick),
                        venue=pick.randint(0, 3),
                        latency=number(pick),
                        unusable=pick.choice(list(m.Unusable)),
                    )
                    for _ in range(pick.randint(0, 3))
                ]
        elif isinstance(value, IntEnum):
            terms[name] = pick.choice(list(type(value)))
        else:
            terms[name] = (
                number(pick) % 100 if name in ("venue", "fee_exponent", "trace_flags") else number(pick) & 0x7FFF_FFFF
            )
    exponents = {"price_exponent": pick.randint(-9, 2), "qty_exponent": pick.randint(-9, 2)}
    return plain.replace(**terms, **(exponents if "price_exponent" in kind.FIELDS else {}))


def played(seed: int) -> Iterator[bytes]:
    """A stretch of a day, with records of every kind strewn in."""
    pick = random.Random(seed)
    whole = day()
    begin = pick.randrange(len(whole))
    exponents = {"price_exponent": pick.randint(-9, 2), "qty_exponent": pick.randint(-9, 2)}
    chosen = [m.decode(raw) for raw in (*whole[:4], *whole[begin : begin + 200])]
    chosen[0] = chosen[0].replace(**exponents)
    for seq, record in enumerate(chosen, start=1):
        yield bytes(record.replace(seq=2 * seq))
        yield bytes(anything(pick, pick.choice(OF_A_ROUTER), 2 * seq + 1))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_rows_are_what_the_records_say(seed: int) -> None:
    records = list(played(seed))
    out, _ = Rows(1, "router", router=True).put(records)
    assert_rows(out, rows_of_router(records))


def test_a_day_gives_rows_in_every_table_of_the_router() -> None:
    out, _ = Rows(1, "router", router=True).put(list(day()))
    assert set(out) == {"parents", "routes", "children", "venue_reports", "instruments", "sessions"}
    assert set(out) <= set(COLUMNS)
    assert_rows(out, rows_of_router(list(day())))


@given(SEEDS, st.data())
@settings(max_examples=30, deadline=None)
def test_a_restart_anywhere_gives_the_same_rows(seed: int, data: st.DataObject) -> None:
    records = list(played(seed))
    kept = data.draw(st.integers(0, len(records)), label="state after")
    whole, first, second = (Rows(1, "router", router=True) for _ in range(3))
    first.fold(records[:kept])
    second.restore(first.state())
    whole.fold(records[:kept])
    assert second.put(records[kept:]) == whole.put(records[kept:])
    assert second.state() == whole.state()
