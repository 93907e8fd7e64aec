"""What goes onto the tape, and when a batch is committed."""

from __future__ import annotations

import pytest

from services.flusher.flusher import LINGER_MAX_NS, Pacer, Sorted, sort_out
from tapewire import messages as m


def raws(*seqs: int) -> list[bytes]:
    return [bytes(m.Trade(seq=seq, price=seq)) for seq in seqs]


@pytest.mark.parametrize(
    ("seqs", "next_seq", "recovering", "expected"),
    [
        ((), 5, True, Sorted([], [], None)),
        ((5, 6, 7), 5, True, Sorted([], raws(5, 6, 7), None)),
        ((3, 4, 5, 6), 5, True, Sorted(raws(3, 4), raws(5, 6), None)),
        ((3, 4), 5, True, Sorted(raws(3, 4), [], None)),
        ((3, 4), 5, False, Sorted([], [], 3)),
        ((6, 7), 5, True, Sorted([], [], 6)),
        ((5, 7, 8), 5, False, Sorted([], raws(5), 7)),
        ((5, 6, 6, 7), 5, True, Sorted([], raws(5, 6), 6)),
        ((3, 4, 6), 5, True, Sorted(raws(3, 4), [], 6)),
        ((5, 6, 1), 5, True, Sorted([], raws(5, 6), 1)),
    ],
)
def test_ring_records_are_duplicates_or_continue_the_tape_or_break_it(
    seqs: tuple[int, ...], next_seq: int, recovering: bool, expected: Sorted
) -> None:
    assert sort_out(raws(*seqs), next_seq, recovering) == expected


def test_a_full_batch_is_committed_at_once_and_an_empty_one_never() -> None:
    pacer = Pacer(records_max=10)
    pacer.committed(10**9)
    assert [pacer.due(0, 10**12), pacer.due(9, 0), pacer.due(10, 0)] == [False, False, True]


def test_a_batch_waits_longer_the_more_a_commit_costs_up_to_its_bound() -> None:
    pacer = Pacer(records_max=10)
    assert pacer.due(1, 0)
    for _ in range(100):
        pacer.committed(100_000)
    assert 390_000 < pacer.linger_ns <= 400_000
    assert [pacer.due(1, 300_000), pacer.due(1, 400_000)] == [False, True]
    for _ in range(100):
        pacer.committed(10**9)
    assert pacer.linger_ns == LINGER_MAX_NS
