"""Where a feed's numbering continues after a restart: behind whatever the ring or the tape holds.

tape  … 41 42 43 │ 44        the flusher commits before it releases, so together they hold every number given out
ring       42 43   44 45 46  ◀ next: 47
"""

from __future__ import annotations

from pathlib import Path

from tapewire.errors import TapeMissing
from tapewire.messages import decode
from tapewire.ring import last_record
from tapewire.tape import TapeReader


def next_seq(ring: Path, tape: Path) -> int:
    """The first number not given out yet. Ask as the ring's producer, before writing to it.

    The ring first: what the flusher moves on meanwhile is then found on the tape.
    """
    record = last_record(ring)
    on_ring = 0 if record is None else decode(record).seq
    try:
        with TapeReader(tape, from_seq=None) as reader:
            on_tape = reader.positions.written_seq
    except TapeMissing:
        on_tape = 0
    return max(on_ring, on_tape) + 1
