"""Beside a copy the republisher waits: the host that writes the tape publishes it, and nobody is to hear it twice."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from tapewire.consumers import ConsumerPosition
from tapewire.logs import Logger
from tapewire.tape import TapeReader

LOOK_EVERY_S: Final = 0.2
BEHIND: Final = 15
"""Looks, so three seconds: what the other host may have sequenced and not published when it fell silent. After a
takeover it is published again, as after a kill."""


async def until_ours(tape: TapeReader, published: ConsumerPosition, stop: asyncio.Event, log: Logger) -> bool:
    """Waits while the tape is copied from another host, `published` following behind; False if `stop` came first."""
    if not tape.mirror:
        return True
    log.info("standing_by", tape=tape.name)
    ends: deque[int] = deque(maxlen=BEHIND)
    while not stop.is_set():
        if not tape.mirror:
            log.warning("taking_over", published=published.seq)
            return True
        ends.append(tape.positions.released_seq)
        if len(ends) == BEHIND:
            published.store(ends[0])
        await asyncio.sleep(LOOK_EVERY_S)
    return False


async def until_copied(tape: TapeReader, stop: asyncio.Event, log: Logger) -> None:
    """Sets `stop` once another host has taken the tape over: the next start waits."""
    while not stop.is_set():
        if tape.mirror:
            log.warning("another_host_has_the_tape", tape=tape.name)
            stop.set()
        await asyncio.sleep(LOOK_EVERY_S)
