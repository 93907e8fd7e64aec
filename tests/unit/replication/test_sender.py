"""The sender's decisions, message by message."""

from __future__ import annotations

from tapewire.replication.part import Part
from tapewire.replication.sender import ANSWER_WITHIN_NS, LATE_AFTER_NS, Last, Sender, State


def part(position: int, end: int, *, holder: str = "a", epoch: int = 1, mark: str = "m", whole: int = 0) -> Part:
    return Part(
        kind="frames", mark=mark, holder=holder, epoch=epoch, position=position, end=end, whole=whole, whole_seq=whole
    )


def sending(*, sequence: int = 0, position: int = 0) -> Sender:
    sender = Sender("a", "m")
    last = part(0, position) if sequence else None
    sender.synced(Last(sequence, last, agrees=True), tape_end=1000, begin=0)
    assert sender.state is State.send
    return sender


def test_what_is_stored_is_released_up_to_the_last_whole_batch() -> None:
    sender = sending()
    token, expected = sender.sent(part(0, 100, whole=80), 0)
    assert (expected, sender.released) == (0, (0, 0))
    sender.acked(token, 1)
    assert (sender.released, sender.stored, sender.next) == ((80, 80), 100, 100)


def test_one_part_is_on_its_way_at_a_time() -> None:
    sender = sending()
    token, _ = sender.sent(part(0, 100), 0)
    assert not sender.may_send
    sender.acked(token, 1)
    assert sender.may_send


def test_an_answer_that_does_not_come_is_asked_for_and_never_guessed() -> None:
    sender = sending()
    token, _ = sender.sent(part(0, 100, whole=100), 0)
    sender.tick(ANSWER_WITHIN_NS)
    assert sender.state is State.send
    sender.tick(ANSWER_WITHIN_NS + 1)
    assert (sender.state, sender.released) == (State.sync, (0, 0))
    sender.acked(token, 1)  # it comes after all, to nobody
    assert (sender.state, sender.released) == (State.sync, (0, 0))
    sender.synced(Last(1, part(0, 100, whole=100), agrees=True), tape_end=1000, begin=0)
    assert (sender.state, sender.released, sender.next) == (State.send, (100, 100), 100)


def test_a_late_answer_is_doubted_once_the_stream_has_another_leader_or_more_messages() -> None:
    for last, same_leader, state in ((4, True, State.send), (4, False, State.sync), (5, True, State.sync)):
        sender = sending(sequence=4, position=50)
        token, _ = sender.sent(part(50, 100), 0)
        assert sender.late(LATE_AFTER_NS) == 0
        assert sender.late(LATE_AFTER_NS + 1) == token
        sender.looked(token, last, same_leader=same_leader)
        assert (sender.state, sender.may_send) == (state, False)
        assert sender.acked(token, 5) == (state is State.send)


def test_what_was_seen_of_the_stream_says_nothing_of_a_later_part() -> None:
    sender = sending()
    token, _ = sender.sent(part(0, 100), 0)
    sender.acked(token, 1)
    sender.sent(part(100, 200), 0)
    sender.looked(token, 0, same_leader=False)
    assert sender.state is State.send


def test_an_answer_with_another_sequence_is_doubted() -> None:
    sender = sending(sequence=4, position=50)
    token, expected = sender.sent(part(50, 100, whole=100), 0)
    assert expected == 4
    sender.acked(token, 6)
    assert (sender.state, sender.released) == (State.sync, (0, 0))


def test_a_claim_of_another_host_ends_it() -> None:
    sender = Sender("a", "m")
    claim = Part(kind="claim", mark="m", holder="b", epoch=7, position=100, end=100)
    sender.synced(Last(3, claim, agrees=True), tape_end=1000, begin=0)
    assert sender.state is State.stopped
    assert sender.stop is not None
    assert (sender.stop.epoch, sender.stop.why) == (7, "fenced: epoch 7 taken by b")
    assert not sender.may_send


def test_it_goes_no_further_where_the_stream_and_the_tape_do_not_agree() -> None:
    cases = {
        "another tape": Last(3, part(0, 100, mark="other"), agrees=True),
        "other bytes": Last(3, part(0, 100), agrees=False),
        "has lost what was acknowledged": Last(3, part(0, 5000), agrees=False),
        "none is left": Last(3, None),
    }
    for words, last in cases.items():
        sender = Sender("a", "m")
        sender.synced(last, tape_end=1000, begin=0)
        assert sender.stop is not None, words
        assert words in sender.stop.why
        assert sender.stop.epoch == 0, "nobody took it"
