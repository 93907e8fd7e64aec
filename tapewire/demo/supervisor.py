"""Starts the demo's processes and ends them: in order, within a bound, none left behind.

Each child writes to a log of its own, gets SIGTERM from the kernel should this process die first, and is in the group
that stop() empties.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tapewire import child
from tapewire.errors import TapewireError

TERM_SECONDS = 4.0
"""What each group of children has for draining before it is killed: a slow one takes nothing from those behind it."""
LOG_LINES_SHOWN = 12


class ChildFailed(TapewireError):
    """A child ended that should be running; carries the end of its log."""


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_lines(self, count: int = LOG_LINES_SHOWN) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Supervisor:
    """The children of one demo, by name."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: dict[str, Child] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str) -> Child:
        """Starts `python -m <arguments>`; its output goes to `<logs>/<name>.log`, from the start of that file."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as out:
            process = child.spawn(
                [sys.executable, "-m", *arguments],
                stdout=out,
                stderr=out,
                on_parent_death=signal.SIGTERM,
            )
        self.children[name] = Child(name, process, log)
        return self.children[name]

    def check(self) -> None:
        """Raises ChildFailed if one of them is gone."""
        for one in self.children.values():
            if not one.alive:
                raise ChildFailed(
                    f"{one.name} ended by itself (status {one.process.returncode}). The end of {one.log}:\n"
                    f"{one.last_lines() or '(it is empty)'}"
                )

    def kill(self, name: str) -> None:
        """SIGKILL, and waits until the process is gone."""
        process = self.children.pop(name).process
        process.kill()
        process.wait()

    def stop(self, *groups: Sequence[str]) -> list[str]:
        """SIGTERM to each group once the one before it has ended, then to the rest; SIGKILL past the bound.

        Returns who had to be killed: what such a child had in hand was not drained.
        """
        killed: list[str] = []
        for names in (*groups, tuple(self.children)):
            ending = [self.children.pop(name) for name in names if name in self.children]
            for one in ending:
                if one.alive:
                    one.process.terminate()
            deadline = time.monotonic() + TERM_SECONDS
            killed += [
                one.name for one in ending if not child.stop(one.process, max(deadline - time.monotonic(), 0.05))
            ]
        return killed
