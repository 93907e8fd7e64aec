# The faces of frames.hpp and mirror.hpp. Part of _tape.pyx.


class Stretch(NamedTuple):
    position: int
    end: int
    first_seq: int
    last_seq: int
    whole: int
    whole_seq: int
    frames: bytes


cdef class TapeFrames:
    cdef CFrames tape
    cdef readonly object path
    cdef cbool releasing

    def __init__(self, path):
        self.path = Path(path)
        if self.tape.open(os.fsencode(path)) != Status.ok:
            raise _error(self.tape.failure())

    cdef int live(self) except -1:
        if not self.tape.control().is_open():
            raise TapeError(f"{self.path}: this reader was closed")
        return 0

    def seek(self, uint64_t position):
        cdef Status status
        self.live()
        with nogil:
            status = self.tape.seek(position)
        if status != Status.ok:
            raise _error(self.tape.failure())

    def read(self, uint64_t most, up_to=None):
        cdef CStretch out
        cdef Mark limit
        cdef cbool found
        self.live()
        if up_to is None:
            limit = durable_mark(self.tape)
        else:
            limit.position, limit.seq = up_to
        with nogil:
            found = self.tape.read(limit, most, out)
        if not self.tape.ok():
            raise _error(self.tape.failure())
        if not found:
            return None
        return Stretch(out.position, out.end, out.first_seq, out.last_seq, out.whole.position, out.whole.seq,
                       PyBytes_FromStringAndSize(<const char*>out.bytes.data(), out.bytes.size()))

    def wait(self, double timeout_s):
        cdef cbool more
        cdef int64_t ns = <int64_t>(timeout_s * 1e9)
        self.live()
        with nogil:
            more = self.tape.wait(ns)
        return more

    def release(self, uint64_t position, uint64_t seq):
        cdef Mark mark
        self.live()
        if frames_durability(self.tape) != <uint32_t>Durability.replicated:
            if self.releasing:
                self.tape.control().drop_release_lock()
                self.releasing = False
            return
        if not self.releasing:
            if not self.tape.control().take_release_lock():
                raise TapeFenced(f"{self.path}: another replica, or the engine that is just being started, releases this tape's records")
            self.releasing = True
            if frames_durability(self.tape) != <uint32_t>Durability.replicated:
                self.tape.control().drop_release_lock()
                self.releasing = False
                return
        mark.position, mark.seq = position, seq
        if mark.position > durable_mark(self.tape).position:
            raise TapeError(f"{self.path}: position {position} cannot be released: it is not durable here")
        release_to(self.tape, mark)

    def set_fence(self, uint64_t epoch):
        self.live()
        if not set_fence(self.tape, epoch):
            raise TapeError(f"{self.path}: the control page cannot be synced")

    @property
    def positions(self):
        self.live()
        return _positions(self.tape.control().positions())

    @property
    def position(self):
        return self.tape.position()

    @property
    def epoch(self):
        self.live()
        return frames_epoch(self.tape)

    @property
    def grant(self):
        self.live()
        return frames_grant(self.tape)

    @property
    def fence(self):
        self.live()
        return frames_fence(self.tape)

    @property
    def mirror(self):
        self.live()
        return bool(frames_mirror(self.tape))

    @property
    def durability(self):
        self.live()
        return _DURABILITY_NAMES.get(frames_durability(self.tape), "disk")

    @property
    def writer_alive(self):
        self.live()
        return bool(self.tape.control().writer_alive())

    def close(self):
        self.releasing = False
        self.tape.control().close()


cdef class TapeMirror:
    cdef CMirror tape
    cdef readonly object path

    def __init__(self, path, str name):
        cdef Status status
        cdef bytes folder = os.fsencode(path)
        cdef string called = name.encode()
        cdef const char* where = PyBytes_AS_STRING(folder)
        self.path = Path(path)
        with nogil:
            status = self.tape.open(where, called)
        if status != Status.ok:
            raise _error(self.tape.failure())

    cdef int check(self, cbool done) except -1:
        if not done:
            raise _error(self.tape.failure())
        return 0

    def apply(self, bytes frames not None, /):
        cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(frames)
        cdef uint64_t n = PyBytes_GET_SIZE(frames)
        cdef cbool done
        with nogil:
            done = self.tape.apply(p, n)
        self.check(done)

    def commit(self, uint64_t position, uint64_t seq, uint64_t epoch):
        cdef Mark whole
        cdef cbool done
        whole.position, whole.seq = position, seq
        with nogil:
            done = self.tape.commit(whole, epoch)
        self.check(done)

    def hand_over(self, uint64_t epoch):
        cdef cbool done
        with nogil:
            done = self.tape.hand_over(epoch)
        self.check(done)

    def close(self):
        with nogil:
            self.tape.close()

    def abandon(self):
        self.tape.abandon()

    @property
    def is_open(self):
        return self.tape.is_open()

    @property
    def empty(self):
        return self.tape.empty()

    @property
    def end(self):
        return self.tape.end()

    @property
    def last_seq(self):
        return self.tape.last_seq()

    @property
    def epoch(self):
        return self.tape.epoch()

    @property
    def positions(self):
        return _positions(self.tape.positions())

    @property
    def torn_bytes(self):
        return self.tape.recovery().cut_bytes
