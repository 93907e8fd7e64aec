"""Show the settings in effect, and where each came from.

`tapewire config show` prints TOML that can be saved as a file; `--json` prints one object by key path.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec

from tapewire.cli._options import config_option
from tapewire.config import Config, Loaded, load_with_origins
from tapewire.config.reader import without_secrets
from tapewire.config.section import Section
from tapewire.fixed import to_text


@click.group()
def command() -> None:
    """Show the settings in effect.

    \b
    tapewire config show --config tapewire.toml
    """


@command.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help='One object: {"engine.max_batch": {"value": …, "origin": …}, …}.')
def show(path: Path | None, as_json: bool) -> None:
    """Print every key with its value and where it came from: default, the file, or the environment.

    \b
    tapewire config show
    tapewire config show --json
    """
    loaded = load_with_origins(path)
    rows = _rows(loaded)
    if as_json:
        click.echo(json.dumps({at: {"value": value, "origin": origin} for at, value, origin in rows}, indent=2))
        return
    section = ""
    click.echo(f"# settings in effect; file: {loaded.file or 'none'}")
    for at, value, origin in rows:
        head, _, key = at.rpartition(".")
        if head != section:
            section = head
            name, _, number = head.partition("[")
            click.echo(f"\n[[{name}]]" if number else f"\n[{name}]")
        click.echo(f"{f'{key} = {_toml(value)}':<58} # {origin}")


def _rows(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """(path, plain value, origin) of every key, in the order of the sections."""
    config = loaded.config
    rows = _section_rows(config, "", loaded)
    for name in ("nats", "engine", "flusher", "publisher", "gateway", "router", "api", "monitor", "health"):
        rows += _section_rows(getattr(config, name), name, loaded)
    for name in msgspec.structs.asdict(config.sinks):
        rows += _section_rows(getattr(config.sinks, name), f"sinks.{name}", loaded)
    for at, instrument in enumerate(config.instruments):
        rows += _section_rows(instrument, f"instrument[{at}]", loaded)
    for at, account in enumerate(config.accounts):
        rows += _section_rows(account, f"account[{at}]", loaded)
    for at, session in enumerate(config.gateway.sessions):
        rows += _section_rows(session, f"gateway.sessions[{at}]", loaded)
    for name, feed in config.feeds.items():
        rows += _section_rows(feed, f"feed.{name}", loaded)
    return rows


def _section_rows(section: Section, path: str, loaded: Loaded) -> list[tuple[str, Any, str]]:
    hints = get_type_hints(type(section), include_extras=True)
    rows: list[tuple[str, Any, str]] = []
    for field in msgspec.structs.fields(section):
        at = f"{path}.{field.encode_name}" if path else field.encode_name
        if at == "gateway.sessions":
            continue  # tables of their own
        if at in loaded.origins and not (isinstance(section, Config) and at not in ("env", "data", "rings")):
            rows.append((at, _plain(section, field.name, hints[field.name]), loaded.origins[at]))
    return rows


def _plain(section: Section, name: str, hint: Any) -> Any:
    """A value as TOML and JSON can hold it; a mantissa as the decimal text that a person would write."""
    value = getattr(section, name)
    info = msgspec.inspect.type_info(hint) if hint is not Path else None
    extra = info.extra if isinstance(info, msgspec.inspect.Metadata) else None
    if extra and "decimal" in extra:
        return to_text(value, getattr(section, extra["decimal"]))
    return _as_plain(value)


def _as_plain(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Section):
        return {name: _as_plain(inner) for name, inner in msgspec.structs.asdict(value).items()}
    return [_as_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
