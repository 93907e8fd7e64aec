"""The desk that algorithms are tried at finds out those that do what none may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from services.router.interfaces import Action, MarketView, Move, Progress, Pull, Rest, Take, Terms
from tests.oracle.paper_market import Day
from tests.unit.services.router.algorithm_tables import SECOND, terms_of

TERMS = replace(terms_of("twap qty=1000 end=60 limit=20100"), instrument=7)


class Unfair:
    """Does the same at each step."""

    follows_market = False
    finished = False
    scheduled = 0

    def __init__(self, does: Callable[[Progress], list[Action]]) -> None:
        self._does = does

    def due(self) -> int:
        return 1

    def amend(self, terms: Terms, now: int, progress: Progress) -> None: ...

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        return self._does(progress)


def pulled_twice(progress: Progress) -> list[Action]:
    if not progress.children:
        return [Rest(10, 19_900)]
    return [*pull_all(progress), *pull_all(progress)]


def pull_all(progress: Progress) -> list[Action]:
    return [Pull(child.child_id) for child in progress.children]


@pytest.mark.parametrize(
    ("does", "terms", "found"),
    [
        (lambda _: [Take(1_010, 20_100)], TERMS, "more than the parent"),
        (lambda _: [Take(600, 20_100), Take(600, 20_100)], TERMS, "more than the parent"),
        (lambda _: [Take(100, 20_500)], replace(TERMS, limit_price=19_000), "beyond the limit"),
        (lambda _: [Rest(100, 20_500)], TERMS, "beyond the limit"),
        (lambda _: [Take(100, 20_100)], replace(TERMS, max_participation=1_000), "more than its part"),
        (lambda _: [Take(100, 20_100)], replace(TERMS, start_time=2 * SECOND), "before its time"),
        (lambda progress: [Move(c.child_id, 19_900, 10) for c in progress.children], TERMS, "runs in circles"),
        (pulled_twice, TERMS, "neither moved nor pulled while it waits"),
    ],
)
def test_what_no_algorithm_may_do_is_found_out(
    does: Callable[[Progress], list[Action]], terms: Terms, found: str
) -> None:
    day = Day(terms)
    assert day.desk is not None
    day.desk.algorithm = Unfair(does)
    day.now = day.desk.now = SECOND
    with pytest.raises(AssertionError, match=found):
        day.run(60 * SECOND)
