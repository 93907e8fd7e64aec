from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher import Matcher
from tapewire import messages as m
from tapewire.errors import EngineStopped, WireError
from tapewire.house import HouseMarket, Publication
from tapewire.subjects import Subject
from tests.oracle.naive_market import EVERY_LEVEL, TICKERS, Levels, NaiveMarket

SEEDS = st.integers(0, 1 << 32)
STEPS = st.integers(1, 150)
SETTLED = frozenset({m.InstrumentStatus.trading, m.InstrumentStatus.closed, m.InstrumentStatus.delisted})
Top = tuple[int, int, int, int]


class Subscriber:
    """Knows the market as anybody on the bus would: from what is published, and nothing else."""

    def __init__(self) -> None:
        self.books: dict[str, Levels] = defaultdict(dict)
        self.book_seqs: dict[str, list[int]] = defaultdict(list)
        self.tops: dict[str, Top] = {}
        self.qualities: dict[str, m.BookQuality] = {}
        self.statuses: dict[str, m.InstrumentStatusChanged] = {}
        self.limits: dict[str, m.LimitStateChanged] = {}
        self.indications: dict[str, m.AuctionIndicated] = {}
        self.trades: list[m.Trade] = []
        self.amended: list[m.Message] = []
        self.reports: list[tuple[str, bytes]] = []
        self.kinds: Counter[tuple[str, str]] = Counter()

    def take(self, published: list[Publication]) -> None:
        for to, payload in published:
            subject, message = Subject.parse(to), m.decode(payload)
            assert (subject.env, subject.feed) == ("demo", "house")
            self.kinds[subject.kind, type(message).__name__] += 1
            if subject.kind == "exec":
                self.reports.append((subject.key, payload))
                continue
            if "ticker" in message.FIELDS:
                assert message.ticker == subject.key  # type: ignore[attr-defined]
            match message:
                case m.BookDelta():
                    self._apply(subject.key, message)
                case m.Quote():
                    top = (message.bid_price, message.bid_qty, message.ask_price, message.ask_qty)
                    assert top != self.tops.get(subject.key)
                    assert message.quality == quality(top)
                    self.tops[subject.key] = top
                case m.Trade():
                    self.trades.append(message)
                case m.TradeBusted() | m.TradeCorrected():
                    self.amended.append(message)
                case m.InstrumentStatusChanged():
                    self.statuses[subject.key] = message
                    self.limits.pop(subject.key, None)
                    self.indications.pop(subject.key, None)
                case m.LimitStateChanged():
                    self.limits[subject.key] = message
                case m.AuctionIndicated():
                    self.indications[subject.key] = message

    def _apply(self, ticker: str, delta: m.BookDelta) -> None:
        book = self.books[ticker]
        assert delta.levels, "a change that shows nothing is not published"
        for level in delta.levels:
            key = (level.side, level.price)
            assert book.get(key, (0, 0)) != (level.qty, level.orders), "a level that did not change is not published"
            assert (level.qty > 0) == (level.orders > 0)
            if level.qty:
                book[key] = (level.qty, level.orders)
            else:
                del book[key]
        self.book_seqs[ticker].append(delta.book_seq)
        self.qualities[ticker] = delta.quality
        assert delta.quality == quality(top_of(book))
        if delta.quality == m.BookQuality.crossed:
            assert self.statuses[ticker].status not in SETTLED, "a crossed book was published"


def quality(top: Top) -> m.BookQuality:
    return m.BookQuality.crossed if top[0] and top[2] and top[0] >= top[2] else m.BookQuality.live


def top_of(book: Levels) -> Top:
    bid = max((price for side, price in book if side == m.Side.buy), default=0)
    ask = min((price for side, price in book if side == m.Side.sell), default=0)
    return bid, book.get((m.Side.buy, bid), (0, 0))[0], ask, book.get((m.Side.sell, ask), (0, 0))[0]


def played(seed: int, steps: int) -> NaiveMarket:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market


def published_of(market: NaiveMarket) -> Subscriber:
    """What a subscriber knows who has heard everything."""
    house, subscriber = HouseMarket("demo"), Subscriber()
    for raw in market.records:
        subscriber.take(house.fold(raw))
    subscriber.take(house.settle())
    return subscriber


