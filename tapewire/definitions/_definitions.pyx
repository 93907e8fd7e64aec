# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of definitions.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cython.operator cimport dereference, preincrement
from libc.stdint cimport uint8_t, uint32_t
from libcpp cimport bool as cbool
from libcpp.map cimport map as cmap

from tapewire.errors import WireError
from tapewire.messages import AccountLimits, InstrumentDefinition

cdef extern from "tapewire/definitions/definitions.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none
    Fault wire_check "tapewire::wire::check"(const uint8_t*, size_t)
    cdef struct CInstrument "tapewire::wire::InstrumentDefinition":
        pass
    cdef struct CAccount "tapewire::wire::AccountLimits":
        pass

cdef extern from "tapewire/definitions/definitions.hpp" namespace "tapewire::definitions" nogil:
    cdef cppclass CDefinitions "tapewire::definitions::Definitions":
        void fold(const uint8_t*)
        cbool restore_of_state(const uint8_t*, size_t)
        const cmap[uint32_t, CInstrument]& instruments()
        const cmap[uint32_t, CAccount]& accounts()


cdef class Definitions:
    cdef CDefinitions core

    def fold(self, bytes record):
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(record)
        if wire_check(p, PyBytes_GET_SIZE(record)) != Fault.none:
            raise WireError(f"not a flat message ({PyBytes_GET_SIZE(record)} bytes); lay it out anew with tapewire.messages.decode")
        self.core.fold(p)

    @staticmethod
    def of_state(bytes state):
        cdef Definitions made = Definitions()
        if not made.core.restore_of_state(<const uint8_t*>PyBytes_AS_STRING(state), PyBytes_GET_SIZE(state)):
            raise ValueError(
                f"{len(state)} bytes beginning {state[:8]!r}: no state of an engine that holds definitions; those begin b'TWSTATE2'"
            )
        return made

    @property
    def instruments(self):
        cdef cmap[uint32_t, CInstrument].const_iterator at = self.core.instruments().const_begin()
        found = {}
        while at != self.core.instruments().const_end():
            found[dereference(at).first] = InstrumentDefinition.decode(
                PyBytes_FromStringAndSize(<const char*>&dereference(at).second, sizeof(CInstrument)))
            preincrement(at)
        return found

    @property
    def accounts(self):
        cdef cmap[uint32_t, CAccount].const_iterator at = self.core.accounts().const_begin()
        found = {}
        while at != self.core.accounts().const_end():
            found[dereference(at).first] = AccountLimits.decode(
                PyBytes_FromStringAndSize(<const char*>&dereference(at).second, sizeof(CAccount)))
            preincrement(at)
        return found
