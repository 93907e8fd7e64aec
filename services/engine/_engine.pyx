# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The Python face of the engine: opens, recovers, and runs the compiled loop without the GIL."""

import itertools
import os
import secrets
import time
import weakref
from pathlib import Path

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from tapewire import snapshots
from services.journal.checkpoint import forget_beyond
from tapewire.definitions import Definitions
from tapewire.errors import EngineStopped, RingError, ServiceAway, TapeDamaged, TapeError, TapeFenced, TapeFull, TapeGone, TapewireError
from tapewire.tape import inspect

cdef extern from "services/engine/host.hpp" namespace "tapewire::tape" nogil:
    cdef enum class Durability(uint32_t):
        memory, disk, replicated
    cdef enum class Status(int):
        ok, fenced, damaged, full
    cdef cppclass Failure:
        Status status
        string message, path, found
        uint64_t offset, seq
    cdef cppclass Options:
        uint64_t segment_bytes
        Durability durability
        string name
        cbool hold
    cdef cppclass TapeRecovery "tapewire::tape::Recovery":
        uint64_t cut_bytes, cut_position
    cdef cppclass Writer:
        uint64_t next_seq()
        uint64_t epoch()
        uint64_t fence()
        cbool sync(Failure&)
        void close()
        cbool wants_next()
        cbool prepare_next()
        const TapeRecovery& recovery()

cdef extern from "services/engine/host.hpp" namespace "tapewire::engine" nogil:
    cdef enum class Mismatch(int):
        none, malformed, sequence, event_differs, event_unexpected, event_missing, order_id, impossible, other_version
    cdef enum class Idle(int):
        spin, yield_thread, futex
    cdef enum class ErrorKind(int):
        none, tape, ring, replay, stats, asked
    cdef struct Counters:
        uint64_t commands, refused_inputs, skipped, batches, rejects, orders, trades, damaged_rings
    cdef struct Authority:
        cbool operates
        vector[uint32_t] accounts
    ctypedef vector[uint8_t] Bytes
    cdef struct Line:
        void* self
        cbool (*ask)(void*, const uint8_t*, size_t, Bytes&) noexcept
        uint64_t session, epoch
    cdef cppclass AnyHost:
        string error
        ErrorKind error_kind
        Failure failure
        uint64_t recovered_records, recovered_commands, recovered_missing, redecided, redecided_seq, mismatch_seq
        Mismatch mismatch
        string mismatch_writer
        cbool open_tape(const char*, const Options&)
        Writer& tape()
        cbool restore(const uint8_t*, size_t, uint64_t)
        cbool recover()
        cbool start_epoch(int64_t, const char*)
        cbool add_ring(const char*, uint64_t, uint16_t, Authority)
        cbool open_doorbell(const char*)
        cbool open_stats(const char*)
        cbool open_stages(const char*)
        void publish_stats()
        cbool run(int64_t, Idle, const cbool*)
        void wake()
        cbool snapshot(Bytes&)
        size_t live_orders()
        size_t do_work()
        size_t drain()
        cbool write()
        cbool sync()
        void publish()
        void set_time(int64_t)
        Counters counters()
        cbool failed()
        cbool blocked()
        const vector[string]& damaged_rings()
        const Bytes& base()
        uint64_t base_seq()
        void recent(uint64_t, uint64_t, Bytes&)
    cdef cppclass Host(AnyHost):
        Host(size_t)
    cdef cppclass SplitHost(AnyHost):
        SplitHost(size_t)
        void connect(const Line&, const Line&)

cdef extern from "services/engine/audit.hpp" namespace "tapewire::engine" nogil:
    cdef cppclass Replay:
        uint64_t records()
        uint64_t commands()
        uint64_t redecided()
        uint64_t redecided_seq()
        const char* writer()
    cdef cppclass CAudit "tapewire::engine::Audit":
        CAudit() except +
        Failure failure
        Mismatch mismatch
        uint64_t mismatch_seq
        Replay replay
        cbool open(const char*)
        cbool restore(const uint8_t*, size_t, uint64_t)
        size_t run(uint64_t, uint64_t)
        uint64_t seq()
        uint64_t pending()
        void snapshot(vector[uint8_t]&)

IDLES = {"spin": Idle.spin, "yield": Idle.yield_thread, "futex": Idle.futex}


include "recovery.pxi"