@given(SEEDS, STEPS)
@settings(max_examples=60, deadline=None)
def test_books_rebuilt_from_what_is_published_are_what_the_matcher_displays(seed: int, steps: int) -> None:
    market, house, subscriber = NaiveMarket(seed), HouseMarket("demo"), Subscriber()
    folded = 0
    for _ in range(steps):
        market.step()
        for raw in market.records[folded:]:
            subscriber.take(house.fold(raw))
            for ticker in house.tickers:
                # Whoever asks in the middle of a command gets the book as it was published last.
                if ticker in TICKERS:
                    assert snapshot_of(house, ticker) == standing(subscriber, ticker)
        folded = len(market.records)
        subscriber.take(house.settle())
        for number, ticker in enumerate(TICKERS, 1):
            assert subscriber.books[ticker] == market.levels(number)
            assert subscriber.tops.get(ticker, (0, 0, 0, 0)) == top_of(market.levels(number))
            if house.book(ticker) is not None:
                assert snapshot_of(house, ticker) == standing(subscriber, ticker)
    for seqs in subscriber.book_seqs.values():
        assert all(later == earlier + 1 for earlier, later in pairwise([0, *seqs]))
    assert house.live_orders == market.live_orders
    assert house.seq == len(market.records)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_day_leaves_the_same_books_on_both_sides(seed: int) -> None:
    """What hypothesis finds is short; what an iceberg or a decremented order can do takes a full book.

    The compiled matcher gets the same commands: what it displays is what the subscriber has, too.
    """
    market, house, subscriber, compiled = NaiveMarket(seed), HouseMarket("demo"), Subscriber(), Matcher()
    folded = 0
    for _ in range(4000):
        market.step()
        for raw in market.records[folded:]:
            subscriber.take(house.fold(raw))
            if hasattr(m.decode(raw), "decision"):  # a command
                compiled.apply(raw)
        folded = len(market.records)
        subscriber.take(house.settle())
        for number, ticker in enumerate(TICKERS, 1):
            assert subscriber.books[ticker] == market.levels(number)
            if market.status(number) != m.InstrumentStatus.delisted:
                displayed = {
                    (side, price): (qty, orders)
                    for side in (m.Side.buy, m.Side.sell)
                    for price, qty, orders in compiled.depth(number, side, EVERY_LEVEL)
                }
                assert subscriber.books[ticker] == displayed


@given(SEEDS, STEPS)
@settings(max_examples=60, deadline=None)
def test_status_limit_state_and_indication_are_always_those_of_the_matcher(seed: int, steps: int) -> None:
    market, house, subscriber = NaiveMarket(seed), HouseMarket("demo"), Subscriber()
    folded = 0
    for _ in range(steps):
        market.step()
        for raw in market.records[folded:]:
            subscriber.take(house.fold(raw))
        folded = len(market.records)
        for number, ticker in enumerate(TICKERS, 1):
            status = subscriber.statuses.get(ticker)
            assert (status.status if status else m.InstrumentStatus.delisted) == market.status(number)
            book, known = house.book(ticker), market.matcher.instruments.get(number)
            assert (book is None) == (known is None)
            if book is None or known is None:
                continue
            limit, said = subscriber.limits.get(ticker), subscriber.indications.get(ticker)
            assert (limit.state if limit else m.LimitState.normal) == known.limit_state
            indicated = (said.price, said.qty, said.imbalance_qty, said.imbalance_side) if said else (0, 0, 0, 0)
            assert indicated == known.indicated
            # Whoever comes later and asks is told the same.
            assert book.notices.standing("status") == bytes(subscriber.statuses[ticker])
            asked = m.LimitStateChanged.decode(book.notices.standing("limit"))
            assert (asked.state, asked.ticker) == (known.limit_state, ticker)
            assert limit is None or asked == limit
            asked_auction = m.AuctionIndicated.decode(book.notices.standing("auction"))
            assert (asked_auction.price, asked_auction.qty, asked_auction.price_exponent) == (*indicated[:2], -2)


@given(SEEDS, STEPS)
@settings(max_examples=40, deadline=None)
def test_every_match_is_one_trade_and_every_event_reaches_the_accounts_it_concerns(seed: int, steps: int) -> None:
    market = played(seed, steps)
    subscriber = published_of(market)
    events = [m.decode(raw) for raw in market.records if m.decode(raw).cause]
    executed = [event for event in events if isinstance(event, m.OrderExecuted)]
    assert [(t.trade_id, t.price, t.qty, t.aggressor, t.seq, t.instrument) for t in subscriber.trades] == [
        (e.match_id, e.price, e.qty, e.aggressor, e.seq, e.instrument) for e in executed
    ]
    expected = []
    for event in events:
        if isinstance(event, m.OrderExecuted) and event.maker_account != event.taker_account:
            expected.append((str(event.maker_account), bytes(event.replace(taker_leaves_qty=0))))
            expected.append((str(event.taker_account), bytes(event.replace(maker_leaves_qty=0))))
        else:
            expected += [(str(account), bytes(event)) for account in accounts_of(event) if account]
    assert subscriber.reports == expected


