"""The configuration that `tapewire demo` writes and runs with: `<data>/demo.toml`, a good start for one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
    {{ name = "gateway" }},
    {{ name = "api" }},
    {{ name = "api-operator", role = "operator" }},
]
segment_bytes = {segment_bytes}
snapshot_every = 100_000

[flusher]
segment_bytes = {segment_bytes}
"""

# Closed when first defined: the demo opens it by an auction. A second start finds it as it was.
INSTRUMENT = """
[[instrument]]
ticker = "{ticker}"
tick_size = "0.01"
lot_size = "{lot_size}"
reference_price = "{reference_price}"
collar_bps = {collar_bps}
max_qty = "{max_qty}"
static_band_bps = 1000      # around the last auction's price, in 1/10,000
dynamic_band_bps = 300      # around the last trade
limit_state_ms = 5000       # at a band's edge for so long: a pause
pause_ms = 5000             # of so long, which ends in an auction
status = "closed"
"""

INSTRUMENTS = {
    "BTCUSDT": {"lot_size": "0.00001", "reference_price": "65000.00", "collar_bps": 500, "max_qty": 100},
    "ETHUSDT": {"lot_size": "0.0001", "reference_price": "3400.00", "collar_bps": 500, "max_qty": 1000},
    "BRK.B": {"lot_size": "1", "reference_price": "480.00", "collar_bps": 300, "max_qty": 10_000},
}

ACCOUNT = """
[[account]]
account = {account}
max_position = 1_000_000_000_000
{self_trade}"""

# A maker and a taker of one house, which must not trade with each other.
ONE_HOUSE = (4, 5)
SELF_TRADE = """\
self_trade_group = 1
self_trade = "cancel_newest"
"""

FEED = """
[feed.{name}]
venue = "{name}"
url = {url}
rest_url = {rest_url}
tickers = {tickers}
depth = {depth}
"""

# Who may connect by FIX: to trade, for market data, for copies of what the first one does.
GATEWAY = """
[gateway]
port = {port}
backend_port = {backend_port}
"""
SESSION = """
[[gateway.sessions]]
name = "{name}"
number = {number}
kind = "{kind}"
comp_id = "{comp_id}"
username = "{name}"
public_key = "{public_key}"     # of <data>/gateway/keys/demo
accounts = {accounts}
"""
SESSIONS = {"demo": "orders", "demo-md": "market-data", "demo-copy": "drop-copy"}

# Browsers and programs: a user for the dashboard, and a key for scripts.
API = """
[api]
port = {port}
stream_port = {stream_port}
bus_door = true
trace_sampling = 1.0

[[api.users]]
name = "demo"
number = 1
password_hash = "{password_hash}"     # of <data>/api/password
scopes = ["read", "trade", "risk", "admin"]
accounts = {accounts}

[[api.keys]]
name = "demo-key"
number = 2
auth = "hmac"
secret_file = {key}
scopes = ["read", "trade", "risk", "admin"]
accounts = {accounts}
rate = 1000
burst = 2000
"""

ACCOUNTS = range(1, 11)
FIX_ACCOUNT = 10
SEGMENT_BYTES = 16 << 20
DEPTH = {"binance": 100, "coinbase": 100, "kraken": 25}


@dataclass(frozen=True, slots=True)
class Fix:
    """Where the front door for FIX stands, and who may come in."""

    port: int
    backend_port: int
    public_key: str


@dataclass(frozen=True, slots=True)
class Web:
    """Where the API stands, and what its user and its key prove themselves by."""

    port: int
    stream_port: int
    password: str
    password_hash: str
    key: Path


def write(data: Path, nats: str, venues: Mapping[str, Mapping[str, object]], fix: Fix | None, web: Web | None) -> Path:
    """Writes the file; `venues` as the simulator announced them: `url`, `rest_url`, `tickers` (and `depth`) by name."""
    text = HOUSE.format(data=_quoted(data), nats=_quoted(nats), segment_bytes=SEGMENT_BYTES)
    text += "".join(INSTRUMENT.format(ticker=ticker, **terms) for ticker, terms in INSTRUMENTS.items())
    text += "".join(
        ACCOUNT.format(account=account, self_trade=SELF_TRADE if account in ONE_HOUSE else "") for account in ACCOUNTS
    )
    for name, venue in venues.items():
        tickers = "[" + ", ".join(map(_quoted, _tickers(venue))) + "]"
        text += FEED.format(
            name=name,
            url=_quoted(venue["url"]),
            rest_url=_quoted(venue["rest_url"]),
            tickers=tickers,
            depth=venue.get("depth", DEPTH[name]),
        )
    if fix is not None:
        text += GATEWAY.format(port=fix.port, backend_port=fix.backend_port)
        for number, (name, kind) in enumerate(SESSIONS.items(), start=1):
            accounts = "[]" if kind == "market-data" else f"[{FIX_ACCOUNT}]"
            text += SESSION.format(
                name=name,
                number=number,
                kind=kind,
                comp_id=name.upper(),
                public_key=fix.public_key,
                accounts=accounts,
            )
    if web is not None:
        text += API.format(
            port=web.port,
            stream_port=web.stream_port,
            password_hash=web.password_hash,
            key=_quoted(web.key),
            accounts=list(ACCOUNTS),
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
