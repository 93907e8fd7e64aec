"""Power loss, done to a real tape: what was not synced is lost, torn or kept, sector by sector, as a disk may."""

from __future__ import annotations

import random
from pathlib import Path

from tapewire.tape import TapeReader

SECTOR = 512  # bytes a disk writes whole or not at all
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def lose_power(tape: Path, pick: random.Random) -> int:
    """Rewrites the tape's files as a machine that lost power may find them; returns how many sectors were lost.

    No writer may have the tape open. What lies before the durable position stays, and the tape believes that the
    machine was started again since. Sectors behind it each keep what was written, or what they held before (zeros).
    """
    with TapeReader(tape, None, "written") as reader:
        durable = reader.positions.durable
    *sealed, last = sorted(tape.glob("*.seg"))
    base = sum(
        segment.stat().st_size for segment in sealed
    )  # a segment is sealed by a sync, before the next one is named
    raw = bytearray(last.read_bytes())
    lost = _tear(raw, max(durable - base, SECTOR), pick)  # its header, in the first sector, was synced, too
    last.write_bytes(raw)
    _reboot(tape / "control")
    return lost


def _tear(raw: bytearray, synced: int, pick: random.Random) -> int:
    """Each sector from byte `synced` on keeps its bytes or goes back to zeros."""
    used = len(raw.rstrip(b"\0"))
    lost = 0
    chance = pick.random()
    for sector in range(synced // SECTOR, -(-used // SECTOR)):
        if pick.random() < chance:
            start = max(sector * SECTOR, synced)
            raw[start : (sector + 1) * SECTOR] = bytes((sector + 1) * SECTOR - start)
            lost += 1
    return lost


def _reboot(control: Path) -> None:
    """Makes the control page that of an earlier boot."""
    identity = bytes.fromhex(BOOT_ID.read_text().strip().replace("-", ""))
    raw = control.read_bytes()
    for this_boot in (identity, identity[:8][::-1] + identity[8:][::-1]):
        if this_boot in raw:
            control.write_bytes(raw.replace(this_boot, bytes(b ^ 0xFF for b in this_boot)))
            return
    raise AssertionError(f"{control}: the boot id was not found; its layout has changed")
