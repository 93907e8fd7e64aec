# The face of audit.hpp. Part of _engine.pyx.


cdef class Audit:
    """Folds a tape from its first record (or a snapshot) and compares every event with what its command gives here.

    Needs no lock: it reads. See services/engine/verify.py for the whole report.
    """

    cdef CAudit* audit
    cdef object path

    def __cinit__(self, tape, snapshot=None):
        self.audit = new CAudit()
        self.path = Path(tape)
        cdef bytes path = os.fsencode(tape), state
        if snapshot is not None:
            state = snapshot.state
            if not self.audit.restore(<const uint8_t*>PyBytes_AS_STRING(state), PyBytes_GET_SIZE(state), snapshot.seq):
                raise ValueError(f"{tape}: {not_ours(snapshot)}")
        if not self.audit.open(path):
            _raise_tape(self.audit.failure)

    def __dealloc__(self):
        if self.audit is not NULL:
            del self.audit

    def run(self, uint64_t up_to=0, uint64_t limit=1 << 20):
        """Folds up to `limit` records, none beyond `up_to` (0: all there are); returns how many. Raises EngineStopped
        naming the record that does not replay, TapeDamaged for one that does not check."""
        cdef size_t folded
        with nogil:
            folded = self.audit.run(up_to, limit)
        if self.audit.mismatch != Mismatch.none:
            raise EngineStopped(
                f"{self.path}: record {self.audit.mismatch_seq} does not replay: {why_not(self.audit.mismatch, self.audit.replay.writer())}"
            )
        if self.audit.failure.status != Status.ok:
            _raise_tape(self.audit.failure)
        return folded

    @property
    def seq(self):
        """The last record folded, events due but not yet on the tape included."""
        return self.audit.seq()

    @property
    def pending_events(self):
        """Events that the last command derives and the tape does not hold yet (a writer is at it, or was killed)."""
        return self.audit.pending()

    @property
    def commands(self):
        return self.audit.replay.commands()

    @property
    def redecided(self):
        """(how many commands today's risk rules decide otherwise, seq of the last one)."""
        return self.audit.replay.redecided(), self.audit.replay.redecided_seq()

    def snapshot(self):
        cdef vector[uint8_t] out
        with nogil:
            self.audit.snapshot(out)
        return snapshots.Snapshot(self.seq, PyBytes_FromStringAndSize(<const char*>out.data(), out.size()))

    def digest(self):
        return self.snapshot().digest
