"""What the flusher decides: which records of a ring go onto the tape, and when a batch is worth a commit.

ring   … 41 42 43 44 45 46      tape ends at 43
         `--v---' `---v--'
       duplicates  append       a first record above 44 would be a gap: the feed stops, nothing is released
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tapewire import messages as m

SEQ_AT: Final = m.Trade.seq.at  # in the header, so of every flat message
TS_AT: Final = m.Trade.ts.at

LINGER_FACTOR: Final = 4  # a batch waits this many commits long: so at most a fifth of the time goes to the disk
LINGER_MAX_NS: Final = 50_000_000
SMOOTHING: Final = 8  # commits that the measured cost of one is averaged over


class Sorted(NamedTuple):
    """What a run of ring records is for a tape whose next record is `next_seq`.

    `append` continues the tape without a gap. `found` is the seq that broke the order, right behind them, or None.
    """

    duplicates: list[bytes]
    append: list[bytes]
    found: int | None


def seq_of(raw: bytes) -> int:
    return int.from_bytes(raw[SEQ_AT : SEQ_AT + 8], "little")


def ts_of(raw: bytes) -> int:
    return int.from_bytes(raw[TS_AT : TS_AT + 8], "little", signed=True)


def sort_out(raws: list[bytes], next_seq: int, recovering: bool) -> Sorted:
    """Duplicates, what to append, and where the sequence breaks.

    Duplicates are in order only while `recovering`, that is before the first append since the ring was opened: later,
    a seq that steps back means that the feed's sequencer forgot what it had given out.
    """
    at = 0
    if recovering:
        while at < len(raws) and seq_of(raws[at]) < next_seq:
            at += 1
    first = at
    while at < len(raws):
        seq = seq_of(raws[at])
        if seq != next_seq + at - first:
            return Sorted(raws[:first], raws[first:at], seq)
        at += 1
    return Sorted(raws[:first], raws[first:], None)


class Pacer:
    """When to commit: at once when the batch is full, else when it has waited long enough for what a commit costs here.

    A fast disk commits every fraction of a millisecond, a slow one gathers more: the batch adapts, both bounds hold.
    """

    def __init__(self, records_max: int, linger_max_ns: int = LINGER_MAX_NS) -> None:
        self.records_max = records_max
        self.linger_max_ns = linger_max_ns
        self._commit_ns = 0.0

    @property
    def linger_ns(self) -> int:
        """How long the oldest record of a batch may wait now, ns."""
        return min(self.linger_max_ns, int(LINGER_FACTOR * self._commit_ns))

    def due(self, pending: int, waited_ns: int) -> bool:
        return pending > 0 and (pending >= self.records_max or waited_ns >= self.linger_ns)

    def committed(self, took_ns: int) -> None:
        self._commit_ns += (took_ns - self._commit_ns) / SMOOTHING
