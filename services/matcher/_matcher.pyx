# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of the matcher: bytes of commands in, bytes of events out."""

import hashlib

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from cpython.list cimport PyList_CheckExact, PyList_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from tapewire.errors import WireError
from tapewire.messages import InstrumentStatus
from tapewire.wire._wire import FAULTS

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none, truncated
    cdef enum class WireSide "tapewire::wire::Side"(uint16_t):
        unspecified, buy, sell
    cdef enum class WireStatus "tapewire::wire::InstrumentStatus"(uint16_t):
        unspecified
    cdef cppclass Header:
        pass
    Fault check(const uint8_t*, size_t)
    const Header& header(const uint8_t*)
    uint64_t load64(const uint8_t*)

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void*) nogil

cdef extern from "Python.h":  # as Cython has them, but counting no references
    PyObject* GET_ITEM "PyList_GET_ITEM"(list, Py_ssize_t)
    int CheckExact "PyBytes_CheckExact"(PyObject*)
    char* AS_STRING "PyBytes_AS_STRING"(PyObject*)
    Py_ssize_t GET_SIZE "PyBytes_GET_SIZE"(PyObject*)
    PyObject* FromStringAndSize "PyBytes_FromStringAndSize"(const char*, Py_ssize_t) except NULL
    int _PyBytes_Resize(PyObject**, Py_ssize_t) except -1

cdef extern from "services/matcher/batch.hpp" namespace "tapewire::matcher" nogil:
    const size_t MAX_LIVE_ORDERS_C "tapewire::matcher::MAX_LIVE_ORDERS"
    cdef cppclass CTop "tapewire::matcher::Matcher::Top":
        int64_t bid, bid_qty, ask, ask_qty
    cdef cppclass CDepth "tapewire::matcher::Matcher::Depth":
        int64_t price, qty
        uint32_t orders
    cdef cppclass EventBuffer:
        EventBuffer() except +
        void command(const Header&)
        const uint8_t* data()
        size_t size()
        void clear()
        void lend(uint8_t*, size_t)
    cdef cppclass CMatcher "tapewire::matcher::Matcher":
        CMatcher(size_t) except +
        void apply[Sink](const uint8_t*, Sink&) except +
        void snapshot(vector[uint8_t]&) except +
        cbool restore(const uint8_t*, size_t) except +
        cbool defined(uint32_t)
        WireStatus status(uint32_t)
        CTop best(uint32_t)
        vector[CDepth] depth(uint32_t, WireSide, size_t) except +
        size_t live_orders()
        size_t live_levels()
        uint64_t last_order_id()
        uint64_t next_match_id()
        int64_t next_due()
        uint64_t most_events()
    void apply_batch(CMatcher&, const uint8_t* const*, size_t, EventBuffer&) except +

cdef extern from "services/matcher/answering.hpp" namespace "tapewire::matcher" nogil:
    cdef cppclass CAnswering "tapewire::matcher::Answering":
        CAnswering(uint64_t, const char*) except +
        cbool answer(const uint8_t*, size_t, int64_t, vector[uint8_t]&) except +
        uint64_t stands()
        cbool ready()

MAX_LIVE_ORDERS = MAX_LIVE_ORDERS_C

cdef enum:
    AHEAD = 20  # the bytes of a list lie anywhere in memory: they are fetched this many before they are checked
    LINE = 64
    LINES = 4  # of an object that holds an order
    BYTES_AHEAD = 2048  # those of one bytes lie one behind another
    EVENTS = 256  # bytes of events that a command of a batch is expected to lead to
    SPARE = 4096


cdef int _refuse(const uint8_t* p, Py_ssize_t n, object where) except -1:
    raise WireError(f"{where}: not a flat message: {FAULTS[check(p, n)]} ({n} bytes). Nothing was applied.")


