# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of rings and doorbells. The algorithm is in ring.hpp, the drawing in layout.hpp."""

import os
from typing import NamedTuple

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.atomic cimport atomic
from libcpp.string cimport string

from tapewire.errors import RingBusy, RingDamaged, RingError, RingMissing

cdef extern from "tapewire/ring/carry.hpp" namespace "tapewire::ring" nogil:
    cpdef enum class Status(int):
        ok, missing, bad_magic, bad_capacity, busy, io, exists, bad_version, bad_position, damaged
    cdef enum class Role(int):
        producer, consumer, observer
    cdef enum class Write(int):
        ok, full, too_long, damaged
    cdef struct Record:
        const uint8_t* p
        uint32_t n
        uint64_t end
    cdef cppclass Shared:
        atomic[uint64_t] head, tail
    cdef cppclass File:
        Status open(const char*, Role)
        void close()
        cbool alive(Role)
        const string& error()
        Shared* shared
        uint64_t capacity
    cdef cppclass CDoorbell "tapewire::ring::Doorbell":
        cbool open(const char*)
        void close()
        void ring()
        void arm()
        void disarm()
        cbool wait(int64_t)
        cbool is_open()
        const string& error()
    cdef cppclass Producer:
        Status open(const char*)
        void close()
        Write try_write(const uint8_t*, uint32_t)
        Write stage(const uint8_t*, uint32_t)
        void publish()
        void set_doorbell(CDoorbell*)
        uint64_t tail()
        uint64_t head()
        uint64_t capacity()
        uint64_t max_record()
        cbool consumer_alive()
        const char* error()
    cdef cppclass Consumer:
        Status open(const char*)
        Status open(const char*, Role)
        void close()
        cbool look()
        cbool next(Record&)
        size_t poll_into(uint8_t*, size_t, size_t, size_t*)
        cbool unread()
        void release()
        cbool seek(uint64_t)
        cbool release_to(uint64_t)
        uint64_t read_position()
        uint64_t id()
        uint64_t head()
        uint64_t tail()
        uint64_t capacity()
        uint64_t max_record()
        cbool producer_alive()
        Status fault()
        const char* error()
    cpdef enum class Carried(int):
        taken, full, gap, damaged, broken
    Carried c_carry "tapewire::ring::carry"(Producer&, const uint8_t*, uint64_t, uint64_t, uint64_t)
    Status create_or_keep(const char*, uint64_t, uint64_t, cbool*, string*)

cdef enum:
    LENGTH_MAX = 0xffffffff  # of a record: what its u32 length can say

_ERRORS = {Status.missing: RingMissing, Status.busy: RingBusy, Status.damaged: RingDamaged}


cdef object _error(Status status, bytes message):
    return _ERRORS.get(status, RingError)(message.decode("utf-8", "replace"))


class RingState(NamedTuple):
    """A look at a ring from outside, without taking a side. Positions are bytes since the ring began."""

    capacity: int
    head: int
    tail: int
    producer_alive: bool
    consumer_alive: bool


def create_ring(path, uint64_t capacity, uint64_t first_position=0):
    cdef cbool created = False
    cdef string why
    cdef Status status = create_or_keep(os.fsencode(path), capacity, first_position, &created, &why)
    if status != Status.ok:
        raise _error(status, why)
    return created


def ring_state(path):
    cdef File file
    cdef uint64_t head, tail
    cdef Status status = file.open(os.fsencode(path), Role.observer)
    if status != Status.ok:
        raise _error(status, file.error())
    head = file.shared.head.load()  # before tail, which may move on in between and never falls behind it
    tail = file.shared.tail.load()
    return RingState(file.capacity, head, tail, file.alive(Role.producer), file.alive(Role.consumer))


def last_record(path):
    cdef Consumer ring
    cdef Record record, last
    cdef bytes found = None
    cdef Status status = ring.open(os.fsencode(path), Role.observer)
    if status == Status.ok:
        ring.look()
        while ring.next(record):
            last = record
        if last.p != NULL:
            found = PyBytes_FromStringAndSize(<const char*>last.p, last.n)
        status = ring.fault()
    if status != Status.ok:
        raise _error(status, ring.error())
    ring.close()
    return found


cdef class Doorbell:
    cdef CDoorbell bell
    cdef readonly str path

    def __init__(self, path):
        self.path = os.fspath(path)
        if not self.bell.open(os.fsencode(path)):
            raise RingError(self.bell.error().decode("utf-8", "replace"))

    cdef int check(self) except -1:
        if not self.bell.is_open():
            raise RingError(f"{self.path}: this doorbell was closed")
        return 0

    def ring(self):
        self.check()
        self.bell.ring()

    def arm(self):
        self.check()
        self.bell.arm()

    def disarm(self):
        self.check()
        self.bell.disarm()

    def wait(self, int64_t timeout_ns):
        cdef cbool rung
        self.check()
        with nogil:
            rung = self.bell.wait(timeout_ns)
        return rung

    def close(self):
        self.bell.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


