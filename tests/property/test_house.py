from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.errors import EngineStopped, WireError
from tapewire.house import HouseMarket, Publication
from tapewire.subjects import Subject
from tests.oracle.naive_market import TICKERS, NaiveMarket

Key = tuple[m.Side, int]
SEEDS = st.integers(0, 1 << 32)
STEPS = st.integers(1, 60)


class Subscriber:
    """Rebuilds books as anybody on the bus would: from what is published, and nothing else."""

    def __init__(self) -> None:
        self.books: dict[str, dict[Key, tuple[int, int]]] = {ticker: {} for ticker in TICKERS}
        self.book_seqs: dict[str, list[int]] = {ticker: [] for ticker in TICKERS}
        self.tops: dict[str, tuple[int, int, int, int]] = {}
        self.trades: list[m.Trade] = []
        self.reports: list[tuple[str, bytes]] = []

    def take(self, published: list[Publication]) -> None:
        for to, payload in published:
            subject, message = Subject.parse(to), m.decode(payload)
            assert (subject.env, subject.feed) == ("demo", "house")
            if isinstance(message, m.BookDelta):
                self._apply(subject.key, message)
            elif isinstance(message, m.Quote):
                self.tops[subject.key] = (message.bid_price, message.bid_qty, message.ask_price, message.ask_qty)
            elif isinstance(message, m.Trade):
                self.trades.append(message)
            elif subject.kind == "exec":
                self.reports.append((subject.key, payload))

    def _apply(self, ticker: str, delta: m.BookDelta) -> None:
        assert delta.ticker == ticker
        book = self.books[ticker]
        for level in delta.levels:
            key = (level.side, level.price)
            assert book.get(key, (0, 0)) != (level.qty, level.orders), "a level that did not change is not published"
            if level.qty:
                book[key] = (level.qty, level.orders)
            else:
                del book[key]
        self.book_seqs[ticker].append(delta.book_seq)
        bids = [price for side, price in book if side == m.Side.buy]
        asks = [price for side, price in book if side == m.Side.sell]
        assert not bids or not asks or max(bids) < min(asks), "a crossed book was published"


def top_of(book: dict[Key, tuple[int, int]]) -> tuple[int, int, int, int]:
    bid = max((price for side, price in book if side == m.Side.buy), default=0)
    ask = min((price for side, price in book if side == m.Side.sell), default=0)
    return bid, book.get((m.Side.buy, bid), (0, 0))[0], ask, book.get((m.Side.sell, ask), (0, 0))[0]


@given(SEEDS, STEPS)
@settings(max_examples=60, deadline=None)
def test_books_rebuilt_from_what_is_published_are_those_of_the_market(seed: int, steps: int) -> None:
    market, house, subscriber = NaiveMarket(seed), HouseMarket("demo"), Subscriber()
    folded = 0
    for _ in range(steps):
        market.step()
        for raw in market.records[folded:]:
            published = house.fold(raw)
            subscriber.take(published)
            for ticker in house.tickers:
                # Whoever asks in the middle of a command gets the book as it was published last.
                assert snapshot_of(house, ticker) == (subscriber.books[ticker], len(subscriber.book_seqs[ticker]))
        folded = len(market.records)
        subscriber.take(house.settle())
        for number, ticker in enumerate(TICKERS, 1):
            book = house.book(ticker)
            assert book is not None
            assert subscriber.books[ticker] == market.levels(number)
            assert {**sides(book.bids.totals, m.Side.buy), **sides(book.asks.totals, m.Side.sell)} == market.levels(
                number
            )
            assert subscriber.tops.get(ticker, (0, 0, 0, 0)) == top_of(market.levels(number))
            assert snapshot_of(house, ticker) == (market.levels(number), len(subscriber.book_seqs[ticker]))
    for seqs in subscriber.book_seqs.values():
        assert all(later == earlier + 1 for earlier, later in pairwise([0, *seqs]))
    assert house.live_orders == sum(map(len, market.resting.values()))
    assert house.seq == len(market.records)


@given(SEEDS, STEPS)
@settings(max_examples=40, deadline=None)
def test_every_match_is_one_trade_and_every_event_reaches_the_accounts_it_concerns(seed: int, steps: int) -> None:
    market, house, subscriber = NaiveMarket(seed), HouseMarket("demo"), Subscriber()
    for _ in range(steps):
        market.step()
    for raw in market.records:
        subscriber.take(house.fold(raw))
    events = [m.decode(raw) for raw in market.records if m.decode(raw).cause]
    executed = [event for event in events if isinstance(event, m.OrderExecuted)]
    assert [(t.trade_id, t.price, t.qty, t.aggressor, t.seq, t.ticker) for t in subscriber.trades] == [
        (e.match_id, e.price, e.qty, e.aggressor, e.seq, TICKERS[e.instrument - 1]) for e in executed
    ]
    expected = []
    for event in events:
        if isinstance(event, m.OrderExecuted):
            accounts = dict.fromkeys((event.maker_account, event.taker_account))
        else:
            accounts = dict.fromkeys((event.account,))  # type: ignore[attr-defined]
        expected += [(str(account), bytes(event)) for account in accounts if account]
    assert subscriber.reports == expected


