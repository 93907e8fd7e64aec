"""One TOML file plus the environment, read into frozen structs; see `sections.py` for every key.

    config = load(Path("tapewire.toml"))     config.engine.max_batch, config.feeds["binance"].url

The environment wins over the file, the file over the defaults. `TAPEWIRE_ENGINE__MAX_BATCH=64` sets engine.max_batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from tapewire.config.api import Api, ApiKey, ApiUser, check_api
from tapewire.config.gateway import Gateway, GatewaySession, check_gateway
from tapewire.config.health import Health
from tapewire.config.latest import Latest
from tapewire.config.monitor import Monitor
from tapewire.config.reader import Given, Reader, overlay_environment, read_file
from tapewire.config.relay import Relay, check_relay
from tapewire.config.retention import Keep, Retention
from tapewire.config.router import Router, RouterAccount, RouterClient, RouterFeed, RouterInstrument, check_router
from tapewire.config.section import Section
from tapewire.config.sections import (
    Account,
    Config,
    Engine,
    Feed,
    Flusher,
    Instrument,
    Nats,
    Producer,
    Publisher,
    Replica,
)
from tapewire.config.sinks import KafkaSink, PostgresSink, RedisSink, Sink, Sinks
from tapewire.config.venues import Market, Venue, check_venues
from tapewire.errors import ConfigError
from tapewire.folders import TAPE_NAME, default_rings
from tapewire.subjects import is_word

__all__ = [
    "Account",
    "Api",
    "ApiKey",
    "ApiUser",
    "Config",
    "Engine",
    "Feed",
    "Flusher",
    "Gateway",
    "GatewaySession",
    "Health",
    "Instrument",
    "KafkaSink",
    "Keep",
    "Latest",
    "Loaded",
    "Market",
    "Monitor",
    "Nats",
    "PostgresSink",
    "Producer",
    "Publisher",
    "RedisSink",
    "Relay",
    "Replica",
    "Retention",
    "Router",
    "RouterAccount",
    "RouterClient",
    "RouterFeed",
    "RouterInstrument",
    "Sink",
    "Sinks",
    "Venue",
    "load",
    "load_with_origins",
]

DEFAULT_FILE = Path("tapewire.toml")
PUBLIC_URLS = {
    "binance": ("wss://stream.binance.com:9443/stream", "https://api.binance.com"),
    "coinbase": ("wss://ws-feed.exchange.coinbase.com", "https://api.exchange.coinbase.com"),
    "kraken": ("wss://ws.kraken.com/v2", "https://api.kraken.com"),
    "fix": ("", ""),
}
_LISTS = ("instrument", "account", "feed", "venues")
# Second parts of subjects that our own services publish under.
_OWN_FEEDS = frozenset({"house", "orders", "ops", "router", "tape"})
_SECTIONS: dict[str, type[Section]] = {
    "nats": Nats,
    "engine": Engine,
    "flusher": Flusher,
    "publisher": Publisher,
    "gateway": Gateway,
    "router": Router,
    "relay": Relay,
    "api": Api,
    "monitor": Monitor,
    "replica": Replica,
    "health": Health,
    "sinks": Sinks,
    "latest": Latest,
    "retention": Retention,
}
_S = TypeVar("_S", bound=Section)


class Loaded(NamedTuple):
    """A configuration and, by the path of each key, where its value came from."""

    config: Config
    origins: dict[str, str]
    file: Path | None


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The effective configuration. Raises ConfigError naming the key, what it holds and what is allowed.

    Without `path`: the file named by TAPEWIRE_CONFIG, else `tapewire.toml` in the working folder, else defaults only.
    """
    return load_with_origins(path, environ).config


