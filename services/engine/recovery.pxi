# What a start finds, how errors of the core are raised, and how its asks are handed over. Part of _engine.pyx.

MISMATCHES = {
    Mismatch.malformed: "the record is not a flat message",
    Mismatch.sequence: "its seq is not the next one",
    Mismatch.event_differs: "the event derived from its command says something else",
    Mismatch.event_unexpected: "an event that no command before it causes",
    Mismatch.event_missing: "a command where an event of the command before it was due",
    Mismatch.order_id: "its order id is not the next one",
    Mismatch.impossible: "it stands as accepted and names an account or instrument that cannot be",
    Mismatch.other_version: "another version of Tapewire wrote it, of a type or with a field set that this one does not know",
}


def why_not(mismatch, bytes writer):
    """Why a record does not replay. `writer`: the version that wrote it, empty if that is not known."""
    text = MISMATCHES[mismatch]
    if mismatch in (Mismatch.other_version, Mismatch.event_differs) and writer:
        text += f" (written by version {writer.decode(errors='replace')})"
    return text


def not_ours(snapshot):
    """Why a snapshot whose checksum holds cannot be taken up."""
    magic = snapshot.state[:8]
    if magic == b"TWSTATE2":
        return f"snapshot of record {snapshot.seq}: not a state of this version of the core, or not of that record"
    if magic[:3] != b"TWS":
        return f"snapshot of record {snapshot.seq}: of the first format, which holds no definitions; the tape is replayed instead"
    return f"snapshot of record {snapshot.seq}: of the format {magic.decode('ascii', 'replace')}; expected TWSTATE2"


def tape_begins_with(tape):
    """The first record that retention has left."""
    found = inspect.segments(Path(tape))
    return found[0].first_seq if found else 1


cdef int _raise_tape(const Failure& failure) except -1:
    message = failure.message.decode(errors="replace")
    if failure.status == Status.damaged:
        raise TapeDamaged(failure.path.decode(errors="replace"), failure.offset, failure.seq, failure.found.decode(errors="replace"))
    if failure.status == Status.fenced:
        raise TapeFenced(message)
    raise (TapeFull if failure.status == Status.full else TapeError)(message)


cdef cbool _carry(void* services, const uint8_t* p, size_t n, Bytes& answer) noexcept with gil:
    """Line::ask: hands an ask to the object that stands for the service. What it raises is told, as no answer."""
    try:
        came = (<object>services).ask(PyBytes_FromStringAndSize(<const char*>p, n))
        if came is None:
            return False
        answer.assign(<const uint8_t*>PyBytes_AS_STRING(came), <const uint8_t*>PyBytes_AS_STRING(came) + PyBytes_GET_SIZE(came))
        return True
    except BaseException as error:
        (<object>services).failure = error
        return False


cdef class Recovery:
    """What opening found: the snapshot it started from, how much was folded, how long it took."""

    cdef readonly object snapshot_seq, records, commands, missing_events, redecided, seconds, refused_snapshots, torn_bytes

    def __repr__(self):
        return (f"Recovery(snapshot_seq={self.snapshot_seq}, records={self.records}, commands={self.commands}, "
                f"missing_events={self.missing_events}, torn_bytes={self.torn_bytes}, seconds={self.seconds:.3f})")
