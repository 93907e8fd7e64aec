# The face of reader.hpp. Part of _tape.pyx.


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
            self.seek(self.expected)  # raises, and does so again: what is gone is never passed over in silence
        return 0

    cdef int seek(self, uint64_t seq) except -1:
        cdef Status status
        with nogil:
            status = self.tape.seek_seq(seq)
        if status != Status.ok:
            raise _error(self.tape.failure())
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

    def poll_taken(self, kinds, uint64_t max_records=1 << 16, /):
        cdef Record record
        cdef const Header* header
        cdef uint64_t taken[TAKEN_SOURCES]
        cdef uint8_t wanted[TAKEN_KINDS]
        cdef uint64_t count = 0
        cdef int i
        self.check()
        memset(taken, 0, sizeof(taken))
        memset(wanted, 0, sizeof(wanted))
        for kind in kinds:
            wanted[<size_t>kind if 0 <= kind < TAKEN_KINDS else 0] = 1
        wanted[0] = 0
        cdef uint64_t end = self.tape.mark(self.limit_).position
        with nogil:
            while count < max_records and self.tape.next(record, end):
                count += 1
                if record.type >= TAKEN_KINDS or not wanted[record.type]:
                    continue
                header = &wire_header(record.p)
                if header.cause == 0 and header.source < TAKEN_SOURCES and header.origin_seq > taken[header.source]:
                    taken[header.source] = header.origin_seq
        self.settle(count > 0)
        return count, {i: taken[i] for i in range(1, TAKEN_SOURCES) if taken[i]}

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

    def wait_past(self, uint64_t position, double timeout_s, /):
        return self.asleep(position, timeout_s, True)

    def wait(self, double timeout_s, /):
        return self.asleep(0, timeout_s, False)

    cdef asleep(self, uint64_t position, double timeout_s, bint past):
        # What an infinity or a NaN becomes as an integer is undefined.
        cdef double bounded = timeout_s if timeout_s > 0.0 else 0.0
        if bounded > WAIT_MAX_S:
            bounded = WAIT_MAX_S
        cdef int64_t until = time.monotonic_ns() + <int64_t>(bounded * 1e9)
        cdef int64_t left
        cdef cbool more
        self.check()
        while True:
            left = until - <int64_t>time.monotonic_ns()
            if left > SLEEP_MAX_NS:
                left = SLEEP_MAX_NS
            with nogil:
                more = self.tape.wait_past(self.limit_, position, left) if past else self.tape.wait(self.limit_, left)
            PyErr_CheckSignals()
            if more or left <= 0:
                return more

    def seek_seq(self, uint64_t seq, /):
        self.live()
        self.seek(seq)
        self.expected = 0

    def seek_time(self, int64_t ts, /):
        cdef Status status
        self.live()
        with nogil:
            status = self.tape.seek_time(ts)
        if status != Status.ok:
            raise _error(self.tape.failure())
        self.expected = 0

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
    def settled(self):
        self.live()
        return bool(reader_settled(self.tape))

    @property
    def durability(self):
        self.live()
        return _DURABILITY_NAMES.get(reader_durability(self.tape), "disk")

    @property
    def mirror(self):
        self.live()
        return bool(reader_mirror(self.tape))

    @property
    def fence(self):
        self.live()
        return reader_fence(self.tape)

    @property
    def writer_pid(self):
        return reader_pid(self.tape) if self.live().writer_alive() else None

    def close(self):
        self.tape.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
