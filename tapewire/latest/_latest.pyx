# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of pages of latest values. The drawing is in layout.hpp, the algorithm in page.hpp and fold.hpp."""

import os

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string

from tapewire import messages as m
from tapewire.errors import LatestBusy, LatestError, LatestMissing, WireError

cdef extern from "tapewire/latest/page.hpp" namespace "tapewire::latest" nogil:
    cdef struct Value:
        uint64_t updates, seq, gaps, trade_seq, trade_id, quote_seq, top_seq, book_seq, status_seq
        uint64_t feed_gaps, feed_resyncs, feed_dropped
        int64_t ts, ts_event, ts_recv, trade_ts, trade_price, trade_qty, quote_ts, bid_price, bid_qty
        int64_t ask_price, ask_qty, top_ts, top_bid_price, top_bid_qty, top_ask_price, top_ask_qty
        int64_t status_ts, resume_time
        uint32_t instrument
        uint16_t status, status_reason, limit_state, feed_state, feed_quality, trade_quality, quote_quality
        uint16_t top_quality, aggressor
        int8_t trade_price_exponent, trade_qty_exponent, quote_price_exponent, quote_qty_exponent
        int8_t top_price_exponent, top_qty_exponent
    cdef enum class Opened(int):
        ok, missing, busy, refused
    cdef enum class Put(int):
        folded, not_ours, full, malformed
    cdef struct Sizes:
        uint32_t instruments, quotes, trades, references
    cdef cppclass Cell:
        void load(Value&)
        uint64_t version()
    cdef cppclass Count "std::atomic<uint64_t>":
        uint64_t load()
    cdef cppclass Log:
        Count* count
        size_t capacity, words
        cbool read(uint64_t, uint64_t*)
    cdef cppclass CReader "tapewire::latest::Reader":
        Opened open(const char*)
        void close()
        cbool is_open()
        const string& error()
        uint32_t named()
        uint64_t updates()
        uint64_t refused()
        cbool replaced()
        cbool retired()
        cbool writer_alive()
        const char* ticker(uint32_t)
        Cell& cell(uint32_t)
        Log quotes(uint32_t)
        Log trades(uint32_t)
        Log references(uint32_t)
        const Sizes& sizes()
    cdef cppclass CWriter "tapewire::latest::Writer":
        Opened open(const char*, const Sizes&, cbool)
        Opened open_private(const Sizes&, cbool)
        void close()
        cbool is_open()
        const string& error()
        Put put(const uint8_t*, size_t)
        void lose_all()
        uint32_t named()
        uint64_t refused()
        int fd()

cdef enum:
    TICKER = 32  # bytes of a ticker's room
    MESSAGE_WORDS = 64  # more than any message of a log has

_ERRORS = {Opened.missing: LatestMissing, Opened.busy: LatestBusy}
cdef tuple INSTRUMENTSTATUS = tuple(m.InstrumentStatus)
cdef tuple STATUSREASON = tuple(m.StatusReason)
cdef tuple LIMITSTATE = tuple(m.LimitState)
cdef tuple FEEDSTATE = tuple(m.FeedState)
cdef tuple BOOKQUALITY = tuple(m.BookQuality)
cdef tuple SIDE = tuple(m.Side)

FIELDS = (
    "updates", "seq", "ts", "ts_event", "ts_recv", "gaps", "trade_seq", "trade_id", "trade_ts",
    "trade_price", "trade_qty", "quote_seq", "quote_ts", "bid_price", "bid_qty", "ask_price", "ask_qty",
    "top_seq", "book_seq", "top_ts", "top_bid_price", "top_bid_qty", "top_ask_price", "top_ask_qty",
    "status_seq", "status_ts", "resume_time", "feed_gaps", "feed_resyncs", "feed_dropped", "instrument",
    "trade_price_exponent", "trade_qty_exponent", "quote_price_exponent", "quote_qty_exponent",
    "top_price_exponent", "top_qty_exponent", "status", "status_reason", "limit_state", "feed_state",
    "feed_quality", "trade_quality", "quote_quality", "top_quality", "aggressor",
)


cdef object _error(Opened how, const string& why):
    return _ERRORS.get(how, LatestError)(why.decode("utf-8", "replace"))


cdef object _named(tuple known, uint16_t value):
    """A value that this build does not know reads as unspecified."""
    return known[value] if value < len(known) else known[0]


