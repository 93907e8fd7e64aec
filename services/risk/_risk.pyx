# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of risk.hpp: for tests and tools, and of what answers as a service of its own."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from tapewire.errors import WireError
from tapewire.messages import RejectReason

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none
    Fault wire_check "tapewire::wire::check"(const uint8_t*, size_t)

cdef extern from "services/risk/risk.hpp" namespace "tapewire::risk" nogil:
    cdef struct Verdict:
        uint16_t reason
        int64_t value, limit
    cdef cppclass CExposure "tapewire::risk::Risk::Exposure":
        int64_t position, open_buy, open_sell
    cdef cppclass CRisk "tapewire::risk::Risk":
        Verdict check(uint8_t*)
        void fold(const uint8_t*)
        CExposure exposure(uint32_t, uint32_t)
        size_t live_orders()
        cbool killed()
        int64_t reference_price(uint32_t)
        void snapshot(vector[uint8_t]&)
        cbool restore(const uint8_t*, size_t, uint64_t)

cdef extern from "services/risk/answering.hpp" namespace "tapewire::risk" nogil:
    cdef cppclass CAnswering "tapewire::risk::Answering":
        CAnswering(uint64_t, const char*) except +
        cbool answer(const uint8_t*, size_t, int64_t, vector[uint8_t]&) except +
        uint64_t stands()
        cbool ready()

cdef extern from *:
    """
    #include "services/risk/risk.hpp"
    static inline int verdict_reason(const tapewire::risk::Verdict& v) { return int(v.reason); }
    """
    int verdict_reason(const Verdict&) nogil


cdef const uint8_t* _flat(bytes raw) except NULL:
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
    if wire_check(p, PyBytes_GET_SIZE(raw)) != Fault.none:
        raise WireError(f"not a flat message ({PyBytes_GET_SIZE(raw)} bytes); lay it out anew with tapewire.messages.decode")
    return p


cdef class Risk:
    """Pre-trade risk, a fold over the orders tape. See services/risk/README.md for the rules."""

    cdef CRisk core

    def check(self, bytes command):
        """(reason, value, limit, command): the decision on `command`, and the command as risk would have it sequenced
        (a market order carries its protection price). Reads state only."""
        _flat(command)
        cdef bytes copy = PyBytes_FromStringAndSize(PyBytes_AS_STRING(command), PyBytes_GET_SIZE(command))
        cdef Verdict v = self.core.check(<uint8_t*>PyBytes_AS_STRING(copy))
        return RejectReason(verdict_reason(v)), v.value, v.limit, copy

    def fold(self, bytes record):
        """Takes one record of the tape, command or event, into the state."""
        self.core.fold(_flat(record))

    def exposure(self, uint32_t account, uint32_t instrument):
        """(position, open_buy, open_sell) in lots' units; zeros for a pair that never traded."""
        cdef CExposure e = self.core.exposure(account, instrument)
        return e.position, e.open_buy, e.open_sell

    @property
    def live_orders(self):
        return self.core.live_orders()

    @property
    def killed(self):
        return bool(self.core.killed())

    def reference_price(self, uint32_t instrument):
        """What the collar of `instrument` stands around: the last trade, before it the definition's; 0 for none."""
        return self.core.reference_price(instrument)

    def snapshot(self):
        """Canonical bytes: equal states give equal bytes."""
        cdef vector[uint8_t] out
        self.core.snapshot(out)
        return PyBytes_FromStringAndSize(<const char*>out.data(), out.size())

    @staticmethod
    def restore(bytes snapshot, *, uint64_t next_order_id):
        """The Risk whose snapshot() this is, `next_order_id` being the first id that no order had yet. Raises ValueError
        for anything else, orders that were never given included."""
        cdef Risk risk = Risk()
        if not risk.core.restore(<const uint8_t*>PyBytes_AS_STRING(snapshot), PyBytes_GET_SIZE(snapshot), next_order_id):
            raise ValueError(f"not a snapshot of risk: {len(snapshot)} bytes, beginning {snapshot[:8]!r}")
        return risk


include "tapewire/split/answering.pxi"