def load_with_origins(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """As `load`, with where each value came from."""
    environ = os.environ if environ is None else environ
    if path is None and (named := environ.get("TAPEWIRE_CONFIG")):
        path = Path(named)
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    tree = read_file(path) if path is not None else {}
    overlay_environment(tree, environ)
    reader = Reader()
    config = _read(reader, tree)
    return Loaded(config, reader.origins, path)


def _read(reader: Reader, tree: dict[str, Any]) -> Config:
    config = reader.section(Config, tree, "", skip=(*_SECTIONS, *_LISTS))
    parts: dict[str, Any] = {name: reader.section(cls, tree.get(name, {}), name) for name, cls in _SECTIONS.items()}
    parts["instruments"] = _tables(reader, tree, "instrument", Instrument, lambda one: one.ticker)
    parts["accounts"] = _tables(reader, tree, "account", Account, lambda one: one.account)
    parts["feeds"] = _feeds(reader, tree)
    parts["venues"] = _tables(reader, tree, "venues", Venue, lambda one: one.name)
    check_venues(parts["venues"], {name for name, feed in parts["feeds"].items() if feed.venue == "fix"})
    check_router(
        parts["router"],
        parts["venues"],
        [one.account for one in parts["accounts"]],
        [one.ticker for one in parts["instruments"]],
    )
    for at, instrument in enumerate(parts["instruments"]):
        _check_instrument(instrument, f"instrument[{at}]")
    for at, producer in enumerate(parts["engine"].producers):
        if producer.role == "operator" and producer.accounts:
            raise ConfigError(
                f"engine.producers[{at}].accounts: holds {list(producer.accounts)}; expected none, as the role "
                f"operator ({producer.name}) acts for every account"
            )
    check_relay(
        parts["relay"], [one.name for one in parts["engine"].producers], [one.name for one in parts["router"].clients]
    )
    check_gateway(parts["gateway"], [one.account for one in parts["accounts"]])
    check_api(parts["api"], [one.account for one in parts["accounts"]])
    _check_replica(parts["replica"])
    if "data" not in tree:
        parts["data"] = Path(".tapewire") / config.env
    if "rings" not in tree:
        parts["rings"] = default_rings(config.env, parts.get("data", config.data))
    return msgspec.structs.replace(config, **parts)


def _tables(
    reader: Reader, tree: dict[str, Any], name: str, cls: type[_S], key: Callable[[_S], Hashable]
) -> tuple[_S, ...]:
    tables = tree.get(name, [])
    if isinstance(tables, Given) or not isinstance(tables, list):
        if isinstance(tables, Given) and tables.value == []:
            return ()
        raise ConfigError(f"{name}: expected tables [[{name}]], one for each, written in the file")
    found = tuple(reader.section(cls, table, f"{name}[{at}]") for at, table in enumerate(tables))
    _refuse_twice((key(one) for one in found), name)
    return found


def _feeds(reader: Reader, tree: dict[str, Any]) -> dict[str, Feed]:
    tables = tree.get("feed", {})
    if not isinstance(tables, dict):
        raise ConfigError("feed: expected tables [feed.<name>], one per feed")
    feeds = {}
    for name, table in tables.items():
        path = f"feed.{name}"
        if not is_word(name):
            raise ConfigError(
                f"{path}: a feed is a part of subjects; expected a lower-case name of a-z, 0-9, - and _ that begins "
                f"with a letter or digit"
            )
        if name in _OWN_FEEDS:
            raise ConfigError(
                f"{path}: subjects of {name!r} are those of our own services; expected another name, as the venue's"
            )
        feed = reader.section(Feed, table, path)
        _refuse_twice(feed.tickers, f"{path}.tickers")
        feeds[name] = _with_public_urls(reader, feed, path)
    return feeds


def _with_public_urls(reader: Reader, feed: Feed, path: str) -> Feed:
    url, rest_url = PUBLIC_URLS[feed.venue]
    for key, value in (("url", feed.url), ("rest_url", feed.rest_url)):
        if value and feed.venue == "fix":
            raise ConfigError(f"{path}.{key}: holds {value!r}; a feed by FIX has its address in [[venues.sessions]]")
        if not value:
            reader.origins[f"{path}.{key}"] = f"default for {feed.venue}"
    return msgspec.structs.replace(feed, url=feed.url or url, rest_url=feed.rest_url or rest_url)


def _check_replica(replica: Replica) -> None:
    for key, tapes in (("send", replica.send), ("mirror", replica.mirror)):
        _refuse_twice(tapes, f"replica.{key}")
        for tape in tapes:
            if not TAPE_NAME.fullmatch(tape):
                raise ConfigError(f"replica.{key}: holds {tape!r}; expected the name of a tape, such as 'orders.0'")


def _refuse_twice(keys: Iterable[Hashable], path: str) -> None:
    seen: set[Hashable] = set()
    for key in keys:
        if key in seen:
            raise ConfigError(f"{path}: {key!r} is there twice; expected each once")
        seen.add(key)


def _check_instrument(one: Instrument, path: str) -> None:
    """What the types alone cannot say: multiples of tick and lot, and a range that is one."""
    for key, step in (("tick_size", one.tick_size), ("lot_size", one.lot_size)):
        if step == 0:
            raise ConfigError(f"{path}.{key}: holds 0; expected a number above 0")
    for key, value, step_key, step in (
        ("reference_price", one.reference_price, "tick_size", one.tick_size),
        ("min_price", one.min_price, "tick_size", one.tick_size),
        ("max_price", one.max_price, "tick_size", one.tick_size),
        ("max_qty", one.max_qty, "lot_size", one.lot_size),
    ):
        if value % step:
            raise ConfigError(f"{path}.{key}: expected a multiple of {step_key} ({one.ticker})")
    if one.max_price and one.min_price > one.max_price:
        raise ConfigError(f"{path}.min_price: is above max_price ({one.ticker}); expected at most that")
