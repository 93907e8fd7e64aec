"""The channels: what each is about, what may be asked for, and who may."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, Literal, NamedTuple

from services.api.authors import Author
from services.api.stream.requests import Invalid, Subscribe
from tapewire import messages as m

INTERVALS: Final = (0, 5, 10, 16, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10_000)
"""Milliseconds between two messages of a subscription; few, so that many clients share each. 0: every turn of the
loop."""
DEPTH: Final = 20
SNAPSHOT_ITEMS: Final = 50
"""Trades, fills, records in a snapshot."""
SNAPSHOT_ORDERS: Final = 1000
HOUSE: Final = "house"
_TYPES: Final = frozenset(kind.name for kind in m.MessageType)


class Channel(NamedTuple):
    """What a subscription to it says."""

    key: Literal["ticker", "account", "accounts", ""]
    """What it is about: one ticker, one account, all accounts of the key (or one of them), the platform."""
    interval_ms: int
    """If the client says none."""
    options: frozenset[str] = frozenset()
    """Fields of Subscribe that apply, besides the key and the interval."""
    is_log: bool = False
    """Every item counts; others tell the present."""
    scopes: frozenset[str] = frozenset({"read"})
    """One of them is needed."""


CHANNELS: Final[dict[str, Channel]] = {
    "book": Channel("ticker", 100, frozenset({"feed", "depth"})),
    "trades": Channel("ticker", 50, frozenset({"feed", "after"}), is_log=True),
    "quotes": Channel("ticker", 100, frozenset({"feed"})),
    "status": Channel("ticker", 0),
    "bars": Channel("ticker", 250, frozenset({"feed", "interval"})),
    "orders": Channel("account", 0, frozenset({"after"}), is_log=True),
    "fills": Channel("account", 0, frozenset({"after"}), is_log=True),
    "positions": Channel("account", 100),
    "risk": Channel("accounts", 250),
    "parents": Channel("accounts", 250),
    "tape": Channel("", 100, frozenset({"after", "types"}), is_log=True, scopes=frozenset({"risk", "admin"})),
    "state": Channel("", 250),
    "latency": Channel("", 1000),
    "feeds": Channel("", 500),
    "services": Channel("", 1000),
}


class Name(NamedTuple):
    """What a topic is: those who ask for the same share it."""

    channel: str
    feed: str
    key: str | int | frozenset[int] | None
    """A ticker, an account, several accounts, or None: all accounts, or the platform."""
    option: int | str | frozenset[str]
    """Depth of a book, interval of bars, types of records."""
    interval_ms: int


def name_of(asked: Subscribe, author: Author, max_depth: int) -> Name:
    """Raises Invalid: a field that is missing, does not apply, or asks for more than the author may see."""
    channel = CHANNELS[asked.channel]
    if author.scopes.isdisjoint(channel.scopes):
        needed = " or ".join(sorted(channel.scopes))
        raise _wrong(asked, "forbidden", f"{author.name} has not the scope {needed}", "channel")
    applies = channel.options | {"interval_ms", {"accounts": "account"}.get(channel.key, channel.key)}
    for field in ("feed", "ticker", "account", "after", "depth", "interval", "types"):
        if getattr(asked, field) is not None and field not in applies:
            raise _wrong(asked, "invalid", f"does not apply to {asked.channel}", field)
    if asked.depth is not None and asked.depth > max_depth:
        raise _wrong(asked, "invalid", f"{asked.depth}: expected 1 to {max_depth}", "depth")
    option: int | str | frozenset[str] = 0
    if asked.channel == "book":
        option = asked.depth or DEPTH
    elif asked.channel == "bars":
        option = asked.interval or "1m"
    elif asked.channel == "tape":
        option = frozenset(asked.types or ())
        if unknown := option - _TYPES:
            raise _wrong(asked, "invalid", f"there are no records of type {min(unknown)}", "types")
    feed = (asked.feed or HOUSE) if channel.key == "ticker" or channel.key == "account" else ""
    return Name(asked.channel, feed, _key(asked, channel, author), option, _interval(asked, channel))


def _key(asked: Subscribe, channel: Channel, author: Author) -> str | int | frozenset[int] | None:
    if channel.key == "ticker":
        if asked.ticker is None:
            raise _wrong(asked, "invalid", f"missing; {asked.channel} is about one ticker", "ticker")
        return asked.ticker
    if asked.account is not None and not author.sees(asked.account):
        raise _wrong(asked, "forbidden", f"{author.name} may not see account {asked.account}", "account")
    if channel.key == "account":
        if asked.account is None:
            raise _wrong(asked, "invalid", f"missing; {asked.channel} is about one account", "account")
        return asked.account
    if channel.key == "accounts":
        return author.visible if asked.account is None else frozenset({asked.account})
    return None


def _interval(asked: Subscribe, channel: Channel) -> int:
    wanted = channel.interval_ms if asked.interval_ms is None else asked.interval_ms
    return INTERVALS[bisect_left(INTERVALS, wanted)]


def _wrong(asked: Subscribe, reason: str, detail: str, field: str) -> Invalid:
    return Invalid(reason, detail, field, asked.id)
