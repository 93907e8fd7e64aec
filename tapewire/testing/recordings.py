"""Recorded days, read as messages of a feed. What is in the folder, and where it comes from, its README says."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from tapewire import messages as m

ROOT: Final = Path(__file__).resolve().parents[2]
EASTERN_MIDNIGHT: Final = 4 * 3600  # New York, daylight saving: the days recorded here are in October
MS: Final = 1_000_000


def folder() -> Path:
    """TAPEWIRE_RECORDINGS, or `../shared/data` beside the repository. It need not be there."""
    return Path(os.environ.get("TAPEWIRE_RECORDINGS", ROOT.parent / "shared" / "data"))


def spy_trades(day: str = "20131008", seed: int = 1) -> Iterator[bytes]:
    """SPY's trades of a day (20131007 or 20131008), as Trade messages with contiguous seqs, in the order of the file.

    The venue's time, price and quantity are as recorded (to the ms). Our own stamps were not recorded: `ts_recv` is the
    venue's time and 50 µs to 1 ms, `ts` that and 2 to 40 µs more, drawn from `seed`, and never falling.
    """
    with zipfile.ZipFile(folder() / f"ticks_us_equity/lean/spy/{day}_trade.zip") as archive:
        lines = archive.read(f"{day}_spy_Trade_Tick.csv").decode().splitlines()
    midnight = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()) + EASTERN_MIDNIGHT
    random, ts = Random(seed).random, 0
    names = ("seq", "ts", "ts_event", "ts_recv", "trade_id", "price", "qty")
    trade = m.Trade.encoder(*names, ticker="SPY", price_exponent=-4, quality=m.BookQuality.live)
    for seq, line in enumerate(lines, 1):
        milliseconds, price, qty, _ = line.split(",", 3)
        event = midnight * 1000 * MS + int(milliseconds) * MS
        received = event + 50_000 + int(random() * 950_000)
        ts = max(ts, received + 2_000 + int(random() * 38_000))
        yield trade(seq, ts, event, min(received, ts), seq, int(price), int(qty))
