"""What the parts of a replica share of one tape: where it is, who we are, what is said about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.replica.stream import Stream
from tapewire.config import Replica
from tapewire.logs import Logger
from tapewire.replication import state as states
from tapewire.replication.part import Part
from tapewire.replication.state import Role, State
from tapewire.tape import Stretch, TapeFrames
from tapewire.transports.nats import NatsTransport

SAY_EVERY_NS = 250_000_000
RETRY_S = 0.5
"""Between two tries of what the bus, or a tape that is not there yet, did not let be done."""


@dataclass
class Context:
    """One tape's."""

    env: str
    tape: Path
    stats: Path
    """The folder of this host's stats pages."""
    host: str
    settings: Replica
    transport: NatsTransport
    stream: Stream
    log: Logger
    now: Callable[[], int] = time.monotonic_ns
    """For what lasts."""
    clock: Callable[[], int] = time.time_ns
    reconnects: int = 0
    _said: int = 0
    _last: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.tape.name

    def part(self, frames: TapeFrames, stretch: Stretch, mark: str) -> Part:
        """What a message says of the stretch it carries, read from `frames` of the tape with that mark."""
        return Part(
            kind="frames",
            mark=mark,
            holder=self.host,
            epoch=frames.epoch,
            position=stretch.position,
            end=stretch.end,
            first=stretch.first_seq,
            last=stretch.last_seq,
            whole=stretch.whole,
            whole_seq=stretch.whole_seq,
            durability=frames.durability,
        )

    def say(self, role: Role, *, at_once: bool = False, **more: Any) -> None:
        """Keeps the state that others read; some times a second, and at once when the role changes."""
        now = self.clock()
        if not at_once and role == self._last.get("role") and now - self._said < SAY_EVERY_NS:
            return
        if role != self._last.get("role"):
            self.log.info("role", tape=self.name, role=role, **({"why": more["why"]} if more.get("why") else {}))
        self._said, self._last = now, {"role": role, **more}
        states.write(
            self.tape,
            State(tape=self.name, host=self.host, role=role, at=now, reconnects=self.reconnects, **more),
        )

    def say_again(self) -> None:
        """The same, with the time of now."""
        if self._last:
            self.say(**self._last)

    def reasons(self) -> list[str]:
        """Why this tape is not ready: not sent, or not followed. Plain attributes only."""
        role, why = self._last.get("role", "starting"), self._last.get("why", "")
        if role in ("sender", "mirror") and not why:
            return []
        return [f"{self.name}: {role}{': ' if why else ''}{why}"]

    def detail(self) -> str:
        return f"{self.name} {self._last.get('role', 'starting')} seq={self._last.get('seq', 0)}"
