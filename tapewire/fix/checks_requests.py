"""Checks of what is asked for and told: instruments, status, market data, limits."""

from __future__ import annotations

from typing import Final

from tapewire.fix.selftest import TIMEOUT_S, Check, Walk, expect, expect_field, shown


def security_list(walk: Walk) -> str:
    request, symbols = walk.id(), set()
    walk.on().send("x", [(320, request), (559, 4)])
    while True:
        answer = walk.client.expect("y", timeout=TIMEOUT_S, where=[(320, request)])
        expect_field(answer, 560, "0")
        symbols |= {entry.get(55) for entry in walk.dictionary.check(answer).group(146)}
        if answer.get(893, "Y") == "Y":
            break
    expect(walk.target.symbol in symbols, f"expected {walk.target.symbol}; there came {sorted(symbols)[:9]}")
    return f"{len(symbols)} instruments"


def security_status(walk: Walk) -> str:
    request = walk.id()
    walk.on().send("e", [(324, request), (55, walk.target.symbol), (263, 0)])
    answer = walk.client.expect("f", timeout=TIMEOUT_S, where=[(324, request)])
    expect_field(answer, 55, walk.target.symbol)
    return f"326={answer.get(326)}"


def session_status(walk: Walk) -> str:
    request = walk.id()
    walk.on().send("g", [(335, request), (263, 0)])
    answer = walk.client.expect("h", timeout=TIMEOUT_S, where=[(335, request)])
    return f"340={answer.get(340)}"


def snapshot(walk: Walk) -> str:
    request = walk.id()
    walk.on().send("V", _request(walk, request, 0))
    answer = walk.client.expect("W", timeout=TIMEOUT_S, where=[(262, request)])
    expect_field(answer, 55, walk.target.symbol)
    return f"{answer.get(268, '0')} entries"


def follow(walk: Walk) -> str:
    request = walk.id()
    walk.on().send("V", _request(walk, request, 1))
    walk.client.expect("W", timeout=TIMEOUT_S, where=[(262, request)])
    order = walk.order()
    walk.client.send("D", order.items())
    reported, found = False, ""
    for message in walk.client.messages(TIMEOUT_S):
        reported = reported or (message.type == "8" and message.get(11) == order[11])
        if message.type in ("X", "W") and message.get(262, request) == request:
            levels = {(e.get(269), e.get(270)) for e in walk.dictionary.check(message).group(268)}
            found = message.type if ("0", walk.target.price) in levels else found
        if reported and found:
            break
    expect(bool(found), f"expected a bid at {walk.target.price} in X or W")
    walk.cancelled(order)
    walk.client.send("V", _request(walk, request, 2))
    walk.alive()
    return f"by {found}"


def unknown_symbol(walk: Walk) -> str:
    request = walk.id()
    fields = [(tag, "NO-SUCH-SYMBOL" if tag == 55 else value) for tag, value in _request(walk, request, 1)]
    walk.on().send("V", fields)
    answer = walk.client.expect("Y", timeout=TIMEOUT_S, where=[(262, request)])
    expect_field(answer, 281, "0")
    return answer.get(58)


def limits(walk: Walk) -> str:
    request = walk.id()
    walk.on().send("XLQ", [(8030, request)])
    answer = walk.client.expect("XLR", timeout=TIMEOUT_S, where=[(8030, request)])
    found = walk.dictionary.check(answer).group(8031)
    expect(any(one.get(8032) == "1" for one in found), f"expected the limit of messages; {shown(answer)}")
    return ", ".join(f"{one.get(8032)}: {one.get(8033)} of {one.get(8034)}" for one in found)


def _request(walk: Walk, request: str, kind: int) -> list[tuple[int, object]]:
    head = [(262, request), (263, kind), (264, 0), (265, 1)]
    return [*head, (267, 2), (269, 0), (269, 1), (146, 1), (55, walk.target.symbol)]


REFERENCE: Final[tuple[tuple[str, str, Check], ...]] = (
    ("reference", "the list of instruments has ours", security_list),
    ("reference", "the status of an instrument", security_status),
    ("reference", "the status of the market", session_status),
)
CHECKS: Final[tuple[tuple[str, str, Check], ...]] = (
    ("market data", "a snapshot", snapshot),
    ("market data", "a book is followed, and an order shows in it", follow),
    ("market data", "an unknown symbol is refused with Y, 281=0", unknown_symbol),
    ("limits", "what is used of them", limits),
)
