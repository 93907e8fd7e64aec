# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of native.hpp: each function runs one measuring loop without the GIL."""

import os
from typing import NamedTuple

from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_unique, unique_ptr

cdef extern from "bench/native.hpp" namespace "tapewire::bench" nogil:
    cdef cppclass Histogram:
        uint64_t count()
        uint64_t percentile(double)
    void c_pingpong "tapewire::bench::pingpong"(uint64_t, int, int, Histogram&)
    cbool c_ring_round_trip "tapewire::bench::ring_round_trip"(const char*, const char*, uint64_t, int, int, Histogram&)
    int64_t c_ring_stream "tapewire::bench::ring_stream"(const char*, uint64_t, int, int)
    double c_codec_encode "tapewire::bench::codec_encode_ns"(uint64_t)
    double c_codec_decode "tapewire::bench::codec_decode_ns"(uint64_t)
    double c_histogram_record "tapewire::bench::histogram_record_ns"(uint64_t, Histogram&)
    double c_clock "tapewire::bench::clock_ns"(uint64_t)


class Latency(NamedTuple):
    p50_ns: int
    p99_ns: int
    samples: int


cdef object _latency(Histogram* histogram):
    return Latency(histogram.percentile(50), histogram.percentile(99), histogram.count())


def pingpong(uint64_t rounds, int core, int other_core):
    cdef unique_ptr[Histogram] histogram = make_unique[Histogram]()
    with nogil:
        c_pingpong(rounds, core, other_core, histogram.get()[0])
    return _latency(histogram.get())


def ring_round_trip(there, back, uint64_t rounds, int core, int other_core):
    cdef unique_ptr[Histogram] histogram = make_unique[Histogram]()
    cdef bytes there_path = os.fsencode(there), back_path = os.fsencode(back)
    cdef const char* a = there_path
    cdef const char* b = back_path
    cdef cbool opened
    with nogil:
        opened = c_ring_round_trip(a, b, rounds, core, other_core, histogram.get()[0])
    if not opened:
        raise OSError(f"the rings {there} and {back} cannot be opened")
    return _latency(histogram.get())


def ring_stream_ns(path, uint64_t records, int core, int other_core):
    cdef bytes encoded = os.fsencode(path)
    cdef const char* p = encoded
    cdef int64_t took
    with nogil:
        took = c_ring_stream(p, records, core, other_core)
    if took < 0:
        raise OSError(f"the ring {path} cannot be opened")
    return took


def codec_encode_ns(uint64_t rounds):
    return c_codec_encode(rounds)


def codec_decode_ns(uint64_t rounds):
    return c_codec_decode(rounds)


def histogram_record_ns(uint64_t rounds):
    cdef unique_ptr[Histogram] histogram = make_unique[Histogram]()
    return c_histogram_record(rounds, histogram.get()[0])


def clock_ns(uint64_t rounds):
    return c_clock(rounds)