@given(SEEDS, STEPS)
@settings(max_examples=40, deadline=None)
def test_busts_and_corrections_are_public_without_the_orders_and_accounts_behind_them(seed: int, steps: int) -> None:
    market = played(seed, steps)
    events = [m.decode(raw) for raw in market.records]
    defined = {e.instrument for e in events if isinstance(e, m.InstrumentDefinition)}
    expected = [
        e.replace(maker_order_id=0, taker_order_id=0, maker_account=0, taker_account=0, ts_event=e.ts)
        for e in events
        if isinstance(e, m.TradeBusted | m.TradeCorrected) and e.instrument in defined
    ]
    told = [one.replace(origin_seq=0, source=0) for one in expected]
    assert published_of(market).amended == told


def test_the_flow_of_these_tests_has_all_there_is_to_publish() -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    for seed in range(12):
        kinds += published_of(played(seed, 500)).kinds
    public = {
        ("instrument", "InstrumentDefinition"), ("trade", "Trade"), ("book", "BookDelta"), ("quote", "Quote"),
        ("status", "InstrumentStatusChanged"), ("status", "LimitStateChanged"), ("auction", "AuctionIndicated"),
        ("trade", "TradeBusted"), ("trade", "TradeCorrected"),
    }  # fmt: skip
    private = {
        *("OrderAccepted", "OrderRejected", "OrderExecuted", "OrderCancelled", "OrderReplaced", "OrderTriggered"),
        *("OrderRestated", "CancelRejected", "CommandCompleted", "TradeBusted", "TradeCorrected"),
    }
    assert set(kinds) == public | {("exec", name) for name in private}
    assert min(kinds.values()) > 10


@given(SEEDS, STEPS, st.data())
@settings(max_examples=40, deadline=None)
def test_a_restarted_publisher_goes_on_with_the_same_bytes(seed: int, steps: int, data: st.DataObject) -> None:
    market = played(seed, steps)
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
    market = played(seed, steps)
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
        put(m.InstrumentDefinition(instrument=1, ticker=TICKERS[0], status=m.InstrumentStatus.trading), 1),
        put(m.CommandCompleted(instrument=1), 2, 1),
        put(m.NewOrder(order_id=1), 3),
        put(m.OrderAccepted(instrument=1, order_id=1, account=1, side=m.Side.sell, price=100, qty=5), 4, 3),
        put(m.NewOrder(order_id=2), 5),
        put(m.OrderAccepted(instrument=1, order_id=2, account=2, side=m.Side.buy, price=101, qty=5), 6, 5),
        put(m.EpochStarted(epoch=2), 7),
        put(
            m.OrderExecuted(
                instrument=1, match_id=1, maker_order_id=1, taker_order_id=2, price=100, qty=5, aggressor=m.Side.buy
            ),
            8,
            5,
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
        m.CommandCompleted(seq=2, cause=1, instrument=1),
        m.NewOrder(seq=3, order_id=1),
        m.OrderAccepted(seq=4, cause=3, instrument=1, order_id=1, account=1, side=m.Side.sell, price=100, qty=5),
        aside.replace(seq=5),
        m.NewOrder(seq=6, order_id=2),
    ]
    at_once, paused = HouseMarket("demo"), HouseMarket("demo")
    one = [item for record in records for item in at_once.fold(bytes(record))]
    other = [item for record in records for item in (*paused.fold(bytes(record)), *paused.settle())]
    assert one == other
    assert "demo.house.book.BTC=2FUSD" in dict(one)


