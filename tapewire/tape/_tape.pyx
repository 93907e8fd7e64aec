# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of the tape. The algorithm is in tape.hpp and what it includes."""

import os
import time
from pathlib import Path
from typing import NamedTuple

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.string cimport string

from tapewire.errors import TapeDamaged, TapeError, TapeFenced, TapeFull, TapeGone, TapeMissing, WireError
from tapewire.messages import MessageType
from tapewire.wire import _wire

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none
    Fault wire_check "tapewire::wire::check"(const uint8_t*, size_t)
    cdef struct Header:
        uint64_t seq, cause
        uint16_t source
    const Header& wire_header "tapewire::wire::header"(const uint8_t*)

cdef extern from "tapewire/tape/tape.hpp" namespace "tapewire::tape::crc32c" nogil:
    uint32_t extend_table(uint32_t, const uint8_t*, size_t)
    uint32_t extend_sse42(uint32_t, const uint8_t*, size_t)
    const cbool HAS_SSE42

cdef extern from "tapewire/tape/tape.hpp" namespace "tapewire::tape" nogil:
    cdef enum class Status(int):
        ok, missing, fenced, damaged, full, io, bad_options, bad_version, too_long, gone, beyond_end, closed
    cdef enum class Durability(uint32_t):
        memory, disk
    cdef enum class Limit(int):
        written, durable, released
    cdef cppclass Failure:
        Status status
        string message, path, found
        uint64_t offset, seq
    cdef cppclass CPositions "tapewire::tape::Positions":
        uint64_t written, durable, released, written_seq, durable_seq, released_seq
    cdef cppclass CRecovery "tapewire::tape::Recovery":
        cbool created
        uint64_t records, last_seq, position, cut_position, cut_bytes, cut_seq
        string cut_found
    cdef cppclass Options:
        Durability durability
        uint64_t segment_bytes
        string name
        cbool create
    cdef cppclass CWriter "tapewire::tape::Writer":
        Status open(const char*, const Options&)
        uint64_t next_seq()
        uint8_t* reserve(size_t)
        void append(size_t)
        cbool write()
        cbool sync_batch()
        cbool sync(Failure&)
        void publish()
        cbool commit()
        cbool wants_next()
        cbool prepare_next(Failure&)
        void close()
        void abandon()
        cbool is_open()
        cbool disk()
        uint64_t position()
        uint64_t epoch()
        uint64_t max_message()
        uint64_t batch_records()
        const string& name()
        CPositions positions()
        const CRecovery& recovery()
        const Failure& failure()
    cdef cppclass Record:
        const uint8_t* p
        uint32_t n
        uint16_t type
        uint64_t position, end
    cdef cppclass Mark:
        uint64_t position, seq
    cdef cppclass CReader "tapewire::tape::Reader":
        Status open(const char*)
        void close()
        void check_crc(cbool)
        cbool next(Record&, uint64_t)
        uint64_t scan(uint64_t, uint64_t)
        CPositions positions()
        Mark mark(Limit)
        cbool wait(Limit, int64_t)
        Status seek_seq(uint64_t)
        Status seek_time(int64_t)
        uint64_t first_seq()
        cbool ok()
        cbool is_open()
        cbool writer_alive()
        uint64_t next_seq()
        uint64_t position()
        const Failure& failure()
    cdef cppclass CCut "tapewire::tape::Cut":
        uint64_t last_seq, position, segments_moved
    Status cut_before(const string&, uint64_t, const string&, CCut&, Failure&)

cdef extern from *:
    """
    #include "tapewire/tape/tape.hpp"
    static inline uint64_t reader_epoch(const tapewire::tape::Reader& r) { return r.control().epoch.load(); }
    static inline uint32_t reader_durability(const tapewire::tape::Reader& r) { return r.control().durability.load(); }
    static inline uint32_t reader_pid(const tapewire::tape::Reader& r) { return r.control().pid.load(); }
    static inline const char* reader_name(const tapewire::tape::Reader& r) { return r.control().identity.name; }
    """
    uint64_t reader_epoch(const CReader&) nogil
    uint32_t reader_durability(const CReader&) nogil
    uint32_t reader_pid(const CReader&) nogil
    const char* reader_name(const CReader&) nogil

