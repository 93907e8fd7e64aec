"""Checks of what is asked for and told: instruments, status, market data, limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tapewire.fix.client import FixClient
from tapewire.fix.message import Message, fields_of
from tapewire.fix.selftest import TIMEOUT_S, Check, Skip, Walk, expect, expect_field, number, shown

MOST_BETWEEN: Final = 8
"""Messages among which an answer may lie that came before another one."""


def security_list(walk: Walk) -> str:
    request, symbols = walk.id(), set()
    walk.on().send("x", [(320, request), (559, 4)])
    while True:
        answer = walk.client.expect("y", timeout=TIMEOUT_S, where=[(320, request)])
        expect_field(answer, 560, "0")
        entries = walk.dictionary.check(answer).group(146)
        symbols |= {entry.get(55) for entry in entries}
        walk.tick = next((one.get(969) for one in entries if one.get(55) == walk.target.symbol), walk.tick)
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


def _whole(client: FixClient, request: str) -> Message:
    """The W that answers a V."""
    answer = client.expect("W", "Y", timeout=TIMEOUT_S, where=[(262, request)])
    if answer.type == "Y" and answer.get(281) == "3":
        raise Skip("books are told on a session of their own here: --market-data")
    expect(answer.type == "W", f"expected a W; {shown(answer)}")
    return answer


def snapshot(walk: Walk) -> str:
    request, client = walk.id(), walk.data()
    client.send("V", _request(walk, request, 0))
    answer = _whole(client, request)
    expect_field(answer, 55, walk.target.symbol)
    return f"{answer.get(268, '0')} entries"


def follow(walk: Walk) -> str:
    request, client = walk.id(), walk.data()
    client.send("V", _request(walk, request, 1))
    _whole(client, request)
    order, _ = walk.opened()
    # The book may be told before the order is reported, and on one session with it: then it has come by already.
    found = _shows(
        walk, [fields_of(line.raw) for line in client.transcript[-MOST_BETWEEN:] if not line.outgoing], request
    )
    if not found:
        found = _shows(walk, client.messages(TIMEOUT_S), request)
    expect(bool(found), f"expected a bid at {walk.target.price} in X or W")
    walk.cancelled(order)
    client.send("V", _request(walk, request, 2))
    walk.alive()
    return f"by {found}"


def _shows(walk: Walk, messages: Iterable[Message], request: str) -> str:
    """The type of the first X or W after the request's first W that has our bid; empty if there is none."""
    for message in messages:
        if message.type in ("X", "W") and message.get(262, request) == request:
            levels = [(one.get(269), one.get(270)) for one in walk.dictionary.check(message).group(268)]
            if any(kind == "0" and price and number(price) == number(walk.target.price) for kind, price in levels):
                return message.type
    return ""


def unknown_symbol(walk: Walk) -> str:
    request, client = walk.id(), walk.data()
    fields = [(tag, "NO-SUCH-SYMBOL" if tag == 55 else value) for tag, value in _request(walk, request, 1)]
    client.send("V", fields)
    answer = client.expect("Y", timeout=TIMEOUT_S, where=[(262, request)])
    if answer.get(281) == "3" and walk.target.market_data is None:
        raise Skip("books are told on a session of their own here: --market-data")
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
