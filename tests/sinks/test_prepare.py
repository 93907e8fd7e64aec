"""A target that cannot prepare a batch since the tape no longer tells what it needs: that tape stops alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from services.flusher.sinks.sink import Sink
from services.flusher.sinks.status import Teller, read
from services.flusher.sinks.target import Batch, Committed, Mark, Position, Resume
from tapewire import logs
from tapewire.config import KafkaSink
from tapewire.folders import Folders
from tapewire.tape import TapeReader, TapeWriter, crc32c
from tests.tapes import SMALL, kill, segments


class LooksBack:
    """Keeps what it is given, and reads the tape's first record again for each batch, as Kafka's does a command's."""

    where = "a list"

    def __init__(self) -> None:
        self.stored: dict[str, Position] = {}
        self.folders: dict[str, Path] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def resume(self, tape: str, folder: Path) -> Resume:
        self.folders[tape] = folder
        position = self.stored.get(tape, Position())
        return Resume(position, position.seq, position.seq)

    async def positions(self) -> dict[str, Position]:
        return self.stored

    def fold(self, tape: str, records: list[bytes]) -> None:
        """It has no state of its own."""

    async def prepare(self, batch: Batch) -> None:
        with TapeReader(self.folders[batch.tape], None) as reader:
            reader.seek_seq(1)

    async def commit(self, batch: Batch, prepared: Any) -> Committed:
        self.stored[batch.tape] = batch.position
        return Committed(len(batch.records), batch.position.seq)

    async def take_back(self, tape: str, position: Position) -> None:
        self.stored[tape] = position

    async def upkeep(self) -> None:
        """Nothing to clean up."""

    async def close(self) -> None:
        """Nothing to let go."""


async def test_a_record_that_is_gone_when_a_batch_is_prepared_stops_its_tape_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "data")
    folders.prepare(tmp_path / "rings")
    for name in ("orders.0", "orders.1"):
        with TapeWriter(folders.tapes / name, segment_bytes=SMALL) as writer:
            writer.append_many(kill(seq) for seq in range(1, 101))
    target = LooksBack()
    target.stored["orders.0"] = Position(50, (Mark(50, crc32c(kill(50))),), 1)
    segments(folders.tapes / "orders.0")[0].unlink()
    teller = Teller(folders, "list", target.where, logs.get("test"))
    stop = asyncio.Event()
    settings = KafkaSink(url="127.0.0.1:1", tapes=("orders.*",), batch_wait=0.01)
    task = asyncio.ensure_future(Sink("list", settings, folders.tapes, target, teller).run(stop))
    try:
        async with asyncio.timeout(5):
            while target.stored.get("orders.1", Position()).seq < 100:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.02)
        told = read(folders, "list")
    finally:
        stop.set()
        await asyncio.wait({task})
        teller.close()
    assert task.exception() is None
    assert told is not None
    assert (told.tapes["orders.0"].state, told.tapes["orders.1"].state) == ("stopped", "running")
    assert "removed by retention" in told.tapes["orders.0"].reason