cdef enum:
    SLEEP_MAX_NS = 1_000_000_000  # between two looks at Python's signals

cdef uint16_t INPUT_REFUSED = MessageType.input_refused

_LIMITS = {"written": <int>Limit.written, "durable": <int>Limit.durable, "released": <int>Limit.released}
_DURABILITIES = {"memory": <int>Durability.memory, "disk": <int>Durability.disk}
_ERRORS = {Status.missing: TapeMissing, Status.fenced: TapeFenced, Status.full: TapeFull, Status.gone: TapeGone}


cdef object _text(const string& s):
    cdef bytes raw = s
    return raw.decode("utf-8", "replace")


cdef object _error(const Failure& failure):
    if failure.status == Status.damaged:
        return TapeDamaged(_text(failure.path), failure.offset, failure.seq, _text(failure.found))
    return _ERRORS.get(failure.status, TapeError)(_text(failure.message))


class Positions(NamedTuple):
    written: int
    durable: int
    released: int
    written_seq: int
    durable_seq: int
    released_seq: int


class Recovery(NamedTuple):
    created: bool
    records: int
    last_seq: int
    position: int
    cut_position: int
    cut_bytes: int
    cut_seq: int
    cut_found: str


class CutReport(NamedTuple):
    last_seq: int
    position: int
    segments_moved: int


cdef object _positions(const CPositions& p):
    return Positions(p.written, p.durable, p.released, p.written_seq, p.durable_seq, p.released_seq)


