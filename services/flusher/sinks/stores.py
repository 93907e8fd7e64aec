"""Which stores there are, and how each is made of its settings: the one table a new store is put into."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final, NamedTuple

from services.flusher.sinks.target import Target
from tapewire.config import Config, Sink
from tapewire.errors import ConfigError, CredentialError, TargetError
from tapewire.fix.auth import read_private


class Store(NamedTuple):
    module: str
    """Has `target(config) -> Target`. Imported when it is used: each needs a package of its own."""
    package: str
    extra: str


STORES: Final[dict[str, Store]] = {
    "postgres": Store(
        "services.flusher.sinks.postgres.target",
        "asyncpg",
        "postgres",
    ),
    "kafka": Store(
        "services.flusher.sinks.kafka.target",
        "aiokafka",
        "kafka",
    ),
    "redis": Store(
        "services.flusher.sinks.redis.target",
        "redis",
        "redis",
    ),
}


def target_of(config: Config, name: str) -> Target:
    """Raises ConfigError: no such store, no address, or its package is not installed."""
    store = STORES.get(name)
    if store is None:
        raise ConfigError(f"sinks.{name}: there is no such sink; there are {', '.join(STORES)}")
    if name not in config.sinks.configured:
        raise ConfigError(f"sinks.{name}.url: not set; expected the address of the store, see docs/{name}.md")
    try:
        importlib.import_module(store.package)
    except ImportError:
        raise ConfigError(
            f"sinks.{name}: the package {store.package} is not installed; `pip install tapewire[{store.extra}]`"
        ) from None
    target: Target = importlib.import_module(store.module).target(config)
    return target


def settings_of(config: Config, name: str) -> Sink:
    found: Sink = getattr(config.sinks, name)
    return found


def check_password(config: Config, name: str) -> None:
    """For the start, before a tape is waited for. Raises TargetError: the password's file cannot be read."""
    path: Path = getattr(config.sinks, name).password_file
    if path != Path():
        try:
            read_private(path)
        except CredentialError as error:
            raise TargetError(f"sinks.{name}.password_file: {error}") from None