cdef class RingProducer:
    cdef Producer ring
    cdef Doorbell bell  # held, so that it outlives its use
    cdef readonly str path
    cdef bint is_open

    def __init__(self, path, Doorbell doorbell=None):
        self.path = os.fspath(path)
        self.is_open = False
        cdef Status status = self.ring.open(os.fsencode(path))
        if status != Status.ok:
            raise _error(status, self.ring.error())
        self.is_open = True
        self.bell = doorbell
        if doorbell is not None:
            doorbell.check()
            self.ring.set_doorbell(&doorbell.bell)

    cdef int check(self) except -1:
        if not self.is_open:
            raise RingError(f"{self.path}: this producer was closed")
        if self.bell is not None:
            self.bell.check()
        return 0

    cdef int refuse(self, Write outcome, Py_ssize_t n) except -1:
        if outcome == Write.damaged:
            raise RingDamaged(self.ring.error().decode("utf-8", "replace"))
        raise RingError(
            f"{self.path}: a record of {n} bytes; a ring of {self.ring.capacity()} takes at most {self.ring.max_record()}. "
            "Create the ring with four times the largest record or more"
        )

    cdef inline Write put(self, bytes data, bint publish) except *:
        cdef Py_ssize_t n = PyBytes_GET_SIZE(data)
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(data)
        if n > LENGTH_MAX:
            self.refuse(Write.too_long, n)
        cdef Write outcome = self.ring.try_write(p, <uint32_t>n) if publish else self.ring.stage(p, <uint32_t>n)
        if outcome > Write.full:
            self.refuse(outcome, n)
        return outcome

    def write(self, bytes data not None, /):
        self.check()
        return self.put(data, True) == Write.ok

    def write_many(self, records, /):
        cdef int written = 0
        cdef object data
        self.check()
        try:
            for data in records:
                if not isinstance(data, bytes):
                    raise TypeError(f"{self.path}: write_many takes bytes, not {type(data).__name__}")
                self.check()  # the iterable is the caller's code: it might have closed us
                if self.put(<bytes>data, False) != Write.ok:
                    break
                written += 1
        finally:
            # A record that is refused with an error leaves the ones before it written, as separate writes would.
            if self.is_open:
                self.ring.publish()
        return written

    def carry(self, const uint8_t[::1] records not None, uint64_t position, uint64_t end, /):
        self.check()
        cdef Carried outcome = c_carry(
            self.ring, &records[0] if records.shape[0] else NULL, records.shape[0], position, end
        )
        if outcome == Carried.broken:
            raise RingDamaged(self.ring.error().decode("utf-8", "replace"))
        return outcome

    @property
    def tail(self):
        self.check()
        return self.ring.tail()

    @property
    def head(self):
        self.check()
        return self.ring.head()

    @property
    def capacity(self):
        self.check()
        return self.ring.capacity()

    @property
    def max_record(self):
        self.check()
        return self.ring.max_record()

    @property
    def consumer_alive(self):
        self.check()
        return self.ring.consumer_alive()

    def close(self):
        self.is_open = False
        self.ring.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


cdef class RingConsumer:
    cdef Consumer ring
    cdef readonly str path
    cdef bint is_open

    def __init__(self, path):
        self.path = os.fspath(path)
        self.is_open = False
        cdef Status status = self.ring.open(os.fsencode(path))
        if status != Status.ok:
            raise _error(status, self.ring.error())
        self.is_open = True

    cdef int check(self) except -1:
        if not self.is_open:
            raise RingError(f"{self.path}: this consumer was closed")
        return 0

    cdef int raise_fault(self) except -1:
        raise _error(self.ring.fault(), self.ring.error())

    def poll(self, Py_ssize_t limit=256, /):
        cdef list out = []
        cdef Record record
        self.check()
        self.ring.look()
        while limit > 0 and self.ring.next(record):
            out.append(PyBytes_FromStringAndSize(<const char*>record.p, record.n))
            limit -= 1
        if not out and self.ring.fault() != Status.ok:
            self.raise_fault()
        return out

    def poll_into(self, bytearray buffer not None, Py_ssize_t limit=65536, /):
        cdef size_t used = 0
        cdef size_t count
        self.check()
        count = self.ring.poll_into(
            <uint8_t*>PyByteArray_AS_STRING(buffer), PyByteArray_GET_SIZE(buffer), limit if limit > 0 else 0, &used
        )
        if count == 0 and limit > 0:
            if self.ring.fault() != Status.ok:
                self.raise_fault()
            if self.ring.unread():
                raise ValueError(
                    f"{self.path}: the next record does not fit into a buffer of {len(buffer)} bytes; "
                    f"{self.ring.max_record() + 15} take any"
                )
        return count, used

    def release(self):
        self.check()
        self.ring.release()

    def seek(self, uint64_t position, /):
        self.check()
        cdef bint found = self.ring.seek(position)
        if self.ring.fault() != Status.ok:
            self.raise_fault()
        return found

    def release_to(self, uint64_t position, /):
        self.check()
        return self.ring.release_to(position)

    @property
    def id(self):
        self.check()
        return self.ring.id()

    @property
    def position(self):
        self.check()
        return self.ring.read_position()

    @property
    def head(self):
        self.check()
        return self.ring.head()

    @property
    def tail(self):
        self.check()
        return self.ring.tail()

    @property
    def capacity(self):
        self.check()
        return self.ring.capacity()

    @property
    def max_record(self):
        self.check()
        return self.ring.max_record()

    @property
    def producer_alive(self):
        self.check()
        return self.ring.producer_alive()

    def close(self):
        self.is_open = False
        self.ring.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
