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
from libc.string cimport memcpy, memset
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from tapewire.errors import TapeDamaged, TapeError, TapeFenced, TapeFull, TapeGone, TapeMissing, WireError
from tapewire.messages import MessageType
from tapewire.wire import _wire

cdef extern from "tapewire/wire/flat.hpp" namespace "tapewire::wire" nogil:
    cdef enum class Fault(int):
        none
    Fault wire_check "tapewire::wire::check"(const uint8_t*, size_t)
    cdef struct Header:
        uint64_t seq, cause, origin_seq
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
        memory, disk, replicated
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
        cbool hold
        uint64_t epoch_above
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
        cbool replicated()
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
        cbool wait_past(Limit, uint64_t, int64_t)
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
    cdef cppclass CStretch "tapewire::tape::Stretch":
        vector[uint8_t] bytes
        uint64_t position, end, first_seq, last_seq
        Mark whole
    cdef cppclass Control:
        CPositions positions()
        cbool writer_alive()
        cbool take_release_lock()
        void drop_release_lock()
        cbool is_open()
        void close()
    cdef cppclass CFrames "tapewire::tape::Frames":
        Status open(const char*)
        Status seek(uint64_t)
        cbool read(Mark, uint64_t, CStretch&)
        cbool wait(int64_t)
        uint64_t position()
        uint64_t next_seq()
        Control& control()
        const Failure& failure()
        cbool ok()
    cdef cppclass CMirror "tapewire::tape::Mirror":
        Status open(const char*, const string&)
        cbool apply(const uint8_t*, uint64_t)
        cbool commit(Mark, uint64_t)
        cbool hand_over(uint64_t)
        void close()
        void abandon()
        cbool is_open()
        cbool empty()
        uint64_t end()
        uint64_t last_seq()
        uint64_t epoch()
        CPositions positions()
        const CRecovery& recovery()
        const Failure& failure()
    Status cut_before(const string&, uint64_t, const string&, CCut&, Failure&)

cdef extern from *:
    """
    #include "tapewire/tape/tape.hpp"
    static inline bool reader_settled(const tapewire::tape::Reader& r) { return r.settled(); }
    static inline uint64_t reader_epoch(const tapewire::tape::Reader& r) { return r.control().epoch.load(); }
    static inline uint32_t reader_durability(const tapewire::tape::Reader& r) { return r.control().durability.load(); }
    static inline uint32_t reader_pid(const tapewire::tape::Reader& r) { return r.control().pid.load(); }
    static inline bool reader_mirror(const tapewire::tape::Reader& r) { return r.control().mirror.load(); }
    static inline uint64_t reader_fence(const tapewire::tape::Reader& r) { return r.control().fence.load(); }
    static inline tapewire::tape::Mark durable_mark(tapewire::tape::Frames& f) { return f.control().page->durable.load(); }
    static inline uint64_t frames_epoch(tapewire::tape::Frames& f) { return f.control().page->epoch.load(); }
    static inline uint64_t frames_grant(tapewire::tape::Frames& f) { return f.control().page->grant.load(); }
    static inline uint64_t frames_fence(tapewire::tape::Frames& f) { return f.control().page->fence.load(); }
    static inline bool frames_mirror(tapewire::tape::Frames& f) { return f.control().page->mirror.load(); }
    static inline uint32_t frames_durability(tapewire::tape::Frames& f) { return f.control().page->durability.load(); }
    // The lock is held. Never back: who reads has read.
    static inline void release_to(tapewire::tape::Frames& f, tapewire::tape::Mark mark) {
        auto& page = *f.control().page;
        if (mark.position <= page.released.load().position) return;
        page.released.store(mark);
        f.control().ring();
    }
    static inline bool set_fence(tapewire::tape::Frames& f, uint64_t epoch) {
        f.control().page->fence.store(epoch);
        const bool ok = f.control().flush();
        f.control().ring();
        return ok;
    }
    static inline const char* reader_name(const tapewire::tape::Reader& r) { return r.control().identity.name; }
    """
    cbool reader_settled(const CReader&) nogil
    cbool reader_mirror(const CReader&) nogil
    uint64_t reader_fence(const CReader&) nogil
    Mark durable_mark(CFrames&) nogil
    uint64_t frames_epoch(CFrames&) nogil
    uint64_t frames_grant(CFrames&) nogil
    uint64_t frames_fence(CFrames&) nogil
    cbool frames_mirror(CFrames&) nogil
    uint32_t frames_durability(CFrames&) nogil
    void release_to(CFrames&, Mark) nogil
    cbool set_fence(CFrames&, uint64_t) nogil
    uint64_t reader_epoch(const CReader&) nogil
    uint32_t reader_durability(const CReader&) nogil
    uint32_t reader_pid(const CReader&) nogil
    const char* reader_name(const CReader&) nogil

cdef enum:
    SLEEP_MAX_NS = 1_000_000_000  # between two looks at Python's signals
    TAKEN_SOURCES = 64  # producers of one tape, as the sequencer has them
    TAKEN_KINDS = 256

cdef double WAIT_MAX_S = 1e9  # thirty years
cdef uint16_t INPUT_REFUSED = MessageType.input_refused

_LIMITS = {"written": <int>Limit.written, "durable": <int>Limit.durable, "released": <int>Limit.released}
_DURABILITIES = {
    "memory": <int>Durability.memory, "disk": <int>Durability.disk, "replicated": <int>Durability.replicated
}
_DURABILITY_NAMES = {number: name for name, number in _DURABILITIES.items()}
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


include "writer.pxi"
include "reader.pxi"
include "replica.pxi"


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
