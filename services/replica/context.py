"""What the parts of a replica share of one tape: where it is, who we are, what is said about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.replica.stream import Stream
from tapewire.config import Replica
from tapewire.errors import TapeError, TapeFull, TransportError
from tapewire.logs import Logger
from tapewire.replication import host as hosts
from tapewire.replication import known as knowing
from tapewire.replication import state as states
from tapewire.replication.known import Known
from tapewire.replication.part import Part
from tapewire.replication.state import Role, State
from tapewire.tape import Stretch, TapeFrames
from tapewire.transports.nats import NatsTransport

SAY_EVERY_NS = 250_000_000
RETRY_S = 0.5
"""Between two tries of what the bus, or a tape that is not there yet, did not let be done."""
KEEP_EVERY_NS = 5_000_000_000
"""How old what is kept of the stream may be: it is synced, and no answer waits for it."""
BACK_FOR_S = 3.0
"""A new leader of a cluster may say less than it holds, for a moment: for so long the stream must have gone back."""


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
    _newest: tuple[str, int, Part, bytes, int] | None = None
    """The newest message that is known to be stored, as it came; its digest is made when it is asked for."""
    _known: Known | None = None
    kept: Known | None = None
    """What of it is durable."""
    _kept_at: int = 0
    _loaded: bool = False
    _silent: bool = False
    """What is said finds no room."""

    @property
    def name(self) -> str:
        return self.tape.name

    # -- what is known of the stream

    @property
    def known(self) -> Known | None:
        """Raises TapeError where what was kept does not hold."""
        if not self._loaded:
            if not hosts.renewal_asked(self.tape):
                self._known = self.kept = hosts.known_of(self.tape)
            self._loaded = True
        if self._newest is not None:
            self._known, self._newest = knowing.known(*self._newest), None
        return self._known

    def stored(self, created: str, sequence: int, part: Part, frames: bytes, *, ours: bool = True) -> None:
        """The stream holds this message, as it says, and it is the newest that this host knows of. `ours`: our tape is
        what the stream holds, up to the message's end."""
        held = part.end
        if not ours:
            before = self.known
            held = before.held if before is not None else 0
        self._loaded = True
        self._newest = (created, sequence, part, frames, held)

    async def keep_known(self) -> None:
        """Durably, before anything is done that rests on it. Raises TapeFull, TapeError."""
        if not self._loaded:
            return
        self._kept_at = self.now()
        known = self.known
        if known is not None and known != self.kept:
            await asyncio.to_thread(hosts.keep_known, self.tape, known)
            self.kept = known

    async def refresh_known(self, every_ns: int = KEEP_EVERY_NS) -> None:
        """The same now and then, for what nothing rests on yet: it may be older than what the stream holds, and so a
        disk without room ends nothing. Raises TapeError.
        """
        if self.now() - self._kept_at < every_ns:
            return
        try:
            await self.keep_known()
        except TapeFull as error:
            self.log.warning("known_not_kept", tape=self.name, reason=str(error))

    def forget_known(self) -> None:
        """Somebody has looked: the stream is taken as it is."""
        hosts.forget_known(self.tape)
        self._known = self.kept = self._newest = None

    async def went_back(self) -> str:
        """Why the stream is not the one that this host knows, empty: it is. Raises TransportError."""
        known = self.known
        if known is None:
            return ""
        info = await self.stream.info()
        if info is None:
            return "it is gone"
        held = await self.stream.get(known.sequence) if info.first <= known.sequence <= info.last else None
        digest = knowing.digest(held.part, held.frames) if held is not None else None
        return knowing.went_back(known, info.created, info.first, info.last, digest)

    async def once_there(self, stop: asyncio.Event, begin: Callable[[], Awaitable[None]]) -> None:
        """Begins to listen as soon as the bus is there, or leaves it at `stop`."""
        while not stop.is_set():
            try:
                return await begin()
            except TransportError as error:
                self.say("waiting", why=str(error))
                await asyncio.sleep(RETRY_S)

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
        now = self.now()
        if not at_once and role == self._last.get("role") and now - self._said < SAY_EVERY_NS:
            return
        if role != self._last.get("role"):
            self.log.info("role", tape=self.name, role=role, **({"why": more["why"]} if more.get("why") else {}))
        self._said, self._last = now, {"role": role, **more}
        state = State(tape=self.name, host=self.host, role=role, at=self.clock(), reconnects=self.reconnects, **more)
        try:
            states.write(self.tape, state)
        except TapeError as error:
            # The tape goes on; who reads the old state sees that it is old.
            if not self._silent:
                self.log.warning("state_not_written", tape=self.name, reason=str(error))
            self._silent = True
        else:
            self._silent = False

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
