"""The stream's logs, compared with a list that forgets nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.api.stream.log import Log

STEPS = st.lists(st.integers(0, 3), max_size=120)
CAPACITY = 10


def logged(steps: list[int]) -> tuple[Log, list[tuple[int, bytes]]]:
    """A log and all that ever came. A step is how much higher its seq is than the last; 0: of the same record."""
    log, everything, seq = Log(5, CAPACITY), [], 6
    for number, step in enumerate(steps):
        seq += step
        item = b"%d" % number
        log.append(seq, item)
        everything.append((seq, item))
    return log, everything


@given(STEPS)
def test_everything_behind_its_floor_is_there_once_and_in_order(steps: list[int]) -> None:
    log, everything = logged(steps)
    for after in range(log.floor, log.end + 2):
        assert log.after(after, 1000, log.end)[0] == [item for seq, item in everything if seq > after]


@given(STEPS, st.integers(1, 8), st.integers(0, 40))
def test_read_in_pieces_it_gives_what_it_gives_at_once_and_parts_no_record(
    steps: list[int], limit: int, up_to: int
) -> None:
    log, everything = logged(steps)
    up_to = max(min(up_to, log.end), log.floor)
    position, read = log.floor, list[bytes]()
    while position < up_to:
        items, further = log.after(position, limit, up_to)
        assert further > position
        whole = [item for seq, item in everything if position < seq <= further]
        assert items == whole
        position, read = further, read + items
    assert read == [item for seq, item in everything if log.floor < seq <= up_to]


@given(STEPS)
def test_it_holds_no_more_than_twice_its_capacity_and_never_less_than_it(steps: list[int]) -> None:
    log, everything = logged(steps)
    assert min(len(everything), CAPACITY) - 40 <= len(log) < 2 * CAPACITY
    assert log.floor >= 5
    assert log.end == (everything[-1][0] if everything else 5)


@given(STEPS, st.integers(1, 8))
def test_the_newest_are_the_last_ones_whole_records(steps: list[int], limit: int) -> None:
    log, everything = logged(steps)
    newest = log.newest(limit, log.end)
    assert newest == [item for _, item in everything][len(everything) - len(newest) :]
    if len(log) >= limit:
        assert len(newest) >= limit
        first = everything[len(everything) - len(newest)][0]
        before = everything[: len(everything) - len(newest)]
        assert not before or before[-1][0] < first or before[-1][0] <= log.floor


def test_what_it_was_filled_with_up_to_its_floor_is_shown_and_not_gone_on_from() -> None:
    log = Log(0, CAPACITY)
    log.fill([(7, b"a"), (8, b"b"), (8, b"c")], 7)
    assert log.newest(10, log.end) == [b"a", b"b", b"c"]
    assert log.after(7, 10, log.end) == ([b"b", b"c"], 8)
    assert (log.floor, log.end) == (7, 8)
