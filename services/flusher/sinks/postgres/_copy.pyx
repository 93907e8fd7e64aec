# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of rows.hpp: records in, COPY buffers of each table out."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int64_t, int8_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.set cimport set as cset
from libcpp.string cimport string
from libcpp.vector cimport vector

from tapewire import messages as m
from tapewire.errors import SinkError, WireError

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none
    Fault wire_check "tapewire::wire::check"(const uint8_t*, size_t)

cdef extern from "services/flusher/sinks/postgres/kept.hpp" namespace "tapewire::postgres" nogil:
    cdef cppclass CopyBuffer:
        vector[uint8_t] bytes
        uint64_t rows
        void end()
        void numeric(int64_t, int)
        void clear()
    cdef cppclass CTops "tapewire::postgres::Tops":
        void define(uint32_t, int8_t, int8_t, const string&)
    cdef cppclass CRows "tapewire::postgres::Rows":
        vector[string] words[20]
        CopyBuffer out[13]
        cset[int64_t] days
        CTops state
        uint64_t at
        int16_t tape
        string feed
        cbool router
        void take(const uint8_t*, cbool)
        void clear()
    cdef cppclass Keeper:
        vector[uint8_t] bytes
    void keep(const CRows&, Keeper&)
    cbool restore(CRows&, const uint8_t*, size_t)

cdef extern from "Python.h" nogil:  # macros that read alone
    PyObject* item "PyList_GET_ITEM"(PyObject*, size_t)
    const uint8_t* bytes_of "(const uint8_t*)PyBytes_AS_STRING"(PyObject*)
    size_t size_of "PyBytes_GET_SIZE"(PyObject*)

TABLES = ("orders", "executions", "trades", "rejects", "risk_decisions", "positions", "sessions", "instruments", "quotes",
          "parents", "routes", "children", "venue_reports")
_WORDS = (
    *(m.MessageType, m.RejectReason, m.CancelReason, m.Side, m.OrdType, m.TimeInForce, m.TriggerReason),
    *(m.RestateReason, m.InstrumentStatus, m.StatusReason, m.BookQuality, m.FixSessionState, m.VenueState),
    *(m.RefusalReason, m.Algorithm, m.ParentState, m.VenueReportKind, m.ReportOrigin, m.Liquidity, m.Unusable),
)


cdef class Rows:
    cdef CRows rows

    def __init__(self, int tape, str feed, cbool router=False):
        self.rows.tape = tape
        self.rows.router = router
        self.rows.feed = feed.encode()
        for at, enum in enumerate(_WORDS):
            for value in range(max(enum) + 1):
                self.rows.words[at].push_back(enum(value).name.encode())

    def define(self, uint32_t instrument, int price_exponent, int qty_exponent, str ticker):
        self.rows.state.define(instrument, price_exponent, qty_exponent, ticker.encode())

    def fold(self, list records):
        self._take(records, False)

    def put(self, list records):
        cdef size_t at
        self.rows.clear()
        self._take(records, True)
        out = {}
        for at in range(13):
            if self.rows.out[at].rows:
                self.rows.out[at].end()
                copy = PyBytes_FromStringAndSize(<const char*>self.rows.out[at].bytes.data(), self.rows.out[at].bytes.size())
                out[TABLES[at]] = (self.rows.out[at].rows, copy)
        return out, [day for day in self.rows.days]

    cdef _take(self, list records, cbool put):
        cdef size_t at = 0, count = len(records)
        cdef PyObject* held = <PyObject*>records
        cdef PyObject* raw
        if not all(type(record) is bytes for record in records):
            raise TypeError("records: expected bytes, each a message")
        with nogil:  # the list keeps the bytes, and nobody changes it
            while at < count:
                raw = item(held, at)
                if wire_check(bytes_of(raw), size_of(raw)) != Fault.none:
                    break
                self.rows.take(bytes_of(raw), put)
                at += 1
        if at < count:
            raise WireError(f"record behind {self.rows.at}: not a flat message ({len(records[at])} bytes)")

    @property
    def at(self):
        return self.rows.at

    def state(self):
        cdef Keeper out
        keep(self.rows, out)
        return PyBytes_FromStringAndSize(<const char*>out.bytes.data(), out.bytes.size())

    def restore(self, bytes state):
        if not restore(self.rows, <const uint8_t*>PyBytes_AS_STRING(state), PyBytes_GET_SIZE(state)):
            raise SinkError(f"not the state of a sink, or of another version: {len(state)} bytes, beginning {state[:8]!r}")


def numeric(int64_t mantissa, int exponent):
    """One NUMERIC as COPY has it, its length before it."""
    cdef CopyBuffer out
    out.numeric(mantissa, exponent)
    return PyBytes_FromStringAndSize(<const char*>out.bytes.data(), out.bytes.size())
