"""The sequencer of a feed: what the ring took has a number and went to the bus; what it did not is made good."""

from __future__ import annotations

from tapewire import messages as m
from tapewire.feed.actions import (
    BookDelta,
    BookSnapshot,
    FeedChanged,
    InstrumentDefined,
    Quote,
    Trade,
    Update,
)
from tapewire.feed.book import BUY, LIVE, SELL
from tapewire.feed.publisher import BOOK_MESSAGE_OVERHEAD, BYTES_PER_LEVEL, Publisher
from tapewire.histogram import Histogram
from tapewire.testing.clock import ManualClock
from tapewire.trace_context import tick_context
from tests.oracle.naive_venue_book import Subscriber

DEFINED = InstrumentDefined(instrument=1, ticker="BTC/USD", price_exponent=-1, qty_exponent=-8, tick_size=5)
LEVELS = [(1000, 1, 0, BUY), (1001, 2, 0, SELL)]


class FakeRing:
    """A ring with room for so many records."""

    def __init__(self, room: int = 1_000_000, max_record: int = 1 << 20) -> None:
        self.records: list[bytes] = []
        self.room, self.max_record = room, max_record
        self.capacity = 4 * max_record

    def write(self, data: bytes, /) -> bool:
        assert len(data) <= self.max_record
        if len(self.records) >= self.room:
            return False
        self.records.append(data)
        return True

    @property
    def tail(self) -> int:
        return self.capacity if len(self.records) >= self.room else 0

    head = 0


class FakeBus:
    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.headers: list[bytes | None] = []
        self.full = False

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None) -> bool:
        if not self.full:
            self.published.append((subject, payload))
            self.headers.append(headers)
        return not self.full


class Book:
    """The session's side: its book at the moment it is asked."""

    def __init__(self) -> None:
        self.seq = 0
        self.live = True
        self.asked = 0

    def snapshot(self, index: int) -> BookSnapshot | None:
        self.asked += 1
        return BookSnapshot(index, LEVELS, self.seq, LIVE, 5, 0) if self.live else None


def made(ring: FakeRing, bus: FakeBus, book: Book | None = None, next_seq: int = 1, trace_every: int = 0) -> Publisher:
    publisher = Publisher(
        env="demo",
        feed="kraken",
        source=3,
        tickers=["BTC/USD"],
        ring=ring,
        bus=bus,
        next_seq=next_seq,
        clock=ManualClock(1_000),
        snapshot=(book or Book()).snapshot,
        trace_every=trace_every,
    )
    publisher.publish(DEFINED, 900)
    return publisher


def trade(trade_id: int = 7) -> Trade:
    return Trade(1, trade_id, 1000, 5, BUY, LIVE, 800, trade_id)


def delta(seq: int, price: int = 999) -> BookDelta:
    return BookDelta(1, [(price, seq, 0, BUY)], seq, LIVE, 800, 0)


def decoded(ring: FakeRing) -> list[m.Message]:
    return [m.decode(raw) for raw in ring.records]


def test_one_message_in_so_many_carries_a_trace_context_that_follows_from_its_number() -> None:
    ring, bus = FakeRing(), FakeBus()
    publisher = made(ring, bus, trace_every=4)
    for trade_id in range(1, 10):
        publisher.publish(trade(trade_id), 1_000)
    marked = {seq: headers for seq, headers in enumerate(bus.headers, 1) if headers is not None}
    assert marked == {seq: tick_context("demo", "kraken", seq).header_block() for seq in (4, 8)}


