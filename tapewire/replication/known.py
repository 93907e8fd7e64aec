"""What a host knows to be stored in a tape's stream: its last message there, and whether the stream still has it. Pure.

A stream that was put back to an older state (a backup of the server's files, a quorum rebuilt from an old node) ends
before that message, or has another one in its place. Nobody may go on with it as if nothing were missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from tapewire.replication.part import Kind, Part


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tape: the last message that this host was told is stored, whoever sent it."""

    created: str
    """When the stream was made, as its server says it."""
    sequence: int
    """The message's number in the stream."""
    digest: str
    kind: Kind
    holder: str
    epoch: int
    end: int
    """The position of the tape up to which the stream held it."""
    last: int
    """The last record before that, 0: the message does not say."""
    held: int
    """The position up to which this host's own tape is what the stream held: behind a fence, less than `end`."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What another host says when it is asked what it knows. `known` None: nothing."""

    host: str
    sends: bool
    known: Known | None


def digest(part: Part, frames: bytes) -> str:
    """Of what never changes of a message, however its header may grow."""
    said = f"{part.kind} {part.mark} {part.holder} {part.epoch} {part.position} {part.end} ".encode()
    return hashlib.blake2b(said + frames, digest_size=16).hexdigest()


def known(created: str, sequence: int, part: Part, frames: bytes, held: int) -> Known:
    return Known(
        created=created,
        sequence=sequence,
        digest=digest(part, frames),
        kind=part.kind,
        holder=part.holder,
        epoch=part.epoch,
        end=part.end,
        last=part.last,
        held=held,
    )


def went_back(ours: Known, created: str, first: int, last: int, held: str | None) -> str:
    """Why the stream is not what it was; empty: it is. `held`: the digest of its message `ours.sequence`, if any."""
    stored = f"message {ours.sequence} (position {ours.end}, epoch {ours.epoch}) was stored"
    if created != ours.created:
        return f"it was made at {created}, the one in which {stored} at {ours.created}"
    if last < ours.sequence:
        return f"it ends with message {last}, and {stored}"
    if first <= ours.sequence and held != ours.digest:
        return f"{stored}, and it has another one there"
    return ""


def later(ours: Known, host: str, answers: Iterable[Answer]) -> str:
    """Who knows that the tape was taken from `host` after `ours`, or sends it; empty: nobody."""
    for answer in answers:
        theirs = answer.known
        if answer.sends:
            return f"{answer.host} sends it"
        if theirs and (theirs.epoch > ours.epoch or (theirs.epoch == ours.epoch and theirs.holder != host)):
            return f"{answer.host} knows epoch {theirs.epoch}, taken by {theirs.holder}"
    return ""
