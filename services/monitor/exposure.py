"""How much of its limit each account uses: the orders tape folded beside the engine, as the API does for its screens.

It begins with the newest picture the API left beside the tape, else with record 1; where neither is to be had, it says
so and tells nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Final

from tapewire import snapshots
from tapewire.config import Config
from tapewire.errors import EngineStopped, TapeError, TapeGone, WireError
from tapewire.logs import Logger
from tapewire.metrics.samples import Reading
from tapewire.tape import TapeReader
from tapewire.views import Views

BATCH: Final = 64
TURN_NS: Final = 4_000_000
"""How long the loop is held at a time."""
SLEEP_S: Final = 0.25
RETRY_S: Final = 30.0
PICTURES: Final = "views"
DIGEST: Final = 32
"""A picture is the SHA-256 of its last record, then the state of Views."""


class Exposure:
    """A part of the monitor. Costs some 20 µs of CPU a record."""

    def __init__(self, settings: Config, log: Logger) -> None:
        self._tape = settings.folders.orders_tape(settings.engine.shard)
        self._shard, self._log = str(settings.engine.shard), log
        self._used: dict[int, float] = {}

    def put(self, reading: Reading) -> None:
        """What is known by now. From any thread."""
        for account, used in self._used.items():
            reading.put("tapewire_risk_limit_used_ratio", used, self._shard, str(account))

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the tape until `stop`. What keeps it from that is logged, and tried again after a while."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except (TapeError, EngineStopped) as error:
                self._used = {}
                self._log.warning("exposure is not told", error=str(error), again_in_s=RETRY_S)
                await _sleep(stop, RETRY_S)

    async def _follow(self, stop: asyncio.Event) -> None:
        views, begin = newest(self._tape)
        views.quiet = True
        with TapeReader(self._tape, from_seq=begin, limit="released") as reader:
            while not stop.is_set():
                ended, until = False, time.monotonic_ns() + TURN_NS
                while not ended and time.monotonic_ns() < until:
                    raws = reader.poll(BATCH)
                    for raw in raws:
                        views.fold(raw)
                    ended = not raws
                if ended:
                    self._used = used(views)
                    await _sleep(stop, SLEEP_S)
                else:
                    await asyncio.sleep(0)


def newest(tape: Path) -> tuple[Views, int]:
    """A fold, and the record that it goes on with. Raises TapeError."""
    with TapeReader(tape, from_seq=None, limit="released") as reader:
        first, last = reader.first_seq, reader.positions.released_seq
        for kept in snapshots.newest(tape / PICTURES, last):
            if isinstance(kept, snapshots.Snapshot) and kept.seq >= first:
                reader.seek_seq(kept.seq)
                raw = next(iter(reader.poll(1)), b"")
                if hashlib.sha256(raw).digest() == kept.state[:DIGEST]:
                    try:
                        return Views.restored("monitor", kept.state[DIGEST:]), kept.seq + 1
                    except WireError:  # of another version of the fold
                        continue
    if first > 1:
        raise TapeGone(f"{tape}: begins with record {first}, and no picture of the API stands for what came before")
    return Views("monitor"), 1


def used(views: Views) -> dict[int, float]:
    """By account with a limit: the largest share, over its instruments, of what it could come to hold."""
    found: dict[int, float] = {}
    for account, limits in views.limits.items():
        if limits.max_position:
            reaches = (
                max(one.net + one.open_buy, one.open_sell - one.net, 0) for one in views.holdings_of.get(account, ())
            )
            found[account] = max(reaches, default=0) / limits.max_position
    return found


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    """So long, or until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