def test_each_kind_is_encoded_whole_and_goes_to_its_subject() -> None:
    ring, bus = FakeRing(), FakeBus()
    publisher = made(ring, bus)
    updates: list[Update] = [
        trade(),
        Quote(1, 1000, 1, 1001, 2, 9, LIVE, 800, 55),
        BookSnapshot(1, LEVELS, 1, LIVE, 800, 55),
        delta(2),
        FeedChanged(instrument=1, state=2, quality=1, gaps=4, resyncs=5, reason="in step"),
        FeedChanged(instrument=0, state=2, quality=1, gaps=4, resyncs=5, reason="all live"),
    ]
    for update in updates:
        publisher.publish(update, 900)
    head = {"ts": 1_000, "ts_recv": 900, "source": 3, "instrument": 1, "ticker": "BTC/USD"}
    prices = {"price_exponent": -1, "qty_exponent": -8}
    from_venue = {**head, **prices, "ts_event": 800, "quality": m.BookQuality.live}
    status = {"ts": 1_000, "ts_recv": 900, "source": 3, "gaps": 4, "resyncs": 5}
    status |= {"state": m.FeedState.live, "quality": m.BookQuality.live}
    levels = [(1000, 1, 0, m.Side.buy), (1001, 2, 0, m.Side.sell)]
    expected: list[tuple[str, m.Message]] = [
        ("instrument.BTC=2FUSD", m.InstrumentDefinition(
            seq=1, **head, **prices, tick_size=5, lot_size=1, status=m.InstrumentStatus.trading)),
        ("trade.BTC=2FUSD", m.Trade(
            seq=2, **from_venue, origin_seq=7, trade_id=7, price=1000, qty=5, aggressor=m.Side.buy)),
        ("quote.BTC=2FUSD", m.Quote(
            seq=3, **from_venue, origin_seq=55, bid_price=1000, bid_qty=1, ask_price=1001, ask_qty=2, book_seq=9)),
        ("book.BTC=2FUSD", m.BookSnapshot(seq=4, **from_venue, origin_seq=55, book_seq=1, levels=levels)),
        ("book.BTC=2FUSD", m.BookDelta(seq=5, **from_venue, book_seq=2, levels=[(999, 2, 0, m.Side.buy)])),
        ("status.BTC=2FUSD", m.FeedStatus(seq=6, **status, instrument=1, ticker="BTC/USD", reason="in step")),
        ("status.=", m.FeedStatus(seq=7, **status, reason="all live")),
    ]  # fmt: skip
    assert decoded(ring) == [message for _, message in expected]
    assert bus.published == [(f"demo.kraken.{to}", bytes(message)) for to, message in expected]


def test_numbers_continue_where_the_ring_or_the_tape_ended() -> None:
    ring = FakeRing()
    publisher = made(ring, FakeBus(), next_seq=41)
    publisher.publish(trade(), 900)
    assert [message.seq for message in decoded(ring)] == [41, 42]


def test_a_full_ring_drops_from_every_lane_and_uses_no_number() -> None:
    ring, bus = FakeRing(room=2), FakeBus()
    publisher = made(ring, bus)
    for trade_id in (7, 8, 9):
        publisher.publish(trade(trade_id), 900)
    assert [message.seq for message in decoded(ring)] == [1, 2]
    assert len(bus.published) == 2
    assert (publisher.published, publisher.dropped, publisher.next_seq) == (2, 2, 3)
    ring.room = 100
    publisher.publish(trade(10), 900)
    assert [message.seq for message in decoded(ring)] == [1, 2, 3]
    assert [raw for _, raw in bus.published] == ring.records


def test_what_was_dropped_is_made_good_by_definition_status_and_a_snapshot_in_that_order() -> None:
    ring, bus, book = FakeRing(room=0), FakeBus(), Book()
    publisher = made(ring, bus, book)
    publisher.publish(FeedChanged(instrument=1, state=2, quality=1, gaps=0, resyncs=0, reason="in step"), 900)
    publisher.publish(BookSnapshot(1, LEVELS, 1, LIVE, 800, 0), 900)
    book.seq = 3
    publisher.publish(delta(2), 900)
    publisher.publish(delta(3), 900)
    assert book.asked == 0  # no snapshot is made while it would not fit
    ring.room = 100
    publisher.settle(950)
    found = decoded(ring)
    assert [type(message) for message in found] == [m.InstrumentDefinition, m.FeedStatus, m.BookSnapshot]
    assert [message.seq for message in found] == [1, 2, 3]
    assert isinstance(found[1], m.FeedStatus)
    assert found[1].dropped == 5
    publisher.settle(960)
    assert len(ring.records) == 3


def test_a_delta_that_the_making_good_already_holds_is_left_out_and_the_next_joins_on() -> None:
    ring, book = FakeRing(room=2), Book()
    publisher = made(ring, FakeBus(), book)
    publisher.publish(BookSnapshot(1, LEVELS, 1, LIVE, 800, 0), 900)
    publisher.publish(delta(2), 900)
    ring.room = 100
    book.seq = 3  # the session is already past the delta that is about to be published
    publisher.publish(delta(3), 900)
    publisher.publish(delta(4), 900)
    subscriber = Subscriber()
    for message in decoded(ring)[1:]:
        if isinstance(message, m.BookSnapshot):
            subscriber.snapshot(1, message.book_seq, message.levels)
        elif isinstance(message, m.BookDelta):
            subscriber.delta(1, message.book_seq, message.levels)
    assert subscriber.seqs == {1: 4}