def split(bytes events):
    """The single messages of concatenated ones, such as `Matcher.apply_batch` returns. Raises WireError where they end amiss."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(events)
    cdef Py_ssize_t left = PyBytes_GET_SIZE(events), n
    cdef list out = []
    while left:
        n = 8 + 8 * <Py_ssize_t>(load64(p) >> 32) if left >= 8 else left + 1
        if n > left:
            raise WireError(f"message {len(out)}: {left} bytes are left of it. Pass whole messages.")
        out.append(PyBytes_FromStringAndSize(<const char*>p, n))
        p += n
        left -= n
    return out


cdef class Matcher:
    cdef CMatcher* matcher
    cdef EventBuffer* events
    cdef vector[const uint8_t*] commands

    def __cinit__(self, size_t max_live_orders=MAX_LIVE_ORDERS_C):
        if not 0 < max_live_orders <= MAX_LIVE_ORDERS_C:
            raise ValueError(f"max_live_orders is {max_live_orders}: expected 1 to {MAX_LIVE_ORDERS_C}")
        self.matcher = new CMatcher(max_live_orders)
        self.events = new EventBuffer()

    def __dealloc__(self):
        del self.matcher
        del self.events

    def apply(self, bytes command not None):
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(command)
        if check(p, PyBytes_GET_SIZE(command)) != Fault.none:
            _refuse(p, PyBytes_GET_SIZE(command), "command")
        self.events.clear()
        self.events.command(header(p))
        self.matcher.apply(p, self.events[0])
        p = self.events.data()
        cdef const uint8_t* end = p + self.events.size()
        cdef list out = []
        cdef Py_ssize_t n
        while p < end:
            n = 8 + 8 * <Py_ssize_t>(load64(p) >> 32)
            out.append(PyBytes_FromStringAndSize(<const char*>p, n))
            p += n
        return out

    def apply_batch(self, commands not None):
        self.commands.clear()
        if PyList_CheckExact(commands):
            self._take_list(<list>commands)
        elif PyBytes_CheckExact(commands):
            self._take_bytes(<bytes>commands)
        else:
            raise TypeError(f"commands is a {type(commands).__name__}: expected a list of bytes, or bytes")
        # The events are written where they are handed out, if the guess at their size is not too small.
        cdef Py_ssize_t room = EVENTS * self.commands.size() + SPARE, n
        cdef PyObject* out = FromStringAndSize(NULL, room)
        cdef bint fits
        self.events.clear()
        self.events.lend(<uint8_t*>AS_STRING(out), room)
        try:
            apply_batch(self.matcher[0], self.commands.data(), self.commands.size(), self.events[0])
            n = self.events.size()
            fits = self.events.data() == <uint8_t*>AS_STRING(out)
            if not fits:
                return PyBytes_FromStringAndSize(<const char*>self.events.data(), n)
            _PyBytes_Resize(&out, n)
            return <object>out
        finally:
            self.events.clear()
            Py_XDECREF(out)

    cdef int _take_list(self, list commands) except -1:
        cdef Py_ssize_t i, count = PyList_GET_SIZE(commands)
        cdef int line
        cdef PyObject* command  # borrowed: the list holds it
        cdef const uint8_t* p
        self.commands.resize(count)
        for i in range(count):
            if i + AHEAD < count:
                p = <const uint8_t*>GET_ITEM(commands, i + AHEAD)
                for line in range(LINES):
                    prefetch(p + line * LINE)
            command = GET_ITEM(commands, i)
            if not CheckExact(command):
                raise TypeError(f"command {i} is a {type(<object>command).__name__}: expected bytes. Nothing was applied.")
            p = <const uint8_t*>AS_STRING(command)
            if check(p, GET_SIZE(command)) != Fault.none:
                _refuse(p, GET_SIZE(command), f"command {i}")
            self.commands[i] = p
        return 0

    cdef int _take_bytes(self, bytes commands) except -1:
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(commands)
        cdef size_t left = PyBytes_GET_SIZE(commands), n
        cdef int line
        while left:
            n = 8 + 8 * <size_t>(load64(p) >> 32) if left >= 8 else left
            if n > left:
                n = left
            for line in range(LINES - 1):
                prefetch(p + BYTES_AHEAD + line * LINE)
            if check(p, n) != Fault.none:
                _refuse(p, n, f"command {self.commands.size()}")
            self.commands.push_back(p)
            p += n
            left -= n
        return 0

    def snapshot(self):
        cdef vector[uint8_t] out
        self.matcher.snapshot(out)
        return PyBytes_FromStringAndSize(<const char*>out.data(), out.size())

    @staticmethod
    def restore(bytes snapshot not None, size_t max_live_orders=MAX_LIVE_ORDERS_C):
        cdef Matcher made = Matcher(max_live_orders)
        if not made.matcher.restore(<const uint8_t*>PyBytes_AS_STRING(snapshot), PyBytes_GET_SIZE(snapshot)):
            raise WireError(
                f"not a matcher snapshot of version 2 with at most {max_live_orders} orders ({PyBytes_GET_SIZE(snapshot)} bytes, "
                f"beginning {snapshot[:8]!r}). Take another snapshot, or replay the tape from its beginning."
            )
        return made

    def digest(self):
        return hashlib.sha256(self.snapshot()).hexdigest()

    cdef int _known(self, uint32_t instrument) except -1:
        if not self.matcher.defined(instrument):
            raise KeyError(f"instrument {instrument} is not defined: send an InstrumentDefinition first")
        return 0

    def best(self, uint32_t instrument):
        self._known(instrument)
        cdef CTop top = self.matcher.best(instrument)
        return top.bid, top.bid_qty, top.ask, top.ask_qty

    def depth(self, uint32_t instrument, int side, size_t n):
        self._known(instrument)
        if side != 1 and side != 2:
            raise ValueError(f"side is {side}: expected Side.buy or Side.sell")
        cdef vector[CDepth] levels = self.matcher.depth(instrument, WireSide.buy if side == 1 else WireSide.sell, n)
        return [(level.price, level.qty, level.orders) for level in levels]

    def status(self, uint32_t instrument):
        self._known(instrument)
        return InstrumentStatus(<int>self.matcher.status(instrument))

    def next_due(self):
        return self.matcher.next_due()

    def most_events(self):
        return self.matcher.most_events()

    @property
    def live_orders(self):
        return self.matcher.live_orders()

    @property
    def live_levels(self):
        return self.matcher.live_levels()

    @property
    def last_order_id(self):
        return self.matcher.last_order_id()

    @property
    def next_match_id(self):
        return self.matcher.next_match_id()


include "tapewire/split/answering.pxi"