@cython.final
@cython.freelist(256)
cdef class LatestValue:
    cdef Value it
    cdef readonly str ticker

    def __init__(self):
        raise TypeError("a LatestValue is what a Latest gives")

    @property
    def updates(self):
        return self.it.updates

    @property
    def seq(self):
        return self.it.seq

    @property
    def ts(self):
        return self.it.ts

    @property
    def ts_event(self):
        return self.it.ts_event

    @property
    def ts_recv(self):
        return self.it.ts_recv

    @property
    def gaps(self):
        return self.it.gaps

    @property
    def trade_seq(self):
        return self.it.trade_seq

    @property
    def trade_id(self):
        return self.it.trade_id

    @property
    def trade_ts(self):
        return self.it.trade_ts

    @property
    def trade_price(self):
        return self.it.trade_price

    @property
    def trade_qty(self):
        return self.it.trade_qty

    @property
    def quote_seq(self):
        return self.it.quote_seq

    @property
    def quote_ts(self):
        return self.it.quote_ts

    @property
    def bid_price(self):
        return self.it.bid_price

    @property
    def bid_qty(self):
        return self.it.bid_qty

    @property
    def ask_price(self):
        return self.it.ask_price

    @property
    def ask_qty(self):
        return self.it.ask_qty

    @property
    def top_seq(self):
        return self.it.top_seq

    @property
    def book_seq(self):
        return self.it.book_seq

    @property
    def top_ts(self):
        return self.it.top_ts

    @property
    def top_bid_price(self):
        return self.it.top_bid_price

    @property
    def top_bid_qty(self):
        return self.it.top_bid_qty

    @property
    def top_ask_price(self):
        return self.it.top_ask_price

    @property
    def top_ask_qty(self):
        return self.it.top_ask_qty

    @property
    def status_seq(self):
        return self.it.status_seq

    @property
    def status_ts(self):
        return self.it.status_ts

    @property
    def resume_time(self):
        return self.it.resume_time

    @property
    def feed_gaps(self):
        return self.it.feed_gaps

    @property
    def feed_resyncs(self):
        return self.it.feed_resyncs

    @property
    def feed_dropped(self):
        return self.it.feed_dropped

    @property
    def instrument(self):
        return self.it.instrument

    @property
    def trade_price_exponent(self):
        return self.it.trade_price_exponent

    @property
    def trade_qty_exponent(self):
        return self.it.trade_qty_exponent

    @property
    def quote_price_exponent(self):
        return self.it.quote_price_exponent

    @property
    def quote_qty_exponent(self):
        return self.it.quote_qty_exponent

    @property
    def top_price_exponent(self):
        return self.it.top_price_exponent

    @property
    def top_qty_exponent(self):
        return self.it.top_qty_exponent

    @property
    def status(self):
        return _named(INSTRUMENTSTATUS, self.it.status)

    @property
    def status_reason(self):
        return _named(STATUSREASON, self.it.status_reason)

    @property
    def limit_state(self):
        return _named(LIMITSTATE, self.it.limit_state)

    @property
    def feed_state(self):
        return _named(FEEDSTATE, self.it.feed_state)

    @property
    def feed_quality(self):
        return _named(BOOKQUALITY, self.it.feed_quality)

    @property
    def trade_quality(self):
        return _named(BOOKQUALITY, self.it.trade_quality)

    @property
    def quote_quality(self):
        return _named(BOOKQUALITY, self.it.quote_quality)

    @property
    def top_quality(self):
        return _named(BOOKQUALITY, self.it.top_quality)

    @property
    def aggressor(self):
        return _named(SIDE, self.it.aggressor)

    @property
    def quality(self):
        return self.quote_quality if self.it.quote_seq else self.top_quality

    def age_ns(self, int64_t now_ns, /):
        return now_ns - self.it.ts

    def to_dict(self):
        return {"ticker": self.ticker, **{name: getattr(self, name) for name in FIELDS}}

    def __repr__(self):
        it = self.it
        return (f"LatestValue({self.ticker}, seq {it.seq}, bid {it.bid_qty} at {it.bid_price}, ask {it.ask_qty} at "
                f"{it.ask_price}, last {it.trade_qty} at {it.trade_price}, {self.quality.name})")


