# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of engine_native.hpp: each call is one measuring loop without the GIL."""

import os
import time

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_unique, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from bench._native import Latency

cdef extern from "bench/engine_native.hpp" namespace "tapewire::bench" nogil:
    cdef cppclass Histogram:
        uint64_t count()
        uint64_t percentile(double)
    cdef cppclass CMarket "tapewire::bench::Market":
        string error
        cbool open(const char*, const char*, const char*, cbool, uint64_t, uint64_t, size_t)
        cbool round_trip(uint64_t, int, int, Histogram&)
        int64_t stream(uint64_t, uint64_t, int, int)
        int64_t alone(uint64_t, cbool)
        double check_ns(uint64_t)
        cbool keep_stages(const char*)
        size_t live_orders()
        uint64_t next_seq()
        uint64_t position()
        void snapshot(vector[uint8_t]&)
        void close()


cdef class Market:
    cdef CMarket market

    def __init__(self, folder, *, cbool disk=False, uint64_t segment_bytes=64 << 20, uint64_t ring_bytes=1 << 20, ring=None, size_t max_batch=1024):
        cdef bytes tape = os.fsencode(folder), inbound = os.fsencode(ring or f"{folder}.ring"), stats = os.fsencode(f"{folder}.stats")
        cdef const char* a = tape
        cdef const char* b = inbound
        cdef const char* c = stats
        cdef cbool done
        with nogil:
            done = self.market.open(a, b, c, disk, segment_bytes, ring_bytes, max_batch)
        self._check(done)

    cdef _check(self, cbool done):
        if not done:
            raise RuntimeError(f"the engine under test: {self.market.error.decode(errors='replace')}")

    def round_trip(self, uint64_t rounds, int core, int engine_core):
        cdef unique_ptr[Histogram] histogram = make_unique[Histogram]()
        cdef cbool done
        with nogil:
            done = self.market.round_trip(rounds, core, engine_core, histogram.get()[0])
        self._check(done)
        return Latency(histogram.get().percentile(50), histogram.get().percentile(99), histogram.get().count())

    def stream_ns(self, uint64_t commands, uint64_t window, int core, int engine_core):
        cdef int64_t took
        with nogil:
            took = self.market.stream(commands, window, core, engine_core)
        self._check(took >= 0)
        return took

    def alone_ns(self, uint64_t commands, *, cbool resting=False):
        cdef int64_t took
        with nogil:
            took = self.market.alone(commands, resting)
        self._check(took >= 0)
        return took

    def keep_stages(self, path):
        cdef bytes name = os.fsencode(path)
        self._check(self.market.keep_stages(name))

    def check_ns(self, uint64_t rounds):
        cdef double took
        with nogil:
            took = self.market.check_ns(rounds)
        if took < 0:
            raise RuntimeError("risk refused an order that keeps all limits")
        return took

    @property
    def live_orders(self):
        return self.market.live_orders()

    @property
    def next_seq(self):
        return self.market.next_seq()

    @property
    def position(self):
        return self.market.position()

    def snapshot(self):
        cdef vector[uint8_t] out
        with nogil:
            self.market.snapshot(out)
        return bytes(<const uint8_t[:out.size()]>out.data())

    def pause_ns(self):
        """How long the engine's thread is kept from its work by one snapshot."""
        began = time.perf_counter_ns()
        self.snapshot()
        return time.perf_counter_ns() - began

    def close(self):
        with nogil:
            self.market.close()
