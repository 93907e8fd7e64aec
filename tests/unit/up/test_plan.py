"""Which processes a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from tapewire.config import load
from tapewire.up.plan import plan

INSTRUMENT = '[[instrument]]\nticker = "ACME"\ntick_size = "0.01"\nlot_size = "1"\n'
FEED = '[feed.kraken]\nvenue = "kraken"\ntickers = ["BTC/USD"]\n'
SESSION = """
[[account]]
account = 1
[[gateway.sessions]]
name = "a"
number = 1
comp_id = "A"
username = "a"
public_key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
accounts = [1]
"""


def names(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "tapewire.toml"
    file.write_text(text)
    return [unit.name for unit in plan(load(file, {}), file)]


def test_a_market_of_our_own_needs_an_engine_and_its_publisher(tmp_path: Path) -> None:
    assert names(tmp_path, INSTRUMENT) == ["engine", "journal", "monitor"]


def test_a_split_engine_needs_its_parts(tmp_path: Path) -> None:
    split = '[engine]\ntopology = "split"\n'
    assert names(tmp_path, split + INSTRUMENT) == ["risk", "matcher", "engine", "journal", "monitor"]


def test_who_takes_what_others_write_starts_first(tmp_path: Path) -> None:
    assert names(tmp_path, INSTRUMENT + FEED) == ["engine", "flusher", "journal", "connector.kraken", "monitor"]


def test_clients_by_fix_come_in_last(tmp_path: Path) -> None:
    assert names(tmp_path, INSTRUMENT + SESSION) == ["engine", "journal", "gateway", "gateway.front", "monitor"]


def test_a_dashboards_user_brings_the_api(tmp_path: Path) -> None:
    user = '[[api.users]]\nname = "ann"\nnumber = 1\npassword_hash = "scrypt$16384$8$1$AAAA$AAAA"\nscopes = ["read"]\n'
    assert names(tmp_path, INSTRUMENT + user) == ["engine", "journal", "api", "monitor"]


def test_settings_that_ask_for_nothing_get_nothing(tmp_path: Path) -> None:
    assert names(tmp_path, "") == []
