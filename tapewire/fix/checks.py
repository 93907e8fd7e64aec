"""The checks of `tapewire fix selftest`, in the order in which they are made."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from tapewire.errors import FixError
from tapewire.fix import checks_orders, checks_requests
from tapewire.fix.client import Disconnected, FixClient
from tapewire.fix.message import Message, fields_of, frame
from tapewire.fix.selftest import TIMEOUT_S, Check, Failure, Skip, Walk, expect, expect_field, number, shown, twice

OLD_REASONS: Final = 11  # FIX 4.2 has no number above it: 373 is then left out
HOUR_NS: Final = 3600 * 10**9


def _refused(client: FixClient, raw: bytes) -> Message:
    """A Logon that must be answered by a Logout with a reason."""
    client.connect()
    client.send_raw(raw)
    try:
        answer = client.expect("A", "5", timeout=TIMEOUT_S)
        expect(answer.type == "5", f"expected a Logout; {shown(answer)}")
        expect(bool(answer.get(58).strip()), f"expected a reason in 58; {shown(answer)}")
        return answer
    finally:
        client.close()


def logon_with_reset(walk: Walk) -> str:
    answer = walk.client.logon(reset=True, timeout=TIMEOUT_S)
    expect(answer.type == "A", f"expected a Logon; {shown(answer)}")
    expect_field(answer, 34, "1")
    expect_field(answer, 141, "Y")
    expect_field(answer, 108, str(walk.target.heartbeat))
    return f"108={answer[108]}"


def logon_goes_on(walk: Walk) -> str:
    walk.on().logout()
    answer = walk.client.logon(timeout=TIMEOUT_S)
    expect(answer.type == "A", f"expected a Logon; {shown(answer)}")
    expect(walk.client.resend_requests == 0, "our number and theirs did not go on: there is a gap")
    return f"34={answer[34]}"


def wrong_secret(walk: Walk) -> str:
    login = walk.target.login
    if login.auth == "none":
        raise Skip("there is no secret to be wrong")
    walk.client.close()
    wrong = replace(login, secret=bytes([login.secret[0] ^ 1]) + login.secret[1:])
    client = walk.other_client(wrong)
    return _refused(client, wrong.logon(walk.client.next_out, time.time_ns(), walk.target.heartbeat))[58]


def stale_logon(walk: Walk) -> str:
    login = walk.target.login
    if login.auth in ("none", "password"):
        raise Skip("only a signed Logon can be too old")
    walk.client.close()
    raw = login.logon(walk.client.next_out, time.time_ns() - HOUR_NS, walk.target.heartbeat)
    return _refused(walk.other_client(login), raw)[58]


def replayed_logon(walk: Walk) -> str:
    login = walk.target.login
    if login.auth in ("none", "password"):
        raise Skip("only a signed Logon can be told from a recorded one")
    walk.client.close()
    answer = walk.client.logon(timeout=TIMEOUT_S)
    expect(answer.type == "A", f"expected a Logon; {shown(answer)}")
    raw = next(line.raw for line in reversed(walk.client.transcript) if line.outgoing and b"\x0135=A\x01" in line.raw)
    walk.client.close()
    return _refused(walk.other_client(login), raw)[58]


def second_connection(walk: Walk) -> str:
    walk.alive()
    other = walk.other_client(walk.target.login)
    other.next_out = walk.client.next_out
    try:
        answer = other.logon(timeout=TIMEOUT_S)
        expect(answer.type == "5", f"expected a Logout or the end of the connection; {shown(answer)}")
        text = answer.get(58)
    except Disconnected:
        text = "the connection was ended without a word"
    other.close()
    walk.alive()
    return text


def not_a_logon_first(walk: Walk) -> str:
    client = walk.other_client(walk.target.login)
    client.connect()
    client.send("0", seq=1)
    expect(client.is_closed(TIMEOUT_S), "expected the end of the connection")
    return ""


def heartbeat_comes(walk: Walk) -> str:
    if not walk.target.slow:
        raise Skip("takes a while: --slow")
    walk.on()
    began = time.monotonic()
    walk.client.expect("0", timeout=2.0 * walk.target.heartbeat)
    return f"after {time.monotonic() - began:.1f} s"


def test_request(walk: Walk) -> None:
    walk.alive()


def gap_is_asked_for(walk: Walk) -> str:
    client = walk.on()
    missing = client.next_out
    client.next_out += 1
    client.send("0")
    request = client.expect("2", timeout=TIMEOUT_S)
    expect_field(request, 7, str(missing))
    walk.alive()
    return f"7={request[7]} 16={request[16]}"


def resend(walk: Walk) -> str:
    client = walk.on()
    last = client.next_in - 1
    before = len(client.transcript)
    client.send("2", [(7, 1), (16, 0)])
    walk.alive()
    again = [line.raw for line in client.transcript[before:] if not line.outgoing and b"\x0143=Y\x01" in line.raw]
    expect(bool(again), "nothing was sent again with 43=Y")
    covered = 1
    for message in map(fields_of, again):
        expect(message.seq == covered, f"expected number {covered}; {shown(message)}")
        expect(122 in message, f"expected 122; {shown(message)}")
        covered = message.integer(36) if message.type == "4" else covered + 1
        expect(message.type not in ("0", "1", "2", "5", "A"), f"a session message came again; {shown(message)}")
    expect(covered > last, f"numbers {covered} to {last} did not come again")
    return f"{len(again)} messages for {last} numbers"


def poss_dup_is_left_alone(walk: Walk) -> None:
    client = walk.on()
    sent = walk.now()
    client.send("1", [(112, "again")], seq=1, head=[(43, "Y"), (122, sent), (52, sent)])
    walk.alive()


def garbled_is_ignored(walk: Walk) -> None:
    client = walk.on()
    raw = client.message("1", [(112, "garbled")], client.next_out)
    client.send_raw(raw[:-4] + b"%03d\x01" % ((int(raw[-4:-1]) + 1) % 256))
    walk.alive()


def too_low_ends_it(walk: Walk) -> str:
    client = walk.on()
    walk.alive()
    expected = client.next_out
    client.send("0", seq=1)
    logout = client.expect("5", timeout=TIMEOUT_S)
    expect(str(expected) in logout.get(58), f"expected the number {expected} in 58; {shown(logout)}")
    if walk.target.login.begin != "FIX.4.2":
        expect_field(logout, 789, str(expected))
    client.close()
    return logout[58]


def reject(walk: Walk, kind: str, body: str, reasons: str, tag: str = "") -> str:
    """Sends a body with fields of ours filled in; it must be refused by 3 with one of these reasons, or by j."""
    client = walk.on()
    text = body.format(id=walk.id(), symbol=walk.target.symbol, now=walk.now(), qty=walk.target.qty)
    raw = client.message(kind, [(58, "@")], client.next_out).replace(b"58=@\x01", text.replace("|", "\x01").encode())
    inner = raw[raw.index(b"\x0135=") + 1 : -7].decode("latin-1")
    client.send_raw(frame(walk.target.login.begin, inner))
    seq = client.next_out
    client.next_out += 1
    answer = client.expect("3", "j", timeout=TIMEOUT_S)
    expect_field(answer, 45, str(seq))
    if answer.type == "3":
        if client.login.begin != "FIX.4.2" or int(reasons.split()[0]) <= OLD_REASONS:
            expect_field(answer, 373, *reasons.split())
        if tag:
            expect_field(answer, 371, tag)
    walk.alive()
    return answer.get(58)


def unknown_type(walk: Walk) -> str:
    return reject(walk, "ZZ", "58=what|", "11 3")


def required_missing(walk: Walk) -> str:
    return reject(walk, "D", "11={id}|54=1|60={now}|38={qty}|40=1|", "1", "55")


def undefined_tag(walk: Walk) -> str:
    return reject(walk, "D", "11={id}|55={symbol}|54=1|60={now}|38={qty}|40=1|4999=x|", "0 2 3", "4999")


def without_value(walk: Walk) -> str:
    return reject(walk, "D", "11={id}|55=|54=1|60={now}|38={qty}|40=1|", "4", "55")


def wrong_value(walk: Walk) -> str:
    return reject(walk, "D", "11={id}|55={symbol}|54=9|60={now}|38={qty}|40=1|", "5", "54")


def wrong_format(walk: Walk) -> str:
    return reject(walk, "D", "11={id}|55={symbol}|54=1|60={now}|38=many|40=1|", "6", "38")


def group_count(walk: Walk) -> str:
    return reject(walk, "V", "262={id}|263=0|264=1|267=2|269=0|146=1|55={symbol}|", "16 15")


def wrong_comp_id(walk: Walk) -> str:
    client = walk.on()
    raw = client.message("0", [], client.next_out)
    inner = raw[raw.index(b"\x0135=") + 1 : -7].decode("latin-1")
    client.send_raw(frame(client.login.begin, inner.replace(f"\x0149={client.login.sender}\x01", "\x0149=SOMEONE\x01")))
    client.next_out += 1
    answer = client.expect("3", "5", timeout=TIMEOUT_S)
    if answer.type == "3":
        expect_field(answer, 373, "9")
        client.expect("5", timeout=TIMEOUT_S)
    client.close()
    return answer.get(58)


def logout_is_answered(walk: Walk) -> str:
    client = walk.on()
    client.send("5", [(58, "selftest")])
    answer = client.expect("5", timeout=TIMEOUT_S)
    try:
        closed = client.is_closed(TIMEOUT_S)
    except OSError:
        closed = True
    client.close()
    return f"{answer.get(58)}{' and the connection ended' if closed else ''}"


def all_conform(walk: Walk) -> str:
    count = 0
    for message in walk.received():
        count += 1
        try:
            walk.dictionary.check(message)
        except FixError as error:
            raise Failure(f"{error}; {shown(message)}") from None
    return f"{count} messages"


def exec_ids_are_unique(walk: Walk) -> str:
    # A copy and a message sent again have the ExecID of the first; the answer to a status request has none of its own.
    reports = [message for message in walk.received() if message.type == "8" and message.get(43) != "Y"]
    first = [m for m in reports if m.get(797) != "Y" and 8017 not in m]
    own = [m[17] for m in first if m[150] != "I" and m.get(20) != "3"]
    expect(not twice(own), f"ExecIDs that came twice: {', '.join(twice(own)[:5])}")
    if not own:
        raise Skip("there was no report")
    return f"{len(own)} reports"


def quantities_add_up(walk: Walk) -> str:
    count = 0
    for message in walk.received():
        if message.type == "8" and message.get(39) in ("0", "1", "2", "5") and 38 in message:
            count += 1
            whole, done, left = (number(message[tag]) for tag in (38, 14, 151))
            expect(whole == done + left, f"expected 38 = 14 + 151; {shown(message)}")
        elif message.type == "8" and message.get(39) in ("4", "8", "C"):
            expect(number(message[151]) == 0, f"expected 151=0 of an order that is done; {shown(message)}")
    return f"{count} reports"


CHECKS: Final[tuple[tuple[str, str, Check], ...]] = (
    ("logon", "a Logon with 141=Y is answered by one with 34=1, 141=Y and our 108", logon_with_reset),
    ("logon", "after a Logout the numbers go on", logon_goes_on),
    ("logon", "a first message that is no Logon ends the connection", not_a_logon_first),
    ("logon", "a wrong secret is refused with a reason", wrong_secret),
    ("logon", "a Logon signed an hour ago is refused with a reason", stale_logon),
    ("logon", "a recorded Logon is refused with a reason", replayed_logon),
    ("logon", "a second connection is refused, the first goes on", second_connection),
    ("session", "a TestRequest is answered with its 112", test_request),
    ("session", "a Heartbeat comes in silence", heartbeat_comes),
    ("session", "a gap is asked for, and filled", gap_is_asked_for),
    ("session", "a repeated number with 43=Y is left alone", poss_dup_is_left_alone),
    ("session", "a garbled message is ignored and its number not used", garbled_is_ignored),
    ("session", "a number too low ends the session, with the expected one", too_low_ends_it),
    ("session", "another CompID ends the session", wrong_comp_id),
    ("rejects", "an unknown MsgType", unknown_type),
    ("rejects", "a required field that is missing", required_missing),
    ("rejects", "a field that is not defined", undefined_tag),
    ("rejects", "a field without a value", without_value),
    ("rejects", "a value that is not allowed", wrong_value),
    ("rejects", "a value of the wrong format", wrong_format),
    ("rejects", "a group with the wrong count", group_count),
    *checks_requests.REFERENCE,
    *checks_orders.CHECKS,
    *checks_requests.CHECKS,
    ("the end", "what was sent is sent again when asked for", resend),
    ("the end", "a Logout is answered", logout_is_answered),
    ("all of it", "every message that came is as the dictionary says", all_conform),
    ("all of it", "no ExecID came twice", exec_ids_are_unique),
    ("all of it", "OrderQty = CumQty + LeavesQty", quantities_add_up),
)
