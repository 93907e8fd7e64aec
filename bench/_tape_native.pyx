# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of tape_native.hpp: each function runs one measuring loop without the GIL."""

import os
from typing import NamedTuple

from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_unique, unique_ptr
from libcpp.string cimport string

cdef extern from "bench/tape_native.hpp" namespace "tapewire::bench" nogil:
    cdef cppclass Histogram:
        uint64_t count()
        uint64_t percentile(double)
    int64_t tape_append(const char*, uint64_t, uint64_t, uint64_t, string&)
    cbool tape_commit(const char*, uint64_t, uint64_t, Histogram&, string&)
    int64_t tape_scan(const char*, uint64_t, uint64_t&, string&)


class Latency(NamedTuple):
    p50_ns: int
    p99_ns: int
    samples: int


cdef object _refused(const string& error):
    cdef bytes raw = error
    return OSError(raw.decode("utf-8", "replace"))


def append_ns(path, uint64_t segment_bytes, uint64_t records, uint64_t batch):
    cdef bytes folder = os.fsencode(path)
    cdef const char* p = folder
    cdef int64_t took
    cdef string error
    with nogil:
        took = tape_append(p, segment_bytes, records, batch, error)
    if took < 0:
        raise _refused(error)
    return took / records


def commit_latency(path, uint64_t rounds, uint64_t batch):
    cdef unique_ptr[Histogram] histogram = make_unique[Histogram]()
    cdef bytes folder = os.fsencode(path)
    cdef const char* p = folder
    cdef cbool done
    cdef string error
    with nogil:
        done = tape_commit(p, rounds, batch, histogram.get()[0], error)
    if not done:
        raise _refused(error)
    return Latency(histogram.get().percentile(50), histogram.get().percentile(99), histogram.get().count())


def scan_ns(path, uint64_t rounds):
    cdef bytes folder = os.fsencode(path)
    cdef const char* p = folder
    cdef int64_t took
    cdef uint64_t records = 0
    cdef string error
    with nogil:
        took = tape_scan(p, rounds, records, error)
    if took < 0:
        raise _refused(error)
    return took / records
