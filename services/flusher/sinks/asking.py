"""What `tapewire sink` asks: how far each sink is, and what its store would let go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from services.flusher.sinks import status as pages
from services.flusher.sinks import stores
from services.flusher.sinks.sink import wanted
from services.flusher.sinks.status import State, Words
from services.flusher.sinks.target import Position, Target
from tapewire.config import Config
from tapewire.errors import ConfigError, StatsError, TargetError
from tapewire.histogram import StatsPage
from tapewire.tape import TapeReader

Document = dict[str, Any]


class Part(Protocol):
    """Of a store's rows what is let go together."""

    @property
    def name(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def why(self) -> str: ...


class Retaining(Target, Protocol):
    """A target that can let rows go by age and size."""

    async def outdated(self, days: int, mb: int) -> list[Any]: ...
    async def let_go(self, plan: list[Any]) -> list[Any]: ...


@runtime_checkable
class Looking(Protocol):
    """A target that can be asked without being made ready."""

    async def look(self) -> None: ...


def status(config: Config, name: str | None) -> list[Document]:
    """Of each configured sink, or of one. Raises ConfigError for one that is not configured."""
    names = [name] if name else config.sinks.configured
    return [_status_of(config, one) for one in names]


def _status_of(config: Config, name: str) -> Document:
    target = stores.target_of(config, name)
    words = pages.read(config.folders, name)
    folders = wanted(config.folders.tapes, stores.settings_of(config, name).tapes)
    if words is not None and pages.is_running(config.folders, name):
        return _told(config, name, words, folders)
    return _asked(name, target, words, folders)


def _told(config: Config, name: str, words: Words, folders: list[Path]) -> Document:
    """By the process that runs."""
    tapes = []
    for folder in folders:
        page, said = _page(config, name, folder.name), words.tapes.get(folder.name)
        counters = page.counters() if page else {}
        tapes.append(
            {
                "tape": folder.name,
                "state": State(counters.get("state", 0)).name,
                "seq": counters.get("seq", 0),
                "lag": counters.get("lag", 0),
                "rate": counters.get("rate", 0),
                "rows": counters.get("rows", 0),
                "reason": said.reason if said else "",
            }
        )
    return {
        "sink": name,
        "running": True,
        "pid": words.pid,
        "target": words.where,
        "state": words.sink.state,
        "reason": words.sink.reason,
        "tapes": tapes,
    }


def _asked(name: str, target: Target, words: Words | None, folders: list[Path]) -> Document:
    """By the store itself; if that is away, what the process said last is all there is."""
    reason = ""
    positions: dict[str, Position] = {}
    try:
        positions = asyncio.run(_positions(target))
    except TargetError as error:
        reason = str(error)
    tapes = []
    for folder in folders:
        with TapeReader(folder, from_seq=None) as reader:
            released = reader.positions.released_seq
        seq = positions[folder.name].seq if folder.name in positions else 0
        said = words.tapes.get(folder.name) if words else None
        tapes.append(
            {
                "tape": folder.name,
                "state": State.waiting.name,
                "seq": seq,
                "lag": max(0, released - seq),
                "rate": None,
                "rows": None,
                "reason": said.reason if said else "",
            }
        )
    return {
        "sink": name,
        "running": False,
        "pid": None,
        "target": target.where,
        "state": State.waiting.name,
        "reason": reason,
        "tapes": tapes,
    }


async def _positions(target: Target) -> dict[str, Position]:
    try:
        # Asking makes nothing, where a store makes something at its opening.
        await (target.look() if isinstance(target, Looking) else target.open())
        return await target.positions()
    finally:
        await target.close()


def _page(config: Config, name: str, tape: str) -> StatsPage | None:
    try:
        return StatsPage.open(pages.page_of(config.folders, name, tape))
    except StatsError:
        return None


def retain(config: Config, name: str, days: int, mb: int, carry_out: bool) -> Document:
    """What is older than `days`, and the oldest beyond `mb` (10^6 bytes; 0: no limit); with `carry_out`, what of it was
    dropped. Raises ConfigError, TargetError.
    """
    if not days and not mb:
        raise ConfigError("--days, --mb: expected one of them, or both")
    target = stores.target_of(config, name)
    if not hasattr(target, "outdated"):
        raise ConfigError(f"sinks.{name}: this store lets nothing go by days; see docs/{name}.md")
    return asyncio.run(_retain(target, days, mb, carry_out))


async def _retain(target: Any, days: int, mb: int, carry_out: bool) -> Document:
    retaining: Retaining = target
    try:
        await retaining.open()
        plan = await retaining.outdated(days, mb)
        dropped = {one.name for one in (await retaining.let_go(plan) if carry_out else [])}
    finally:
        await retaining.close()
    parts: list[Part] = plan
    return {
        "days": days,
        "mb": mb,
        "carried_out": carry_out,
        "parts": [
            {"name": one.name, "bytes": one.bytes, "why": one.why, "dropped": one.name in dropped} for one in parts
        ],
    }
