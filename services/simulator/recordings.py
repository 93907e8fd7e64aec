"""Reading recorded captures: which files a venue needs, and their frames with the times they were received.

hftbacktest   <receive time, ns> <raw JSON>
cryptofeed    <unix seconds>: <raw JSON>              REST answers:  <url> -> <unix seconds>: <body>
CBCAP         CBCAP1 <venue> <symbol> <ns>   then   <ns> <byte count>\\n<bytes>\\n …
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tapewire.errors import ConfigError
from tapewire.fixed import to_mantissa

FILES: dict[str, tuple[str, ...]] = {
    "binance": (
        "binance/hftbacktest/spot_btcusdt_20240808.gz",
        "binance/hftbacktest/spot_btcusdt_20240809.gz",
        "binance/cryptofeed_20211011/BINANCE.0.gz",
    ),
    "coinbase": (
        "coinbase/exchange_20210417/COINBASE.ws.messages.gz",
        "coinbase/exchange_20210417/COINBASE.products.gz",
    ),
    "kraken": (
        "kraken/v2_crossbook/kraken_btcusd_sample.cbcap.gz",
        "kraken/instrument_v2/instrument_snapshot.json.gz",
    ),
}


class Frame(NamedTuple):
    at_ns: int
    raw: bytes


def paths(data: Path, venue: str) -> list[Path]:
    return [data / name for name in FILES[venue]]


def check(data: Path, venues: Iterable[str]) -> None:
    """Raises ConfigError naming every file that a replay of `venues` needs and `data` lacks."""
    missing = [str(path) for venue in venues for path in paths(data, venue) if not path.is_file()]
    if missing:
        listed = "".join(f"\n  {path}" for path in missing)
        raise ConfigError(
            f"{data}: lacks {len(missing)} of the recordings that a replay needs:{listed}\n"
            f"Give a folder of the layout described in its README.md, or leave --data away to generate flow."
        )


def hftbacktest(files: Iterable[Path]) -> Iterator[Frame]:
    for path in files:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                at, _, raw = line.rstrip(b"\n").partition(b" ")
                if raw:
                    yield Frame(int(at), raw)


def cryptofeed(path: Path) -> Iterator[Frame]:
    """The received frames of a WebSocket capture."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            at, separator, raw = line.rstrip(b"\n").partition(b": ")
            if separator and raw.startswith(b"{") and b" " not in at:
                yield Frame(to_mantissa(at.decode(), -9), raw)


def cryptofeed_rest(path: Path) -> bytes:
    """The body of the first REST answer in a capture."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            head, separator, rest = line.partition(b" -> ")
            if separator and head.startswith(b"http"):
                return rest.partition(b": ")[2].strip()
    raise ConfigError(f"{path}: holds no REST answer; expected a line <url> -> <seconds>: <body>")


def cbcap(path: Path) -> Iterator[Frame]:
    with gzip.open(path, "rb") as file:
        if not file.readline().startswith(b"CBCAP1 "):
            raise ConfigError(f"{path}: is no CBCAP1 file")
        while head := file.readline():
            at, _, count = head.partition(b" ")
            raw = file.read(int(count))
            file.read(1)
            yield Frame(int(at), raw)
