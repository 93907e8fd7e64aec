"""The server's side of a session, byte by byte: no socket, no clock."""

from __future__ import annotations

from services.simulator.fix_venue.session import Close, Rules, Session
from tapewire.fix.message import Message, build, fields_of, parse
from tapewire.fix.timestamps import to_ns

NOW = to_ns("20261121-12:00:00")
SECOND = 10**9
PLAIN, RESTARTING = Rules(), Rules(resends=False, restarts=True, heartbeat=(5, 60), micros=True, says_reset=False)


def message(kind: str, seq: int, *fields: tuple[int, object], begin: str = "FIX.4.4", sender: str = "US") -> Message:
    head = [(35, kind), (34, seq), (49, sender), (52, "20261121-12:00:00"), (56, "THEM")]
    return parse(build(begin, [*head, *fields]))


def logon(seq: int = 1, *fields: tuple[int, object], heartbeat: int = 30) -> Message:
    return message("A", seq, (98, 0), (108, heartbeat), *fields)


def said(session: Session) -> list[str]:
    """What goes out, without the header's fixed parts; `-` is the end of the connection."""
    texts = []
    for item in session.out:
        if isinstance(item, Close):
            texts.append("abort" if item.abort else "-")
        else:
            pairs = parse(item).pairs()
            texts.append("|".join(f"{tag}={value}" for tag, value in pairs if tag not in (8, 9, 10, 49, 52, 56)))
    session.out.clear()
    return texts


def on(rules: Rules = PLAIN) -> Session:
    session = Session(rules, "THEM", "US")
    session.log_on(logon(), NOW)
    session.out.clear()
    return session


def test_a_logon_is_answered_in_bytes() -> None:
    session = Session(PLAIN, "THEM", "US")
    assert session.log_on(logon(), NOW, "553=x\x01") == []
    assert session.out == [
        b"8=FIX.4.4\x019=67\x0135=A\x0149=THEM\x0156=US\x0134=1\x0152=20261121-12:00:00.000\x0198=0\x01108=30\x01553=x\x01"
        b"10=014\x01"
    ]
    assert (session.on, session.next_in, session.next_out) == (True, 2, 2)


def test_a_reset_is_mirrored_by_who_says_so_and_numbers_begin_anew() -> None:
    session = on()
    session.send("8", "17=1\x01", NOW)
    session.lost()
    session.log_on(logon(1, (141, "Y")), NOW)
    assert said(session) == ["35=A|34=1|98=0|108=30|141=Y"]
    assert session.sent == {}
    silent = Session(RESTARTING, "THEM", "US")
    silent.log_on(logon(1, (141, "Y")), NOW)
    assert said(silent) == ["35=A|34=1|98=0|108=30"]


def test_a_venue_that_restarts_begins_at_one_each_time_and_forgets_what_nobody_heard() -> None:
    session = on(RESTARTING)
    session.send("8", "17=1\x01", NOW)
    session.lost()
    assert session.send("8", "17=2\x01", NOW) == 0
    session.log_on(logon(), NOW)
    assert said(session) == ["35=A|34=1|98=0|108=30"]
    assert session.next_in == 2


def test_a_heartbeat_interval_outside_of_the_venues_range_is_refused_or_capped() -> None:
    session = Session(RESTARTING, "THEM", "US")
    session.log_on(logon(heartbeat=61), NOW)
    assert said(session) == ["35=5|34=1|58=HeartBtInt (108) is 61; expected 5 to 60", "-"]
    capped = Session(Rules(heartbeat=(1, 300), caps_heartbeat=True), "THEM", "US")
    capped.log_on(logon(heartbeat=999), NOW)
    assert said(capped) == ["35=A|34=1|98=0|108=300"]


def test_what_was_told_while_nobody_was_there_is_resent_when_it_is_asked_for() -> None:
    session = on()
    session.lost()
    session.send("8", "17=1\x01", NOW)
    session.send("8", "17=2\x01", NOW)
    assert session.out == []
    session.log_on(logon(2), NOW)
    assert said(session) == ["35=A|34=4|98=0|108=30"]
    session.received(message("2", 3, (7, 2), (16, 0)), NOW)
    assert said(session) == [
        "35=8|34=2|43=Y|122=20261121-12:00:00.000|17=1",
        "35=8|34=3|43=Y|122=20261121-12:00:00.000|17=2",
        "35=4|34=4|43=Y|122=20261121-12:00:00.000|123=Y|36=5",
    ]


def test_a_range_is_resent_with_one_gap_fill_for_each_stretch_of_session_messages() -> None:
    session = on()
    session.send("0", "", NOW)
    session.send("8", "17=1\x01", NOW)
    session.send("0", "", NOW)
    session.send("0", "", NOW)
    session.out.clear()
    session.received(message("2", 2, (7, 1), (16, 4)), NOW)
    assert [text.replace("|43=Y|122=20261121-12:00:00.000", "") for text in said(session)] == [
        "35=4|34=1|123=Y|36=3",
        "35=8|34=3|17=1",
        "35=4|34=4|123=Y|36=5",
    ]


