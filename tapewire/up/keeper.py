"""Keeps processes running: starts them, starts them again when they end, ends them in order.

A process that ends is started again after a pause that doubles each time, and is forgotten once it has run for a
while. None is ever given up: what it waits for may come back, and its log says what is missing.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from tapewire import child
from tapewire.errors import ConfigError
from tapewire.up.plan import Unit

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
STEADY_S: Final = 30.0
"""A process that has run for so long begins with the first pause again."""
END_S: Final = 10.0
"""What one rank of processes has for draining before it is killed."""
FULL_BYTES: Final = 64 << 10
"""A disk with less room than this takes no log."""
LOG_BYTES: Final = 16 << 20
"""A log that is longer is put aside, in the place of the one before, when its process starts."""

Say = Callable[[str, str], None]
"""Told (unit, what happened), a sentence."""


@dataclass(slots=True)
class _Kept:
    unit: Unit
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = FIRST_PAUSE_S
    starts: int = 0


@dataclass(slots=True)
class Keeper:
    """`logs`: the folder of `<unit>.log`. Made and stepped on one thread, which stays: children end with it."""

    units: Sequence[Unit]
    logs: Path
    say: Say
    _kept: dict[str, _Kept] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.logs}: cannot be made: {error.strerror}; logs of services go there") from error
        self._kept = {unit.name: _Kept(unit) for unit in self.units}

    def step(self, now: float) -> None:
        """Looks who has ended, starts who is due; to be called some times a second. `now`: monotonic, seconds."""
        for kept in self._kept.values():
            if kept.process is not None and (status := kept.process.poll()) is not None:
                self._ended(kept, status, now)
            if kept.process is None and kept.due <= now:
                self._start(kept, now)

    def pid(self, name: str) -> int:
        """Of a unit's process; 0 while it has none."""
        process = self._kept[name].process
        return process.pid if process is not None and process.poll() is None else 0

    def starts(self, name: str) -> int:
        """How often it was started."""
        return self._kept[name].starts

    def stop(self) -> list[str]:
        """Ends all, the last started first; returns those that had to be killed."""
        killed: list[str] = []
        backwards = sorted(self._kept.values(), key=lambda kept: -kept.unit.rank)
        for _, group in groupby(backwards, key=lambda kept: kept.unit.rank):
            ending = [(kept, kept.process) for kept in group if kept.process is not None]
            for _, process in ending:
                if process.poll() is None:
                    process.terminate()
            deadline = time.monotonic() + END_S
            for kept, process in ending:
                if not child.stop(process, max(deadline - time.monotonic(), 0.05)):
                    killed.append(kept.unit.name)
                kept.process = None
        return killed

    def _start(self, kept: _Kept, now: float) -> None:
        kept.started = now
        try:
            kept.process = self._spawn(kept.unit)
        except OSError as error:
            self.say(kept.unit.name, f"cannot be started: {error}, again in {kept.pause:g} s")
            self._put_off(kept, now)
            return
        kept.starts += 1
        self.say(kept.unit.name, "started" if kept.starts == 1 else f"started again, the {kept.starts}. time")

    def _ended(self, kept: _Kept, status: int, now: float) -> None:
        if now - kept.started >= STEADY_S:
            kept.pause = FIRST_PAUSE_S
        kept.process = None
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        last = self._last_line(kept)
        if shutil.disk_usage(self.logs).free < FULL_BYTES:
            last += f"{'; ' if last else ''}the disk of {self.logs} is full, so its log may lack why"
        self.say(kept.unit.name, f"ended by itself ({how}), again in {kept.pause:g} s{f': {last}' if last else ''}")
        self._put_off(kept, now)

    def _put_off(self, kept: _Kept, now: float) -> None:
        kept.due = now + kept.pause
        kept.pause = min(2 * kept.pause, LONGEST_PAUSE_S)

    def _spawn(self, unit: Unit) -> subprocess.Popen[bytes]:
        log = self.logs / f"{unit.name}.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as out:
            return child.spawn(
                [sys.executable, "-m", *unit.arguments],
                stdout=out,
                stderr=out,
                on_parent_death=signal.SIGTERM,
                environment=unit.environment,
            )

    def _last_line(self, kept: _Kept) -> str:
        lines = (self.logs / f"{kept.unit.name}.log").read_bytes()[-2000:].decode(errors="replace").splitlines()
        return lines[-1][:300] if lines else ""