@given(SEEDS, STEPS, st.data())
@settings(max_examples=40, deadline=None)
def test_a_restarted_publisher_goes_on_with_the_same_bytes(seed: int, steps: int, data: st.DataObject) -> None:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    whole = HouseMarket("demo")
    at = data.draw(st.sampled_from(market.ends))
    for raw in market.records[:at]:
        whole.fold(raw)
    whole.settle()
    restarted = HouseMarket("demo")
    restarted.quiet = True
    quiet = [restarted.fold(raw) for raw in market.records[:at]] + [restarted.settle()]
    assert all(out == [] for out in quiet)
    restarted.quiet = False
    assert restarted.state() == whole.state()
    restarted = HouseMarket.restored("demo", whole.state())
    assert restarted.state() == whole.state()
    for raw in market.records[at:]:
        assert restarted.fold(raw) == whole.fold(raw)
    assert restarted.settle() == whole.settle()


@given(SEEDS, STEPS)
@settings(max_examples=20, deadline=None)
def test_where_the_reader_pauses_between_commands_makes_no_difference(seed: int, steps: int) -> None:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    at_once, paused = HouseMarket("demo"), HouseMarket("demo")
    one = [item for raw in market.records for item in at_once.fold(raw)] + at_once.settle()
    other: list[Publication] = []
    for number, raw in enumerate(market.records, 1):
        other += paused.fold(raw)
        if number in market.ends:
            other += paused.settle()
    assert one == other


def test_an_epoch_between_a_command_and_its_events_does_not_show_a_crossed_book() -> None:
    def put(message: m.Message, seq: int, cause: int = 0) -> bytes:
        return bytes(message.replace(seq=seq, cause=cause))

    house, subscriber = HouseMarket("demo"), Subscriber()
    records = [
        put(m.InstrumentDefinition(instrument=1, ticker=TICKERS[0]), 1),
        put(m.NewOrder(order_id=1), 2),
        put(m.OrderAccepted(instrument=1, order_id=1, account=1, side=m.Side.sell, price=100, qty=5), 3, 2),
        put(m.NewOrder(order_id=2), 4),
        put(m.OrderAccepted(instrument=1, order_id=2, account=2, side=m.Side.buy, price=101, qty=5), 5, 4),
        put(m.EpochStarted(epoch=2), 6),
        put(
            m.OrderExecuted(
                instrument=1, match_id=1, maker_order_id=1, taker_order_id=2, price=100, qty=5, aggressor=m.Side.buy
            ),
            7,
            4,
        ),
    ]
    for raw in records:
        subscriber.take(house.fold(raw))
    subscriber.take(house.settle())
    assert subscriber.books[TICKERS[0]] == {}
    assert subscriber.book_seqs[TICKERS[0]] == [1, 2]
    assert house.live_orders == 0


@pytest.mark.parametrize("aside", [m.EpochStarted(epoch=2), m.InputRefused(length=3)])
def test_a_record_between_two_commands_leaves_the_bytes_of_what_is_published_as_they_are(aside: m.Message) -> None:
    records = [
        m.InstrumentDefinition(seq=1, instrument=1, ticker=TICKERS[0]),
        m.NewOrder(seq=2, order_id=1),
        m.OrderAccepted(seq=3, cause=2, instrument=1, order_id=1, account=1, side=m.Side.sell, price=100, qty=5),
        aside.replace(seq=4),
        m.NewOrder(seq=5, order_id=2),
    ]
    at_once, paused = HouseMarket("demo"), HouseMarket("demo")
    one = [item for record in records for item in at_once.fold(bytes(record))]
    other = [item for record in records for item in (*paused.fold(bytes(record)), *paused.settle())]
    assert one == other


@pytest.mark.parametrize("state", [b"", b"x", b"\x94\x02\x00\x90\x90", b"\x94\x01\x00\x90\x91\x95\x01\x01\x01\x01\x01"])
def test_bytes_that_are_no_state_are_refused(state: bytes) -> None:
    with pytest.raises(WireError, match="house market"):
        HouseMarket.restored("demo", state)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (m.OrderCancelled(instrument=1, order_id=9), "order 9 is not live"),
        (m.OrderCancelled(instrument=1, order_id=1, cancelled_qty=4), "it had 5 left, not 4"),
        (m.OrderAccepted(instrument=7, order_id=2), "instrument 7 was never defined"),
        (m.OrderReplaced(instrument=1, order_id=1, old_price=99, old_leaves_qty=5), "it stood at 100 with 5 left"),
        (m.OrderExecuted(instrument=1, maker_order_id=1, qty=6), "order 1 had 5 left, not 6"),
    ],
)
def test_a_tape_that_contradicts_itself_stops_the_fold_and_says_where(record: m.Message, what: str) -> None:
    house = HouseMarket("demo")
    house.fold(bytes(m.InstrumentDefinition(seq=1, instrument=1, ticker="A")))
    accepted = m.OrderAccepted(seq=3, cause=2, instrument=1, order_id=1, side=m.Side.buy, price=100, qty=5)
    house.fold(bytes(accepted))
    with pytest.raises(EngineStopped, match=f"record 4 .* contradicts the tape before it: {what}"):
        house.fold(bytes(record.replace(seq=4, cause=4)))


def snapshot_of(house: HouseMarket, ticker: str) -> tuple[dict[Key, tuple[int, int]], int]:
    book = house.book(ticker)
    assert book is not None
    snapshot = m.BookSnapshot.decode(book.snapshot())
    return {(one.side, one.price): (one.qty, one.orders) for one in snapshot.levels}, snapshot.book_seq


def sides(totals: dict[int, tuple[int, int]], side: m.Side) -> dict[Key, tuple[int, int]]:
    return {(side, price): total for price, total in totals.items()}
