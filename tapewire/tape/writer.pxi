# The face of writer.hpp. Part of _tape.pyx.


cdef class Writer:
    cdef CWriter tape
    cdef readonly object path

    def __init__(self, path, name="", segment_bytes=0, durability="disk", *, create=True,
                 cbool hold=False, uint64_t epoch_above=0):
        cdef Options options
        cdef Status status
        cdef bytes folder = os.fsencode(path)
        if durability not in _DURABILITIES:
            raise TapeError(f"{path}: durability is {durability!r}; expected 'memory', 'disk' or 'replicated'")
        options.durability = <Durability><int>_DURABILITIES[durability]
        options.segment_bytes = segment_bytes
        options.name = name.encode()
        options.create = create
        options.hold = hold
        options.epoch_above = epoch_above
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
        return "replicated" if self.tape.replicated() else "disk" if self.tape.disk() else "memory"

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
