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
        folded, not_ours, full, malformed, known
    cdef struct Feed:
        cbool contiguous, house
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
        Opened open(const char*, const Sizes&, Feed)
        Opened open_private(const Sizes&, Feed)
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


include "value.pxi"


@cython.final
cdef class LatestWriter:
    cdef CWriter it
    cdef readonly object path

    def __init__(self, path, *, uint32_t instruments=128, uint32_t quotes=256, uint32_t trades=256,
                 uint32_t references=16, contiguous=False, house=False):
        cdef Sizes sizes
        cdef Feed feed
        sizes.instruments, sizes.quotes, sizes.trades, sizes.references = instruments, quotes, trades, references
        feed.contiguous, feed.house = contiguous, house
        cdef Opened how
        if path is None:
            how = self.it.open_private(sizes, feed)
        else:
            how = self.it.open(os.fsencode(path), sizes, feed)
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
    cdef readonly object path, called, opened

    def __init__(self, path, *, called=None):
        self.path, self.called, self.opened = path, called or path, 0
        self.reopen()

    def reopen(self):
        self.places = {}
        cdef Opened how = self.it.open(os.fsencode(self.path))
        if how != Opened.ok:
            raise _error(how, self.it.error())
        self.opened += 1
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
            raise LatestError(f"{self.called}: this page was closed")
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
        return LatestError(f"{self.called}: nothing was told of a ticker {ticker!r}; known here: {known}{full}")

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
