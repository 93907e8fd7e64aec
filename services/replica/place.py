"""Where a copy of a tape stands in the tape's stream, and which records behind that are this host's alone."""

from __future__ import annotations

import asyncio
import time

from services.replica.context import Context
from services.replica.mirror_copy import MirrorCopy
from services.replica.stream import Stored, Stream
from tapewire.replication.part import Part
from tapewire.replication.takeover import FOLLOWING, own_tail


async def first_reaching(stream: Stream, end: int, first: int, last: int) -> int:
    """The first of the stream's messages that reaches to the position `end` or beyond; `last` if none does.

    Raises TransportError.
    """
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        message = await stream.get(middle)
        if message is not None and message.part.end >= end:
            high = middle
        else:
            low = middle + 1
    return low


async def cut_own_tail(context: Context, copy: MirrorCopy, first: int) -> bool:
    """A former writer's records that no other host took are kept aside, never deleted. True: the copy was cut, and is
    closed. `first`: of the stream's messages. Raises TransportError, TapeError.
    """
    if copy.empty:
        return False
    claims, differ = await _claims(context, copy, first)
    known = context.known
    stored = known.held if known else 0
    found = own_tail(claims, context.host, copy.end, lambda part: part not in differ, stored=stored)
    if found is None:
        return False
    backup = await asyncio.to_thread(copy.cut_behind, found.last, time.time_ns())
    context.log.warning(
        "cut_own_records",
        tape=context.name,
        from_seq=found.last + 1,
        kept=str(backup),
        why=f"epoch {found.epoch} was taken by {found.holder} at position {found.position}",
    )
    return True


async def _claims(context: Context, copy: MirrorCopy, first: int) -> tuple[list[tuple[Part, list[Part]]], list[Part]]:
    """Every claim of the stream with what follows it, as `own_tail` takes them; and the parts that differ here."""
    claims: list[tuple[Part, list[Part]]] = []
    differ: list[Part] = []
    at = first
    while (claim := await context.stream.next_claim(at)) is not None:
        behind = at = claim.sequence + 1
        following: list[Part] = []
        claims.append((claim.part, following))
        while len(following) < FOLLOWING and (stored := await context.stream.next_frames(behind)) is not None:
            following.append(stored.part)
            behind = stored.sequence + 1
            if stored.part.position >= copy.end:
                break
            if not await asyncio.to_thread(_agrees, copy, stored):
                differ.append(stored.part)
                break  # from here on not even the frames begin at the same places
    return claims, differ


def _agrees(copy: MirrorCopy, stored: Stored) -> bool:
    """Whether the copy has these bytes, as far as it reaches."""
    ours = copy.read(stored.part.position, len(stored.frames))
    return ours[: len(stored.frames)] == stored.frames[: len(ours)]
