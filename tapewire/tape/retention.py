"""Deletes old segments of a tape, oldest first and whole, by age and by size; a plan first, so that it can be shown.

A segment goes only if all of these hold:
- it is sealed: another one follows it, and holds a published record (never the active one)
- it is older than `max_age_ns` (its newest record), or the tape is larger than `max_bytes` without the ones before it
- every registered consumer (tapewire/consumers.py) has dealt with all of it

Afterwards the tape begins with a later record, and whoever asks for an earlier one is told so (TapeGone).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

from tapewire import consumers
from tapewire import messages as m
from tapewire.durable import sync_folder
from tapewire.errors import TapeError
from tapewire.tape import inspect
from tapewire.tape._tape import TapeReader
from tapewire.tape.inspect import Segment


@dataclass(frozen=True)
class Policy:
    """What is kept: records younger than `max_age_ns`, at most `max_bytes` of segments. None: no limit of that kind."""

    max_age_ns: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Plan:
    """What would be deleted, the first record kept, and why no more goes."""

    tape: Path
    delete: tuple[Segment, ...]
    first_seq_kept: int
    kept_because: str

    @property
    def bytes(self) -> int:
        return sum(segment.bytes for segment in self.delete)

    def to_dict(self) -> dict[str, object]:
        return {
            "tape": str(self.tape),
            "delete": [segment.path.name for segment in self.delete],
            "bytes": self.bytes,
            "first_seq_kept": self.first_seq_kept,
            "kept_because": self.kept_because,
        }


def plan(tape: Path, policy: Policy, now_ns: int) -> Plan:
    """What `policy` deletes of `tape` at `now_ns` (UTC). Raises TapeError if there is no tape."""
    with TapeReader(tape, from_seq=None, limit="durable") as reader:
        at = reader.positions
        last = min(at.durable_seq, at.released_seq)  # what is not released another host may have yet to get
        found = inspect.segments(tape)
        size = sum(segment.bytes for segment in found)
        delete: list[Segment] = []
        why = "the last segment is never deleted"
        for segment, following in pairwise(found):
            if why_not := _why_not(reader, policy, now_ns, size, following, last):
                why = why_not
                break
            delete.append(segment)
            size -= segment.bytes
        return Plan(tape, tuple(delete), found[len(delete)].first_seq if found else 1, why)


def _why_not(reader: TapeReader, policy: Policy, now_ns: int, size: int, following: Segment, last: int) -> str:
    """Why the segment before `following` stays; empty if it may go."""
    first_kept = following.first_seq
    if last < first_kept:
        return "the segment after it holds no durable record yet"
    if waiting := _waiting(reader.path, first_kept):
        return f"consumer {waiting[0]} has come to record {waiting[1]} only"
    too_large = policy.max_bytes is not None and size > policy.max_bytes
    if too_large:
        return ""
    if policy.max_age_ns is None:
        return "the tape is within its size"
    reader.seek_seq(first_kept)
    young = m.decode(reader.poll(1)[0]).ts
    # Its newest record is older than the next segment's first.
    return "" if young < now_ns - policy.max_age_ns else "it holds records that are young enough"


def _waiting(tape: Path, first_kept: int) -> tuple[str, int] | None:
    """A consumer that has not dealt with everything before record `first_kept`."""
    return next(((name, seq) for name, seq in consumers.positions(tape).items() if seq + 1 < first_kept), None)


def carry_out(planned: Plan) -> tuple[Segment, ...]:
    """Deletes what was planned, oldest first; returns what was deleted.

    Looks at the consumers once more before each: one that registered meanwhile keeps what it has not read.
    """
    deleted = []
    for segment, following in zip_longest(planned.delete, planned.delete[1:]):
        first_kept = following.first_seq if following else planned.first_seq_kept
        if _waiting(planned.tape, first_kept):
            break
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            raise TapeError(f"{segment.path}: cannot delete the segment: {error.strerror}") from error
        deleted.append(segment)
    if deleted:
        sync_folder(planned.tape)
    return tuple(deleted)
