"""Beside a copy nothing is published, and after a takeover nothing is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from services.journal import standing_by
from services.journal.checkpoint import Checkpoint
from services.journal.standing_by import until_copied, until_ours
from tapewire import consumers, snapshots
from tapewire import messages as m
from tapewire.house import HouseMarket
from tapewire.logs import configure
from tapewire.tape import TapeFrames, TapeMirror, TapeReader, TapeWriter
from tests.tapes import trade

NAME = "orders.0"
RECORDS = 40
EPOCH = 3
LOG = configure("journal")
LOOK_EVERY_S = 0.01


async def waits(tape: TapeReader, checkpoint: Checkpoint, stop: asyncio.Event, every: int = 0) -> bool:
    return await until_ours(tape, checkpoint, "t", every, stop, LOG, LOOK_EVERY_S)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(LOOK_EVERY_S)


def published(tape: Path) -> int:
    return consumers.positions(tape)["journal.publisher"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "a" / NAME, NAME, helper=False) as tape:
        tape.append(bytes(m.EpochStarted(seq=tape.next_seq, epoch=EPOCH)))
        for _ in range(RECORDS - 1):
            tape.append(trade(tape.next_seq))
            tape.commit()
    return tmp_path / "a" / NAME


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    frames, mirror = TapeFrames(source), TapeMirror(tmp_path / "b" / NAME, NAME)
    frames.seek(0)
    while stretch := frames.read(1 << 20):
        mirror.apply(stretch.frames)
        mirror.commit(stretch.whole, stretch.whole_seq, 1)
    mirror.close()
    return tmp_path / "b" / NAME


async def test_the_writers_own_tape_is_published_at_once(source: Path) -> None:
    with TapeReader(source) as tape:
        assert await waits(tape, Checkpoint(source, LOG), asyncio.Event())
        assert published(source) == 0


async def test_beside_a_copy_it_waits_and_its_position_follows_with_the_epoch(copy: Path) -> None:
    # Without it the publisher would take the first epoch on the tape for a later one, and publish all of it again.
    stop, checkpoint = asyncio.Event(), Checkpoint(copy, LOG)
    with TapeReader(copy) as tape:
        waiting = asyncio.create_task(waits(tape, checkpoint, stop))
        await until(lambda: checkpoint.published.seq > 0)
        assert not waiting.done()
        assert (checkpoint.published.seq, checkpoint.published.epoch) == (RECORDS, EPOCH)
        stop.set()
        assert not await waiting


async def test_beside_a_copy_snapshots_are_kept_so_that_retention_goes_on_there(copy: Path) -> None:
    stop, checkpoint = asyncio.Event(), Checkpoint(copy, LOG)
    with TapeReader(copy) as tape:
        waiting = asyncio.create_task(waits(tape, checkpoint, stop, every=RECORDS // 2))
        await until(lambda: consumers.positions(copy).get("journal.publisher.restart") == RECORDS)
        stop.set()
        assert not await waiting
    market = HouseMarket("t")
    with TapeReader(copy) as tape:
        for raw in tape.poll(RECORDS):
            market.fold(raw)
    market.settle()
    assert [one.name for one in snapshots.folder(copy / "publisher").iterdir()] == [f"{RECORDS:020d}.snap"]
    assert consumers.positions(copy)["journal.publisher.restart"] == RECORDS
    assert checkpoint.restore("t", RECORDS).state() == market.state()


async def test_a_position_is_not_moved_before_it_is_old(copy: Path) -> None:
    stop = asyncio.Event()
    with TapeReader(copy) as tape:
        waiting = asyncio.create_task(waits(tape, Checkpoint(copy, LOG), stop))
        # It looks no more often than this sleeps: not often enough, however late either comes.
        for _ in range(standing_by.BEHIND // 2):
            await asyncio.sleep(LOOK_EVERY_S)
        stop.set()
        assert not await waiting
        assert published(copy) == 0


async def test_who_is_taken_over_stops(copy: Path) -> None:
    stop = asyncio.Event()
    with TapeReader(copy) as tape:
        await asyncio.wait_for(until_copied(tape, stop, configure("journal")), 30)
        assert stop.is_set()
