# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of stage logs. The drawing is in layout.hpp, the algorithm in stages.hpp."""

import os
from typing import NamedTuple

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string

from tapewire.errors import StageLogError

cdef extern from "tapewire/stages/stages.hpp" namespace "tapewire::stages" nogil:
    cdef enum class Read(int):
        ok, later, gone
    cdef struct CBatch "tapewire::stages::Batch":
        uint64_t first, last
        int64_t began, matched, written, durable, released
    cdef cppclass CWriter "tapewire::stages::Writer":
        cbool open(const char*, uint32_t)
        void close()
        void record(const CBatch&)
        cbool is_open()
        uint64_t count()
        uint32_t slots()
        const string& error()
    cdef cppclass CReader "tapewire::stages::Reader":
        cbool open(const char*)
        void close()
        Read read(uint64_t, CBatch&)
        cbool find(uint64_t, CBatch&)
        cbool is_open()
        cbool replaced()
        cbool writer_alive()
        uint64_t count()
        uint32_t slots()
        const string& error()


class Batch(NamedTuple):
    first: int
    last: int
    began: int
    matched: int
    written: int
    durable: int
    released: int


cdef object _batch(const CBatch& it):
    return Batch(it.first, it.last, it.began, it.matched, it.written, it.durable, it.released)


cdef class StageWriter:
    cdef CWriter it
    cdef readonly object path

    def __init__(self, path, *, uint32_t slots=1 << 16):
        self.path = path
        if not self.it.open(os.fsencode(path), slots):
            raise StageLogError(self.it.error().decode("utf-8", "replace"))

    def record(self, uint64_t first, uint64_t last, int64_t began, int64_t released, int64_t matched=0,
               int64_t written=0, int64_t durable=0):
        if not self.it.is_open():
            raise StageLogError(f"{self.path}: this stage log was closed")
        cdef CBatch batch
        batch.first, batch.last, batch.began, batch.released = first, last, began, released
        batch.matched, batch.written, batch.durable = matched, written, durable
        self.it.record(batch)

    @property
    def count(self):
        return self.it.count() if self.it.is_open() else 0

    def close(self):
        self.it.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


cdef class StageReader:
    cdef CReader it
    cdef readonly object path
    cdef readonly object next, missed

    def __init__(self, path, *, start=None):
        if not self.it.open(os.fsencode(path)):
            raise StageLogError(self.it.error().decode("utf-8", "replace"))
        self.path, self.missed = path, 0
        cdef uint64_t count = self.it.count(), slots = self.it.slots()
        self.next = start if start is not None else count - slots if count > slots else 0

    cdef int check_open(self) except -1:
        if not self.it.is_open():
            raise StageLogError(f"{self.path}: this stage log was closed")
        return 0

    def poll(self, size_t max_batches=1024, /):
        self.check_open()
        cdef list found = []
        cdef CBatch batch
        cdef uint64_t at = self.next, end = self.it.count(), slots = self.it.slots()
        cdef uint64_t missed = self.missed
        while at < end and <size_t>len(found) < max_batches:
            if end - at > slots:
                missed += end - slots - at
                at = end - slots
            if self.it.read(at, batch) == Read.ok:
                found.append(_batch(batch))
            else:
                missed += 1
                end = self.it.count()
            at += 1
        self.next, self.missed = at, missed
        return found

    def find(self, uint64_t seq, /):
        self.check_open()
        cdef CBatch batch
        return _batch(batch) if self.it.find(seq, batch) else None

    @property
    def count(self):
        self.check_open()
        return self.it.count()

    @property
    def slots(self):
        self.check_open()
        return self.it.slots()

    @property
    def writer_alive(self):
        return self.it.writer_alive()

    @property
    def replaced(self):
        return self.it.replaced()

    def close(self):
        self.it.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