def test_a_ticker_that_is_listed_again_or_moves_to_another_instrument_goes_on_with_its_book_seq() -> None:
    house, seen = HouseMarket("demo"), list[tuple[str, str]]()

    def command(message: m.Message, *events: m.Message) -> None:
        cause = house.seq + 1
        published = house.fold(bytes(message.replace(seq=cause)))
        for event in (*events, m.CommandCompleted()):
            published += house.fold(bytes(event.replace(seq=house.seq + 1, cause=cause)))
        for to, payload in published + house.settle():
            if isinstance(told := m.decode(payload), m.Quote):
                continue
            what = str(told.book_seq) if isinstance(told, m.BookDelta) else type(told).__name__
            seen.append((Subject.parse(to).key, what))

    def define(instrument: int, ticker: str) -> None:
        command(m.InstrumentDefinition(instrument=instrument, ticker=ticker, status=m.InstrumentStatus.trading))

    def trade_and_leave(instrument: int) -> None:
        order = {"instrument": instrument, "order_id": house.seq + 1, "side": m.Side.buy, "price": 5}
        gone = {"status": m.InstrumentStatus.delisted, "old_status": m.InstrumentStatus.trading}
        command(m.NewOrder(), m.OrderAccepted(**order, qty=1))
        command(m.CancelOrder(), m.OrderCancelled(**order, cancelled_qty=1))
        command(m.SetInstrumentStatus(), m.InstrumentStatusChanged(instrument=instrument, **gone))

    defined, changed = "InstrumentDefinition", "InstrumentStatusChanged"
    define(1, "A")
    trade_and_leave(1)
    assert house.book("A") is None
    assert house.tickers == []
    define(1, "A")  # again under its number
    trade_and_leave(1)
    define(2, "A")  # and under another
    trade_and_leave(2)
    assert seen == [
        *[("A", defined), ("A", changed), ("A", "1"), ("A", "2"), ("A", changed)],
        *[("A", defined), ("A", changed), ("A", "3"), ("A", "4"), ("A", changed)],
        *[("A", defined), ("A", changed), ("A", "5"), ("A", "6"), ("A", changed)],
    ]
    define(2, "B")
    assert HouseMarket.restored("demo", house.state()).state() == house.state()
    house = HouseMarket.restored("demo", house.state())
    define(1, "A")
    seen.clear()
    trade_and_leave(1)
    assert seen == [("A", "7"), ("A", "8"), ("A", changed)]
    assert house.tickers == ["B"]


@pytest.mark.parametrize("state", [b"", b"x", b"\x95\x01\x00\x90\x80\x90", b"\x95\x02\x00\x90\x81\xa1A\x01\x90"])
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
        (m.OrderTriggered(instrument=1, order_id=1, leaves_qty=5), "order 1 did not wait"),
        (m.OrderTriggered(instrument=1, order_id=2, leaves_qty=5), "it had 6 left, not 5"),
        (m.OrderRestated(instrument=1, order_id=1, leaves_qty=4, reason=1), "it had 5 left, and now 4"),
        (m.OrderRestated(instrument=1, order_id=1, leaves_qty=5, reason=2), "it had 5 left, and now 5"),
        (m.InstrumentStatusChanged(instrument=7), "instrument 7 was never defined"),
    ],
)
def test_a_tape_that_contradicts_itself_stops_the_fold_and_says_where(record: m.Message, what: str) -> None:
    house = HouseMarket("demo")
    house.fold(bytes(m.InstrumentDefinition(seq=1, instrument=1, ticker="A", status=m.InstrumentStatus.trading)))
    house.fold(bytes(m.CommandCompleted(seq=2, cause=1, instrument=1)))
    accepted = m.OrderAccepted(seq=4, cause=3, instrument=1, order_id=1, side=m.Side.buy, price=100, qty=5)
    house.fold(bytes(accepted))
    house.fold(bytes(accepted.replace(seq=6, cause=5, order_id=2, qty=6, stop_px=101, waiting=True)))
    with pytest.raises(EngineStopped, match=f"record 7 .* contradicts the tape before it: {what}"):
        house.fold(bytes(record.replace(seq=7, cause=7)))


def accounts_of(event: m.Message) -> list[int]:
    if isinstance(event, m.OrderExecuted | m.TradeBusted | m.TradeCorrected):
        return list(dict.fromkeys((event.maker_account, event.taker_account)))
    return [getattr(event, "account", 0)]


def standing(subscriber: Subscriber, ticker: str) -> tuple[Levels, int, m.BookQuality]:
    quality = subscriber.qualities.get(ticker, m.BookQuality.live)
    return subscriber.books[ticker], len(subscriber.book_seqs[ticker]), quality


def snapshot_of(house: HouseMarket, ticker: str) -> tuple[Levels, int, m.BookQuality]:
    book = house.book(ticker)
    assert book is not None
    snapshot = m.BookSnapshot.decode(book.snapshot())
    levels = {(one.side, one.price): (one.qty, one.orders) for one in snapshot.levels}
    return levels, snapshot.book_seq, snapshot.quality
