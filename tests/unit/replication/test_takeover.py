"""When a standby takes over by itself; where a former writer's own records end."""

from __future__ import annotations

from tapewire.replication.part import Part
from tapewire.replication.takeover import Silence, own_tail


def claim(holder: str, position: int) -> Part:
    return Part(kind="claim", mark="m", holder=holder, epoch=2, position=position, end=position, last=position)


def frames(position: int) -> Part:
    return Part(kind="frames", mark="m", holder="x", epoch=2, position=position, end=position + 10)


def test_silence_counts_from_the_last_sign_and_only_while_connected() -> None:
    silence = Silence(after_ns=10)
    assert not silence.too_long(0, connected=True)
    assert not silence.too_long(9, connected=True)
    assert silence.too_long(10, connected=True)
    silence.heard(10)
    assert not silence.too_long(19, connected=True)
    assert not silence.too_long(500, connected=False)
    assert not silence.too_long(501, connected=True), "it begins anew once the bus is back"
    silence.away()
    assert not silence.too_long(600, connected=True)
    assert silence.too_long(610, connected=True)


def test_without_a_time_no_silence_is_long_enough() -> None:
    silence = Silence(after_ns=0)
    silence.heard(0)
    assert not silence.too_long(1 << 60, connected=True)


def test_a_former_writer_cuts_what_lies_behind_the_first_claim_that_it_did_not_follow() -> None:
    first, second = claim("b", 100), claim("c", 200)
    followed = [(first, [frames(100)]), (second, [])]
    assert own_tail(followed, "a", 100, lambda part: False) is None, "nothing lies behind the claim"
    assert own_tail(followed, "a", 150, lambda part: False) is first
    assert own_tail(followed, "a", 150, lambda part: True) is None, (
        "it has followed the first, and is not at the second"
    )
    assert own_tail(followed, "a", 250, lambda part: True) is second
    assert own_tail([(claim("a", 100), [])], "a", 250, lambda part: False) is None, "its own claim"


def test_what_a_batch_lacked_looks_alike_on_both_and_the_epoch_behind_it_does_not() -> None:
    only = claim("b", 100)
    parts = [frames(100), frames(110)]
    assert own_tail([(only, parts)], "a", 150, lambda part: part.position == 100) is only
    assert own_tail([(only, parts[:1])], "a", 150, lambda part: True) is only, "the stream ends before this tape does"
    assert own_tail([(only, parts)], "a", 120, lambda part: True) is None
