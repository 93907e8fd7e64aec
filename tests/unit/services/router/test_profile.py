"""A day's volume from the tick store: whole days before today, exact, or a sentence that says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.router.profile import DAY_NS, volume_profile
from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.store import layout
from tapewire.store.query import Store
from tapewire.tape import TapeWriter

TODAY = 19_000 * DAY_NS
HOUR = 3600 * 10**9


def store(data: Path, trades: list[tuple[int, int]], name: str = "md.binance", **given: Any) -> Store:
    fields = {"ticker": "BTCUSDT", "price": 100, "price_exponent": -2, "qty_exponent": -3} | given
    with TapeWriter(layout.tape(data, name), name=name, segment_bytes=1 << 16) as writer:
        for seq, (ts, qty) in enumerate(trades, 1):
            writer.append(bytes(m.Trade(seq=seq, ts=ts, qty=qty, **fields)))
        writer.commit()
    return Store(data)


def told(profile: m.VolumeProfile) -> dict[int, int]:
    return {at: bucket.qty for at, bucket in enumerate(profile.buckets) if bucket.qty}


def test_trades_of_the_days_before_today_are_summed_by_bucket(tmp_path: Path) -> None:
    back = TODAY - 3 * DAY_NS
    days = store(
        tmp_path,
        [
            (TODAY - 9 * DAY_NS, 1_000),  # too old
            (back, 1),
            (back + HOUR - 1, 2),
            (back + HOUR, 4),
            (TODAY - DAY_NS + HOUR, 8),
            (TODAY - 1, 16),
            (TODAY, 1_000),  # not over yet
        ],
    )
    profile = volume_profile(days, "BTCUSDT", TODAY + 5 * HOUR, 5, -3, HOUR)
    assert (profile.ticker, profile.bucket_ns, profile.days, len(profile.buckets)) == ("BTCUSDT", HOUR, 2, 24)
    assert told(profile) == {0: 3, 1: 12, 23: 16}
    assert m.decode(bytes(profile)) == profile


def test_several_feeds_and_exponents_come_together(tmp_path: Path) -> None:
    store(tmp_path, [(TODAY - DAY_NS, 5_000)])
    both = store(tmp_path, [(TODAY - DAY_NS, 7)], "md.kraken", qty_exponent=0)
    assert told(volume_profile(both, "BTCUSDT", TODAY, 1, -2)) == {0: 1_200}
    assert told(volume_profile(both, "BTCUSDT", TODAY, 1, -2, feed="kraken")) == {0: 700}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ticker": "ETHUSDT"}, "no trades of ETHUSDT"),
        ({"until": TODAY - 30 * DAY_NS}, "no trade of BTCUSDT in the 2 days before"),
        ({"days": 0}, "0 days: expected 1 to 366"),
        ({"bucket_ns": 7}, "a bucket of 7 ns: expected a part of a day"),
        ({"qty_exponent": -2}, "a volume of 1 at exponent -3 has more digits than exponent -2 keeps"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, given: dict[str, Any], why: str) -> None:
    asked: dict[str, Any] = {"ticker": "BTCUSDT", "until": TODAY, "days": 2, "qty_exponent": -3} | given
    with pytest.raises(StoreError, match=why):
        volume_profile(store(tmp_path, [(TODAY - DAY_NS, 1)]), **asked)
