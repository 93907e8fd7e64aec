"""The configuration that `tapewire demo` writes and runs with: `<data>/demo.toml`, a good start for one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

HOUSE = """\
# Written by `tapewire demo` at each start. Copy it, do not edit it.
env = "demo"
data = {data}

[nats]
url = {nats}

[engine]
durability = "disk"     # an answer waits for fdatasync
producers = [
    {{ name = "operator", role = "operator" }},
    {{ name = "traders" }},
    {{ name = "example" }},
    {{ name = "demo" }},
]
segment_bytes = {segment_bytes}
snapshot_every = 100_000

[flusher]
segment_bytes = {segment_bytes}

[[instrument]]
ticker = "BTCUSDT"
tick_size = "0.01"
lot_size = "0.00001"
reference_price = "65000.00"
collar_bps = 500
max_qty = "100"

[[instrument]]
ticker = "ETHUSDT"
tick_size = "0.01"
lot_size = "0.0001"
reference_price = "3400.00"
collar_bps = 500
max_qty = "1000"

[[instrument]]
ticker = "BRK.B"
tick_size = "0.01"
lot_size = "1"
reference_price = "480.00"
collar_bps = 300
max_qty = "10000"
"""

ACCOUNT = """
[[account]]
account = {account}
max_position = 1_000_000_000_000
"""

FEED = """
[feed.{name}]
venue = "{name}"
url = {url}
rest_url = {rest_url}
tickers = {tickers}
depth = {depth}
"""

ACCOUNTS = range(1, 11)
SEGMENT_BYTES = 16 << 20
DEPTH = {"binance": 100, "coinbase": 100, "kraken": 25}


def write(data: Path, nats: str, venues: Mapping[str, Mapping[str, object]]) -> Path:
    """Writes the file; `venues` as the simulator announced them: `url`, `rest_url`, `tickers` (and `depth`) by name."""
    text = HOUSE.format(data=_quoted(data), nats=_quoted(nats), segment_bytes=SEGMENT_BYTES)
    text += "".join(ACCOUNT.format(account=account) for account in ACCOUNTS)
    for name, venue in venues.items():
        tickers = "[" + ", ".join(map(_quoted, _tickers(venue))) + "]"
        text += FEED.format(
            name=name,
            url=_quoted(venue["url"]),
            rest_url=_quoted(venue["rest_url"]),
            tickers=tickers,
            depth=venue.get("depth", DEPTH[name]),
        )
    path = data / "demo.toml"
    path.write_text(text)
    return path


def _quoted(value: object) -> str:
    """A text as TOML writes it: the escapes of JSON are escapes there, too."""
    return json.dumps(str(value), ensure_ascii=False)


def _tickers(venue: Mapping[str, object]) -> list[str]:
    tickers = venue["tickers"]
    assert isinstance(tickers, list)
    return tickers
