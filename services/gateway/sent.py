"""What was sent to a client stands on the gateway's tape; here is where to look for it there.

    index    number 1 at record 40    number 65 at record 212    number 129 at record 301  …   every STRIDE-th number

Asked for number 100, one reads on from record 212. When the index is full every other entry goes, and
the stride doubles.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire.tape import TapeReader

STRIDE: Final = 64
"""Numbers from one entry to the next, at first."""
MAX_ENTRIES: Final = 1 << 16
"""Of one session: 16 bytes each, 1 MiB."""
ADMIN_TYPES: Final = frozenset("01235A4")
"""Messages of the session itself: nobody needs them again."""


@dataclass(slots=True)
class SentIndex:
    """Of one session, since its numbers began at 1."""

    numbers: array[int] = field(default_factory=lambda: array("Q"))
    seqs: array[int] = field(default_factory=lambda: array("Q"))
    """The record of each number."""
    stride: int = STRIDE

    def add(self, number: int, seq: int) -> None:
        """The message `number` is record `seq` of the tape. Numbers and records rise."""
        if self.numbers and number < self.numbers[-1] + self.stride:
            return
        if len(self.numbers) == MAX_ENTRIES:
            self.numbers, self.seqs, self.stride = self.numbers[::2], self.seqs[::2], self.stride * 2
        self.numbers.append(number)
        self.seqs.append(seq)

    def seq_before(self, number: int) -> int:
        """The record to read on from for message `number`; 0: nothing was sent."""
        if not self.numbers:
            return 0
        return self.seqs[max(bisect_right(self.numbers, number) - 1, 0)]


def read_sent(tape: Path, session: int, begin: int, end: int, from_seq: int) -> Iterator[tuple[int, str]]:
    """Application messages to `session` with numbers from `begin` to `end`, without the latter, from record `from_seq`
    on. Raises TapeError."""
    with TapeReader(str(tape), from_seq, limit="written") as reader:
        while raws := reader.poll_type(m.MessageType.fix_sent, 1024):
            for raw in raws:
                sent = m.FixSent.decode(raw)
                if sent.session != session:
                    continue
                number = sent.msg_seq_num
                if number >= end:
                    return
                if number >= begin and sent.raw and sent.msg_type not in ADMIN_TYPES:
                    yield number, sent.raw
