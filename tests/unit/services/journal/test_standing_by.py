"""Beside a copy nothing is published, and after a takeover nothing is left out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.journal import standing_by
from services.journal.standing_by import until_copied, until_ours
from tapewire.consumers import ConsumerPosition
from tapewire.logs import configure
from tapewire.tape import TapeFrames, TapeMirror, TapeReader, TapeWriter
from tests.tapes import trade

NAME = "orders.0"
RECORDS = 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "a" / NAME, NAME, helper=False) as tape:
        for _ in range(RECORDS):
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
        position = ConsumerPosition(source, "journal.publisher")
        assert await until_ours(tape, position, asyncio.Event(), configure("journal"))
        assert position.seq == 0


async def test_beside_a_copy_it_waits_and_its_position_follows(copy: Path) -> None:
    stop, position = asyncio.Event(), ConsumerPosition(copy, "journal.publisher")
    with TapeReader(copy) as tape:
        waiting = asyncio.create_task(until_ours(tape, position, stop, configure("journal")))
        await asyncio.sleep(standing_by.LOOK_EVERY_S * (standing_by.BEHIND + 3))
        assert not waiting.done()
        assert position.seq == RECORDS
        stop.set()
        assert not await waiting


async def test_a_position_is_not_moved_before_it_is_old(copy: Path) -> None:
    stop, position = asyncio.Event(), ConsumerPosition(copy, "journal.publisher")
    with TapeReader(copy) as tape:
        waiting = asyncio.create_task(until_ours(tape, position, stop, configure("journal")))
        await asyncio.sleep(standing_by.LOOK_EVERY_S * 2)
        stop.set()
        assert not await waiting
        assert position.seq == 0


async def test_who_is_taken_over_stops(copy: Path) -> None:
    stop = asyncio.Event()
    with TapeReader(copy) as tape:
        await asyncio.wait_for(until_copied(tape, stop, configure("journal")), 5)
        assert stop.is_set()
