"""Recorded order flow, order by order, through the compiled matcher: our books and trades must be the recorded ones.

- Nasdaq ITCH, AAPL: all order messages of a morning, from an empty book. Each of 849 executions hits the order that
  was recorded, and no new order trades.
- Nasdaq ITCH, multicast: 1,092 messages of 87 stocks from the middle of a day. The same for 469 orders that began
  inside the recording; 272 messages are of others.
- CME ES, two contracts: snapshots of 8,725 and 13,600 orders, then 184 events. Every level agrees after every event,
  fills hit the recorded orders, and the book is never crossed.
- Bitstamp: every order as it came, those that cross included. Of 575 trades 571 have the recorded price, quantity,
  maker and taker; of 5,011 recorded books 4,934 agree in all their forty levels.

What cannot agree is said where it is left out, and counted, so that a change on either side shows. LOBSTER has a test
of its own (test_matcher_lobster.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable
from pathlib import Path

import pytest

from tapewire import messages as m
from tests.recorded_captures import FOLDER, MISSING
from tests.recorded_orders import BUY, SELL, Bitstamp, Itch, Mbo, bitstamp, events, framed, itch, mbo, multicast
from tests.replayed_book import Fill, ReplayedBook

Levels = dict[m.Side, dict[int, int]]


def recording(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(MISSING)
    return path


def opposite(side: m.Side) -> m.Side:
    return SELL if side == BUY else BUY


class Recorded:
    """The book that a recording tells of, kept the obvious way: what is left of each order, summed when asked."""

    def __init__(self) -> None:
        self.orders: dict[int, tuple[m.Side, int, int]] = {}

    def set(self, order: int, side: m.Side, price: int, leaves: int) -> None:
        self.orders[order] = (side, price, leaves)
        if leaves <= 0:
            assert leaves == 0, f"the recording takes more from order {order} than it has"
            del self.orders[order]

    def levels(self) -> Levels:
        found: Levels = {BUY: defaultdict(int), SELL: defaultdict(int)}
        for side, price, leaves in self.orders.values():
            found[side][price] += leaves
        return found


def shown(book: ReplayedBook) -> Levels:
    return {side: book.depth(side) for side in (BUY, SELL)}


class ItchReplay:
    """Books of an ITCH feed. Orders from before the recording are not known, and what is told of them is counted.

    Trades with hidden orders (P) name no order and change no shown book. An execution is fed as an incoming order of
    the other side at the recorded order's price. A replaced order always loses its place: the new one is entered.
    """

    def __init__(self) -> None:
        self.books: dict[int, ReplayedBook] = defaultdict(lambda: ReplayedBook(tick=1))
        self.recorded: dict[int, Recorded] = defaultdict(Recorded)
        self.counts: Counter[str] = Counter()

    def take(self, e: Itch) -> None:
        book, recorded = self.books[e.stock], self.recorded[e.stock]
        if e.kind in "AF":
            self.enter(book, recorded, e.order, e.side, e.price, e.qty)
        elif e.kind == "P":
            self.counts["trades with hidden orders"] += 1
        elif e.order not in recorded.orders:
            self.counts["of orders from before"] += 1
            if e.kind == "U":
                self.counts["replacements of orders from before, not entered"] += 1
        else:
            self.known(e, book, recorded)

    def known(self, e: Itch, book: ReplayedBook, recorded: Recorded) -> None:
        side, price, leaves = recorded.orders[e.order]
        if e.kind == "E":
            assert book.take(opposite(side), price, e.qty) == [(e.order, price, e.qty)]
            recorded.set(e.order, side, price, leaves - e.qty)
            self.counts["executions"] += 1
        elif e.kind == "X":
            assert book.replace(e.order, price, leaves - e.qty) == []
            recorded.set(e.order, side, price, leaves - e.qty)
            self.counts["reductions"] += 1
        else:
            book.cancel(e.order)
            recorded.set(e.order, side, price, 0)
            self.counts["deletions"] += 1
            if e.kind == "U":
                self.enter(book, recorded, e.new_order, side, e.price, e.qty)

    def enter(self, book: ReplayedBook, recorded: Recorded, order: int, side: m.Side, price: int, qty: int) -> None:
        assert book.new(order, side, price, qty) == [], f"order {order} trades, but the recording shows that it rested"
        recorded.set(order, side, price, qty)
        self.counts["orders"] += 1

    def check(self) -> None:
        for stock, book in self.books.items():
            assert shown(book) == self.recorded[stock].levels()


def test_every_execution_of_a_nasdaq_morning_hits_the_order_that_was_recorded() -> None:
    replay = ItchReplay()
    for number, message in enumerate(itch(framed(recording("itch/runk_aapl_20200130/locate-13-10k.bin.gz")))):
        replay.take(message)
        if number % 50 == 0:
            replay.check()
    replay.check()
    assert replay.counts == {
        "orders": 4_758 + 2 + 7,
        "executions": 849,
        "reductions": 6,
        "deletions": 4_083 + 7,
        "trades with hidden orders": 240,
    }
    assert len(replay.recorded[13].orders) == 215


def test_a_feed_joined_in_the_middle_of_the_day_agrees_as_far_as_its_orders_are_known() -> None:
    replay = ItchReplay()
    path = recording("itch/moldudp64_20160913/nasdaq_first1000.pcap.gz")
    for message in itch(multicast(path, b"000007525B")):
        replay.take(message)
    replay.check()
    assert replay.counts == {
        "orders": 463 + 6,
        "executions": 6,
        "reductions": 56,
        "deletions": 288 + 6,
        "trades with hidden orders": 1,
        "of orders from before": 272,
        "replacements of orders from before, not entered": 71,
    }
    assert len(replay.books) == 87


class MboReplay:
    """The book of a CME contract. In an event trades (T, F) come first; the changes of the filled orders (C, M) follow.

    A trade is fed as an incoming order at its price; the changes that follow must then be true already. Cancels of
    orders that were not filled are applied before the event's trade: one trade is recorded just before the cancel of
    an order that stood ahead of the one it filled.
    """

    def __init__(self) -> None:
        self.book, self.recorded = ReplayedBook(tick=250_000_000), Recorded()
        self.counts: Counter[str] = Counter()

    def take(self, event: list[Mbo]) -> None:
        filled = {record.order for record in event if record.action == "F"}
        for record in event:
            if record.action == "C" and record.order not in filled:
                self.cancelled(record)
        for at, record in enumerate(event):
            if record.action == "T":
                self.traded(record, [f for f in event[at + 1 :] if f.action == "F"])
        for record in event:
            if record.action == "A":
                assert self.book.new(record.order, record.side, record.price, record.qty) == []
                self.recorded.set(record.order, record.side, record.price, record.qty)
                self.counts["orders"] += 1
            elif record.action == "M":
                self.modified(record, record.order in filled)
            elif record.action == "C" and record.order in filled:
                assert record.order not in self.book
                self.recorded.set(record.order, record.side, record.price, 0)
        assert not self.book.crossed()

    def cancelled(self, record: Mbo) -> None:
        side, price, leaves = self.recorded.orders[record.order]
        assert (side, price, leaves) == (record.side, record.price, record.qty), "only whole orders are cancelled here"
        self.book.cancel(record.order)
        self.recorded.set(record.order, side, price, 0)
        self.counts["cancels"] += 1

    def traded(self, trade: Mbo, fills: list[Mbo]) -> None:
        due: list[tuple[Hashable, int, int]] = [(fill.order, fill.price, fill.qty) for fill in fills]
        assert sum(fill.qty for fill in fills) == trade.qty
        assert self.book.take(trade.side, trade.price, trade.qty) == due
        self.counts["trades"] += 1

    def modified(self, record: Mbo, filled: bool) -> None:
        if filled:
            assert self.book.leaves[record.order] == record.qty
        else:
            assert self.book.replace(record.order, record.price, record.qty) == []
            self.counts["replaces"] += 1
        self.recorded.set(record.order, record.side, record.price, record.qty)


def test_a_futures_book_is_the_recorded_one_after_every_event() -> None:
    replay = MboReplay()
    for event in events(mbo(recording("databento_mbo/esm4_mbo_2024-05-08_2s.dbn.zst"))):
        replay.take(event)
        assert shown(replay.book) == replay.recorded.levels()
    assert replay.counts == {"orders": 13_678, "cancels": 78, "replaces": 24, "trades": 5}


def test_a_snapshot_of_a_futures_book_is_taken_whole() -> None:
    replay = MboReplay()
    for event in events(mbo(recording("databento_mbo/esh4-glbx-mdp3-20231224.mbo.dbn.zst"))):
        replay.take(event)
    assert shown(replay.book) == replay.recorded.levels()
    assert replay.counts == {"orders": 8_725}


class BitstampReplay:
    """Bitstamp's book. Every order is fed as it came; those that cross trade here as they did there.

    - Orders from before the log are put in first, oldest first, if the log tells what became of them: with what was
      left then, and what it says they traded. Of others it tells only as part of a book's level: see `untouched`.
    - A market order is there a limit order whose price follows the market: fed as replaces. A market *buy* is bound by
      money, so the venue lowers its quantity as the price rises, and drops a last bit that is no longer worth a cent.
    - The log tells each change after the fact: of a match the maker's, the taker's, then the trade. Ours happen at once
      and are held until they are told.
    """

    def __init__(self, log: list[Bitstamp]) -> None:
        self.log = log
        self.book = ReplayedBook()
        self.counts: Counter[str] = Counter()
        self.price: dict[int, int] = {}
        self.told: dict[int, int] = {}
        """What is left of an order, as the log told it last."""
        self.ours: list[Fill] = []
        self.untold: dict[Hashable, deque[int]] = defaultdict(deque)
        """Quantities of our fills that the log has not told of this order yet."""
        self.untouched: dict[tuple[m.Side, int], int] = {}
        """What a level has that is of no order in the log. It must not change."""
        self.gone: set[int] = set()
        for order, first in sorted(self.from_before().items()):
            self.enter(order, first.side, first.price, first.qty)
        assert self.ours == []

    def from_before(self) -> dict[int, Bitstamp]:
        created = {event.order for event in self.log if event.kind == "created"}
        found: dict[int, Bitstamp] = {}
        for at, event in enumerate(self.log):
            known = event.order in created or event.order in found
            if event.kind in ("changed", "deleted") and not known:
                if event.kind == "changed" or event.qty == 0:
                    trade = next(later for later in self.log[at:] if later.kind == "trade")
                    event = event._replace(qty=event.qty + trade.qty)
                found[event.order] = event
        return found

    def run(self) -> None:
        for event in self.log:
            if event.kind == "book":
                self.compare(event.levels)
            elif event.kind == "created" and event.order in self.gone:
                self.counts["deleted before it was created: left out"] += 1
            elif event.kind == "created":
                self.enter(event.order, event.side, event.price, event.qty)
            elif event.kind in ("changed", "deleted"):
                self.change(event)

    def enter(self, order: int, side: m.Side, price: int, qty: int) -> None:
        self.price[order], self.told[order] = price, qty
        self.hold(self.book.new(order, side, price, qty))

    def hold(self, fills: list[Fill]) -> None:
        self.ours += fills
        for fill in fills:
            self.untold[fill.maker].append(fill.qty)
            self.untold[fill.taker].append(fill.qty)

    def change(self, event: Bitstamp) -> None:
        order = event.order
        if event.kind == "deleted":
            self.gone.add(order)
        if order not in self.told:
            return
        if event.price != self.price[order]:
            self.follow(event)
        executed = self.untold[order]
        if self.told[order] == event.qty:
            self.counts["unchanged"] += 1
        elif executed and self.told[order] - executed[0] == event.qty:
            executed.popleft()
            self.counts["executed, as here"] += 1
        else:
            self.counts["otherwise"] += 1
        self.told[order] = event.qty
        if event.kind == "deleted" and order in self.book:
            self.counts["cancelled"] += 1
            self.book.cancel(order)

    def follow(self, event: Bitstamp) -> None:
        order = event.order
        self.price[order] = event.price
        self.told[order] = event.qty
        self.counts["price followed the market"] += 1
        self.hold(self.book.replace(order, event.price, event.qty))

    def compare(self, levels: Levels) -> None:
        same = True
        for side, told in levels.items():
            reach = min(told) if side == BUY else max(told)
            here = {
                p: q
                for p, q in self.book.depth(side, 2 * len(told)).items()
                if (p >= reach if side == BUY else p <= reach)
            }
            for price in told.keys() | here.keys():
                rest = told.get(price, 0) - here.get(price, 0)
                agrees = self.untouched.setdefault((side, price), rest) == rest
                self.counts["levels that agree" if agrees else "levels that do not"] += 1
                same &= agrees
        self.counts["books that agree" if same else "books that do not"] += 1


def test_a_crypto_venue_s_orders_trade_here_as_they_did_there() -> None:
    log = list(bitstamp(recording("bitstamp_l3/20150501/2015-05-01.log.xz")))
    replay = BitstampReplay(log)
    replay.run()
    assert replay.counts == {
        "executed, as here": 2 * 575 - 10,
        "otherwise": 6,
        "unchanged": 24_369,
        "cancelled": 24_308,
        "price followed the market": 36,
        "deleted before it was created: left out": 5,
        "books that agree": 4_934,
        "books that do not": 77,
        "levels that agree": 200_385,
        "levels that do not": 78,
    }
    trades = [(event.price, event.qty) for event in log if event.kind == "trade"]
    ours = [(fill.price, fill.qty) for fill in replay.ours]
    assert len(ours) == len(trades) == 575
    # Six are told in another order; the last bit of four market buys was less than a cent's worth there.
    assert sum(here == there for here, there in zip(ours, trades, strict=True)) == 565
    here, there = (sorted((Counter(a) - Counter(b)).elements()) for a, b in ((ours, trades), (trades, ours)))
    assert [price for price, _ in here] == [price for price, _ in there]
    assert [mine - theirs for (_, mine), (_, theirs) in zip(here, there, strict=True)] == [4_231, 4_227, 4_225, 4_225]
