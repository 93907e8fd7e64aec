"""Checks of what orders may be and how they trade: types, times in force, icebergs, self-trade prevention, parties."""

from __future__ import annotations

import time
from typing import Final

from tapewire.fix.message import Message
from tapewire.fix.selftest import TIMEOUT_S, Check, Skip, Walk, expect, expect_field, expect_number, number, shown
from tapewire.fix.timestamps import Stamp

DAY_NS: Final = 86_400 * 10**9


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
        expect_number(report, 32, walk.target.half)
        expect_number(report, 31, walk.target.price)
        expect_number(report, 6, walk.target.price)
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
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(11) == fields[11] and message.get(39) != "0":
            expect_field(message, 39, "4", "C")
            expect_number(message, 151, "0")
            return f"39={message[39]}"
    raise TimeoutError(f"no report that {fields[11]} is done")


def accepted_as(walk: Walk, **fields: object) -> str:
    """An order with these fields rests, and its report repeats them."""
    order, report = walk.opened(**fields)
    for name, value in fields.items():
        tag = int(name[1:])
        if value == "" or tag == 1138 or (tag == 59 and value == "0"):
            continue  # left out; repeated as 111; a day order need not say so
        decimal = tag in (44, 99, 110, 111)
        found = report.get(tag, "0")
        same = number(found) == number(str(value)) if decimal else found[:17] == str(value)[:17]
        expect(same, f"expected {tag}={value} on the report; {shown(report)}")
    walk.cancelled(order)
    return "".join(f"{name[1:]}={value} " for name, value in fields.items() if value != "")


def times_in_force(walk: Walk) -> str:
    tomorrow = Stamp().millis(time.time_ns() + DAY_NS)
    found = [accepted_as(walk, t59="0"), accepted_as(walk, t59="1"), accepted_as(walk, t59="6", t126=tomorrow)]
    return "".join(found).strip()


def fill_or_kill(walk: Walk) -> str:
    report = walk.enter(walk.order(t59="4"))
    expect_field(report, 39, "8", "4")
    expect_number(report, 151, "0")
    return report.get(58)


def market(walk: Walk) -> str:
    """Into a bid of ours: there may be no other."""
    maker, _ = walk.opened(side="1", t7928="A", t38=walk.target.half)
    taker = walk.order(side="2", t40="1", t44="", t59="3", t7928="A", t38=walk.target.half)
    walk.client.send("D", taker.items())
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(11) == taker[11] and 32 in message:
            expect_number(message, 31, walk.target.price)
            return f"31={message[31]}"
    raise TimeoutError(f"no fill of the market order; {maker[11]} may rest")


def stops(walk: Walk) -> str:
    """A buy stop one tick above the last trade, which was made at the price before."""
    if not walk.tick:
        raise Skip("the list of instruments has no tick (969) of ours")
    above = str(number(walk.target.price) + number(walk.tick))
    stop = accepted_as(walk, t40="3", t99=above, t44="")
    return (stop + accepted_as(walk, t40="4", t99=above, t44=above)).strip()


def iceberg(walk: Walk) -> str:
    found = [accepted_as(walk, t111=walk.target.half), accepted_as(walk, t1138=walk.target.half)]
    return "".join([*found, accepted_as(walk, t111="0")]).strip()


def min_qty(walk: Walk) -> str:
    report = walk.enter(walk.order(t110=walk.target.qty))
    expect_field(report, 150, "8")
    return report.get(58)


def slide(walk: Walk) -> str:
    resting, _ = walk.opened(side="1")
    report = walk.enter(walk.order(side="2", t18="6", t8040="Y"))
    expect_field(report, 150, "0")
    expect(
        number(report.get(44, "0")) > number(walk.target.price),
        f"expected a price that does not cross; {shown(report)}",
    )
    walk.cancelled({11: report[11], 55: report[55], 54: "2"})
    walk.cancelled(resting)
    return f"44={report[44]}"


def self_trade(walk: Walk) -> str:
    resting, _ = walk.opened(side="1")
    order = walk.order(side="2", t7928="N")
    walk.on().send("D", order.items())
    for message in walk.client.messages(TIMEOUT_S):
        if message.type == "8" and message.get(11) == order[11] and message.get(39) != "0":
            expect_field(message, 39, "4")
            expect(32 not in message, f"expected no fill; {shown(message)}")
            walk.cancelled(resting)
            return f"378={message.get(378, 'left out')}"
    raise TimeoutError(f"no report that {order[11]} is done")


def parties(walk: Walk) -> str:
    if walk.target.login.begin == "FIX.4.2":
        raise Skip("FIX 4.2 has none")
    client, order = walk.on(), walk.order()
    group = [(453, 1), (448, "DESK"), (447, "D"), (452, 24)]
    client.send("D", [*order.items(), *group, (528, "A")])
    report = walk.report(order[11])
    expect_field(report, 150, "0")
    entry = walk.dictionary.check(report)
    found = [(one.get(448), one.get(452)) for one in entry.group(453)]
    expect(found == [("DESK", "24")], f"expected the parties again; {shown(report)}")
    expect_field(report, 528, "A")
    walk.cancelled(order)
    return ""


CHECKS: Final[tuple[tuple[str, str, Check], ...]] = (
    ("trading", "two orders that cross trade, and both are told", trade),
    ("trading", "a market order trades at the best price", market),
    ("trading", "stop and stop-limit orders wait", stops),
    ("trading", "day, good till cancelled, good till date", times_in_force),
    ("trading", "immediate-or-cancel leaves nothing behind", immediate_or_cancel),
    ("trading", "fill-or-kill that cannot be filled", fill_or_kill),
    ("trading", "a post-only order that would cross is refused", post_only),
    ("trading", "a post-only order that may slide does not cross", slide),
    ("trading", "icebergs by MaxFloor or DisplayQty, and hidden orders", iceberg),
    ("trading", "MinQty that cannot be had is refused", min_qty),
    ("trading", "self-trade prevention cancels the incoming order", self_trade),
    ("trading", "parties and capacity are repeated", parties),
)
