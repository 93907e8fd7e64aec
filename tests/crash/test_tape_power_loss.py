"""Power loss, simulated on the tape's files: sectors that were not durable are lost or torn, in any combination.

After it, the tape opens, holds at least every durable record, is a prefix of what was appended, and never garbage.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tapewire.tape import TapeReader, Writer
from tests.tapes import HEADER_FRAME, after_reboot, any_record, in_memory_folder, segments

SECTOR = 512
SEGMENT = 16384


def lose_power(tape: Path, pick: random.Random, durable: int) -> None:
    """Of the bytes at and past position `durable`, each sector reached the disk whole, in part, or not at all."""
    base = (len(segments(tape)) - 1) * SEGMENT  # rotation seals: only the last segment can hold what is not durable,
    durable = max(durable, base + HEADER_FRAME)  # and its header was synced before it got its name
    path = segments(tape)[-1]
    image = bytearray(path.read_bytes())
    loses = pick.choice((0.1, 0.5, 0.9))
    for sector in range((durable - base) // SECTOR, SEGMENT // SECTOR):
        if pick.random() < loses:
            start = max(sector * SECTOR, durable - base)
            end = (sector + 1) * SECTOR
            keep = pick.randint(0, end - start) if pick.random() < 0.3 else 0
            image[start + keep : end] = bytes(end - start - keep)
    path.write_bytes(image)
    after_reboot(tape)


def write_for_a_while(tape: Path, pick: random.Random, durability: str, control_pages: list[bytes]) -> int:
    """Ends between any two steps of a commit. Returns the position up to which all was synced by then."""
    with Writer(tape, "t", SEGMENT, durability) as writer:
        for _ in range(pick.randint(1, 25)):
            for _ in range(pick.randint(1, 20)):
                writer.append(any_record(writer.next_seq))
            steps = [writer.write, writer.sync_batch, writer.publish]
            done = pick.randint(0, 3) if pick.random() < 0.1 else 3
            for step in steps[:done]:
                step()
            if done < 3:
                break
            if durability == "memory" and pick.random() < 0.3:
                writer.sync()
            if pick.random() < 0.3:
                control_pages.append((tape / "control").read_bytes())
        durable = writer.positions.durable
        writer.abandon()
    return durable


@pytest.mark.parametrize("durability", ["memory", "disk"])
@pytest.mark.parametrize("seed", range(60))
def test_every_durable_record_survives_and_nothing_else_than_a_prefix(seed: int, durability: str) -> None:
    pick = random.Random(seed)
    with in_memory_folder() as folder:
        tape, durable_seq = folder / "t", 0
        control_pages: list[bytes] = []
        for _ in range(4):
            durable = write_for_a_while(tape, pick, durability, control_pages)
            with TapeReader(tape, limit="durable") as reader:
                durable_seq = reader.positions.durable_seq
            if pick.random() < 0.4 and control_pages:
                (tape / "control").write_bytes(pick.choice(control_pages))  # an older page is what reached the disk
            lose_power(tape, pick, durable)
            with Writer(tape) as writer:
                last = writer.recovery.last_seq
            held = list(TapeReader(tape))
            assert last >= durable_seq
            assert held == [any_record(seq) for seq in range(1, last + 1)]
