"""A recorded Nasdaq book, order by order (LOBSTER): our book must show what the recording says it was, row by row.

The recording knows ten levels a side: what happens below the tenth is not in its messages. So a level is compared
while it is among the ten in two rows running; one that sinks below is forgotten, and one that comes up is taken from
the recording, as a single order that stands for all that are there.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, field

import pytest

from services.matcher import Matcher
from tapewire import messages as m
from tests.recorded_captures import FOLDER as RECORDINGS
from tests.recorded_captures import MISSING

FOLDER = RECORDINGS / "lobster" / "AAPL_20120621_level10_999rows"
LEVELS = 10
NEW, REDUCE, DELETE, EXECUTED, HIDDEN = 1, 2, 3, 4, 5

Level = tuple[int, int]


def rows(name: str) -> list[list[str]]:
    (path,) = FOLDER.glob(f"*_{name}_10.csv.gz")
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))


@dataclass
class Replay:
    matcher: Matcher = field(default_factory=Matcher)
    seq: int = 0
    ids: dict[int, int] = field(default_factory=dict)
    """Our order id of a recorded one."""
    before: dict[tuple[m.Side, int], int] = field(default_factory=dict)
    """The order that stands for what was at a price when it came into view."""
    at: dict[int, tuple[m.Side, int]] = field(default_factory=dict)
    """Where each of our orders was put."""
    qty: dict[int, int] = field(default_factory=dict)

    def send(self, command: m.Message) -> list[m.Message]:
        self.seq += 1
        return [m.decode(event) for event in self.matcher.apply(bytes(command.replace(seq=self.seq)))]

    def define(self) -> None:
        trading = m.InstrumentStatus.trading
        self.send(
            m.InstrumentDefinition(
                instrument=1, ticker="AAPL", tick_size=100, lot_size=1, price_exponent=-4, status=trading
            )
        )

    def add(
        self, side: m.Side, qty: int, price: int, fate: m.TimeInForce = m.TimeInForce.gtc
    ) -> tuple[int, list[m.Message]]:
        id = self.matcher.last_order_id + 1
        order = m.NewOrder(
            instrument=1,
            order_id=id,
            account=1,
            side=side,
            qty=qty,
            price=price,
            ord_type=m.OrdType.limit,
            time_in_force=fate,
        )
        self.qty[id], self.at[id] = qty, (side, price)
        return id, self.send(order)

    def learn(self, side: m.Side, levels: list[Level]) -> None:
        """Makes our side hold just these levels: forgets those below them, takes in those that came up."""
        shown = [price for price, _ in self.shown(side)]
        hidden = {(side, price) for price in shown if not within([(price, 0)], side, levels[-1][0])}
        for id in [id for id, place in self.at.items() if place in hidden]:
            self.send(m.CancelOrder(order_id=id, account=1))
            del self.at[id]
        for price, qty in levels:
            if price not in shown:
                self.before[side, price], _ = self.add(side, qty, price)

    def known(self, recorded: int, side: m.Side, price: int) -> int | None:
        id = self.ids.get(recorded, 0)
        return id if id in self.at else self.before.get((side, price))

    def take(self, kind: int, recorded: int, qty: int, price: int, side: m.Side) -> None:
        if kind == HIDDEN:
            return
        if kind == NEW:
            self.ids[recorded], events = self.add(side, qty, price)
            assert len(events) == 1, "the recording shows only what rests"
            return
        id = self.known(recorded, side, price)
        if id is None:
            return  # it stood below the ten levels
        if kind == EXECUTED:
            _, events = self.add(m.Side.sell if side == m.Side.buy else m.Side.buy, qty, price, m.TimeInForce.ioc)
            makers = [(e.maker_order_id, e.price, e.qty) for e in events if isinstance(e, m.OrderExecuted)]
            assert makers == [(id, price, qty)], f"recorded order {recorded} was not first in its queue"
            return
        self.qty[id] -= qty
        (event,) = self.send(
            m.ReplaceOrder(order_id=id, account=1, qty=self.qty[id], price=price)
            if self.qty[id]
            else m.CancelOrder(order_id=id, account=1)
        )
        assert isinstance(event, m.OrderReplaced | m.OrderCancelled)

    def shown(self, side: m.Side) -> list[Level]:
        return [(price, qty) for price, qty, _ in self.matcher.depth(1, side, 10_000)]


def recorded_levels(row: list[str], side: m.Side) -> list[Level]:
    start = 0 if side == m.Side.sell else 2
    return [(int(row[i]), int(row[i + 1])) for i in range(start, 4 * LEVELS, 4)]


def within(levels: list[Level], side: m.Side, horizon: int) -> list[Level]:
    return [level for level in levels if (level[0] <= horizon if side == m.Side.sell else level[0] >= horizon)]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)
def test_the_book_is_what_the_recording_says_after_every_message() -> None:
    messages, books = rows("message"), rows("orderbook")
    replay = Replay()
    replay.define()
    for side in (m.Side.buy, m.Side.sell):
        replay.learn(side, recorded_levels(books[0], side))
    compared = 0
    for i, (message, last, book) in enumerate(zip(messages[1:], books, books[1:], strict=False), start=1):
        _, kind, recorded, qty, price, direction = message
        replay.take(int(kind), int(recorded), int(qty), int(price), m.Side.buy if direction == "1" else m.Side.sell)
        for side in (m.Side.buy, m.Side.sell):
            now = recorded_levels(book, side)
            in_both = within(now, side, recorded_levels(last, side)[-1][0])
            assert within(replay.shown(side), side, in_both[-1][0]) == in_both, f"row {i}, {side.name}"
            compared += len(in_both)
            replay.learn(side, now)
            assert replay.shown(side) == now
    assert compared > 19_000
    print(f"{len(messages)} messages, {compared} levels compared")
