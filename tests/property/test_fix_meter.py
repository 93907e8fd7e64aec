"""The bound on a message of who is logged on, against any cutting of the stream."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.front.meter import Meter, Passed
from tapewire.fix.message import build

BOUND = 300
SMALL = st.integers(1, 200).map(lambda n: build("FIX.4.4", [(35, "B"), (58, "x" * n)]))


def passes(stream: bytes, sizes: list[int]) -> bool:
    meter = Meter(BOUND)
    for size in [*sizes, len(stream)]:
        if meter.follow(stream[:size]) is None:
            return False
        stream = stream[size:]
    return True


@given(st.lists(SMALL, max_size=8), st.lists(st.integers(1, 150), max_size=20))
def test_messages_within_the_bound_pass_however_they_arrive(messages: list[bytes], sizes: list[int]) -> None:
    assert passes(b"".join(messages), sizes)


@given(st.lists(SMALL, max_size=8), st.integers(BOUND, 100_000), st.lists(st.integers(1, 150), max_size=20))
def test_a_message_that_says_it_is_longer_ends_it(messages: list[bytes], length: int, sizes: list[int]) -> None:
    assert not passes(b"".join(messages) + b"8=FIX.4.4\x019=%d\x0135=B\x01" % length, sizes)


@given(st.lists(SMALL, max_size=4), st.binary(max_size=4000), st.lists(st.integers(1, 150), max_size=30))
def test_no_more_than_the_bound_and_a_head_passes_without_being_a_message(
    messages: list[bytes], junk: bytes, sizes: list[int]
) -> None:
    meter, stream = Meter(BOUND), b"".join(messages) + junk.replace(b"8=", b"") + b"x" * 1000
    cut = [*sizes, *[100] * (len(stream) // 100 + 1)]
    ended = False
    for size in cut:
        ended = ended or meter.follow(stream[:size]) is None
        stream = stream[size:]
    assert ended


class SessionLayer:
    """What it does with a stream: the oracle, slow and obvious."""

    def __init__(self) -> None:
        self.kept = b""

    def feed(self, data: bytes) -> list[int]:
        """Sizes of the messages that end."""
        self.kept += data
        sizes = []
        while (begin := self.kept.find(b"8=")) >= 0:
            self.kept = self.kept[begin:]
            head = re.search(rb"\x019=([^\x01]*)\x01", self.kept)
            if head is None or len(self.kept) < head.end() + int(head[1]):
                break
            end = re.compile(rb"\x0110=[^\x01]*\x01").search(self.kept, head.end() + int(head[1]) - 1)
            if end is None:
                break
            sizes.append(end.end())
            self.kept = self.kept[end.end() :]
        return sizes


PIECES = st.one_of(
    SMALL,
    st.sampled_from(
        [b"8=", b"8=x\x01", b"\x019=", b"9=20\x01", b"\x019=7\x01", b"\x0110=", b"10=000\x01", b"\x01", b"8"]
    ),
    st.sampled_from([b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", b"8=FIX.4.4\x019=50\x0135=0\x0110=000\x01"]),
    st.text("x8=91\x010", max_size=9).map(str.encode),
)


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(1, 60), max_size=40))
def test_messages_are_cut_as_the_session_layer_cuts_them_and_it_keeps_no_more_than_one(
    pieces: list[bytes], sizes: list[int]
) -> None:
    stream, meter, oracle = b"".join(pieces), Meter(BOUND), SessionLayer()
    for size in [*sizes, *[60] * (len(stream) // 60 + 1)]:
        passed = meter.follow(stream[:size])
        if passed is None:
            return
        assert [one.size for one in passed] == oracle.feed(stream[:size])
        assert len(oracle.kept) <= BOUND
        stream = stream[size:]


def test_the_number_of_a_message_is_the_highest_it_claims() -> None:
    one = build("FIX.4.4", [(35, "0"), (34, 7), (58, "34=9")])
    two = build("FIX.4.4", [(35, "0"), (34, 7), (34, 70), (34, "x")])
    assert Meter(BOUND).follow(one + two + build("FIX.4.4", [(35, "0")])) == [
        Passed(7, len(one)), Passed(70, len(two)), Passed(0, 26),
    ]  # fmt: skip
