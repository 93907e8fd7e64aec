"""Where a feed's numbering continues after a restart: behind whatever the ring or the tape holds.

tape  … 41 42 43 │ 44        the flusher commits before it releases, so together they hold every number given out
ring       42 43   44 45 46  ◀ next: 47

After a power loss nobody knows where the tape ends until the flusher has recovered it: a number taken before could be
one that is on the tape already.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tapewire.errors import TapeError, TapeMissing
from tapewire.logs import Logger
from tapewire.messages import decode
from tapewire.ring import last_record
from tapewire.tape import TapeReader

SETTLED_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1


async def first_seq(ring: Path, tape: Path, log: Logger, stop: asyncio.Event) -> int | None:
    """The first number not given out yet, once the tape is settled; None if we are stopped before.

    Raises TapeError if no flusher has recovered the tape within a minute.
    """
    deadline = time.monotonic() + SETTLED_WITHIN_S
    said = False
    while not settled(tape):
        if not said:
            log.warning("waiting_for_the_flusher", tape=str(tape), reason="not recovered since a power loss")
            said = True
        if time.monotonic() > deadline:
            raise TapeError(
                f"{tape}: was not closed before this host was started, and no flusher has recovered it within "
                f"{SETTLED_WITHIN_S:g} s: where it ends is not known, so no number can be given. Start the flusher"
            )
        if stop.is_set():
            return None
        await asyncio.sleep(LOOK_EVERY_S)
    return next_seq(ring, tape)


def settled(tape: Path) -> bool:
    """Whether it is known where the tape ends; true if there is none."""
    try:
        with TapeReader(tape, from_seq=None) as reader:
            return reader.settled
    except TapeMissing:
        return True


def next_seq(ring: Path, tape: Path) -> int:
    """The first number not given out yet. Ask as the ring's producer, before writing to it.

    Of a settled tape. The ring first: what the flusher moves on meanwhile is then found on the tape.
    """
    record = last_record(ring)
    on_ring = 0 if record is None else decode(record).seq
    try:
        with TapeReader(tape, from_seq=None) as reader:
            on_tape = reader.positions.written_seq
    except TapeMissing:
        on_tape = 0
    return max(on_ring, on_tape) + 1
