"""Checks of order entry: D F G H q AF, cancel on disconnect, drop copy."""

from __future__ import annotations

from typing import Final

from tapewire.fix import checks_trading
from tapewire.fix.selftest import TIMEOUT_S, Check, Skip, Walk, expect, expect_field, expect_number, shown


def clean(walk: Walk) -> str:
    """What a walk before may have left would trade with what follows."""
    walk.on()
    answer = walk.cancel_all()
    expect(answer.type == "r", f"expected an OrderMassCancelReport; {shown(answer)}")
    return f"533={answer.get(533, 'left out')}"


def new_order(walk: Walk) -> str:
    fields, report = walk.opened()
    for tag in (54, 55):
        expect_field(report, tag, str(fields[tag]))
    expect_number(report, 38, fields[38])
    expect_field(report, 39, "0")
    expect(report.get(37, "NONE") != "NONE", f"expected our OrderID in 37; {shown(report)}")
    walk.cancelled(fields)
    return f"37={report[37]} 17={report[17]}"


def duplicate(walk: Walk) -> str:
    fields, _ = walk.opened()
    walk.client.send("D", fields.items())
    report = walk.report(fields[11], [(150, "8")])
    expect_field(report, 39, "8")
    expect_field(report, 103, "6")
    walk.cancelled(fields)
    return report.get(58)


def unknown_symbol(walk: Walk) -> str:
    report = walk.enter(walk.order(t55="NO-SUCH-SYMBOL"))
    expect_field(report, 150, "8")
    expect_field(report, 103, "1")
    return report.get(58)


def market_without_price_and_limit_without(walk: Walk) -> str:
    fields = walk.order(t44="")
    walk.on().send("D", fields.items())
    answer = walk.client.expect("3", "8", "j", timeout=TIMEOUT_S)
    if answer.type == "8":
        expect_field(answer, 150, "8")
    return f"35={answer.type} {answer.get(58)}"


def status(walk: Walk) -> str:
    fields, report = walk.opened()
    walk.client.send("H", [(11, fields[11]), (55, fields[55]), (54, fields[54])])
    old = walk.target.login.begin == "FIX.4.2"
    answer = walk.report(fields[11], [(20, "3")] if old else [(150, "I")])
    expect_field(answer, 39, "0")
    expect_field(answer, 37, report[37])
    walk.cancelled(fields)
    return ""


def replace_less(walk: Walk) -> str:
    fields, report = walk.opened()
    changed = {**fields, 11: walk.id(), 41: fields[11], 38: walk.target.half, 60: walk.now()}
    changed.pop(59, None)
    walk.client.send("G", changed.items())
    answer = walk.report(changed[11], [(150, "5")])
    expect_field(answer, 41, str(fields[11]))
    expect_number(answer, 38, walk.target.half)
    expect_field(answer, 37, report[37])
    again = {**changed, 11: walk.id(), 41: changed[11], 40: "1"}
    again.pop(44)
    walk.client.send("G", again.items())
    refusal = walk.client.expect("9", timeout=TIMEOUT_S, where=[(11, again[11])])
    expect_field(refusal, 434, "2")
    expect_field(refusal, 39, "0", "5")
    walk.cancelled({**fields, 11: changed[11]})
    return f"another type: {refusal.get(58)}"


def replace_with_more(walk: Walk) -> str:
    """It loses its place, which cannot be seen from here; but it must be the same order."""
    fields, report = walk.opened(t38=walk.target.half)
    changed = {**fields, 11: walk.id(), 41: fields[11], 38: walk.target.qty, 60: walk.now()}
    changed.pop(59, None)
    walk.client.send("G", changed.items())
    answer = walk.report(changed[11], [(150, "5")])
    expect_number(answer, 38, walk.target.qty)
    expect_number(answer, 151, walk.target.qty)
    expect_field(answer, 37, report[37])
    walk.cancelled({**fields, 11: changed[11]})
    return ""


def cancel(walk: Walk) -> str:
    fields, _ = walk.opened()
    answer = walk.cancelled(fields)
    expect_field(answer, 39, "4")
    expect_field(answer, 41, str(fields[11]))
    request = {11: walk.id(), 41: answer[11], 55: fields[55], 54: fields[54], 60: walk.now()}
    walk.client.send("F", request.items())
    refusal = walk.client.expect("9", timeout=TIMEOUT_S, where=[(11, request[11])])
    expect_field(refusal, 102, "0", "1")
    expect_field(refusal, 39, "4")
    return f"again: {refusal.get(58)}"


def cancel_unknown(walk: Walk) -> str:
    fields = walk.order()
    request = {11: walk.id(), 41: walk.id(), 55: fields[55], 54: fields[54], 60: walk.now()}
    walk.on().send("F", request.items())
    answer = walk.client.expect("9", timeout=TIMEOUT_S, where=[(11, request[11])])
    expect_field(answer, 434, "1")
    expect_field(answer, 102, "1")
    expect_field(answer, 41, str(request[41]))
    return answer.get(58)


