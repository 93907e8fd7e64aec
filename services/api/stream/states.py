"""Channels that tell the present: how each reads the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from services.api.hub import Hub
from services.api.stream.channels import Name
from services.api.stream.levels import update
from services.api.stream.topic import State
from services.api.types import Book

BARS: Final = 500
"""In a snapshot."""
LAST_BARS: Final = 2
"""In an update: the one under way, and the one before it, which it may just have ended."""
_encode: Final = msgspec.json.Encoder().encode


class BookState:
    """Updates hold the levels that changed since what was told last, however much happened in between."""

    def __init__(self, read: Callable[[], Book]) -> None:
        self._read = read
        self._told: Book | None = None

    def refresh(self) -> None:
        self._told = self._read()

    def whole(self) -> bytes:
        assert self._told is not None, "a state is refreshed before it is told"
        return _encode(self._told)

    def change(self) -> bytes | None:
        assert self._told is not None, "a state is refreshed before it is told"
        now = self._read()
        found = update(self._told, now)
        if found is None:
            return None
        self._told = now
        return _encode(found)


class WholeState:
    """Small things: an update is the whole of it."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read
        self._told = b""

    def refresh(self) -> None:
        self._told = _encode(self._read())

    def whole(self) -> bytes:
        return self._told

    def change(self) -> bytes | None:
        now = _encode(self._read())
        if now == self._told:
            return None
        self._told = now
        return now


class BarsState:
    """An update holds the last bars; a bar replaces the one of the same start."""

    def __init__(self, hub: Hub, feed: str, ticker: str, interval: str) -> None:
        self._hub, self._feed, self._ticker, self._interval = hub, feed, ticker, interval
        self._told = b""

    def refresh(self) -> None:
        self._told = self._read(LAST_BARS)

    def whole(self) -> bytes:
        return self._read(BARS)

    def change(self) -> bytes | None:
        now = self._read(LAST_BARS)
        if now == self._told:
            return None
        self._told = now
        return now

    def _read(self, limit: int) -> bytes:
        return _encode(self._hub.bars(self._feed, self._ticker, self._interval, limit))


def state_of(hub: Hub, name: Name, max_depth: int) -> State:
    """Of a channel that is no log."""
    key = name.key
    if name.channel == "book":
        assert isinstance(key, str)
        assert isinstance(name.option, int)
        ticker, depth = key, min(name.option, max_depth)
        return BookState(lambda: hub.book(name.feed, ticker, depth))
    if name.channel == "bars":
        assert isinstance(key, str)
        assert isinstance(name.option, str)
        return BarsState(hub, name.feed, key, name.option)
    return WholeState(_reader(hub, name))


def _reader(hub: Hub, name: Name) -> Callable[[], object]:
    key = name.key
    if isinstance(key, str):
        ticker = key
        return (lambda: hub.quote(name.feed, ticker)) if name.channel == "quotes" else (lambda: hub.status(ticker))
    accounts = [key] if isinstance(key, int) else key
    readers: dict[str, Callable[[], object]] = {
        "positions": lambda: hub.positions(accounts),
        "risk": lambda: hub.risk(accounts),
        "parents": lambda: hub.parents(accounts),
        "state": hub.state,
        "latency": hub.latency,
        "feeds": hub.feeds,
        "services": hub.services,
    }
    return readers[name.channel]
