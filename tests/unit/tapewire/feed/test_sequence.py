"""Where a feed's numbering continues, also where nobody knows yet how much of the tape a power loss has left."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tapewire import logs
from tapewire.feed import sequence
from tapewire.ring import RingProducer, create_ring
from tapewire.tape import TapeReader, TapeWriter
from tests.tapes import after_reboot, kill

LOG = logs.get("connector")


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "ring"
    create_ring(path, 1 << 16)
    return path


def of_a_power_loss(tape: Path) -> None:
    """40 records are durable, 50 reached the disk, nobody closed it."""
    living = tape.with_name("living")
    with TapeWriter(living, "t", durability="memory") as writer:
        writer.append_many(kill(seq) for seq in range(1, 41))
        writer.commit()
        writer.sync()
        writer.append_many(kill(seq) for seq in range(41, 51))
        writer.commit()
        shutil.copytree(living, tape)
    after_reboot(tape)


async def test_after_a_power_loss_no_number_is_given_before_the_flusher_has_recovered_the_tape(
    tmp_path: Path, ring: Path
) -> None:
    tape = tmp_path / "md"
    of_a_power_loss(tape)
    with TapeReader(tape, from_seq=None) as reader:
        assert (reader.settled, reader.positions.written_seq) == (False, 40)
    asked = asyncio.create_task(sequence.first_seq(ring, tape, LOG, asyncio.Event()))
    await asyncio.sleep(3 * sequence.LOOK_EVERY_S)
    assert not asked.done()
    with TapeWriter(tape, "t") as flusher:
        assert flusher.next_seq == 51
        assert await asyncio.wait_for(asked, 30) == 51


async def test_whoever_is_stopped_meanwhile_gets_none(tmp_path: Path, ring: Path) -> None:
    of_a_power_loss(tmp_path / "md")
    stop = asyncio.Event()
    stop.set()
    assert await sequence.first_seq(ring, tmp_path / "md", LOG, stop) is None


async def test_it_goes_on_behind_ring_and_tape(tmp_path: Path, ring: Path) -> None:
    tape, stop = tmp_path / "md", asyncio.Event()
    assert await sequence.first_seq(ring, tape, LOG, stop) == 1
    with TapeWriter(tape, "t") as writer:
        writer.append_many(kill(seq) for seq in range(1, 8))
        writer.commit()
        assert await sequence.first_seq(ring, tape, LOG, stop) == 8
    after_reboot(tape)  # closed before: nothing is open
    assert await sequence.first_seq(ring, tape, LOG, stop) == 8
    with RingProducer(ring) as producer:
        producer.write(kill(11))
        assert await sequence.first_seq(ring, tape, LOG, stop) == 12
