"""Commands on their way to the engine: their records are on the API's tape, and as durable as they are to be, first.

    add ──▶ gathered in one turn of the loop ──▶ tape committed ──▶ (one fdatasync) ──▶ ring ──▶ one ring of the bell

While one group is made durable, the next one gathers. What finds no room in the ring waits, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from services.api.tape import ApiTape
from tapewire.errors import RingError, TapeError
from tapewire.ring import RingProducer


class Ring(NamedTuple):
    """One of our rings at the engine."""

    producer: RingProducer
    source: int


Command = tuple[Ring, bytes]


class Outgoing:
    """On the loop's thread."""

    def __init__(self, tape: ApiTape, sent: Callable[[], None]) -> None:
        """`sent` is called when commands went into a ring."""
        self._tape, self._sent = tape, sent
        self._gathered: list[Command] = []
        self._unsecured: list[Command] = []
        self._secure = asyncio.Event()
        self._backlog: deque[Command] = deque()
        self._failure: Exception | None = None

    @property
    def waiting(self) -> int:
        """Commands that are in no ring yet."""
        return len(self._gathered) + len(self._unsecured) + len(self._backlog)

    def add(self, ring: Ring, raw: bytes) -> None:
        """A command whose record was appended."""
        self._gathered.append((ring, raw))
        if len(self._gathered) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def tick(self) -> None:
        """Puts what waits for room into its ring. Raises what went wrong since the last call: TapeError, RingError."""
        if self._failure is not None:
            raise self._failure
        if self._backlog:
            commands = list(self._backlog)
            self._backlog.clear()
            self._enter(commands)

    async def run(self) -> None:
        """Makes records durable, until it is cancelled. Raises TapeError, RingError."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "api sync") as pool:
            while True:
                await self._secure.wait()
                self._secure.clear()
                commands, self._unsecured = self._unsecured, []
                await loop.run_in_executor(pool, self._tape.secure)
                self._enter(commands)

    def _flush(self) -> None:
        commands, self._gathered = self._gathered, []
        try:
            self._tape.commit()
            if self._tape.durable:
                self._unsecured += commands
                self._secure.set()
            else:
                self._enter(commands)
        except (TapeError, RingError) as error:  # raised by `tick`: nobody waits for this callback
            self._failure = error

    def _enter(self, commands: Sequence[Command]) -> None:
        for ring, group in groupby(commands, itemgetter(0)):
            raws = [raw for _, raw in group]
            done = 0 if self._backlog else ring.producer.write_many(raws)
            self._backlog.extend((ring, raw) for raw in raws[done:])
        self._sent()
