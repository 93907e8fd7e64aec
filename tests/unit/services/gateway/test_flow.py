"""How much of one client goes through at a time."""

from __future__ import annotations

import pytest

from services.gateway.front.flow import MAX_PAUSE_S, Flow
from services.gateway.front.meter import Passed
from tapewire.config import Gateway, GatewaySession

SESSION = GatewaySession(name="a", number=1, comp_id="A", username="a", messages=100, interval=1.0)


def flow(**settings: int) -> Flow:
    return Flow(Gateway(**settings), SESSION)  # type: ignore[arg-type]


def test_reading_pauses_until_the_rate_has_caught_up_but_not_for_long() -> None:
    one = flow(max_message_rate=1_000)
    assert one.pause(1_000, 10.0) == 0
    assert one.pause(500, 10.0) == pytest.approx(0.5)
    assert one.pause(0, 10.5) == 0
    assert one.pause(250, 10.5) == pytest.approx(0.25)
    assert one.pause(1_000_000, 10.75) == MAX_PAUSE_S
    assert one.pause(1_000, 1e6) == 0


def test_a_session_that_may_send_more_is_read_twice_as_fast_as_that() -> None:
    one = flow(max_message_rate=10)
    assert one.pause(200, 1.0) == 0
    assert one.pause(100, 1.0) == pytest.approx(0.5)


def test_what_was_processed_is_no_longer_ahead() -> None:
    one = flow(max_ahead_bytes=1 << 16)
    for number in range(1, 100_000):
        assert one.take([Passed(number, 100)])
        if number % 100 == 0:
            one.answered(b"8=FIX.4.4\x019=9\x01369=%d\x0152=x\x01" % number)
    assert one.ahead <= 108 * 100


def test_what_lies_behind_a_gap_stays_ahead_whatever_else_is_processed() -> None:
    one = flow(max_ahead_bytes=1 << 16)
    taken = 0
    for number in range(1, 100_000):
        if not one.take([Passed(number, 80), Passed(10**9 + number, 80)]):
            break
        one.answered(b"\x01369=%d\x01" % number)
        one.answered(b"\x01369=x\x01")
        one.answered(b"\x01369=1\x01")
        taken += 160
    assert (1 << 16) / 2 < taken < 4 << 16
