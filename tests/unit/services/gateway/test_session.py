"""Sessions, folded from the gateway's tape; names of orders; limits."""

from __future__ import annotations

import pytest

from services.gateway.session import DAY_NS, Open, Session, Sessions, echo_of, field_of, without_secrets
from tapewire import messages as m
from tapewire.config import GatewaySession
from tapewire.errors import ConfigError

TERMS = GatewaySession(name="a", number=7, comp_id="A", username="a", accounts=(1,), messages=2, interval=1.0)
ORDER = (
    "8=FIX.4.4\x019=5\x0135=D\x0134=2\x0111=x1\x01453=1\x01448=P\x01447=D\x01452=3\x0155=ACME\x01528=A\x0110=000\x01"
)
State = m.FixSessionState


def received(seq: int, kind: str, number: int, cl_ord_id: int = 0, raw: str = ORDER) -> m.FixReceived:
    return m.FixReceived(
        seq=seq, session=7, msg_seq_num=number, next_in=number + 1, cl_ord_id=cl_ord_id, msg_type=kind, raw=raw
    )


def folded(*records: m.Message) -> Sessions:
    sessions = Sessions((TERMS,))
    for record in records:
        sessions.fold(record)
    return sessions


def test_numbers_reports_and_what_can_be_asked_for_again_come_from_the_tape() -> None:
    one = folded(
        m.FixSessionChanged(seq=1, session=7, state=State.known, next_in=1, next_out=1, orders_seq=40),
        received(2, "0", 1),
        m.FixSent(seq=3, session=7, msg_seq_num=1, msg_type="0", raw="heartbeat"),
        m.FixSent(seq=4, session=7, msg_seq_num=2, msg_type="8", raw="report", orders_seq=41, part=1),
        m.FixSessionChanged(seq=5, session=7, state=State.logged_on, next_in=2, next_out=3),
    ).by_number[7]
    assert (one.next_in, one.next_out, one.reported, one.sent.seq_before(2)) == (2, 3, (41, 1), 3)
    assert (one.known, one.logged_on) == (True, True)


def test_a_reset_begins_numbers_anew_and_forgets_what_was_sent_but_not_what_was_reported() -> None:
    one = folded(
        m.FixSent(seq=1, session=7, msg_seq_num=9, msg_type="8", raw="report", orders_seq=41),
        m.FixSessionChanged(seq=2, session=7, state=State.reset, next_in=1, next_out=1),
    ).by_number[7]
    assert (one.next_in, one.next_out, one.reported, one.sent.seq_before(9)) == (1, 1, (41, 0), 0)


def test_a_request_is_open_until_a_command_or_an_answer_follows() -> None:
    status = ORDER.replace("35=D", "35=H")
    sessions = folded(
        received(1, "D", 1, cl_ord_id=5),
        received(2, "F", 2),
        received(3, "H", 3, raw=status),
        received(4, "H", 4, raw=status),
        m.FixSubmitted(seq=5, session=7, cl_ord_id=6, received=2),
        m.FixSent(seq=6, session=7, msg_seq_num=1, msg_type="8", raw="x", answers=4),
    )
    assert sessions.open == {3: Open(7, status, False)}
    assert set(sessions.commands) == {5, 6}
    assert (sessions.requests[5].text, sessions.requests[5].received) == ("x1", 1)
    assert sessions.last_cl_ord_id == 6


def test_a_session_that_is_owed_something_may_not_leave_the_configuration() -> None:
    sessions = Sessions(())
    sessions.fold(received(1, "D", 1, cl_ord_id=5))
    sessions.check()  # nothing is owed to whom nobody knows: its orders are on the orders tape
    known = folded(received(1, "D", 1, cl_ord_id=5))
    known.strangers.add(7)
    with pytest.raises(ConfigError, match=r"the numbers \[7\]"):
        known.check()


def test_a_name_is_taken_once_a_day() -> None:
    one = Session(TERMS)
    assert [one.take_name("a", DAY_NS), one.take_name("b", DAY_NS), one.take_name("a", 2 * DAY_NS - 1)] == [
        True,
        True,
        False,
    ]
    assert one.take_name("a", 2 * DAY_NS)


def test_the_limit_counts_by_intervals_and_who_waits_goes_first() -> None:
    one, second = Session(TERMS), 10**9
    assert [one.within_limit(second + at) for at in range(3)] == [True, True, False]
    one.queued.extend((11, 12, 13))
    assert one.next_queued(second + 5) == 0
    assert one.within_limit(2 * second) is False
    assert one.messages == 4
    assert [one.next_queued(3 * second + 1 + at) for at in range(3)] == [11, 12, 0]


def test_fields_are_found_without_taking_a_message_apart() -> None:
    assert (field_of(ORDER, 11), field_of(ORDER, 1)) == ("x1", "")
    assert echo_of(ORDER) == "528=A\x01453=1\x01448=P\x01447=D\x01452=3\x01"
    logon = b"8=FIX.4.4\x0135=A\x0195=3\x0196=abc\x01553=u\x01554=secret\x0110=000\x01"
    assert without_secrets(logon) == "8=FIX.4.4\x0135=A\x01553=u\x0110=000\x01"
