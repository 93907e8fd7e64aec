"""Misbehaviour on request: what is armed, and what it does to the frames that leave.

    POST /_sim/<fault>?symbol=BTCUSDT     without symbol: whichever comes next, or all of the venue

Faults that concern one frame (gap, checksum, malformed) are armed and used up by the next frame they fit; the others
last for a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.simulator.flow import SECOND_NS

FAULTS: dict[str, str] = {
    "gap": "drops the next `count` (1) frames of `channel` (the venue's gap-checked one)",
    "malformed": "sends the first half of the next `count` (1) frames, before each whole one",
    "silence": "nothing happens and nothing is sent for `seconds` (5); nothing is lost",
    "disconnect": "drops connections without a closing handshake, or with one if `code` is given",
    "slow": "delays every frame by `ms` (500) for `seconds` (5)",
    "refuse": "answers connection attempts with 503 for `seconds` (5)",
    "shutdown": "says that the venue goes down, as the protocol does, and closes after `seconds` (1)",
    "checksum": "the next `count` (1) book frames carry a wrong checksum (Kraken)",
    "stale": "the next `count` (1) REST snapshots are older than the stream (Binance)",
}
MAX_SECONDS = 3600
MAX_COUNT = 1_000_000


class Published(NamedTuple):
    """A frame that the market sends to whoever subscribed to `key`."""

    key: tuple[str, ...]
    ticker: str
    kind: str
    payload: bytes


class FaultRequestError(ValueError):
    """A control request that cannot be carried out; the message says what was expected."""


class Faults:
    """What is armed at one venue."""

    def __init__(self, extra: Iterable[str], gap_kind: str) -> None:
        self.names = [name for name in FAULTS if name not in ("checksum", "stale") or name in extra]
        self._gap_kind = gap_kind
        self._armed: dict[tuple[str, str, str], int] = {}
        self._silent_until: dict[str, int] = {}
        self.delay_ns = 0
        self._delay_until = 0
        self._refuse_until = 0
        self.dropped = 0

    def arm(self, fault: str, ticker: str, query: Mapping[str, str], now_ns: int) -> None:
        """Arms a fault that lives here. Raises FaultRequestError on a number that is none or out of range."""
        if fault in ("gap", "malformed", "checksum", "stale"):
            kind = query.get("channel", self._gap_kind) if fault == "gap" else "book" if fault == "checksum" else ""
            self._armed[fault, ticker, kind] = number(query, "count", 1, MAX_COUNT)
        elif fault == "silence":
            self._silent_until[ticker] = now_ns + number(query, "seconds", 5, MAX_SECONDS) * SECOND_NS
        elif fault == "slow":
            self.delay_ns = number(query, "ms", 500, MAX_SECONDS * 1000) * 1_000_000
            self._delay_until = now_ns + number(query, "seconds", 5, MAX_SECONDS) * SECOND_NS
        elif fault == "refuse":
            self._refuse_until = now_ns + number(query, "seconds", 5, MAX_SECONDS) * SECOND_NS

    def take(self, fault: str, ticker: str, kind: str = "") -> bool:
        """Whether the fault is armed for this; if so, uses up one count of it."""
        for key in ((fault, ticker, kind), (fault, "", kind)):
            if left := self._armed.get(key, 0):
                self._armed[key] = left - 1
                if left == 1:
                    del self._armed[key]
                return True
        return False

    def spoil(self, item: Published) -> list[bytes]:
        """The frames that leave instead of this one."""
        if not self._armed:
            return [item.payload]
        if self.take("gap", item.ticker, item.kind):
            self.dropped += 1
            return []
        if self.take("malformed", item.ticker):
            return [item.payload[: len(item.payload) // 2], item.payload]
        return [item.payload]

    def silent(self, now_ns: int) -> set[str]:
        """Tickers that stand still; "" is all of the venue."""
        for ticker in [ticker for ticker, until in self._silent_until.items() if until <= now_ns]:
            del self._silent_until[ticker]
        return set(self._silent_until)

    def delay(self, now_ns: int) -> int:
        """How long a frame sent now is held back."""
        slow = self.delay_ns if now_ns < self._delay_until else 0
        return max(slow, self._silent_until.get("", 0) - now_ns)

    def refuses(self, now_ns: int) -> bool:
        return now_ns < self._refuse_until

    def armed(self) -> list[str]:
        return [f"{fault} {ticker or '*'} x{count}" for (fault, ticker, _), count in self._armed.items()]


def number(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """A whole number from a query, 1 to `largest`."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= largest):
        raise FaultRequestError(f"{name}={text}: expected a whole number from 1 to {largest}")
    return int(text)
