"""No order is looked at before its request, however the tapes grow while they are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.traces.follow import BATCH, Follower


class Growing:
    """A tape that others write to between two looks."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.at = 0

    def poll(self, max_records: int = BATCH, /) -> list[bytes]:
        found = self.records[self.at : self.at + max_records]
        self.at += len(found)
        return found


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["request", "both", "read"]), st.integers(0, 3), st.integers(1, 40)), max_size=60
    ),
    edges=st.integers(1, 3),
)
def test_each_order_comes_behind_its_request_and_each_tape_in_its_order(
    steps: list[tuple[str, int, int]], edges: int
) -> None:
    orders, others = Growing(), [Growing() for _ in range(edges)]
    follower = Follower("orders.0", orders)
    for number, tape in enumerate(others):
        follower.add(f"fix.{number}", tape)
    now, waiting, sent = 0, list[int](), 0
    seen: list[tuple[str, m.Message]] = []
    for what, which, count in steps:
        if what == "read":
            seen += follower.poll(count)
            continue
        for _ in range(count):
            now += 1
            sent += 1
            tape = others[which % edges]
            tape.records.append(bytes(m.FixReceived(seq=len(tape.records) + 1, ts=now, cl_ord_id=sent)))
            waiting.append(sent)
        if what == "both":
            for number in waiting:
                now += 1
                orders.records.append(bytes(m.NewOrder(seq=len(orders.records) + 1, ts=now, cl_ord_id=number)))
            waiting.clear()
    while found := follower.poll(7):
        seen += found
    asked: set[int] = set()
    last: dict[str, int] = {}
    for name, record in seen:
        assert record.seq == last.get(name, 0) + 1
        last[name] = record.seq
        if isinstance(record, m.FixReceived):
            asked.add(record.cl_ord_id)
        else:
            assert isinstance(record, m.NewOrder)
            assert record.cl_ord_id in asked
    assert len(seen) == len(orders.records) + sum(len(tape.records) for tape in others)
