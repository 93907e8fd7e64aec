from __future__ import annotations

import pytest

from services.matcher import Matcher
from tests.oracle.naive_book import NaiveMatcher
from tests.unit.services.matcher.market import Market


@pytest.fixture(params=[Matcher, NaiveMatcher], ids=["core", "oracle"])
def market(request: pytest.FixtureRequest) -> Market:
    """Every rule is asked of the compiled matcher and of its twin."""
    return Market(of=request.param)
