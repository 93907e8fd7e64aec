from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.config import Config, RouterAccount, RouterClient, RouterFeed, load
from tapewire.errors import ConfigError

BASE = """
[[account]]
account = 7
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[venues]]
name = "house"
number = 1
kind = "house"
markets = [{ ticker = "ACME", symbol = "ACME" }]
"""
ROUTER = """
[router]
book_interval = 0.5
clients = [{ name = "desk", accounts = [7] }]
accounts = [{ account = 7, max_qty = 100, tickers = ["ACME"] }]
feeds = [{ venue = "house", feed = "house" }]
instruments = [{ ticker = "BTC-USD", tick_size = "0.01", lot_size = "0.001", collar_bps = 50 }]
"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "tapewire.toml"
    path.write_text(BASE + text)
    return load(path, environ={})


def test_the_router_is_read_with_its_defaults(tmp_path: Path) -> None:
    router = read(tmp_path, ROUTER).router
    assert router.clients == (RouterClient(name="desk", accounts=(7,)),)
    assert router.accounts == (RouterAccount(account=7, max_qty=100, tickers=("ACME",)),)
    assert router.feeds == (RouterFeed(venue="house", feed="house"),)
    (instrument,) = router.instruments
    assert (instrument.price_exponent, instrument.qty_exponent, instrument.tick_size, instrument.lot_size) == (
        -2,
        -3,
        1,
        1,
    )
    assert (router.number, router.durability, router.book_interval) == (0, "disk", 0.5)


def test_it_is_shown_as_it_was_written(tmp_path: Path) -> None:
    read(tmp_path, ROUTER)
    shown = CliRunner().invoke(cli, ["config", "show", "--config", str(tmp_path / "tapewire.toml")]).output
    assert "[router]" in shown
    assert 'clients = [{ name = "desk", role = "trader", accounts = [7] }]' in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[router]\nclients = [{ name = 'a' }, { name = 'a' }]", "router.clients[1]: 'a' is there twice"),
        ("[router]\naccounts = [{ account = 8 }]", "router.accounts[0].account: 8 is no [[account]]; there is [7]"),
        ("[router]\nfeeds = [{ venue = 'x', feed = 'x' }]", "router.feeds[0].venue: 'x' is none of [[venues]]"),
        ("[router]\nbook_depth = 0", "router.book_depth: (FILE) holds 0; expected an integer from 1 to 100"),
        (
            '[[venues]]\nname = "o"\nnumber = 2\ntarget_comp_id = "O"\nmarkets = [{ ticker = "X", symbol = "X" }]\n'
            + ROUTER,
            "venues.o.markets[0].ticker: 'X' is neither an [[instrument]] nor in [[router.instruments]]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert expected.replace("FILE", str(tmp_path / "tapewire.toml")) in str(refused.value)
