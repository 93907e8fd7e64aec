"""A market-data session without a session layer: time moves when told, a venue's messages are written by the test."""

from __future__ import annotations

from random import Random
from typing import Any

from services.gateway.initiator.market_data.binance import BinanceMarket
from services.gateway.initiator.market_data.session import FixFeed
from services.gateway.session import field_of
from tapewire.feed.actions import Action, Close, Connect, FeedChanged, Send, Wait
from tapewire.feed.limits import SECOND
from tapewire.fix.message import build
from tests.unit.services.gateway.initiator.desk import dialect_of

START = 1_795_262_400 * SECOND
Pairs = list[tuple[int, object]]
Level = tuple[str, str, str]
"""269, price, quantity; "" removes it."""


class Fed:
    def __init__(self, *tickers: str, depth: int = 10) -> None:
        self.session = FixFeed(BinanceMarket(dialect_of("binance", heartbeat=5)), tickers or ("ACM",), depth, Random(1))
        self.now, self.number = START, 1
        self.sent: list[str] = []
        self.updates: list[Any] = []
        self.closed = ""
        self.connect_at = 0
        self._wake = 0
        self._do(self.session.on_start(self.now))

    def _do(self, actions: Any) -> list[Any]:
        before = len(self.updates)
        for action in actions:
            self._one(action)
        return self.updates[before:]

    def _one(self, action: Action) -> None:
        match action:
            case Send(text=text):
                self.sent.append(text)
                self.number += 1
                self.session.sent(self.number, field_of(f"\x01{text}", 262) or field_of(f"\x01{text}", 320))
            case Wait(until=until):
                self._wake = until if self._wake <= self.now else min(self._wake, until)
            case Close(reason=reason):
                self.closed = reason
            case Connect(at=at):
                self.connect_at = at
            case _:
                self.updates.append(action)

    def connect(self) -> list[Any]:
        self.closed, self.number = "", 1
        return self._do(self.session.on_connected(self.now))

    def lose(self, why: str = "the connection is lost") -> list[Any]:
        return self._do(self.session.on_closed(self.now, why))

    def heard(self) -> list[Any]:
        return self._do(self.session.on_heard(self.now))

    def missed(self) -> list[Any]:
        return self._do(self.session.on_missed("more came than could be taken", self.now))

    def wait(self, seconds: float) -> list[Any]:
        before, end = len(self.updates), self.now + int(seconds * SECOND)
        while self.now < end:
            self.now = min(end, max(self._wake, self.now + 1)) if self._wake > self.now else end
            self._do(self.session.on_timer(self.now))
        return self.updates[before:]

    def raw(self, data: bytes) -> list[Any]:
        return self._do(self.session.on_frame(data, self.now))

    def hear(self, kind: str, *pairs: tuple[int, object]) -> list[Any]:
        head = [(35, kind), (34, 2), (49, "SPOT"), (52, "20261121-12:00:00"), (56, "T")]
        return self.raw(build("FIX.4.4", [*head, *pairs]))

    # -- what a venue says

    def asked(self, what: str, index: int = 1) -> str:
        """Id of our latest request: d (definition), b (book), t (trades)."""
        found = [
            field_of(f"\x01{text}", 262) or field_of(f"\x01{text}", 320) for text in self.sent if "263=2" not in text
        ]
        return [one for one in found if one.startswith(f"{what}{index}-")][-1]

    def listed(self, ticker: str = "ACM", tick: str = "0.01000000", lot: str = "0.10000000") -> list[Any]:
        pairs: Pairs = [(320, "d1-1"), (146, 1), (55, ticker), (15, "USD"), (562, lot), (1140, "900.00000000")]
        return self.hear("y", *pairs, (25039, lot), (969, tick))

    def whole(self, last: int, *levels: Level, request: str = "") -> list[Any]:
        pairs: Pairs = [(262, request or self.asked("b")), (55, "ACM"), (25044, last), (268, len(levels))]
        for kind, price, qty in levels:
            pairs += [(269, kind), (270, price), (271, qty)]
        return self.hear("W", *pairs)

    def change(self, first: int, last: int, *levels: Level, part: str = "", request: str = "") -> list[Any]:
        pairs: Pairs = [(262, request or self.asked("b")), (268, len(levels))]
        for at, (kind, price, qty) in enumerate(levels):
            pairs += [(279, "1" if qty else "2"), (269, kind), (270, price), *([(271, qty)] if qty else [])]
            pairs += [(55, "ACM"), (25043, first), (25044, last)] if not at else []
        return self.hear("X", *pairs, *([(893, part)] if part else []))

    def trade(self, *trades: tuple[int, str, str, str], request: str = "") -> list[Any]:
        """Number, price, quantity, aggressor (1, 2)."""
        pairs: Pairs = [(262, request or self.asked("t")), (268, len(trades))]
        for number, price, qty, side in trades:
            pairs += [(279, 0), (269, 2), (270, price), (271, qty), (55, "ACM"), (1003, number), (2446, side)]
            pairs.append((60, "20261121-12:00:00.123456"))
        return self.hear("X", *pairs)

    def live(self) -> Fed:
        """In step at 100: 2.0 at 10.00 against 3.0 at 10.02."""
        self.connect()
        self.listed()
        self.wait(0.5)
        self.whole(100, ("0", "10.00", "2.0"), ("1", "10.02", "3.0"))
        return self


def states(updates: list[Any], instrument: int = 1) -> list[tuple[int, int, str]]:
    """State, quality and reason of each change."""
    changes = [one for one in updates if isinstance(one, FeedChanged) and one.instrument == instrument]
    return [(one.state, one.quality, one.reason) for one in changes]
