"""Which time age is measured by: that of the clock, unless it has run ahead of what can have passed since the last run.

    clock against the last run            age is measured by
    as far on as time has passed          the clock
    behind that                           the clock: less goes than might
    ahead of it                           what has passed, until the clock has stood so for SETTLED_NS

What has passed is told by the time since boot, which nobody sets. Across a boot nobody knows how long the host was
off: up to AWAY_NS are believed. The first run of a data folder has nothing to compare with, and believes the clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from tapewire.durable import sync_folder
from tapewire.errors import RetentionError

HOUR_NS: Final = 3_600 * 10**9
TOLERANCE_NS: Final = HOUR_NS
"""Limits are in days: what a clock is corrected by now and then does not matter."""
SETTLED_NS: Final = 20 * HOUR_NS
"""Less than a day, so that the second of two daily runs believes it."""
AWAY_NS: Final = 7 * 24 * HOUR_NS
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Sight(msgspec.Struct, frozen=True):
    """One look at the clocks: UTC ns, ns since boot (suspended ones too), and which boot that was."""

    wall_ns: int
    up_ns: int
    boot: str


class Kept(msgspec.Struct, frozen=True):
    """What a run leaves for the next: the last look that was believed, and since when another is doubted."""

    believed: Sight
    doubted: Sight | None = None


@cache
def _boot() -> str:
    return _BOOT_ID.read_text().strip()


def look() -> Sight:
    return Sight(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), _boot())


def judge(kept: Kept | None, now: Sight) -> tuple[int, str, Kept]:
    """The time that age is measured by, what is wrong with the clock ("": nothing), and what to keep. Pure."""
    if kept is None:
        return now.wall_ns, "", Kept(now)
    surely = kept.believed.wall_ns + _passed(kept.believed, now)
    perhaps = surely + TOLERANCE_NS + (0 if kept.believed.boot == now.boot else AWAY_NS)
    if now.wall_ns <= perhaps:
        back = surely - now.wall_ns
        why = f"the clock is {_length(back)} behind what has passed since the last run" if back > TOLERANCE_NS else ""
        return now.wall_ns, why, Kept(now)
    since = kept.doubted if kept.doubted is not None and _goes_on(kept.doubted, now) else now
    if _passed(since, now) >= SETTLED_NS:
        return now.wall_ns, "", Kept(now)
    why = f"the clock is {_length(now.wall_ns - surely)} ahead of what has surely passed since the last run"
    return surely, why, Kept(kept.believed, since)


def _passed(before: Sight, now: Sight) -> int:
    """What has surely passed: across a boot, the time since it."""
    return max(0, now.up_ns - before.up_ns) if before.boot == now.boot else now.up_ns


def _goes_on(before: Sight, now: Sight) -> bool:
    """Whether the clock has gone on from there as time did."""
    beyond = now.wall_ns - before.wall_ns - _passed(before, now)
    return -TOLERANCE_NS <= beyond <= TOLERANCE_NS + (0 if before.boot == now.boot else AWAY_NS)


def _length(ns: int) -> str:
    hours = ns / HOUR_NS
    return f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.1f} days"


class Believed:
    """The time that ages are counted from in a process that runs on, as `judge` believes its clock meanwhile."""

    def __init__(self, path: Path, look: Callable[[], Sight] = look) -> None:
        """`path`: what runs of retention keep of this host's clock; read once, for where to begin."""
        self._kept, self._look = read(path), look

    def now_ns(self) -> int:
        """UTC ns."""
        found, _, self._kept = judge(self._kept, self._look())
        return found

    def today(self) -> date:
        """UTC."""
        return datetime.fromtimestamp(self.now_ns() // 10**9, UTC).date()


def read(path: Path) -> Kept | None:
    """What the last run left; None if there was none. Raises RetentionError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise RetentionError(
            f"{path}: what the last run knew of the clock cannot be read: {error}. Look at the clock, then remove it"
        ) from error


def write(path: Path, kept: Kept) -> None:
    """Whole or not at all. Raises RetentionError."""
    aside = path.with_name(f".{path.name}")
    try:
        with aside.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise RetentionError(f"{path}: cannot be written: {error.strerror}. Nothing was removed") from error