def replace_unknown(walk: Walk) -> str:
    request = {**walk.order(t59=""), 41: walk.id()}
    walk.on().send("G", request.items())
    answer = walk.client.expect("9", timeout=TIMEOUT_S, where=[(11, request[11])])
    expect_field(answer, 434, "2")
    expect_field(answer, 102, "1")
    return answer.get(58)


def mass_status(walk: Walk) -> str:
    first, _ = walk.opened()
    second, _ = walk.opened()
    request = walk.id()
    account = [(1, walk.target.account)] if walk.target.account else []
    walk.client.send("AF", [(584, request), (585, "7"), *account])
    ids: set[str] = set()
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(584, request) == request:
            ids.add(message.get(11))
            if message.get(912) == "Y" or len(ids) == 2:
                break
    expect({first[11], second[11]} <= ids, f"expected both orders; there came {sorted(ids)}")
    walk.cancelled(first)
    walk.cancelled(second)
    return f"{len(ids)} orders"


def mass_cancel(walk: Walk) -> str:
    orders = [walk.opened()[0] for _ in range(2)]
    request = walk.id()
    account = [(1, walk.target.account)] if walk.target.account else []
    walk.client.send("q", [(11, request), (530, "7"), *account, (60, walk.now())])
    gone: set[str] = set()
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(150) == "4":
            gone |= {message.get(11), message.get(41)}
        if message.type == "r":
            expect_field(message, 531, "7")
            break
    else:
        expect(False, "there came no OrderMassCancelReport (r)")
    expect({str(one[11]) for one in orders} <= gone, f"expected reports of both orders; there came {sorted(gone)}")
    return ""


def mass_cancel_of_a_side(walk: Walk) -> str:
    order, _ = walk.opened()
    account = [(1, walk.target.account)] if walk.target.account else []
    for side, count in (("2", 0), ("1", 1)):
        request = walk.id()
        fields = [(11, request), (530, "1"), *account, (55, walk.target.symbol), (54, side), (60, walk.now())]
        walk.client.send("q", fields)
        answer = walk.client.expect("r", timeout=TIMEOUT_S, where=[(11, request)])
        expect_field(answer, 531, "1")
        if 533 in answer:
            expect_field(answer, 533, str(count))
    return f"{order[11]} is gone"


def cancel_on_disconnect(walk: Walk) -> str:
    walk.on().logout()
    answer = walk.client.logon([(8013, "Y"), (8014, 0)], timeout=TIMEOUT_S)
    expect_field(answer, 8013, "Y")
    fields, _ = walk.opened()
    walk.client.close()
    for _ in range(20):
        answer = walk.client.logon(timeout=TIMEOUT_S)
        if answer.type == "A":
            break
        walk.client.close()
    report = walk.client.expect("8", timeout=TIMEOUT_S, where=[(150, "4"), (54, fields[54])])
    expect(fields[11] in (report.get(11), report.get(41)), f"expected a report of {fields[11]}; {shown(report)}")
    expect_field(report, 378, "100")
    return f"378={report[378]}"


def drop_copy(walk: Walk) -> str:
    if walk.target.drop_copy is None:
        raise Skip("no drop copy session was given: --drop-copy")
    copies = walk.other_client(walk.target.drop_copy)
    answer = copies.logon(reset=True, timeout=TIMEOUT_S)
    expect(answer.type == "A", f"expected a Logon; {shown(answer)}")
    fields, report = walk.opened()
    copy = copies.expect("8", timeout=TIMEOUT_S, where=[(17, report[17])])
    if walk.target.login.begin != "FIX.4.2":  # which has no such field
        expect_field(copy, 797, "Y")
    expect_field(copy, 37, report[37])
    walk.cancelled(fields)
    copies.logout()
    return f"17={copy[17]}"


CHECKS: Final[tuple[tuple[str, str, Check], ...]] = (
    ("orders", "a mass cancel, of whatever is left from before", clean),
    ("orders", "a new order that rests is accepted", new_order),
    ("orders", "a ClOrdID that was used is refused with 103=6", duplicate),
    ("orders", "an unknown symbol is refused with 103=1", unknown_symbol),
    ("orders", "a limit order without a price is refused", market_without_price_and_limit_without),
    ("orders", "an order's status is told", status),
    ("orders", "a replace to less quantity; not to another type", replace_less),
    ("orders", "a replace to more quantity", replace_with_more),
    ("orders", "a cancel; a second one is too late", cancel),
    ("orders", "a cancel of an unknown order is refused with 9, 434=1, 102=1", cancel_unknown),
    ("orders", "a replace of an unknown order is refused with 9, 434=2, 102=1", replace_unknown),
    ("orders", "the status of all orders", mass_status),
    ("orders", "a mass cancel, each order reported, then r", mass_cancel),
    ("orders", "a mass cancel of one instrument and side", mass_cancel_of_a_side),
    *checks_trading.CHECKS,
    ("disconnect", "what came by the session is cancelled, and told at the next logon", cancel_on_disconnect),
    ("drop copy", "a report is copied with 797=Y and its ExecID", drop_copy),
)
