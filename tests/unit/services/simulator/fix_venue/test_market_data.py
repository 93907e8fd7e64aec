"""A venue's market on the bus: books whole, trades at once, and nothing of what was before."""

from __future__ import annotations

from pathlib import Path

from services.simulator.fix_venue.market_data import BOOK_NS, REPEAT_NS, MarketData
from tapewire import messages as m
from tests.fix_venue_world import Pen, World


class Outlet:
    """A bus that keeps what it is given, or has no room."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, m.Message]] = []
        self.full = False

    def publish(self, subject: str, payload: bytes, /) -> bool:
        if not self.full:
            self.sent.append((subject, m.decode(payload)))
        return not self.full

    def take(self) -> list[tuple[str, m.Message]]:
        sent, self.sent = self.sent, []
        return sent


def levels(message: m.Message) -> list[tuple[str, int, int]]:
    assert isinstance(message, m.BookSnapshot)
    return [(level.side.name, level.price, level.qty) for level in message.levels]


def test_books_are_told_whole_when_they_change_and_repeated_and_trades_at_once(tmp_path: Path) -> None:
    world, outlet = World(tmp_path), Outlet()
    pen = Pen(world, "ONE")
    pen.logon()
    market = MarketData(outlet, "prod", "kraken")
    for record in world.house.records():
        market.saw(record)
    world.venue.watch.append(market.saw)
    pen.order(1, "99.00", 5)
    world.run()
    world.fault("fill", qty=1)
    world.run()
    market.begin()
    now = world.now
    market.on_time(now)
    ((subject, book),) = outlet.take()
    assert (subject, levels(book)) == ("prod.kraken.book.ACME", [("buy", 9900, 4)])
    market.on_time(now + BOOK_NS)
    assert outlet.take() == []
    market.on_time(now + REPEAT_NS)
    assert [levels(one) for _, one in outlet.take()] == [[("buy", 9900, 4)]]
    world.fault("fill", qty=2)
    world.run()
    market.on_time(now + REPEAT_NS + 1)
    ((subject, trade),) = outlet.take()
    assert isinstance(trade, m.Trade)
    assert (subject, trade.price, trade.qty) == ("prod.kraken.trade.ACME", 9900, 2)
    outlet.full = True
    market.on_time(now + REPEAT_NS + BOOK_NS)
    outlet.full = False
    market.on_time(now + REPEAT_NS + 2 * BOOK_NS)
    assert [levels(one) for _, one in outlet.take()] == [[("buy", 9900, 2)]]
    world.close()