cdef class Writer:
    cdef CWriter tape
    cdef readonly object path

    def __init__(self, path, name="", segment_bytes=0, durability="disk", *, create=True):
        cdef Options options
        cdef Status status
        cdef bytes folder = os.fsencode(path)
        if durability not in _DURABILITIES:
            raise TapeError(f"{path}: durability is {durability!r}; expected 'memory' or 'disk'")
        options.durability = <Durability><int>_DURABILITIES[durability]
        options.segment_bytes = segment_bytes
        options.name = name.encode()
        options.create = create
        self.path = Path(path)
        cdef const char* where = PyBytes_AS_STRING(folder)
        with nogil:
            status = self.tape.open(where, options)
        if status != Status.ok:
            raise _error(self.tape.failure())

    def append(self, bytes raw not None, /):
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(raw)
        cdef Py_ssize_t n = PyBytes_GET_SIZE(raw)
        cdef uint8_t* room
        cdef Fault fault = wire_check(p, n)
        if fault != Fault.none:
            raise WireError(f"{self.path}: these {n} bytes cannot stand on a tape: {_wire.FAULTS.get(fault, fault)}")
        cdef uint64_t seq = wire_header(p).seq
        if seq != self.tape.next_seq() and self.tape.is_open():
            raise TapeError(
                f"{self.path}: a message with seq {seq}, the tape's next is {self.tape.next_seq()}. Nothing was appended"
            )
        room = self.tape.reserve(n)
        if room is NULL:
            raise _error(self.tape.failure())
        memcpy(room, p, n)
        self.tape.append(n)
        return seq

    def append_many(self, records, /):
        for raw in records:
            self.append(raw)
        return self.tape.next_seq() - 1

    cdef int check(self, cbool done) except -1:
        if not done:
            raise _error(self.tape.failure())
        return 0

    def write(self):
        cdef cbool done
        with nogil:
            done = self.tape.write()
        self.check(done)

    def sync_batch(self):
        cdef cbool done
        with nogil:
            done = self.tape.sync_batch()
        self.check(done)

    def publish(self):
        if not self.tape.is_open():
            raise TapeError(f"{self.path}: this writer is not open")
        self.tape.publish()

    def commit(self):
        cdef cbool done
        with nogil:
            done = self.tape.commit()
        self.check(done)

    def sync(self):
        cdef cbool done
        cdef Failure why
        with nogil:
            done = self.tape.sync(why)
        if not done:
            raise _error(why)

    @property
    def wants_next(self):
        return self.tape.wants_next()

    def prepare_next(self):
        cdef cbool done
        cdef Failure why
        if not self.tape.is_open():
            raise TapeError(f"{self.path}: this writer is not open")
        with nogil:
            done = self.tape.prepare_next(why)
        if not done:
            raise _error(why)

    def close(self):
        with nogil:
            self.tape.close()

    def abandon(self):
        self.tape.abandon()

    @property
    def is_open(self):
        return self.tape.is_open()

    @property
    def next_seq(self):
        return self.tape.next_seq()

    @property
    def position(self):
        return self.tape.position()

    @property
    def batch_records(self):
        return self.tape.batch_records()

    @property
    def max_message(self):
        return self.tape.max_message()

    @property
    def epoch(self):
        return self.tape.epoch()

    @property
    def name(self):
        return _text(self.tape.name())

    @property
    def durability(self):
        return "disk" if self.tape.disk() else "memory"

    @property
    def positions(self):
        return _positions(self.tape.positions())

    @property
    def recovery(self):
        cdef CRecovery r = self.tape.recovery()
        return Recovery(
            r.created, r.records, r.last_seq, r.position, r.cut_position, r.cut_bytes, r.cut_seq, _text(r.cut_found)
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        # What was appended before an exception is not committed by leaving: only the caller knows whether it is whole.
        try:
            if kind is None and self.tape.is_open():
                self.commit()
        finally:
            self.close()


cdef class TapeReader:
    cdef CReader tape
    cdef Limit limit_
    cdef uint64_t expected  # the record asked for at open, until a read or a seek has settled it; 0: settled
    cdef readonly object path

    def __init__(self, path, from_seq=1, limit="released", *, check_crc=True):
        if limit not in _LIMITS:
            raise TapeError(f"{path}: limit is {limit!r}; expected 'written', 'durable' or 'released'")
        self.path = Path(path)
        self.limit_ = <Limit><int>_LIMITS[limit]
        if self.tape.open(os.fsencode(path)) != Status.ok:
            raise _error(self.tape.failure())
        self.tape.check_crc(check_crc)
        if from_seq is None:
            self.expected = 0
        elif from_seq == 1:
            self.expected = 1  # an observer or one that will seek need not care that the beginning was removed
        else:
            self.seek_seq(from_seq)

    cdef int check(self) except -1:
        if not self.tape.is_open():
            raise TapeError(f"{self.path}: this reader was closed")
        if self.expected and self.tape.next_seq() > self.expected:
            self.seek_seq(self.expected)
        return 0

    cdef int settle(self, cbool found) except -1:
        self.expected = 0
        if not found and not self.tape.ok():
            raise _error(self.tape.failure())
        return 0

    def poll(self, Py_ssize_t max_records=256, /):
        cdef list out = []
        cdef Record record
        self.check()
        cdef uint64_t end = self.tape.mark(self.limit_).position
        while max_records > 0 and self.tape.next(record, end):
            out.append(PyBytes_FromStringAndSize(<const char*>record.p, record.n))
            max_records -= 1
        self.settle(len(out) > 0)
        return out

    def poll_type(self, kind, Py_ssize_t max_records=256, /):
        cdef list out = []
        cdef Record record
        cdef uint16_t wanted = kind
        cdef cbool found
        self.check()
        cdef uint64_t end = self.tape.mark(self.limit_).position
        while max_records > 0:
            with nogil:
                found = self.tape.next(record, end)
                while found and record.type != wanted:
                    found = self.tape.next(record, end)
            if not found:
                break
            out.append(PyBytes_FromStringAndSize(<const char*>record.p, record.n))
            max_records -= 1
        self.settle(len(out) > 0)
        return out

    def poll_answers(self, uint16_t source, Py_ssize_t max_records=256, /):
        cdef list out = []
        cdef Record record
        cdef const Header* header
        self.check()
        cdef uint64_t end = self.tape.mark(self.limit_).position
        while max_records > 0 and self.tape.next(record, end):
            header = &wire_header(record.p)
            if header.source == source and (header.cause or record.type == INPUT_REFUSED):
                out.append(PyBytes_FromStringAndSize(<const char*>record.p, record.n))
                max_records -= 1
        self.settle(len(out) > 0)
        return out

    def scan(self, uint64_t max_records=1 << 20, /):
        cdef uint64_t n
        self.check()
        cdef uint64_t end = self.tape.mark(self.limit_).position
        with nogil:
            n = self.tape.scan(max_records, end)
        self.settle(n > 0)
        return n

    def __iter__(self):
        while batch := self.poll(256):
            yield from batch

    def wait(self, double timeout_s, /):
        cdef int64_t until = time.monotonic_ns() + <int64_t>(timeout_s * 1e9)
        cdef int64_t left
        cdef cbool more
        self.check()
        while True:
            left = until - <int64_t>time.monotonic_ns()
            if left > SLEEP_MAX_NS:
                left = SLEEP_MAX_NS
            with nogil:
                more = self.tape.wait(self.limit_, left)
            PyErr_CheckSignals()
            if more or left <= 0:
                return more

    def seek_seq(self, uint64_t seq, /):
        cdef Status status
        self.expected = 0
        self.check()
        with nogil:
            status = self.tape.seek_seq(seq)
        if status != Status.ok:
            raise _error(self.tape.failure())

    def seek_time(self, int64_t ts, /):
        cdef Status status
        self.expected = 0
        self.check()
        with nogil:
            status = self.tape.seek_time(ts)
        if status != Status.ok:
            raise _error(self.tape.failure())

    cdef CReader* live(self) except NULL:
        if not self.tape.is_open():
            raise TapeError(f"{self.path}: this reader was closed")
        return &self.tape

    @property
    def positions(self):
        return _positions(self.live().positions())

    @property
    def next_seq(self):
        return self.live().next_seq()

    @property
    def position(self):
        return self.live().position()

    @property
    def first_seq(self):
        return self.live().first_seq()

    @property
    def lag(self):
        cdef uint64_t end = self.live().mark(self.limit_).position
        return max(0, end - <object>self.tape.position())

    @property
    def lag_records(self):
        cdef uint64_t last = self.live().mark(self.limit_).seq
        return max(0, last + 1 - <object>self.tape.next_seq())

    @property
    def name(self):
        self.live()
        return (<bytes>reader_name(self.tape)).decode("utf-8", "replace")

    @property
    def epoch(self):
        self.live()
        return reader_epoch(self.tape)

    @property
    def durability(self):
        self.live()
        return "disk" if reader_durability(self.tape) else "memory"

    @property
    def writer_pid(self):
        return reader_pid(self.tape) if self.live().writer_alive() else None

    def close(self):
        self.tape.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def cut(path, uint64_t before_seq, backup):
    cdef CCut done
    cdef Failure why
    cdef Status status
    cdef string where = os.fsencode(path)
    cdef string aside = os.fsencode(backup)
    with nogil:
        status = cut_before(where, before_seq, aside, done, why)
    if status != Status.ok:
        raise _error(why)
    return CutReport(done.last_seq, done.position, done.segments_moved)


def crc32c(bytes data not None, /, *, hardware=None):
    cdef bint instruction = HAS_SSE42 if hardware is None else hardware
    if instruction and not HAS_SSE42:
        raise ValueError("this processor has no SSE4.2")
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef size_t n = PyBytes_GET_SIZE(data)
    return (extend_sse42(0xffffffff, p, n) if instruction else extend_table(0xffffffff, p, n)) ^ 0xffffffff
