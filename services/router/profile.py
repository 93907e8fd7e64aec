"""How an instrument's volume spreads over a day, from the trades in the tick store: what VWAP is scheduled by.

Read by the process, once, and put on the tape; from there on replay needs no store.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.store.query import Store

DAY_NS: Final = 86_400 * 1_000_000_000
BUCKET_NS: Final = 300 * 1_000_000_000
DAYS_MAX: Final = 366
_FITS: Final = 1 << 63


def volume_profile(
    store: Store,
    ticker: str,
    until: int,
    days: int,
    qty_exponent: int,
    bucket_ns: int = BUCKET_NS,
    feed: str | None = None,
) -> m.VolumeProfile:
    """Sums the trades of the `days` whole UTC days before the day of `until` (UTC ns), by their `ts` within the day.

    Days without a trade do not count. Quantities are at `qty_exponent`, the router's instrument's: exactly, or
    StoreError. `feed`: of one venue; None: of all that have the ticker. Raises StoreError if the store has nothing of
    the ticker, or nothing in these days.
    """
    if not 0 < days <= DAYS_MAX:
        raise StoreError(f"{days} days: expected 1 to {DAYS_MAX}")
    if bucket_ns <= 0 or DAY_NS % bucket_ns:
        raise StoreError(f"a bucket of {bucket_ns} ns: expected a part of a day ({DAY_NS} ns) without a rest")
    today = until // DAY_NS * DAY_NS
    buckets = [0] * (DAY_NS // bucket_ns)
    found = 0
    for back in range(days, 0, -1):
        begin = today - back * DAY_NS
        table = store.query("trades", ticker, feed, begin, begin + DAY_NS, raw=True)
        if table.num_rows:
            found += 1
            _add(buckets, table, begin, bucket_ns, qty_exponent)
    if not found:
        raise StoreError(
            f"no trade of {ticker}{f' in feed {feed}' if feed else ''} in the {days} days before {today} (UTC ns): "
            "more days, or a ticker that was recorded then"
        )
    if max(buckets) >= _FITS:
        raise StoreError(
            f"{ticker}: a bucket's volume does not fit 64 bits at exponent {qty_exponent}; expected fewer days"
        )
    return m.VolumeProfile(
        ticker=ticker, bucket_ns=bucket_ns, days=found, buckets=[m.ProfileBucket(qty) for qty in buckets]
    )


def _add(buckets: list[int], table: pa.Table, begin: int, bucket_ns: int, qty_exponent: int) -> None:
    for exponent in sorted(pc.unique(table["qty_exponent"]).to_pylist()):
        part = table.filter(pc.equal(table["qty_exponent"], exponent))
        if pc.max(part["qty"]).as_py() * part.num_rows >= _FITS:
            raise StoreError(f"the trades of a day sum up beyond 64 bits at exponent {exponent}")
        at = pc.divide(pc.subtract(part["ts"], begin), bucket_ns)
        sums = pa.table({"at": at, "qty": part["qty"]}).group_by("at").aggregate([("qty", "sum")])
        for place, qty in zip(sums["at"].to_pylist(), sums["qty_sum"].to_pylist(), strict=True):
            buckets[place] += _rescaled(qty, exponent, qty_exponent)


def _rescaled(qty: int, theirs: int, ours: int) -> int:
    """A bucket's volume at the router's exponent."""
    if theirs >= ours:
        return qty * int(10 ** (theirs - ours))
    whole, lost = divmod(qty, int(10 ** (ours - theirs)))
    if lost:
        raise StoreError(f"a volume of {qty} at exponent {theirs} has more digits than exponent {ours} keeps")
    return whole