cdef class Engine:
    """Risk, journal and matcher of one shard on the calling thread. See services/engine/README.md.

    Opening recovers: newest good snapshot, then the tape's records behind it, each event compared with what its command
    gives here. Raises TapeDamaged, TapeFenced, TapeFull, RingError, or EngineStopped if the tape does not replay.
    Each of the `rings` is made if it is not there. `now` fixes the clock for simulations. `services`: risk and matcher
    as services of their own, asked through these (remote.py); None: in here. `state`: a snapshot at hand, as of a
    standby that has followed the tape: it is taken before those in files.
    """

    cdef AnyHost* host
    cdef cbool stopping
    cdef readonly Recovery recovery
    cdef readonly object tape_path
    cdef object services, __weakref__

    def __cinit__(self, *args, **kwargs):
        self.host = NULL

    def __init__(self, tape, rings=(), *, str name="orders.0", str durability="disk", uint64_t segment_bytes=64 << 20,
                 uint64_t ring_bytes=1 << 20, size_t max_batch=1024, doorbell=None, stats=None, stages=None,
                 now=None, str version="0", services=None, state=None):
        if not 1 <= max_batch <= 4096:
            raise ValueError(f"max_batch is {max_batch}; expected 1 to 4096")
        self.services = services
        self.host = <AnyHost*>new Host(max_batch) if services is None else <AnyHost*>new SplitHost(max_batch)
        self.stopping = False
        self.tape_path = Path(tape)
        cdef Options options
        options.segment_bytes = segment_bytes
        options.durability = {"memory": Durability.memory, "disk": Durability.disk, "replicated": Durability.replicated}[durability]
        options.name = name.encode()
        options.hold = True  # until recovery has appended the events that a crash cut off their command
        cdef bytes path = os.fsencode(tape)
        if now is not None:
            self.set_time(now)
        self._check(self.host.open_tape(path, options))
        self._recover(state)
        if services is not None:
            self._connect()
        cdef int64_t started = now if now is not None else time.time_ns()
        cdef bytes release = version.encode()
        self._check(self.host.start_epoch(started, release))
        cdef Authority authority
        for ring_path, source, role, accounts in rings:
            path, authority.operates, authority.accounts = os.fsencode(ring_path), role == "operator", sorted(accounts)
            self._check(self.host.add_ring(path, ring_bytes, source, authority))
        if doorbell is not None:
            path = os.fsencode(doorbell)
            self._check(self.host.open_doorbell(path))
        if stats is not None:
            path = os.fsencode(stats)
            self._check(self.host.open_stats(path))
        if stages is not None:
            path = os.fsencode(stages)
            self._check(self.host.open_stages(path))

    def __dealloc__(self):
        if self.host is not NULL:
            del self.host

    cdef AnyHost* _live(self) except NULL:
        if self.host is NULL:
            raise EngineStopped(f"{self.tape_path}: this engine was closed")
        return self.host

    cdef _recover(self, at_hand):
        began = time.perf_counter()
        cdef Recovery found = Recovery()
        cdef uint64_t last = self.host.tape().next_seq() - 1
        found.snapshot_seq, found.refused_snapshots = 0, []
        for path in forget_beyond(self.tape_path, last):
            found.refused_snapshots.append(f"{path}: removed: the tape ends with record {last}, so this is of a past that was lost")
        kept = [at_hand] if at_hand is not None and at_hand.seq <= last else []
        for candidate in itertools.chain(kept, snapshots.newest(self.tape_path, last)):
            if isinstance(candidate, ValueError):
                found.refused_snapshots.append(str(candidate))
                continue
            state = candidate.state
            if self.host.restore(<const uint8_t*>PyBytes_AS_STRING(state), PyBytes_GET_SIZE(state), candidate.seq):
                found.snapshot_seq = candidate.seq
                break
            found.refused_snapshots.append(not_ours(candidate))
        first = tape_begins_with(self.tape_path)
        if found.snapshot_seq + 1 < first:
            raise TapeGone(
                f"{self.tape_path}: begins with record {first}: retention removed what came before, and no snapshot of that "
                f"or later can be taken up ({'; '.join(found.refused_snapshots) or 'there is none'}). Nothing was changed; "
                f"put one of a backup into {snapshots.folder(self.tape_path)}"
            )
        cdef cbool done
        with nogil:
            done = self.host.recover()
        self._check(done)
        found.records, found.commands = self.host.recovered_records, self.host.recovered_commands
        found.missing_events, found.redecided = self.host.recovered_missing, self.host.redecided
        found.torn_bytes = self.host.tape().recovery().cut_bytes
        found.seconds = time.perf_counter() - began
        self.recovery = found

    cdef _connect(self):
        """Lets risk and matcher be asked through `services`."""
        cdef uint64_t session = secrets.randbits(63) | 1
        cdef Line lines[2]
        cdef int i
        for i in range(2):
            lines[i].self = <void*>self.services[i]
            lines[i].ask = &_carry
            lines[i].session = session
            lines[i].epoch = self.epoch
        (<SplitHost*>self.host).connect(lines[0], lines[1])
        # Weak: what is asked through must not keep the engine.
        for one in self.services:
            one.begin(weakref.proxy(self))

    def asked_to_stop(self):
        """Whether stop() was called, for who waits for an answer meanwhile."""
        return bool(self.stopping)

    def base(self):
        """Of a split engine: the last state that was put together."""
        cdef const Bytes* state = &self._live().base()
        return snapshots.Snapshot(self.host.base_seq(), PyBytes_FromStringAndSize(<const char*>state.data(), state.size()))

    def recent(self, uint64_t behind, uint64_t up_to):
        """Of a split engine: those records behind one and up to another that the tape may not show yet."""
        cdef Bytes out
        self._live().recent(behind, up_to, out)
        return PyBytes_FromStringAndSize(<const char*>out.data(), out.size())

    cdef _check(self, cbool done):
        if done:
            return
        why = self.host.error.decode(errors="replace")
        if self.host.error_kind == ErrorKind.replay:
            raise EngineStopped(
                f"{self.tape_path}: record {self.host.mismatch_seq} does not replay: {why_not(self.host.mismatch, self.host.mismatch_writer)}. "
                "The tape was written by other rules than this build's, or was changed. Nothing was appended; run "
                "`tapewire verify` for the whole report"
            )
        if self.host.error_kind == ErrorKind.ring:
            raise RingError(why)
        if self.host.error_kind == ErrorKind.tape:
            _raise_tape(self.host.failure)
        raise TapewireError(why)

    def run(self, double seconds, str idle="futex"):
        """Works without the GIL until the time is over or stop() was called. Raises EngineStopped if the tape refused a
        record: nothing of the batch at hand was acknowledged; opening anew recovers."""
        cdef int64_t until = time.monotonic_ns() + <int64_t>(seconds * 1e9)
        cdef Idle how = IDLES[idle]
        cdef AnyHost* host = self._live()
        cdef cbool done
        with nogil:
            done = host.run(until, how, &self.stopping)
        self._live().publish_stats()
        if host.tape().fence():
            raise TapeFenced(
                f"{self.tape_path}: fenced: epoch {host.tape().fence()} was taken by another host, which writes this tape now. "
                "Nothing was released since. Start this engine with --standby, and the replica with the tape among replica.mirror"
            )
        if not done:
            self._stopped()

    cdef _stopped(self):
        if self.host.error_kind == ErrorKind.asked:
            for one in self.services:
                if one.failure is not None:
                    raise one.failure
            raise ServiceAway(
                f"{self.tape_path}: the engine was stopped while risk or matcher gave no answer. Nothing of the batch at hand "
                "was acknowledged; it is still in the producers' rings"
            )
        raise EngineStopped(
            f"{self.tape_path}: the tape refused a record: {self.host.error.decode(errors='replace')}. Nothing of the "
            "batch at hand was acknowledged; it is still in the producers' rings. Make room, then start the engine anew"
        )

    def do_work(self):
        """One duty cycle; returns how many ring records were taken."""
        return self._live().do_work()

    def drain(self):
        """The first of the four steps of do_work, for simulations that end the process between them."""
        return self._live().drain()

    def write(self):
        return bool(self._live().write())

    def sync(self):
        return bool(self._live().sync())

    def publish(self):
        self._live().publish()

    def set_time(self, int64_t now):
        """Fixes the clock at `now` (UTC ns)."""
        self._live().set_time(now)

    def work_ahead(self):
        """Makes the tape's next segment ready once this one is half full; call it now and then, from any thread."""
        cdef AnyHost* host = self._live()
        with nogil:
            if host.tape().wants_next():
                host.tape().prepare_next()

    def sync_tape(self):
        """Makes what was published durable, from any thread: for durability memory, now and then."""
        cdef cbool done
        cdef Failure why  # of its own: the engine's thread may be writing the tape's
        cdef AnyHost* host = self._live()
        with nogil:
            done = host.tape().sync(why)
        return bool(done)

    def stop(self):
        """Ends run() soon, from any thread or a signal handler; after close() it changes nothing."""
        self.stopping = True
        if self.host is not NULL:
            self.host.wake()

    @property
    def next_seq(self):
        return self._live().tape().next_seq()

    @property
    def epoch(self):
        return self._live().tape().epoch()

    @property
    def live_orders(self):
        return self._live().live_orders()

    @property
    def counters(self):
        return dict(self._live().counters())

    def snapshot(self):
        """The state after the last record, as canonical bytes: tapewire/snapshots.py keeps them. Raises ServiceAway if
        a split engine is stopped while it waits for them."""
        cdef Bytes out
        cdef AnyHost* host = self._live()
        cdef cbool came
        with nogil:
            came = host.snapshot(out)
        if not came:
            raise ServiceAway(f"{self.tape_path}: risk or matcher gave no state before the engine was stopped")
        return snapshots.Snapshot(self.next_seq - 1, PyBytes_FromStringAndSize(<const char*>out.data(), out.size()))

    def digest(self):
        """SHA-256 of the state's canonical bytes: equal live, replayed and recovered."""
        return self.snapshot().digest

    def definitions(self):
        """What stands defined after the last record."""
        return Definitions.of_state(self.snapshot().state)

    def close(self):
        """Closes tape and rings. What is in the rings stays there for the next engine."""
        if self.host is not NULL:
            self.host.tape().close()
            self.abandon()

    def abandon(self):
        """Lets everything go as a killed process would: for simulations."""
        if self.host is not NULL:
            del self.host
            self.host = NULL

    @property
    def damaged_rings(self):
        """What was found of each ring that was let go because it does not hold. Not while run() is under way."""
        cdef vector[string] found = self._live().damaged_rings()
        return [what.decode(errors="replace") for what in found]

    @property
    def blocked(self):
        """The disk has no room for the tape's next segment: commands stay in their rings until it has."""
        return bool(self._live().blocked())


include "audit.pxi"