def test_a_gap_is_asked_for_once_and_what_came_behind_it_waits() -> None:
    session = on()
    assert session.received(message("D", 4, (11, "c")), NOW) == []
    assert session.received(message("D", 5, (11, "d")), NOW) == []
    assert said(session) == ["35=2|34=2|7=2|16=0"]
    got = session.received(message("D", 2, (43, "Y"), (122, "20261121-12:00:00"), (11, "a")), NOW)
    got += session.received(message("4", 3, (43, "Y"), (123, "Y"), (36, 4)), NOW)
    assert [(one.seq, one[11]) for one in got] == [(2, "a"), (4, "c"), (5, "d")]
    assert session.next_in == 6


def test_a_resend_request_with_a_number_too_high_is_answered_before_the_gap_is_asked_for() -> None:
    session = on()
    session.send("8", "17=1\x01", NOW)
    session.out.clear()
    session.received(message("2", 9, (7, 2), (16, 2)), NOW)
    assert [text[:9] for text in said(session)] == ["35=8|34=2", "35=2|34=3"]


def test_a_gap_ends_the_session_where_nothing_is_resent() -> None:
    session = on(RESTARTING)
    session.received(message("D", 3, (11, "a")), NOW)
    assert said(session) == [
        "35=3|34=2|45=3|371=34|372=D|373=5|58=MsgSeqNum is 3; expected 2",
        "35=5|34=3|58=MsgSeqNum is 3; expected 2",
    ]
    session.on_time(NOW + 3 * SECOND)
    assert said(session) == ["-"]
    asked = on(RESTARTING)
    asked.received(message("2", 2, (7, 1), (16, 0)), NOW)
    assert said(asked) == ["35=3|34=2|45=2|371=35|372=2|373=11|58=ResendRequest is not supported"]


def test_a_number_too_low_ends_the_session_unless_it_is_a_possible_duplicate() -> None:
    session = on()
    session.received(message("0", 2), NOW)
    assert session.received(message("D", 2, (43, "Y"), (11, "a")), NOW) == []
    assert said(session) == []
    session.received(message("D", 2, (11, "a")), NOW)
    assert said(session) == ["35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2", "-"]
    assert not session.on


def test_a_logon_with_a_number_too_low_is_refused_with_what_was_expected() -> None:
    session = on()
    session.received(message("0", 2), NOW)
    session.lost()
    session.log_on(logon(2), NOW)
    assert said(session) == ["35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2", "-"]


def test_a_reset_sequence_goes_forward_only() -> None:
    session = on()
    session.received(message("4", 99, (36, 10)), NOW)
    assert (session.next_in, said(session)) == (10, [])
    session.received(message("4", 10, (36, 4)), NOW)
    assert said(session) == ["35=3|34=2|45=10|371=36|372=4|373=5|58=NewSeqNo 4 is below 10"]
    assert session.next_in == 10


def test_wrong_header_ends_the_session_with_the_reason() -> None:
    session = on()
    session.received(message("D", 2, (11, "a"), sender="WHO"), NOW)
    assert said(session) == ["35=3|34=2|45=2|371=49|372=D|373=9|58=CompID problem", "35=5|34=3|58=CompID problem"]
    other = on()
    other.received(message("D", 2, (11, "a"), begin="FIX.4.2"), NOW)
    assert said(other)[0] == "35=3|34=2|45=2|371=8|372=D|373=99|58=BeginString is FIX.4.2; expected FIX.4.4"


def test_heartbeats_leave_when_nothing_else_did_and_who_is_silent_is_asked_then_let_go() -> None:
    session = on()
    session.on_time(NOW + 29 * SECOND)
    assert said(session) == []
    session.on_time(NOW + 30 * SECOND)
    assert said(session) == ["35=0|34=2"]
    session.on_time(NOW + 37 * SECOND)
    session.on_time(NOW + 38 * SECOND)
    assert said(session) == [f"35=1|34=3|112=T{NOW + 37 * SECOND}"]
    session.on_time(NOW + 61 * SECOND - 1)
    assert said(session) == []
    session.on_time(NOW + 61 * SECOND)
    assert said(session) == ["35=5|34=4|58=no heartbeat", "-"]


def test_a_test_request_is_answered_with_its_id_and_a_logout_with_a_logout() -> None:
    session = on()
    session.received(message("1", 2, (112, "hello")), NOW)
    session.received(message("5", 3), NOW)
    assert said(session) == ["35=0|34=2|112=hello", "35=5|34=3", "-"]


def test_the_venues_own_logout_waits_for_the_answer_and_then_closes() -> None:
    session = on()
    session.log_out("maintenance", NOW)
    session.log_out("twice", NOW)
    assert said(session) == ["35=5|34=2|58=maintenance"]
    session.received(message("5", 2), NOW)
    assert said(session) == ["-"]


def test_a_number_can_be_used_without_being_shown_and_a_message_be_sent_again() -> None:
    session = on()
    session.send("8", "17=1\x01", NOW, shown=False)
    assert said(session) == []
    session.again(2, session.sent[2], NOW + SECOND)
    session.send("8", "17=1\x01", NOW, head="97=Y\x01")
    assert said(session) == ["35=8|34=2|43=Y|122=20261121-12:00:00.000|17=1", "35=8|34=3|97=Y|17=1"]


def test_times_have_as_many_places_as_the_venue_gives_them() -> None:
    session = Session(RESTARTING, "THEM", "US")
    session.log_on(logon(), NOW + 1_234_567)
    first = session.out[0]
    assert isinstance(first, bytes)
    assert fields_of(first)[52] == "20261121-12:00:00.001234"
