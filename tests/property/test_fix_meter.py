"""The bound on a message of who is logged on, against any cutting of the stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.front.meter import Meter
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
