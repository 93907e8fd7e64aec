"""Tickers of one feed: interned once, numbered densely from 1."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from tapewire.errors import TapewireError

MAX_TICKERS = 1 << 20
MAX_TICKER_BYTES = 31


class Tickers:
    """Maps each ticker of a feed to the dense id that `header.instrument` carries, and back.

    Ids are given in order of first sight, from 1; 0 means "no instrument". Filled from the configuration in its
    order, the ids are the same after each start as long as tickers are only appended there.
    """

    def __init__(self, feed: str, tickers: Iterable[str] = ()) -> None:
        self.feed = feed
        self._ids: dict[str, int] = {}
        self._names: list[str] = [""]
        for ticker in tickers:
            self.add(ticker)

    def add(self, ticker: str) -> int:
        """The id of `ticker`, given now if it has none. Raises TapewireError for what is no ticker, or one too many."""
        known = self._ids.get(ticker)
        if known is not None:
            return known
        if not 0 < len(ticker.encode()) <= MAX_TICKER_BYTES or "\0" in ticker:
            raise TapewireError(
                f"feed {self.feed}: ticker {ticker!r}: expected 1 to {MAX_TICKER_BYTES} bytes of UTF-8 without NUL"
            )
        if len(self._names) > MAX_TICKERS:
            raise TapewireError(f"feed {self.feed}: ticker {ticker!r} is one more than the {MAX_TICKERS} it may have")
        ticker = sys.intern(ticker)
        self._ids[ticker] = number = len(self._names)
        self._names.append(ticker)
        return number

    def id(self, ticker: str) -> int:
        """The id of `ticker`, or 0 if the feed does not have it."""
        return self._ids.get(ticker, 0)

    def name(self, number: int) -> str:
        """The (interned) ticker of an id, or an empty text if there is no such id."""
        return self._names[number] if 0 < number < len(self._names) else ""

    def __contains__(self, ticker: object) -> bool:
        return ticker in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._names[1:])

    def __len__(self) -> int:
        return len(self._names) - 1

    def __repr__(self) -> str:
        return f"Tickers({self.feed!r}, {self._names[1:]!r})"
