# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of histograms and pages of statistics. The drawings are in histogram.hpp and stats.hpp."""

import os

from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from tapewire.errors import StatsError

cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        const char* data()
        size_t size()

cdef extern from "tapewire/histogram/stats.hpp" namespace "tapewire::histogram" nogil:
    cdef cppclass CHistogram "tapewire::histogram::Histogram":
        uint64_t max
        uint64_t sum
        const uint64_t* counts
        void record(int64_t)
        void merge(const CHistogram&)
        void reset()
        uint64_t count()
        double mean()
        uint64_t percentile(double)
        @staticmethod
        uint64_t highest_of(size_t)
    const size_t BUCKETS "tapewire::histogram::Histogram::BUCKETS"
    cdef cppclass CStatsPage "tapewire::histogram::StatsPage":
        cbool create(const char*, const vector[string]&, const vector[string]&)
        cbool open(const char*)
        void close()
        cbool is_writer()
        cbool writer_alive()
        cbool replaced()
        int64_t started_ns()
        size_t histogram_count()
        size_t counter_count()
        CHistogram* histogram(size_t)
        string_view histogram_name(size_t)
        string_view counter_name(size_t)
        uint64_t counter(size_t)
        void add(size_t, uint64_t)
        void set(size_t, uint64_t)
        const string& error()


cdef class Histogram:
    cdef CHistogram* it
    cdef StatsPage page  # whose memory it is; None: our own
    cdef bint owned  # asked at the end, when the garbage collector may have cleared `page` already

    def __cinit__(self, StatsPage page=None, size_t slot=0):
        self.page = page
        self.owned = page is None
        self.it = new CHistogram() if page is None else page.page.histogram(slot)

    def __init__(self):
        pass

    def __dealloc__(self):
        if self.owned:
            del self.it

    cdef int check_writable(self) except -1:
        if self.page is not None and not self.page.page.is_writer():
            raise StatsError(f"{self.page.path}: opened for reading. Only the process that created the page may write it")
        return 0

    def record(self, int64_t ns, /):
        self.check_writable()
        self.it.record(ns)

    def merge(self, Histogram other not None, /):
        self.check_writable()
        self.it.merge(other.it[0])

    def reset(self):
        self.check_writable()
        self.it.reset()

    def percentile(self, double percent, /):
        if not 0.0 <= percent <= 100.0:
            raise ValueError(f"a percentile of {percent}; expected 0 to 100")
        return self.it.percentile(percent)

    @property
    def count(self):
        return self.it.count()

    @property
    def max(self):
        return self.it.max

    @property
    def mean(self):
        return self.it.mean()

    @property
    def sum(self):
        return self.it.sum

    def counts(self):
        cdef size_t i
        return [(i, self.it.counts[i]) for i in range(BUCKETS) if self.it.counts[i]]

    @staticmethod
    def highest_of(size_t bucket, /):
        if bucket >= BUCKETS:
            raise ValueError(f"bucket {bucket}; there are 0 to {BUCKETS - 1}")
        return CHistogram.highest_of(bucket)

    def __repr__(self):
        return (
            f"Histogram(count={self.count}, p50={self.percentile(50)}, p99={self.percentile(99)}, "
            f"p999={self.percentile(99.9)}, max={self.max})"
        )


cdef class StatsPage:
    cdef CStatsPage page
    cdef readonly str path
    cdef dict _histograms, _counters

    def __init__(self):
        raise TypeError("StatsPage.create(path, ...) to write one, StatsPage.open(path) to read one")

    @staticmethod
    def create(path, histograms=(), counters=()):
        cdef StatsPage self = StatsPage.__new__(StatsPage)
        cdef vector[string] histogram_names = [name.encode() for name in histograms]
        cdef vector[string] counter_names = [name.encode() for name in counters]
        if not self.page.create(os.fsencode(path), histogram_names, counter_names):
            raise StatsError(self.page.error().decode("utf-8", "replace"))
        return self.index(path)

    @staticmethod
    def open(path):
        cdef StatsPage self = StatsPage.__new__(StatsPage)
        if not self.page.open(os.fsencode(path)):
            raise StatsError(self.page.error().decode("utf-8", "replace"))
        return self.index(path)

    cdef StatsPage index(self, path):
        cdef size_t i
        cdef string_view name
        self.path = os.fspath(path)
        self._histograms, self._counters = {}, {}
        for i in range(self.page.histogram_count()):
            name = self.page.histogram_name(i)
            self._histograms[name.data()[: name.size()].decode("utf-8", "replace")] = i
        for i in range(self.page.counter_count()):
            name = self.page.counter_name(i)
            self._counters[name.data()[: name.size()].decode("utf-8", "replace")] = i
        return self

    cdef size_t slot(self, dict names, str kind, name) except? 99:
        found = names.get(name)
        if found is None:
            raise KeyError(f"{self.path}: no {kind} named {name!r}; there are {', '.join(names) or 'none'}")
        return found

    cdef int check_writable(self) except -1:
        if not self.page.is_writer():
            raise StatsError(f"{self.path}: opened for reading, or closed. Only the process that created the page may write it")
        return 0

    def histogram(self, str name, /):
        return Histogram.__new__(Histogram, self, self.slot(self._histograms, "histogram", name))

    def histograms(self):
        return {name: Histogram.__new__(Histogram, self, slot) for name, slot in self._histograms.items()}

    def counter(self, str name, /):
        return self.page.counter(self.slot(self._counters, "counter", name))

    def counters(self):
        return {name: self.page.counter(slot) for name, slot in self._counters.items()}

    def add(self, str name, uint64_t n=1, /):
        self.check_writable()
        self.page.add(self.slot(self._counters, "counter", name), n)

    def set(self, str name, uint64_t value, /):
        self.check_writable()
        self.page.set(self.slot(self._counters, "counter", name), value)

    @property
    def started_ns(self):
        return self.page.started_ns()

    @property
    def writer_alive(self):
        return self.page.writer_alive()

    @property
    def replaced(self):
        return self.page.replaced()

    def close(self):
        self.page.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
