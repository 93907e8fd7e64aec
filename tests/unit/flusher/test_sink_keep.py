"""How long a sink whose store is away holds records back, by a clock that may be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from services.flusher.sinks.sink import CONSUMER, Sink
from services.flusher.sinks.status import Teller
from services.flusher.sinks.target import Target
from tapewire import consumers, logs
from tapewire import messages as m
from tapewire.believed_clock import HOUR_NS, Believed, Sight
from tapewire.config import PostgresSink
from tapewire.errors import TargetError
from tapewire.folders import Folders
from tapewire.tape import TapeWriter

DAY_NS = 24 * HOUR_NS
START = 20_000 * DAY_NS
RECORDS = 10


class Away:
    """A store that cannot be reached."""

    where = "nowhere"

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    async def open(self) -> None:
        asyncio.get_running_loop().call_later(0.02, self._stop.set)
        raise TargetError("nowhere: cannot be reached")

    async def close(self) -> None:
        pass


def let_go(folder: Path, believed: Callable[[], int]) -> int:
    """Up to which record a sink that keeps a day lets go of a tape whose records are an hour apart from START on."""
    folders = Folders(folder)
    folders.prepare(folder / "memory")
    tape = folders.tape("orders.0")
    with TapeWriter(tape, name=tape.name, durability="memory") as writer:
        for seq in range(1, RECORDS + 1):
            writer.append(bytes(m.KillSwitch(seq=seq, ts=START + seq * HOUR_NS, account=1)))
        writer.commit()

    async def run() -> None:
        stop = asyncio.Event()
        teller = Teller(folders, "postgres", "nowhere", logs.get("sink"))
        target = cast(Target, Away(stop))
        settings = PostgresSink(keep=DAY_NS / 1e9)
        try:
            await Sink("postgres", settings, folders.tapes, target, teller, believed=believed).run(stop)
        finally:
            teller.close()

    asyncio.run(run())
    return consumers.positions(tape)[f"{CONSUMER}postgres"]


def at(hours: float, ahead_days: float = 0.0) -> Sight:
    return Sight(START + int(hours * HOUR_NS + ahead_days * DAY_NS), int(hours * HOUR_NS), "boot")


def test_what_is_older_than_it_keeps_is_let_go(tmp_path: Path) -> None:
    assert let_go(tmp_path, lambda: START + DAY_NS + 5 * HOUR_NS + 1) == 5


def test_a_clock_that_runs_ahead_for_a_moment_lets_nothing_go(tmp_path: Path) -> None:
    looks = iter([at(10)])
    believed = Believed(tmp_path / "clock", lambda: next(looks, at(11, ahead_days=400)))
    assert believed.now_ns() == at(10).wall_ns
    assert let_go(tmp_path, believed.now_ns) == 0