@cython.final
cdef class LatestWriter:
    cdef CWriter it
    cdef readonly object path

    def __init__(self, path, *, uint32_t instruments=128, uint32_t quotes=256, uint32_t trades=256,
                 uint32_t references=16, contiguous=False):
        cdef Sizes sizes
        sizes.instruments, sizes.quotes, sizes.trades, sizes.references = instruments, quotes, trades, references
        cdef Opened how
        if path is None:
            how = self.it.open_private(sizes, contiguous)
        else:
            how = self.it.open(os.fsencode(path), sizes, contiguous)
        if how != Opened.ok:
            raise _error(how, self.it.error())
        self.path = path if path is not None else f"/proc/self/fd/{self.it.fd()}"

    def put(self, bytes message not None, /):
        cdef Put done = Put.malformed
        if self.it.is_open():
            done = self.it.put(<const uint8_t*>PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))
        elif self.path:
            raise LatestError(f"{self.path}: this page was closed")
        if done == Put.malformed:
            raise WireError(f"{self.path}: {len(message)} bytes that are no flat message")
        return done == Put.folded

    def lose_all(self):
        if self.it.is_open():
            self.it.lose_all()

    @property
    def instruments(self):
        return self.it.named() if self.it.is_open() else 0

    @property
    def refused(self):
        return self.it.refused() if self.it.is_open() else 0

    def close(self):
        self.it.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


@cython.final
cdef class LatestReader:
    cdef CReader it
    cdef dict places
    cdef readonly object path

    def __init__(self, path):
        self.path = path
        self.reopen()

    def reopen(self):
        self.places = {}
        cdef Opened how = self.it.open(os.fsencode(self.path))
        if how != Opened.ok:
            raise _error(how, self.it.error())
        self.learn()

    cdef int learn(self) except -1:
        cdef uint32_t i
        cdef const char* name
        for i in range(<uint32_t>len(self.places), self.it.named()):
            name = self.it.ticker(i)
            self.places[name[:TICKER].split(b"\0", 1)[0].decode("ascii", "replace")] = i
        return 0

    cdef int64_t place(self, str ticker) except -1:
        cdef PyObject* found
        if not self.it.is_open():
            raise LatestError(f"{self.path}: this page was closed")
        if self.it.retired():
            self.reopen()
        found = PyDict_GetItem(self.places, ticker)
        if found == NULL:
            self.learn()
            found = PyDict_GetItem(self.places, ticker)
            if found == NULL:
                raise self.unknown(ticker)
        return <object>found

    cdef object unknown(self, ticker):
        known = ", ".join(sorted(name for name in self.places if name)[:20]) or "none yet"
        full = ""
        if self.it.refused():
            full = f". The page is full ({self.it.sizes().instruments} instruments): raise [latest] instruments"
        return LatestError(f"{self.path}: nothing was told of a ticker {ticker!r}; known here: {known}{full}")

    def get(self, str ticker not None, /):
        cdef int64_t place = self.place(ticker)
        cdef LatestValue found = LatestValue.__new__(LatestValue)
        self.it.cell(<uint32_t>place).load(found.it)
        found.ticker = ticker
        return found

    def version(self, str ticker not None, /):
        cdef int64_t place = self.place(ticker)
        return self.it.cell(<uint32_t>place).version()

    cdef list recent(self, const Log& log, size_t most):
        cdef uint64_t[MESSAGE_WORDS] words
        cdef list found = []
        cdef uint64_t at = log.count.load()
        cdef uint64_t least = at - log.capacity if at > log.capacity else 0
        cdef uint64_t size
        while at > least and <size_t>len(found) < most:
            at -= 1
            if not log.read(at, words):
                break  # overwritten meanwhile, and so is all before it
            size = ((words[0] >> 32) + 1) * 8
            found.append(m.decode(PyBytes_FromStringAndSize(<const char*>words, <Py_ssize_t>min(size, log.words * 8))))
        found.reverse()
        return found

    def trades(self, str ticker not None, size_t most):
        return self.recent(self.it.trades(<uint32_t>self.place(ticker)), most)

    def quotes(self, str ticker not None, size_t most):
        return self.recent(self.it.quotes(<uint32_t>self.place(ticker)), most)

    def references(self, str ticker not None, size_t most):
        return self.recent(self.it.references(<uint32_t>self.place(ticker)), most)

    @property
    def tickers(self):
        if self.it.is_open():
            if self.it.retired():
                self.reopen()
            self.learn()
        return [name for name in self.places if name]

    @property
    def updates(self):
        return self.it.updates() if self.it.is_open() else 0

    @property
    def writer_alive(self):
        return self.it.is_open() and self.it.writer_alive()

    @property
    def replaced(self):
        return self.it.is_open() and self.it.replaced()

    def close(self):
        self.it.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
