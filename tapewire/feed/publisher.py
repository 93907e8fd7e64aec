"""The sequencer of a feed: numbers each message, writes it to the ring, then hands the same bytes to the bus.

    update ──▶ next seq, ts ──▶ encode ──▶ ring ── full ──▶ dropped from every lane: seq not used, counted, marked
                                             │ accepted
                                             ▼
                                            bus                        so what the tape holds is what the bus carried

A marked instrument gets no more deltas, which would not join on. When the ring has room again, what is due comes first:
its definition and last status where those were dropped, and a snapshot of its book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tapewire import messages as m
from tapewire.clock import Clock
from tapewire.feed.actions import (
    BookDelta,
    BookSnapshot,
    FeedChanged,
    InstrumentDefined,
    Quote,
    Trade,
    Update,
)
from tapewire.histogram import Histogram
from tapewire.latest.outlet import nowhere
from tapewire.subjects import subject
from tapewire.trace_context import tick_context
from tapewire.transports import MAX_PAYLOAD_BYTES

BOOK_MESSAGE_OVERHEAD = 256
"""Bytes of a book message around its levels; the exact number is a little less."""
BYTES_PER_LEVEL = 24

_Encoder = Callable[..., bytes]
_HEADER = ("seq", "ts", "ts_event", "ts_recv", "origin_seq")


class Ring(Protocol):
    """What the sequencer needs of its ring; `tapewire.ring.RingProducer` has it."""

    def write(self, data: bytes, /) -> bool: ...
    @property
    def tail(self) -> int: ...
    @property
    def head(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def max_record(self) -> int: ...


class Bus(Protocol):
    """What it needs of the bus; every `tapewire.interfaces.Transport` has it."""

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None) -> bool: ...


class Lane:
    """One instrument's encoders and subjects, and what it is owed. Instrument 0 is the feed as a whole."""

    __slots__ = (
        "book_seq",
        "book_subject",
        "bus_gap",
        "definition",
        "delta",
        "dropped",
        "instrument",
        "owes_book",
        "owes_definition",
        "owes_status",
        "quote",
        "quote_subject",
        "snapshot",
        "status",
        "ticker",
        "trade",
        "trade_subject",
    )

    def __init__(self, instrument: int) -> None:
        self.instrument = instrument
        self.ticker = ""
        self.dropped = 0
        self.book_seq = 0
        """The last bookSeq that was published."""
        self.owes_book = self.owes_definition = self.owes_status = self.bus_gap = False
        self.definition: InstrumentDefined | None = None
        self.status: FeedChanged | None = None
        self.trade: _Encoder = _undefined
        self.quote: _Encoder = _undefined
        self.delta: _Encoder = _undefined
        self.snapshot: _Encoder = _undefined
        self.trade_subject = self.quote_subject = self.book_subject = ""

    def define(self, d: InstrumentDefined, source: int, env: str, feed: str) -> None:
        """Builds the encoders over everything that does not change from message to message."""
        self.ticker, self.definition = d.ticker, d
        constant: dict[str, Any] = {
            "source": source,
            "instrument": d.instrument,
            "ticker": d.ticker,
            "price_exponent": d.price_exponent,
            "qty_exponent": d.qty_exponent,
        }
        self.trade = m.Trade.encoder(*_HEADER, "trade_id", "price", "qty", "aggressor", "quality", **constant)
        sides = ("bid_price", "bid_qty", "ask_price", "ask_qty")
        self.quote = m.Quote.encoder(*_HEADER, *sides, "book_seq", "quality", **constant)
        self.delta = m.BookDelta.encoder(*_HEADER, "book_seq", "quality", "levels", **constant)
        self.snapshot = m.BookSnapshot.encoder(*_HEADER, "book_seq", "quality", "levels", **constant)
        self.trade_subject = subject(env, feed, "trade", d.ticker)
        self.quote_subject = subject(env, feed, "quote", d.ticker)
        self.book_subject = subject(env, feed, "book", d.ticker)


def _undefined(*values: object) -> bytes:
    raise AssertionError("an update came before the definition of its instrument")


