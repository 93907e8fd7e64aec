"""Misbehaviour on request: what is armed, and what it does. Pure.

    POST /_sim/<fault>?count=2&client=ALICE       without client: of whoever comes next, or all of the venue

Most faults are armed and used up by the next thing that they fit; those with `seconds` last for a time; busts,
corrections, disconnections happen at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FAULTS: dict[str, str] = {
    "late_fill": "the next `count` (1) cancels of live orders meet a real trade of `qty` (half of what is left), told "
    "after the cancel, or with `when=pending` while the cancel is pending",
    "bust": "the last trade of `cl_ord_id`, or of anybody, is busted by the operator",
    "correct": "it is corrected to `price`, `qty`",
    "fill": "a trade of `qty` (all) with the live order `cl_ord_id`, or the latest, by a counter-order",
    "out_of_order": "the next `count` (2) reports are told in reverse order, at the latest after a second",
    "repeat": "the next `count` (1) reports are told twice: `how=possdup` (43=Y, same number), `possresend` (97=Y, a "
    "new number), `plain` (a new number, nothing said)",
    "reject": "the next `count` (1) requests of type `of` (D; F, G) are refused with `reason` (103 or 102) and `text`",
    "silence": "for `seconds` (5) no report is told (`what=reports`), or nothing at all is sent (`what=all`); nothing "
    "is lost",
    "disconnect": "connections drop at once, or with `when=mid_fill` when the next `count` (1) fills have happened and "
    "are not told yet",
    "gap": "the next `count` (1) reports take their number and are not sent",
    "lost_update": "the next `count` (1) changes of a book are not sent on market data: update ids are missing",
    "garbled": "the next `count` (1) reports are sent with a wrong checksum",
    "lose": "the next `count` (1) orders never reach the matcher: nobody answers, and the venue does not know them",
    "over_fill": "the next `count` (1) fills say one lot more than was left of the order",
    "wrong_cum": "the next `count` (1) fills say a CumQty that is one lot short",
    "maintenance": "News (B), a Logout after `seconds` (2), and no logons for `down` (5) more",
    "refuse": "logons are refused for `seconds` (5), or with `how=close` connections are",
    "slow": "all that is sent is `ms` (500) late, for `seconds` (5)",
}
"""`client` is a client's CompID, or that of a market-data or drop-copy session."""
MAX_SECONDS = 3600
MAX_COUNT = 1_000_000
SECOND_NS = 10**9
CHOICES = {
    "late_fill": ("when", ("cancelled", "pending")),
    "repeat": ("how", ("possdup", "possresend", "plain")),
    "silence": ("what", ("reports", "all")),
    "disconnect": ("when", ("now", "mid_fill")),
    "refuse": ("how", ("logout", "close")),
    "reject": ("of", ("D", "F", "G")),
}
"""By fault: the parameter that says which kind, and its values, the default first."""


class FaultRequestError(ValueError):
    """A control request that cannot be carried out; the message says what was expected."""


@dataclass(slots=True)
class Armed:
    """A fault that waits for what it fits."""

    kind: str
    client: str
    left: int
    query: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """What is armed at one venue."""

    def __init__(self) -> None:
        self._armed: dict[str, list[Armed]] = {}
        self._until: dict[tuple[str, str, str], int] = {}
        self.delay_ns = 0
        self.used: dict[str, int] = {}
        """How often each has struck."""

    def arm(self, fault: str, query: Mapping[str, str], default: int = 1) -> None:
        """Arms one that waits. Raises FaultRequestError."""
        if fault == "reject":
            number(query, "reason", 99, 10_000)
        armed = Armed(
            chosen(fault, query), query.get("client", ""), max(1, number(query, "count", default, MAX_COUNT)), query
        )
        self._armed.setdefault(fault, []).append(armed)

    def take(self, fault: str, client: str, kind: str = "") -> Armed | None:
        """The armed fault that fits, one count of it used up. `kind` empty: whichever."""
        for armed in self._armed.get(fault, ()):
            if armed.client in ("", client) and kind in ("", armed.kind):
                armed.left -= 1
                if not armed.left:
                    self._armed[fault].remove(armed)
                self.strike(fault)
                return armed
        return None

    def strike(self, fault: str) -> None:
        """Counts that one has happened."""
        self.used[fault] = self.used.get(fault, 0) + 1

    def begin(self, fault: str, query: Mapping[str, str], now: int, default_s: int = 5) -> None:
        """Begins one that lasts. Raises FaultRequestError."""
        kind = chosen(fault, query)
        if fault == "slow":
            self.delay_ns = number(query, "ms", 500, MAX_SECONDS * 1000) * 1_000_000
        seconds = number(query, "seconds", default_s, MAX_SECONDS)
        self._until[fault, kind, query.get("client", "")] = now + seconds * SECOND_NS
        self.strike(fault)

    def refuse_until(self, until: int) -> None:
        """No logons before this time (UTC ns)."""
        self._until["refuse", "logout", ""] = until

    def lasts(self, fault: str, client: str, now: int, kind: str = "") -> int:
        """Until when (UTC ns) one that lasts still does for this client; 0: it does not."""
        ends = [
            until
            for (name, its_kind, its_client), until in self._until.items()
            if name == fault and kind in ("", its_kind) and its_client in ("", client) and until > now
        ]
        return max(ends, default=0)

    def clear(self) -> None:
        """Nothing is armed, nothing lasts."""
        self._armed.clear()
        self._until.clear()

    def armed(self) -> list[str]:
        return [
            f"{fault} {one.kind} {one.client or '*'} x{one.left}" for fault, all_ in self._armed.items() for one in all_
        ]


def chosen(fault: str, query: Mapping[str, str]) -> str:
    """Which kind of a fault is asked for; empty where there is but one."""
    if fault not in CHOICES:
        return ""
    name, values = CHOICES[fault]
    value = query.get(name, values[0])
    if value not in values:
        raise FaultRequestError(f"{name}={value}: expected one of {', '.join(values)}")
    return value


def number(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """A whole number from a query, 0 to `largest`."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text[:12]) <= largest):
        raise FaultRequestError(f"{name}={text}: expected a whole number from 0 to {largest}")
    return int(text)