def test_an_instrument_whose_book_is_built_anew_owes_no_snapshot() -> None:
    ring, book = FakeRing(room=1), Book()
    book.live = False
    publisher = made(ring, FakeBus(), book)
    publisher.publish(delta(1), 900)
    ring.room = 100
    publisher.publish(trade(), 900)
    publisher.publish(trade(8), 900)
    assert [type(message) for message in decoded(ring)] == [m.InstrumentDefinition, m.Trade, m.Trade]
    assert book.asked == 1


def test_a_delta_longer_than_a_record_becomes_a_snapshot() -> None:
    ring, book = FakeRing(max_record=BOOK_MESSAGE_OVERHEAD + 10 * BYTES_PER_LEVEL), Book()
    publisher = made(ring, FakeBus(), book)
    assert publisher.max_levels == 10
    publisher.publish(BookDelta(1, [(n, 1, 0, BUY) for n in range(1, 11)], 1, LIVE, 0, 0), 900)
    assert isinstance(decoded(ring)[-1], m.BookDelta)
    book.seq = 2
    publisher.publish(BookDelta(1, [(n, 2, 0, BUY) for n in range(1, 12)], 2, LIVE, 0, 0), 900)
    publisher.publish(trade(), 900)
    assert [type(message) for message in decoded(ring)[2:]] == [m.BookSnapshot, m.Trade]


def test_a_bus_that_refuses_gets_a_snapshot_once_it_takes_messages_again() -> None:
    ring, bus, book = FakeRing(), FakeBus(), Book()
    publisher = made(ring, bus, book)
    publisher.publish(BookSnapshot(1, LEVELS, 1, LIVE, 800, 0), 900)
    bus.full = True
    publisher.publish(delta(2), 900)
    assert (publisher.bus_refused, publisher.dropped, len(ring.records)) == (1, 0, 3)
    bus.full = False
    publisher.publish(delta(3), 900)
    book.seq = 3
    publisher.settle(900)
    assert isinstance(m.decode(bus.published[-1][1]), m.BookSnapshot)


def test_a_status_of_the_feed_that_the_bus_refused_owes_nobody_a_book() -> None:
    ring, bus, book = FakeRing(), FakeBus(), Book()
    publisher = made(ring, bus, book)
    for bus.full in (True, False):
        publisher.publish(FeedChanged(instrument=0, state=2, quality=1, gaps=0, resyncs=0, reason="live"), 900)
    publisher.settle(900)
    assert (book.asked, publisher.owing) == (0, False)
    assert [type(message) for message in decoded(ring)] == [m.InstrumentDefinition, m.FeedStatus, m.FeedStatus]


def test_durations_are_recorded_from_the_venue_to_our_edge_and_from_there_to_the_stamp() -> None:
    processing, from_venue = Histogram(), Histogram()
    publisher = Publisher(
        env="demo", feed="x", source=1, tickers=["BTC/USD"], ring=FakeRing(), bus=FakeBus(), next_seq=1,
        clock=ManualClock(1_000), snapshot=Book().snapshot, processing=processing, from_venue=from_venue,
    )  # fmt: skip
    publisher.publish(DEFINED, 900)
    publisher.publish(trade(), 900)
    publisher.publish(Quote(1, 1000, 1, 1001, 2, 9, LIVE, 0, 55), 990)
    assert (processing.count, processing.max) == (2, 100)
    assert (from_venue.count, from_venue.max) == (1, 100)


def test_a_reason_that_quotes_garbage_is_still_a_message() -> None:
    ring = FakeRing()
    publisher = made(ring, FakeBus())
    reason = "bad \udcff frame"
    publisher.publish(FeedChanged(instrument=0, state=2, quality=1, gaps=0, resyncs=0, reason=reason), 900)
    (status,) = [message for message in decoded(ring) if isinstance(message, m.FeedStatus)]
    assert status.reason == "bad ? frame"
