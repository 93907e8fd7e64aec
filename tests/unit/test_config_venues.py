"""`[[venues]]`: what is taken, and what is refused with a sentence that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.initiator.__main__ import secrets_of, venue_of
from tapewire import config
from tapewire.errors import ConfigError, CredentialError

BINANCE = """
[[venues]]
name = "binance"
number = 3
dialect = "binance"
host = "fix-oe.example"
port = 9000
comp_id = "TAPE"
username = "key"
secret_file = "keys/binance.pem"
[[venues.markets]]
ticker = "BTC-USD"
symbol = "BTCUSDT"
taker_fee = 10_00
"""


def load(folder: Path, text: str) -> config.Config:
    path = folder / "tapewire.toml"
    path.write_text(text)
    return config.load(path, {})


def test_a_venue_and_its_markets(tmp_path: Path) -> None:
    (venue,) = load(tmp_path, BINANCE).venues
    assert (venue.begin_string, venue.sender, venue.target, venue.sni) == ("FIX.4.4", "TAPE", "SPOT", "fix-oe.example")
    assert [(one.ticker, one.symbol, one.taker_fee) for one in venue.markets] == [("BTC-USD", "BTCUSDT", 1000)]
    assert venue_of((venue,), "binance") is venue


def test_coinbase_is_known_by_its_key(tmp_path: Path) -> None:
    text = BINANCE.replace('dialect = "binance"', 'dialect = "coinbase"\npassphrase_file = "p"')
    (venue,) = load(tmp_path, text).venues
    assert (venue.begin_string, venue.sender, venue.target) == ("FIXT.1.1", "key", "Coinbase")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('username = "key"', "", r"venues\[0\].username: missing"),
        ('secret_file = "keys/binance.pem"', "", r"secret_file: missing"),
        ('dialect = "binance"', 'dialect = "broker"', "target_comp_id: missing"),
        ('dialect = "binance"', 'dialect = "kraken"', "expected digits"),
        ('dialect = "binance"', 'dialect = "coinbase"', "passphrase_file: missing"),
        ("port = 9000", "port = 9000\nheartbeat = 90", "binance takes 5 to 60"),
        ("port = 9000", 'port = 9000\nrollover = "22:00"', "begins anew at each logon"),
        ("port = 9000", 'port = 9000\nrollover = "24:00"', "time of day"),
        ("number = 3", "number = 64", "number"),
        ('name = "binance"', 'name = "Binance"', "name"),
        ('symbol = "BTCUSDT"', 'symbol = "BTCUSDT"\n[[venues.markets]]\nticker = "BTC-USD"\nsymbol = "x"', "twice"),
        (
            "taker_fee = 10_00",
            'taker_fee = 0\n[[venues]]\nname = "other"\nnumber = 3\nkind = "house"',
            r"venues\[1\].number: is that of",
        ),
        (
            "taker_fee = 10_00",
            'taker_fee = 0\n[[venues]]\nname = "binance"\nnumber = 4\nkind = "house"',
            "'binance' is there twice",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, before: str, after: str, says: str) -> None:
    assert before in BINANCE
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, BINANCE.replace(before, after))


SESSIONS = """
[feed.binance-fix]
venue = "fix"
tickers = ["BTCUSDT"]
[[venues]]
name = "binance"
number = 3
dialect = "binance"
host = "fix-oe.example"
port = 9000
comp_id = "TAPE"
username = "key"
secret_file = "keys/binance.pem"
[[venues.sessions]]
kind = "market-data"
host = "fix-md.example"
port = 9000
comp_id = "TAPEMD"
heartbeat = 5
feed = "binance-fix"
[[venues.sessions]]
kind = "drop-copy"
host = "fix-dc.example"
port = 9000
comp_id = "TAPEDC"
secret_file = "keys/read_only.pem"
"""


def test_each_session_of_a_venue_is_reached_in_its_own_way(tmp_path: Path) -> None:
    (venue,) = load(tmp_path, SESSIONS).venues
    data, copy = (venue.session(kind) for kind in ("market-data", "drop-copy"))
    assert data is not None
    assert copy is not None
    there = venue.reached_by(data)
    assert (there.host, there.sni, there.sender, there.target) == ("fix-md.example", "fix-md.example", "TAPEMD", "SPOT")
    assert (there.heartbeat, there.username, there.secret_file) == (5, "key", Path("keys/binance.pem"))
    there = venue.reached_by(copy)
    assert (there.host, there.sender, there.heartbeat) == ("fix-dc.example", "TAPEDC", 30)
    assert there.secret_file == Path("keys/read_only.pem")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('comp_id = "TAPEDC"', 'comp_id = "TAPE"', r"sessions\[1\].comp_id: another session"),
        ('kind = "drop-copy"', 'kind = "market-data"', r"sessions\[1\].kind: another session"),
        ('feed = "binance-fix"', 'feed = "other"', r"sessions\[0\].feed: 'other'.*expected one of \['binance-fix'\]"),
        ('feed = "binance-fix"', "", r"sessions\[0\].feed: ''"),
        ('dialect = "binance"', 'dialect = "broker"\ntarget_comp_id = "B"', "broker has no market-data session"),
        ("heartbeat = 5", "heartbeat = 3", "binance takes 5 to 60"),
        ('venue = "fix"', 'venue = "fix"\nurl = "ws://a"', "has its address in"),
        ('["BTCUSDT"]', '["BTCUSDT"]\n[feed.more]\nvenue = "fix"\ntickers = ["A"]', "feed.more.venue: is fix, but no"),
    ],
)
def test_sessions_that_cannot_be_are_refused(tmp_path: Path, before: str, after: str, says: str) -> None:
    assert before in SESSIONS
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, SESSIONS.replace(before, after))


def test_only_a_venue_outside_has_a_session(tmp_path: Path) -> None:
    house = load(tmp_path, '[[venues]]\nname = "house"\nnumber = 1\nkind = "house"\n').venues
    with pytest.raises(ConfigError, match="reaches itself"):
        venue_of(house, "house")
    with pytest.raises(ConfigError, match="none is named"):
        venue_of(house, "elsewhere")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "binance.pem"
    secret.write_text("open sesame")
    secret.chmod(0o640)
    (venue,) = load(tmp_path, BINANCE.replace("keys/binance.pem", str(secret))).venues
    with pytest.raises(CredentialError, match="0600") as caught:
        secrets_of(venue)
    assert "open sesame" not in str(caught.value)
    secret.chmod(0o600)
    assert secrets_of(venue).secret == "open sesame"
