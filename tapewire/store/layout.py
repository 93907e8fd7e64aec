"""Where the archive keeps what. Names are the Hive convention, so that any Parquet reader finds feed, date and ticker.

<data>/archive/
    _checkpoints/md.binance.json                       how far each tape has been archived
    trades/feed=binance/date=2026-11-21/ticker=BTCUSDT/
        md.binance.00000000000000000001-00000000000000262144.parquet
        ^ tape     ^ seq of the first row   ^ and of the last
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from tapewire.folders import Folders

NS_PER_DAY: Final = 86_400 * 10**9
HOUSE: Final = "house"
_PIECE: Final = re.compile(r"(.+)\.(\d{20})-(\d{20})\.parquet")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
EMPTY: Final = "__HIVE_DEFAULT_PARTITION__"  # the convention for no value: a feed's own status has no ticker


class Partition(NamedTuple):
    """One folder of the archive. `day` is in UTC, by `ts`."""

    kind: str
    feed: str
    day: date
    ticker: str


class Piece(NamedTuple):
    """One file of the archive, told by its path alone."""

    path: Path
    partition: Partition
    tape: str
    first_seq: int
    last_seq: int


def feed_of(tape: str) -> str:
    """The feed a tape's rows belong to: `md.binance` -> binance; every tape of orders is the house's."""
    return tape.removeprefix("md.") if tape.startswith("md.") else HOUSE


def day_of(ts: int) -> date:
    """The UTC day of `ts` (ns)."""
    return datetime.fromtimestamp(ts // NS_PER_DAY * 86_400, UTC).date()


def escape(ticker: str) -> str:
    return quote(ticker, safe="") or EMPTY


def unescape(name: str) -> str:
    return "" if name == EMPTY else unquote(name)


def archive(data: Path) -> Path:
    return Folders(data).archive


def tapes(data: Path) -> list[str]:
    """Names of the tapes under `data`, sorted."""
    folder = Folders(data).tapes
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def tape(data: Path, name: str) -> Path:
    return Folders(data).tape(name)


def folder(data: Path, partition: Partition) -> Path:
    kind, feed, day, ticker = partition
    return archive(data) / kind / f"feed={escape(feed)}" / f"date={day.isoformat()}" / f"ticker={escape(ticker)}"


def piece_name(tape_name: str, first_seq: int, last_seq: int) -> str:
    return f"{tape_name}.{first_seq:020d}-{last_seq:020d}.parquet"


def pieces(
    data: Path,
    kind: str,
    feed: str | None = None,
    ticker: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> Iterator[Piece]:
    """Every file that may hold rows of that kind, feed, ticker and days (both inclusive); ordered by path.

    Whatever else somebody has put there is none of ours.
    """
    for feed_folder in _children(archive(data) / kind, "feed", feed):
        for day_folder in _children(feed_folder, "date", None):
            if not _DAY.fullmatch(day_folder.name[5:]):
                continue
            day = date.fromisoformat(day_folder.name[5:])
            if (first_day and day < first_day) or (last_day and day > last_day):
                continue
            for ticker_folder in _children(day_folder, "ticker", ticker):
                partition = Partition(kind, unescape(feed_folder.name[5:]), day, unescape(ticker_folder.name[7:]))
                for path in sorted(ticker_folder.glob("[!.]*.parquet")):
                    if name := _PIECE.fullmatch(path.name):
                        yield Piece(path, partition, name[1], int(name[2]), int(name[3]))


def not_held(ordered: Iterable[Piece]) -> list[Piece]:
    """Those of `ordered` (by tape and first row) whose rows no other file of the same tape and folder holds, too.

    A compaction leaves such for a moment, or until it is run again after a crash (tapewire/store/compact.py).
    """
    kept: list[Piece] = []
    longest: dict[tuple[str, Path], int] = {}
    at: dict[tuple[str, Path], int] = {}
    for piece in ordered:
        key = (piece.tape, piece.path.parent)
        last = longest.get(key, 0)
        if piece.last_seq <= last:
            continue
        if key in at and kept[at[key]].first_seq == piece.first_seq:
            kept[at[key]] = piece  # the longer one of two that begin with the same row
        else:
            at[key] = len(kept)
            kept.append(piece)
        longest[key] = piece.last_seq
    return kept


def _children(parent: Path, key: str, only: str | None) -> list[Path]:
    if only is not None:
        child = parent / f"{key}={escape(only)}"
        return [child] if child.is_dir() else []
    return sorted(parent.glob(f"{key}=*"))
