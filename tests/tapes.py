"""What tests of the tape share: messages to put on it, and hands that reach into its files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapewire import messages as m

BOOT_AT = 128 + 16  # of the boot id in the control page: see control.hpp
SMALL = 4096  # bytes of the smallest segment
HEADER_FRAME = 216  # bytes of a segment's first frame

_kill = m.KillSwitch.encoder("seq", "ts", "account")
_trade = m.Trade.encoder("seq", "ts", "price", "qty", ticker="BTCUSDT", price_exponent=-2)


def kill(seq: int) -> bytes:
    """96 bytes, a frame of 112."""
    return _kill(seq, seq * 10, seq % 1000)


def trade(seq: int) -> bytes:
    """152 bytes, a frame of 168."""
    return _trade(seq, seq * 10, 6_400_000 + seq, seq % 97 + 1)


def refused(seq: int, note: str) -> bytes:
    """A message as long as `note` makes it."""
    return bytes(m.KillSwitch(seq=seq, ts=seq * 10, account=seq % 1000, reason=note))


def any_record(seq: int) -> bytes:
    """A message whose kind and length depend on its seq alone."""
    kinds = (kill, trade, lambda s: refused(s, "x" * (s * 37 % 900)))
    return kinds[seq % 3](seq)


def segments(tape: Path) -> list[Path]:
    return sorted(tape.glob("*.seg"))


def after_reboot(tape: Path) -> None:
    """What the control page looks like to a host that was started anew."""
    with (tape / "control").open("r+b") as file:
        file.seek(BOOT_AT)
        file.write(b"\x11" * 16)


@contextmanager
def in_memory_folder() -> Iterator[Path]:
    """A folder in shared memory where there is one: for thousands of tapes whose syncs do not matter."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="tapewire-test-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
