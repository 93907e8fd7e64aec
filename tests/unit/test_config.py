from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire import messages as m
from tapewire.bus.permissions import ANSWERED_WITHIN_S
from tapewire.cli import cli
from tapewire.config import Account, Feed, Instrument, Producer, load, load_with_origins
from tapewire.config.api import MOST_ON_THE_BUS_S
from tapewire.errors import ConfigError, TapeError
from tapewire.tape import TapeWriter

Write = Callable[[str], Path]

FULL = """
env = "demo"
data = "/srv/tapewire"

[nats]
url = "nats://10.0.0.1:4222"

[publisher]
raw = false

[engine]
durability = "memory"
max_batch = 64

[[instrument]]
ticker = "BTCUSDT"
tick_size = "0.01"
lot_size = "0.00001"
reference_price = 64000
collar_bps = 500
max_qty = "10"

[[instrument]]
ticker = "BRK.B"
price_exponent = -4
qty_exponent = 0
tick_size = "0.01"
lot_size = 1

[[account]]
account = 7
max_order_qty = 1000

[feed.binance]
venue = "binance"
tickers = ["BTCUSDT", "ETHUSDT"]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "tapewire.toml"
        path.write_text(text)
        return path

    return to_file


def test_without_file_and_environment_everything_has_a_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(environ={})
    assert config.data == Path(".tapewire/demo")
    assert config.rings.parent == Path("/dev/shm")
    assert config.engine.producers == (Producer(name="operator", role="operator"), Producer(name="traders"))
    assert (config.instruments, config.accounts, config.feeds) == ((), (), {})


def test_a_full_file_is_read_into_typed_sections_with_exact_mantissas(write: Write) -> None:
    config = load(write(FULL), environ={})
    assert (config.env, config.data, config.folders.tape("orders.0")) == (
        "demo",
        Path("/srv/tapewire"),
        Path("/srv/tapewire/tapes/orders.0"),
    )
    assert (config.nats.url, config.publisher.raw) == ("nats://10.0.0.1:4222", False)
    assert (config.engine.durability, config.engine.max_batch) == ("memory", 64)
    assert config.instruments == (
        Instrument(
            ticker="BTCUSDT",
            price_exponent=-2,
            qty_exponent=-5,
            tick_size=1,
            lot_size=1,
            reference_price=6_400_000,
            collar_bps=500,
            max_qty=1_000_000,
        ),
        Instrument(ticker="BRK.B", price_exponent=-4, qty_exponent=0, tick_size=100, lot_size=1),
    )
    assert config.accounts == (Account(account=7, max_order_qty=1000),)
    assert config.feeds == {
        "binance": Feed(
            venue="binance",
            tickers=("BTCUSDT", "ETHUSDT"),
            url="wss://stream.binance.com:9443/stream",
            rest_url="https://api.binance.com",
        )
    }


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(write: Write) -> None:
    environ = {
        "TAPEWIRE_ENGINE__MAX_BATCH": "32",
        "TAPEWIRE_FEED__BINANCE__TICKERS": "SOLUSDT, XRPUSDT",
        "TAPEWIRE_PUBLISHER__RAW": "true",
        "TAPEWIRE_FEED__BINANCE__URL": "ws://127.0.0.1:9001/stream",
        "TAPEWIRE_ENV": "ci",
        "TAPEWIRE_LOG": "debug",
        "HOME": "/root",
    }
    path = write(FULL)
    config, origins, file = load_with_origins(path, environ)
    assert (config.engine.max_batch, config.feeds["binance"].tickers) == (32, ("SOLUSDT", "XRPUSDT"))
    assert (config.publisher.raw, config.env) == (True, "ci")
    assert config.feeds["binance"].url == "ws://127.0.0.1:9001/stream"
    assert file == path
    assert {key: origins[key] for key in ("engine.max_batch", "engine.durability", "engine.idle")} == {
        "engine.max_batch": "environment TAPEWIRE_ENGINE__MAX_BATCH",
        "engine.durability": str(path),
        "engine.idle": "default",
    }
    assert origins["instrument[0].price_exponent"] == "from tick_size"
    assert origins["feed.binance.rest_url"] == "default for binance"


def test_the_file_is_found_by_its_variable(write: Write) -> None:
    assert load(environ={"TAPEWIRE_CONFIG": str(write(FULL))}).engine.max_batch == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engine]\nmax_bach = 3", "engine.max_bach: (FILE) unknown key; did you mean max_batch? Known here: shard, "),
        ("[engin]\nx = 3", "engin: unknown key; did you mean engine? Known here: env, data, "),
        ("[engine]\nmax_batch = 4097", "engine.max_batch: (FILE) holds 4097; expected an integer from 1 to 4096"),
        ('[engine]\nmax_batch = "many"', 'engine.max_batch: (FILE) holds "many"; expected an integer from 1 to 4096'),
        ('[engine]\ndurability = "disc"', 'engine.durability: (FILE) holds "disc"; expected one of "disk", "memory"'),
        ("[engine]\nsegment_bytes = 4294967296", "engine.segment_bytes: (FILE) holds 4294967296; expected an integer "),
        (
            "[nats]\nconnect_timeout = nan",
            "nats.connect_timeout: (FILE) holds NaN; expected a number from 0.05 to 3600",
        ),
        ('env = "demo\\n"', 'env: (FILE) holds "demo\\n"; expected 1 to 31 of a-z'),
        ('[feed._x]\nvenue = "kraken"\ntickers = ["A"]', "feed._x: a feed is a part of subjects"),
        ('[feed.house]\nvenue = "kraken"\ntickers = ["A"]', "feed.house: subjects of 'house' are those of our own"),
        ("[engine]\nring_bytes = 5000", "engine.ring_bytes: (FILE) holds 5000; expected an integer from 4096 to "),
        ('[nats]\nurl = "localhost"', 'nats.url: (FILE) holds "localhost"; expected a URL such as "wss://host/path"'),
        ("nats = 3", "nats: (FILE) expected a table [nats] with keys, found 3"),
        ("env = 3", "env: (FILE) holds 3; expected 1 to 31 of a-z, 0-9, - and _"),
        ('env = "My Env"', 'env: (FILE) holds "My Env"; expected 1 to 31 of a-z'),
        ('[feed.x]\nvenue = "binance"', "feed.x.tickers: missing; expected a list (1 or more), each 1 to 31 printable"),
        ('[feed.x]\nvenue = "nyse"\ntickers = ["A"]', 'feed.x.venue: (FILE) holds "nyse"; expected one of "binance", '),
        ('[feed.x]\nvenue = "kraken"\ntickers = ["A", "A"]', "feed.x.tickers: 'A' is there twice"),
        ('[feed.X]\nvenue = "kraken"\ntickers = ["A"]', "feed.X: a feed is a part of subjects"),
        (
            '[[instrument]]\nticker = "A"\ntick_size = 0.01\nlot_size = 1',
            "instrument[0].tick_size: (FILE) expected a decimal",
        ),
        (
            '[[instrument]]\nticker = "A"\ntick_size = "0"\nlot_size = 1',
            "instrument[0].tick_size: holds 0; expected a num",
        ),
        (
            '[[instrument]]\nticker = "A"\ntick_size = "-1"\nlot_size = 1',
            'instrument[0].tick_size: (FILE) holds "-1"; expec',
        ),
        ('[[instrument]]\nticker = "A"\nlot_size = 1', "instrument[0].price_exponent: missing"),
        (
            '[[instrument]]\nticker = "A"\ntick_size = "0.01"\nlot_size = 1\nreference_price = "1.005"',
            "instrument[0].reference_price: (FILE) holds \"1.005\": '1.005' has more digits than exponent -2 keeps",
        ),
        (
            '[[instrument]]\nticker = "A"\ntick_size = "0.05"\nlot_size = 1\nreference_price = "1.01"',
            "instrument[0].reference_price: expected a multiple of tick_size (A)",
        ),
        ("[[account]]\naccount = 1\n[[account]]\naccount = 1", "account: 1 is there twice"),
        ("[account]\naccount = 1", "account: expected tables [[account]]"),
        (
            '[engine]\nproducers = ["a", "b"]',
            'engine.producers: (FILE) holds ["a", "b"]; expected a list of { name, role, accounts }',
        ),
        (
            '[engine]\nproducers = [{ name = "a", role = "admin" }]',
            'engine.producers[0].role: (FILE) holds "admin"; expected one of "operator", "trader"',
        ),
        ('[engine]\nproducers = [{ role = "operator" }]', "engine.producers[0].name: missing; expected 1 to 31 of a-z"),
        (
            '[engine]\nproducers = [{ name = "a", rle = "b" }]',
            "engine.producers[0].rle: (FILE) unknown key; did you mean role",
        ),
        (
            '[engine]\nproducers = [{ name = "a", accounts = [0] }]',
            "engine.producers[0].accounts: (FILE) holds [0]; expected a list (0 or more), each an integer from 1 to 10",
        ),
        (
            '[engine]\nproducers = [{ name = "a", role = "operator", accounts = [1] }]',
            "engine.producers[0].accounts: holds [1]; expected none, as the role operator (a) acts for every account",
        ),
        (
            "[engine]\nproducers = [" + '{ name = "a" }, ' * 64 + "]",
            "engine.producers: (FILE) holds 64; expected at most 63",
        ),
        ("env = ", "not TOML: "),
    ],
)
def test_errors_name_the_key_what_it_holds_and_what_is_allowed(write: Write, text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as raised:
        load(path, environ={})
    assert message.replace("FILE", str(path)) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "TAPEWIRE_ENGINE__MAX_BATCH",
            "0",
            'engine.max_batch: (environment TAPEWIRE_ENGINE__MAX_BATCH) holds "0"; expected',
        ),
        ("TAPEWIRE_ENGIN__CORE", "1", "engin: unknown key; did you mean engine?"),
        ("TAPEWIRE_DTA", "x", "dta: (environment TAPEWIRE_DTA) unknown key; did you mean data?"),
        ("TAPEWIRE_PUBLISHER__RAW", "maybe", 'holds "maybe"; expected true or false'),
        ("TAPEWIRE_INSTRUMENT__0__TICKER", "A", "environment TAPEWIRE_INSTRUMENT__0__TICKER: instrument holds a list"),
    ],
)
def test_errors_of_the_environment_name_the_variable(write: Write, name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(FULL), environ={name: value})
    assert message in str(raised.value)


def test_an_instrument_and_an_account_make_the_commands_that_open_them(write: Write) -> None:
    config = load(write(FULL), environ={})
    assert config.instruments[1].definition(2) == m.InstrumentDefinition(
        instrument=2,
        ticker="BRK.B",
        tick_size=100,
        lot_size=1,
        price_exponent=-4,
        qty_exponent=0,
        status=m.InstrumentStatus.trading,
    )
    assert config.accounts[0].limits() == m.AccountLimits(account=7, max_order_qty=1000, self_trade=m.SelfTrade.allow)


PRODUCERS = """
[engine]
producers = [{ name = "desk", role = "operator" }, { name = "fix", accounts = [3, 1] }]
"""


def test_producers_are_read_with_their_role_and_accounts_and_shown_as_they_are_written(write: Write) -> None:
    path = write(PRODUCERS)
    config, origins, _ = load_with_origins(path, {})
    assert config.engine.producers == (Producer(name="desk", role="operator"), Producer(name="fix", accounts=(3, 1)))
    assert origins["engine.producers"] == origins["engine.producers[1].accounts"] == str(path)
    result = CliRunner().invoke(cli, ["config", "show", "--config", str(path)])
    assert tomllib.loads(result.output)["engine"]["producers"][1] == {
        "name": "fix",
        "role": "trader",
        "accounts": [3, 1],
    }


def test_an_instruments_bands_and_status_and_an_accounts_group_reach_their_commands(write: Write) -> None:
    bands = "static_band_bps = 1000\ndynamic_band_bps = 500\nlimit_state_ms = 15000\npause_ms = 300000"
    config = load(
        write(
            f'[[instrument]]\nticker = "A"\ntick_size = "1"\nlot_size = 1\n{bands}\nstatus = "opening_auction"\n'
            '[[account]]\naccount = 1\nself_trade_group = 9\nself_trade = "cancel_oldest"'
        ),
        environ={},
    )
    asked = config.instruments[0].definition(1)
    assert (asked.static_band_bps, asked.dynamic_band_bps, asked.limit_state_ms, asked.pause_ms) == (
        1000,
        500,
        15000,
        300000,
    )
    assert asked.status == m.InstrumentStatus.opening_auction
    limits = config.accounts[0].limits()
    assert (limits.self_trade_group, limits.self_trade) == (9, m.SelfTrade.cancel_oldest)


def test_show_prints_a_file_that_gives_the_same_configuration(write: Write, tmp_path: Path) -> None:
    path = write(FULL)
    result = CliRunner().invoke(cli, ["config", "show", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert tomllib.loads(result.output)["instrument"][0]["reference_price"] == "64000.00"
    shown = tmp_path / "shown.toml"
    shown.write_text(result.output)
    assert load(shown, environ={}) == load(path, environ={})


def test_show_as_json_gives_value_and_origin_by_path(write: Write) -> None:
    path = write(FULL)
    result = CliRunner().invoke(cli, ["config", "show", "--json"], env={"TAPEWIRE_CONFIG": str(path)})
    rows = json.loads(result.output)
    assert rows["engine.max_batch"] == {"value": 64, "origin": str(path)}
    assert rows["engine.core"] == {"value": -1, "origin": "default"}
    assert rows["feed.binance.tickers"] == {"value": ["BTCUSDT", "ETHUSDT"], "origin": str(path)}


@pytest.mark.parametrize("section", ["engine", "flusher"])
def test_a_tape_takes_the_largest_segment_that_the_configuration_does(
    write: Write, tmp_path: Path, section: str
) -> None:
    largest = getattr(load(write(f"[{section}]\nsegment_bytes = {1 << 30}"), environ={}), section).segment_bytes
    with pytest.raises(TapeError, match=rf"expected a multiple of 4096 from \d+ to {largest}$"):
        TapeWriter(tmp_path / "t", segment_bytes=2 * largest)


def test_the_bus_door_answers_before_the_server_stops_letting_answers_through(tmp_path: Path) -> None:
    """[api] answer_timeout against what `tapewire bus keys` writes for the server."""
    assert MOST_ON_THE_BUS_S < ANSWERED_WITHIN_S
    path = tmp_path / "tapewire.toml"
    path.write_text("[api]\nbus_door = true\nanswer_timeout = 26\n")
    with pytest.raises(ConfigError, match=r"api\.answer_timeout: holds 26; with api\.bus_door expected at most 25"):
        load(path, {})
    path.write_text("[api]\nanswer_timeout = 26\n")
    assert load(path, {}).api.answer_timeout == 26
