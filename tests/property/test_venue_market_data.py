"""A venue's market by FIX, lossy and damaged: whoever subscribes has the venue's book whenever it is live, and nothing
that comes makes a session raise."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.initiator.market_data.session import AWAITED
from tapewire.feed.actions import BookDelta, BookSnapshot, InstrumentDefined, Quote, Trade
from tapewire.feed.book import BUY, LIVE, SELL
from tapewire.feed.instrument import LIVE_STATE
from tapewire.fix.message import build
from tests.oracle.naive_venue_book import NaiveBook, Subscriber
from tests.unit.services.gateway.initiator.market_data.feed import Fed, Level

STEPS = ("change", "change", "change", "parts", "lost", "twice", "late", "reconnect", "trade", "wait")


class Venue:
    """Its book by the slow oracle, and what it sends of it."""

    def __init__(self) -> None:
        self.fed = Fed().live()
        self.book = NaiveBook()
        self.book.apply([(1000, 20)], [(1002, 30)])
        self.last, self.trade = 100, 0
        self.before: tuple[int, int, list[Level]] | None = None

    def levels(self, rng: random.Random, count: int) -> list[Level]:
        """Absolute changes that never cross the book."""
        out: list[Level] = []
        for _ in range(count):
            bid = rng.random() < 0.5
            price = rng.randrange(900, 1001) if bid else rng.randrange(1002, 1100)
            qty = rng.choice((0, rng.randrange(1, 500)))
            self.book.apply([(price, qty)] if bid else [], [] if bid else [(price, qty)])
            out.append(("0" if bid else "1", f"{price / 100:.2f}", f"{qty / 10:.1f}" if qty else ""))
        return out

    def step(self, what: str, rng: random.Random) -> None:
        fed = self.fed
        if what == "wait":
            fed.wait(rng.choice((0.1, 1.0)))
            fed.heard()
            return
        if what == "reconnect":
            fed.lose()
            fed.wait(0.5)
            fed.connect()
            return
        if what == "trade":
            self.trade += rng.choice((1, 1, 2))
            fed.trade((self.trade, "10.01", "0.5", "1"), request=fed.session.instruments[0].trades_request or "none")
            return
        first = self.last + 1
        levels = self.levels(rng, rng.randrange(1, 6))
        self.last += rng.randrange(1, 4)
        request = fed.session.instruments[0].book_request or "none"
        if what == "late" and self.before is not None:
            fed.change(self.before[0], self.before[1], *self.before[2], request=request)
        if what == "parts":
            cut = rng.randrange(1, len(levels) + 1)
            parts = [levels[:cut], *([levels[cut:]] if levels[cut:] else [])]
            for part in parts:
                fed.change(first, self.last, *part, part="Y" if part is parts[-1] else "N", request=request)
        elif what != "lost":
            fed.change(first, self.last, *levels, request=request)
        if what == "twice":
            fed.change(first, self.last, *levels, request=request)
        self.before = (first, self.last, levels)

    def answer(self) -> None:
        """The snapshot that it is waited for."""
        instrument = self.fed.session.instruments[0]
        if instrument.book_request and instrument.last_id == AWAITED:
            bids = [("0", f"{p / 100:.2f}", f"{q / 10:.1f}") for p, q in sorted(self.book.bids.items(), reverse=True)]
            asks = [("1", f"{p / 100:.2f}", f"{q / 10:.1f}") for p, q in sorted(self.book.asks.items())]
            self.fed.whole(self.last, *bids, *asks, request=instrument.book_request)


def follow(subscriber: Subscriber, updates: list[Any]) -> None:
    for one in updates:
        if isinstance(one, BookSnapshot):
            subscriber.snapshot(one.instrument, one.book_seq, one.levels)
        elif isinstance(one, BookDelta):
            subscriber.delta(one.instrument, one.book_seq, one.levels)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(STEPS), min_size=1, max_size=40))
def test_a_live_book_is_the_venues(seed: int, steps: list[str]) -> None:
    rng, venue, subscriber, taken = random.Random(seed), Venue(), Subscriber(), 0
    trades: list[int] = []
    for what in steps:
        venue.step(what, rng)
        if rng.random() < 0.6:
            venue.answer()
        updates = venue.fed.updates[taken:]
        taken += len(updates)
        follow(subscriber, updates)
        trades += [one.trade_id for one in updates if isinstance(one, Trade)]
        instrument = venue.fed.session.instruments[0]
        if instrument.state == LIVE_STATE and instrument.book.quality == LIVE and instrument.last_id == venue.last:
            sides = {BUY: venue.book.bids, SELL: venue.book.asks}
            held = subscriber.books[1]
            assert all(sides[side][price] == qty for (side, price), qty in held.items())
            for side, best in ((BUY, max), (SELL, min)):
                mine = [price for at, price in held if at == side]
                assert best(mine, default=0) == best(sides[side], default=0)
    assert trades == sorted(set(trades))


@pytest.mark.parametrize("seed", range(6))
def test_damaged_messages_never_raise_and_give_no_impossible_number(seed: int) -> None:
    rng, venue = random.Random(seed), Venue()
    fed = venue.fed
    for _ in range(400):
        request = fed.session.instruments[0].book_request or "none"
        head = [(35, rng.choice("XWyY3")), (34, 2), (262, request), (45, rng.randrange(9)), (320, "d1-1"), (146, 1)]
        entry = [(268, 1), (279, rng.randrange(3)), (269, rng.randrange(3)), (270, "10.00"), (271, "1.0"), (55, "ACM")]
        numbers = [(1003, rng.randrange(50)), (25043, venue.last + 1), (25044, venue.last + rng.randrange(3))]
        steps = [(969, "0.01"), (25039, "0.1"), (1140, "100")]
        good = build("FIX.4.4", [*head, *entry, *numbers, *steps])
        data = bytearray(good)
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] ^= 1 << rng.randrange(8)
                case 1:
                    del data[at : at + rng.randrange(1, 12)]
                case 2:
                    data[at:at] = rng.choice((b"\x01", b"=", b"-", b"9" * 30, b"1e99", b"\xff"))
                case _:
                    data[at:at] = data[at : at + rng.randrange(1, 40)]
        for one in fed.raw(bytes(data).rstrip(b"\x01") + b"\x01"):
            if isinstance(one, Trade):
                assert one.price > 0 < one.qty
            elif isinstance(one, BookDelta | BookSnapshot):
                assert all(price > 0 <= qty for price, qty, _, _ in one.levels)
            elif isinstance(one, Quote):
                assert min(one.bid_price, one.bid_qty, one.ask_price, one.ask_qty) >= 0
            elif isinstance(one, InstrumentDefined):
                assert one.tick_size > 0 < one.lot_size
        fed.wait(0.3)
        if fed.closed:
            fed.lose()
            fed.connect()
