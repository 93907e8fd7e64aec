# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of the engine: opens, recovers, and runs the compiled loop without the GIL."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import os
import time as _time

from tapewire.errors import EngineStopped, RingError, TapeDamaged, TapeError, TapeFenced, TapeFull

cdef extern from "services/engine/host.hpp" namespace "tapewire::engine" nogil:
    cdef enum class Mismatch(int):
        none, malformed, sequence, event_differs, event_unexpected, event_missing, order_id
    cdef struct Counters:
        uint64_t commands, refused_inputs, skipped, batches, rejects, orders, trades
    cdef cppclass Host:
        Host(size_t max_batch)
        string error
        int error_kind
        uint64_t error_offset
        cbool open_tape(const char* dir, const char* name, int durability, uint64_t segment_bytes)
        cbool restore(const uint8_t*, size_t)
        cbool recover(int64_t now)
        cbool start_epoch(int64_t now, const char* version)
        cbool add_ring(const char* path, uint64_t capacity, uint16_t source)
        cbool open_doorbell(const char* path)
        cbool open_stats(const char* path)
        int run(int64_t until_ns, int idle, cbool* stop)
        size_t do_work()
        size_t drain()
        cbool write()
        cbool sync()
        void publish()
        cbool failed()
        cbool background_sync()
        cbool prepare()
        void set_time(int64_t)
        void snapshot(vector[uint8_t]&)
        void close()
        void ring_bell()
        uint64_t next_seq()
        uint64_t recovered_records, recovered_commands, recovered_missing, redecided, redecided_seq, mismatch_seq
        Mismatch mismatch
        uint64_t epoch()
        size_t live_orders()
        Counters counters()
