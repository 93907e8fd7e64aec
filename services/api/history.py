"""Bars of a time in the past, made from the recorded trades: columnar files and today's tape, in a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from services.api import types
from services.api.problems import Problem
from tapewire.errors import StoreError

SECONDS: Final = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400}
NS: Final = 10**9
TIMEOUT_S: Final = 10.0
MAX_WAITING: Final = 8
MAX_TRADES: Final = 2_000_000
"""That one answer is made from; more ask for a shorter time."""


class History:
    """One question at a time; a few may wait."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._store: Any = None
        self._waiting = 0
        self._pool = ThreadPoolExecutor(1, "api history")

    async def bars(
        self, feed: str, ticker: str, interval: types.Interval, start: int | None, end: int | None, limit: int
    ) -> types.Bars:
        """The first `limit` bars that begin within [start, end). Raises Problem (404, 422, 503)."""
        if self._waiting >= MAX_WAITING:
            raise Problem(503, "too many questions about the past", reason="busy", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._pool, self._bars, feed, ticker, interval, start, end, limit)
            return types.Bars(feed, ticker, interval, await asyncio.wait_for(work, TIMEOUT_S))
        except TimeoutError:
            raise Problem(503, "it took too long; ask for a shorter time", reason="busy") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _bars(
        self, feed: str, ticker: str, interval: str, start: int | None, end: int | None, limit: int
    ) -> list[types.Bar]:
        from tapewire.store.query import Store  # pyarrow takes half a second to import

        step = SECONDS[interval] * NS
        first = 0 if start is None else -(-start // step) * step
        if self._store is None:
            self._store = Store(self._data)
        try:
            rows = self._store.query("trades", ticker, feed, first, end, MAX_TRADES)
        except StoreError:  # its text names folders
            raise Problem(404, f"nothing is recorded of this ticker in feed {feed}", reason="unknown") from None
        if rows.num_rows >= MAX_TRADES:
            raise Problem(422, f"more than {MAX_TRADES} trades; ask for a shorter time", reason="too_many_rows")
        return folded(rows, step, limit)


def folded(rows: Any, step: int, limit: int) -> list[types.Bar]:
    """Bars of `step` ns out of rows of trades, in the order of time."""
    found: list[types.Bar] = []
    begin = opened = high = low = close = volume = None
    count = 0
    stamps, prices, quantities = (rows.column(name).to_pylist() for name in ("ts", "price", "qty"))
    for ts, price, qty in zip(map(_ns, stamps), prices, quantities, strict=True):
        at = ts // step * step
        if at != begin:
            if begin is not None:
                found.append(_bar(begin, opened, high, low, close, volume, count))
                if len(found) == limit:
                    return found
            begin, opened, high, low, volume, count = at, price, price, price, 0, 0
        high, low, close = max(high, price), min(low, price), price
        volume, count = volume + qty, count + 1
    if begin is not None:
        found.append(_bar(begin, opened, high, low, close, volume, count))
    return found


def _ns(stamp: Any) -> int:
    return int(stamp.value) if hasattr(stamp, "value") else int(stamp)


def _bar(begin: int, opened: Any, high: Any, low: Any, close: Any, volume: Any, count: int) -> types.Bar:
    return (str(begin), *(format(one, "f") for one in (opened, high, low, close, volume)), count)  # type: ignore[return-value]
