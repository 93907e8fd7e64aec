"""An API that starts for the first time where retention has been."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import structlog

from services.api.hub import Hub
from tapewire import consumers
from tapewire import messages as m
from tapewire.config import load
from tapewire.errors import TapeGone
from tapewire.tape import TapeWriter, retention


async def test_a_pruned_tape_without_a_picture_of_ours_is_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = load(None, {"TAPEWIRE_DATA": str(tmp_path / "data"), "TAPEWIRE_RINGS": str(tmp_path / "rings")})
    settings.folders.prepare(settings.rings)
    tape = settings.folders.orders_tape(0)
    with TapeWriter(tape, tape.name, 1 << 16) as writer:
        for _ in range(2000):
            writer.append(bytes(m.AdvanceClock(seq=writer.next_seq)))
        writer.commit()
    consumers.restore(tape, "engine", 2000, 0)
    assert retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), 1 << 62))
    hub = Hub(settings, None, structlog.get_logger(), time.time_ns)
    with pytest.raises(TapeGone, match=r"Put `views` and `consumers` of a backup below the tape's folder"):
        await hub.start()
    await hub.close()
