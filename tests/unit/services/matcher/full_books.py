"""Markets whose levels are as full as they may be, taken from a snapshot, as to send so many orders takes its time."""

from __future__ import annotations

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_auction import outcome
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.naive_state import MAX_LEVEL_QTY, MAX_PRICE, MAX_QTY, Instrument, Order
from tests.unit.services.matcher.market import Market, Status, Tif

PER_LEVEL = MAX_LEVEL_QTY // MAX_QTY


def full_book(
    of: type[Matcher] | type[NaiveMatcher],
    *levels: tuple[m.Side, int],
    status: m.InstrumentStatus = Status.trading,
    stops: bool = False,
) -> Market:
    """Instrument 2, tick and lot 1: at each (side, price), or stop price, 2^12 orders of 2^50."""
    naive = NaiveMatcher()
    i = naive.instruments[2] = Instrument(2, 1, 1, MAX_QTY, 1, MAX_PRICE, status)
    for side, price in levels:
        for _ in range(PER_LEVEL):
            naive.last_order_id += 1
            terms = (naive.last_order_id, 1, 2, side, m.OrdType.stop if stops else m.OrdType.limit, Tif.gtc)
            if stops:
                naive.park(i, Order(*terms, 0, MAX_QTY, MAX_QTY, stop_px=price))
            else:
                naive.queue(i, Order(*terms, price, MAX_QTY, MAX_QTY))
    if i.in_call:
        i.indicated = outcome(i).told()
    market = Market(of=of)
    market.matcher, market.orders = of.restore(naive.snapshot()), naive.last_order_id
    return market