class Publisher:
    """Publishes the updates of one feed. `next_seq` continues what the ring and the tape hold."""

    def __init__(
        self,
        *,
        env: str,
        feed: str,
        source: int,
        tickers: Iterable[str],
        ring: Ring,
        bus: Bus,
        next_seq: int,
        clock: Clock,
        snapshot: Callable[[int], BookSnapshot | None],
        processing: Histogram | None = None,
        from_venue: Histogram | None = None,
        trace_every: int = 0,
        latest: Callable[[bytes], object] = nowhere,
    ) -> None:
        """`snapshot(index)` gives an instrument's book as it stands, or None while it is being built anew.

        `processing` gets the ns from the socket read to the stamp of each message, `from_venue` those from the venue's
        own time to the socket read (the two clocks differ: below 0 counts as 0). One message in `trace_every` carries
        a trace context on the bus; 0: none does. `latest` gets every message that the ring took.
        """
        self.next_seq = next_seq
        self.published = self.dropped = self.bus_refused = 0
        self._env, self._feed, self._source, self._trace_every = env, feed, source, trace_every
        self._ring, self._bus, self._now, self._snapshot_of = ring, bus, clock.now, snapshot
        self._latest = latest
        self._lanes = [Lane(0), *(Lane(index) for index, _ in enumerate(tickers, 1))]
        for lane, ticker in zip(self._lanes[1:], tickers, strict=True):
            lane.ticker = ticker
        self._owing = False
        self._max_bytes = min(ring.max_record, MAX_PAYLOAD_BYTES)
        self._record_processing = (processing or Histogram()).record
        self._record_from_venue = (from_venue or Histogram()).record
        self._status_encoders: dict[int, _Encoder] = {}
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            Trade: self._trade,
            Quote: self._quote,
            BookDelta: self._delta,
            BookSnapshot: self._book_snapshot,
            InstrumentDefined: self._defined,
            FeedChanged: self._changed,
        }

    @property
    def owing(self) -> bool:
        """Whether something dropped has not been made good yet."""
        return self._owing

    @property
    def max_levels(self) -> int:
        """Levels that one book message can hold, by the ring's longest record and the bus's largest payload."""
        return (self._max_bytes - BOOK_MESSAGE_OVERHEAD) // BYTES_PER_LEVEL

    def publish(self, update: Update, ts_recv: int) -> None:
        """One update that came of bytes read at `ts_recv` (UTC ns)."""
        if self._owing:
            self.settle(ts_recv)
        self._handlers[type(update)](update, ts_recv)

    def settle(self, ts_recv: int) -> None:
        """Publishes what instruments are owed since the ring was full, if it has room now. Call it now and then."""
        ring = self._ring
        if not self._owing or ring.capacity - (ring.tail - ring.head) < ring.max_record:
            return
        self._owing = False
        for lane in self._lanes:
            if lane.owes_definition and lane.definition is not None:
                self._defined(lane.definition, ts_recv)
            if lane.owes_status and lane.status is not None:
                self._changed(lane.status, ts_recv)
            if lane.owes_book:
                snapshot = self._snapshot_of(lane.instrument)
                if snapshot is None:
                    lane.owes_book = False  # Its book is being built anew, and begins with a snapshot by itself.
                else:
                    self._book_snapshot(snapshot, ts_recv)
            self._owing = self._owing or lane.owes_definition or lane.owes_status or lane.owes_book

    # ── one update ───────────────────────────────────────────────────────────────────────────────────────────────

    def _trade(self, u: Trade, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        ts = self._now()
        raw = lane.trade(
            self.next_seq,
            ts,
            u.ts_event,
            ts_recv,
            u.origin_seq,
            u.trade_id,
            u.price,
            u.qty,
            u.aggressor,
            u.quality,
        )
        self._record_processing(ts - ts_recv)
        if u.ts_event:
            self._record_from_venue(ts_recv - u.ts_event)
        self._put(lane, lane.trade_subject, raw)

    def _quote(self, u: Quote, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        ts = self._now()
        raw = lane.quote(
            self.next_seq,
            ts,
            u.ts_event,
            ts_recv,
            u.origin_seq,
            u.bid_price,
            u.bid_qty,
            u.ask_price,
            u.ask_qty,
            u.book_seq,
            u.quality,
        )
        self._record_processing(ts - ts_recv)
        self._put(lane, lane.quote_subject, raw)

    def _delta(self, u: BookDelta, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        if u.book_seq <= lane.book_seq:
            return  # The snapshot that made good for a full ring holds it already.
        if lane.owes_book or len(u.levels) > self.max_levels:
            self._drop(lane)
            lane.owes_book = True
            return
        ts = self._now()
        raw = lane.delta(self.next_seq, ts, u.ts_event, ts_recv, u.origin_seq, u.book_seq, u.quality, u.levels)
        self._record_processing(ts - ts_recv)
        if u.ts_event:
            self._record_from_venue(ts_recv - u.ts_event)
        if self._put(lane, lane.book_subject, raw):
            lane.book_seq = u.book_seq
        else:
            lane.owes_book = True

    def _book_snapshot(self, u: BookSnapshot, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        ts = self._now()
        raw = lane.snapshot(self.next_seq, ts, u.ts_event, ts_recv, u.origin_seq, u.book_seq, u.quality, u.levels)
        lane.owes_book = not self._put(lane, lane.book_subject, raw)
        if not lane.owes_book:
            lane.book_seq = u.book_seq

    def _defined(self, u: InstrumentDefined, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        lane.define(u, self._source, self._env, self._feed)
        raw = bytes(
            m.InstrumentDefinition(
                seq=self.next_seq,
                ts=self._now(),
                ts_recv=ts_recv,
                source=self._source,
                instrument=u.instrument,
                ticker=u.ticker,
                tick_size=u.tick_size,
                lot_size=u.lot_size,
                max_qty=u.max_qty,
                min_price=u.min_price,
                max_price=u.max_price,
                price_exponent=u.price_exponent,
                qty_exponent=u.qty_exponent,
                status=u.status,
            )
        )
        lane.owes_definition = not self._put(lane, subject(self._env, self._feed, "instrument", u.ticker), raw)

    def _changed(self, u: FeedChanged, ts_recv: int) -> None:
        lane = self._lanes[u.instrument]
        lane.status = u
        encode = self._status_encoders.get(u.instrument)
        if encode is None:
            varying = ("seq", "ts", "ts_recv", "gaps", "resyncs", "dropped", "state", "quality", "reason")
            constant: dict[str, Any] = {
                "source": self._source,
                "instrument": u.instrument,
                "ticker": lane.ticker,
            }
            encode = self._status_encoders[u.instrument] = m.FeedStatus.encoder(*varying, **constant)
        dropped = lane.dropped if u.instrument else self.dropped
        raw = encode(
            self.next_seq, self._now(), ts_recv, u.gaps, u.resyncs, dropped, u.state, u.quality, _clean(u.reason)
        )
        lane.owes_status = not self._put(lane, subject(self._env, self._feed, "status", lane.ticker), raw)

    # ── the lanes ────────────────────────────────────────────────────────────────────────────────────────────────

    def _put(self, lane: Lane, to: str, raw: bytes) -> bool:
        """Ring first: only what it took has a number, and goes to the bus."""
        if not self._ring.write(raw):
            self._drop(lane)
            return False
        self.next_seq += 1
        self.published += 1
        self._latest(raw)
        traced = self._trace_every and (self.next_seq - 1) % self._trace_every == 0
        if not (self._bus.publish(to, raw, self._context()) if traced else self._bus.publish(to, raw)):
            # The tape has it, the bus does not: its readers need a snapshot once they can be reached again.
            self.bus_refused += 1
            lane.bus_gap = True
        elif lane.bus_gap:
            lane.bus_gap = False
            if lane.instrument:  # The feed as a whole has no book.
                lane.owes_book = self._owing = True
        return True

    def _context(self) -> bytes:
        """The header of the message that was numbered last: of a trace whose ids follow from its number."""
        return tick_context(self._env, self._feed, self.next_seq - 1).header_block()

    def _drop(self, lane: Lane) -> None:
        self._owing = True
        lane.dropped += 1
        self.dropped += 1
        for told in (lane, self._lanes[0]):
            # So that the count of what was dropped is told, too, once there is room.
            told.owes_status = told.status is not None


def _clean(reason: str) -> str:
    """A reason may quote what a venue sent: only what UTF-8 can carry is passed on."""
    return reason.encode("utf-8", "replace").decode("utf-8")
