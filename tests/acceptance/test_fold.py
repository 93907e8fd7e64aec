"""A subscriber who has nothing but the events holds the exact book: after every command of a random market.

That he does so in every table, the runner checks; here the flow of the property tests is folded. Each event is told,
too, which checks what it only repeats: accounts, sides, quantities, who was first in the queue.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.acceptance.answers import Teller
from tests.acceptance.markets import Core
from tests.acceptance.sentences import Reader
from tests.oracle.order_flow import MARKETS, Flow

COMMANDS = 4000


@pytest.mark.parametrize("name", MARKETS)
def test_the_book_follows_from_the_events_alone(name: str) -> None:
    reader, matcher, flow = Reader(), Matcher(), Flow(7, **MARKETS[name])
    teller, market = Teller(reader), Core(matcher)
    trades = 0
    for raw, raws in flow.play(matcher.apply, COMMANDS):
        command: Any = m.decode(raw)
        for event in map(m.decode, raws):
            told = teller.tell(command, event)
            assert "!!" not in told, f"{command}\n{event}\n{told}"
            trades += isinstance(event, m.OrderExecuted)
        teller.book.end_of_command()
        for instrument in flow.tick:
            assert market.agrees(teller.book, instrument) == "", str(command)
        assert matcher.live_orders == len(teller.book.live)
    assert trades > 10
