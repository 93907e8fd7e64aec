"""Checks of order entry: D F G H q AF, cancel on disconnect, drop copy."""

from __future__ import annotations

from typing import Final

from tapewire.fix.message import Message
from tapewire.fix.selftest import TIMEOUT_S, Check, Skip, Walk, expect, expect_field, shown


def new_order(walk: Walk) -> str:
    fields, report = walk.opened()
    for tag in (38, 54, 55):
        expect_field(report, tag, str(fields[tag]))
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
    expect_field(answer, 38, walk.target.half)
    expect_field(answer, 37, report[37])
    walk.cancelled({**fields, 11: changed[11]})
    return ""


def cancel(walk: Walk) -> str:
    fields, _ = walk.opened()
    answer = walk.cancelled(fields)
    expect_field(answer, 39, "4")
    expect_field(answer, 41, str(fields[11]))
    return ""


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


def trade(walk: Walk) -> str:
    maker, _ = walk.opened(side="1", t7928="A")
    taker = walk.order(side="2", t7928="A", t38=walk.target.half, t59="3")
    walk.client.send("D", taker.items())
    traded = ("F", "1", "2")
    seen: dict[object, Message] = {}
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(150) in traded and message.get(11) in (maker[11], taker[11]):
            seen[message[11]] = message
            if len(seen) == 2:
                break
    expect(len(seen) == 2, f"expected a fill of both orders; there came {len(seen)}")
    for report in seen.values():
        expect_field(report, 32, walk.target.half)
        expect_field(report, 31, walk.target.price)
    expect_field(seen[maker[11]], 39, "1")
    expect_field(seen[taker[11]], 39, "2")
    walk.cancelled(maker)
    return f"31={seen[taker[11]][31]} 32={seen[taker[11]][32]}"


def post_only(walk: Walk) -> str:
    resting, _ = walk.opened(side="1")
    report = walk.enter(walk.order(side="2", t18="6"))
    expect_field(report, 150, "8")
    walk.cancelled(resting)
    return report.get(58)


def immediate_or_cancel(walk: Walk) -> str:
    fields = walk.order(t59="3")
    walk.on().send("D", fields.items())
    report = walk.report(fields[11], [(151, "0")])
    expect_field(report, 39, "4", "C")
    return f"39={report[39]}"


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
    expect_field(copy, 797, "Y")
    expect_field(copy, 37, report[37])
    walk.cancelled(fields)
    copies.logout()
    return f"17={copy[17]}"


CHECKS: Final[tuple[tuple[str, str, Check], ...]] = (
    ("orders", "a new order that rests is accepted", new_order),
    ("orders", "a ClOrdID that was used is refused with 103=6", duplicate),
    ("orders", "an unknown symbol is refused with 103=1", unknown_symbol),
    ("orders", "a limit order without a price is refused", market_without_price_and_limit_without),
    ("orders", "an order's status is told", status),
    ("orders", "a replace to less quantity", replace_less),
    ("orders", "a cancel", cancel),
    ("orders", "a cancel of an unknown order is refused with 9, 434=1, 102=1", cancel_unknown),
    ("orders", "a replace of an unknown order is refused with 9, 434=2, 102=1", replace_unknown),
    ("orders", "two orders that cross trade, and both are told", trade),
    ("orders", "a post-only order that would cross is refused", post_only),
    ("orders", "immediate-or-cancel leaves nothing behind", immediate_or_cancel),
    ("orders", "the status of all orders", mass_status),
    ("orders", "a mass cancel, each order reported, then r", mass_cancel),
    ("orders", "cancel on disconnect", cancel_on_disconnect),
    ("drop copy", "a report is copied with 797=Y and its ExecID", drop_copy),
)
