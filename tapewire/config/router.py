"""`[router]`: parent orders, their clients and limits, and which feeds tell the markets of which venues."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Annotated, Literal

from msgspec import Meta

from tapewire.config.section import Section
from tapewire.config.venues import Venue
from tapewire.errors import ConfigError

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}\Z", extra={"allowed": "1 to 31 of a-z, 0-9, - and _"})]
Account = Annotated[int, Meta(ge=1, le=(1 << 20) - 1)]
Amount = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Step = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=4096, le=1 << 30, extra={"power_of_two": True})]
Ticker = Annotated[str, Meta(pattern=r"^[!-~]{1,31}\Z", extra={"allowed": "1 to 31 printable ASCII characters"})]


class RouterClient(Section, frozen=True, kw_only=True):
    """One of `[router] clients`: who may send parent orders, by an inbound ring of its own."""

    name: Name
    """Of the ring."""
    role: Literal["operator", "trader"] = "trader"
    """trader: parents. operator: the kill switch, too."""
    accounts: tuple[Account, ...] = ()
    """Those it may act for; left out: every account."""


class RouterAccount(Section, frozen=True, kw_only=True):
    """`[[router.accounts]]`: what parents an account may have. One that is not listed has no such limits."""

    account: Account
    max_qty: Amount = 0
    """Largest quantity of one parent, a mantissa; 0: no limit."""
    max_notional: Amount = 0
    """Largest price x quantity of one parent, at its limit or else the market, a mantissa; 0: no limit."""
    max_open_notional: Amount = 0
    """The same over all that its live parents still have to do; 0: no limit."""
    tickers: tuple[Ticker, ...] = ()
    """What it may trade; left out: everything."""


class RouterFeed(Section, frozen=True, kw_only=True):
    """`[[router.feeds]]`: where a venue's market data comes from."""

    venue: Name
    """The name of one of [[venues]]."""
    feed: Name
    """The second part of its subjects; "house" is our own market. Its tickers are the venue's symbols."""


class RouterInstrument(Section, frozen=True, kw_only=True):
    """`[[router.instruments]]`: an instrument that the house market does not have, or another collar for one it has."""

    ticker: Ticker
    price_exponent: Annotated[int, Meta(ge=-18, le=18)]
    """Left out: taken from tick_size ("0.01" gives -2)."""
    qty_exponent: Annotated[int, Meta(ge=-18, le=18)]
    """Left out: taken from lot_size."""
    tick_size: Annotated[int, Meta(ge=1, extra={"decimal": "price_exponent"})]
    """Every limit price of a parent is a multiple of it."""
    lot_size: Annotated[int, Meta(ge=1, extra={"decimal": "qty_exponent"})]
    """The same for quantities."""
    collar_bps: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """How far beyond the best price of all venues a child may be priced, in 1/10,000; 0: no collar."""


class Router(Section, frozen=True, kw_only=True):
    """`[router]`: parent orders and where they go."""

    number: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Its tape is `router.<number>`."""
    durability: Literal["memory", "disk"] = "disk"
    """What a record has reached before it is acted upon. memory: the page cache (survives a killed process)."""
    segment_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 30, extra={"power_of_two": True})] = 64 << 20
    """Size of a tape segment, bytes: a power of two."""
    ring_bytes: Bytes = 1 << 16
    """Capacity of each client's ring, bytes: a power of two."""
    producer: Name = "router"
    """Its own name in [engine] producers, by which it trades on the house market."""
    book_interval: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.1
    """At most one book per venue and instrument in so many seconds goes on the tape; 0: each change."""
    book_depth: Annotated[int, Meta(ge=1, le=100)] = 10
    """Levels of each side that go on the tape."""
    profile_days: Annotated[int, Meta(ge=0, le=366)] = 0
    """Of how many recorded days the volume profiles for VWAP are made; 0: none are made."""
    clients: Annotated[tuple[RouterClient, ...], Meta(max_length=63)] = (
        RouterClient(name="operator", role="operator"),
        RouterClient(name="traders"),
    )
    """Up to 63 of `{ name, role, accounts }`. The tape refers to them by place: append, never reorder or remove."""
    accounts: tuple[RouterAccount, ...] = ()
    feeds: tuple[RouterFeed, ...] = ()
    instruments: tuple[RouterInstrument, ...] = ()


def check_router(
    router: Router, venues: Collection[Venue], accounts: Collection[int], tickers: Collection[str]
) -> None:
    """What the types alone cannot say. Raises ConfigError."""
    names = [one.name for one in venues]
    for what, keys in (
        ("clients", [one.name for one in router.clients]),
        ("accounts", [one.account for one in router.accounts]),
        ("feeds", [one.venue for one in router.feeds]),
        ("instruments", [one.ticker for one in router.instruments]),
    ):
        seen: set[Hashable] = set()
        for at, key in enumerate(keys):
            if key in seen:
                raise ConfigError(f"router.{what}[{at}]: {key!r} is there twice; expected each once")
            seen.add(key)
    for at, account in enumerate(router.accounts):
        if account.account not in accounts:
            raise ConfigError(
                f"router.accounts[{at}].account: {account.account} is no [[account]]; there is "
                f"{sorted(accounts) or 'none'}"
            )
    for at, feed in enumerate(router.feeds):
        if feed.venue not in names:
            raise ConfigError(f"router.feeds[{at}].venue: {feed.venue!r} is none of [[venues]]; there is {names}")
    if not router.feeds:
        return
    known = {*tickers, *(one.ticker for one in router.instruments)}
    for venue in venues:
        for at, market in enumerate(venue.markets):
            if market.ticker not in known:
                raise ConfigError(
                    f"venues.{venue.name}.markets[{at}].ticker: {market.ticker!r} is neither an [[instrument]] nor in "
                    f"[[router.instruments]]; the router needs its tick and lot"
                )
