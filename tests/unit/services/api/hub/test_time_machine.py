"""The time machine's process: bounded questions, and one that does not answer is replaced."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.api.hub.errors import Busy, PastError, Superseded, TooOld
from services.api.hub.frames import Settings
from services.api.hub.time_machine import CLIENTS, TimeMachine
from tapewire import logs
from tests.stopped import stop
from tests.unit.services.api.hub.test_past import played, written


def machine_on(tape: Path) -> TimeMachine:
    settings = Settings(str(tape), "demo", {}, ["house"], every=100, pictures=8, pictures_bytes=1 << 30)
    return TimeMachine(settings, logs.get("api"), 30.0)


async def test_no_more_clients_wait_than_there_is_room_for(tmp_path: Path) -> None:
    machine = machine_on(tmp_path)  # it does not run
    waiting = [asyncio.create_task(machine.as_of(1, f"client {number}", None)) for number in range(CLIENTS)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match=f"{CLIENTS} clients wait"):
        await machine.as_of(1, "one too many", None)
    newer = asyncio.create_task(machine.as_of(2, "client 0", None))  # takes its own place
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.sleep(0)
    another = asyncio.create_task(machine.as_of(1, "another", None))  # and this that of one who went away
    await asyncio.sleep(0)
    await machine.close()
    ended = await asyncio.gather(*waiting, newer, another, return_exceptions=True)
    assert isinstance(ended[0], Superseded)
    assert isinstance(ended[1], asyncio.CancelledError)
    assert all(type(one) is PastError for one in ended[2:])


async def test_a_process_that_does_not_answer_in_time_is_replaced(tmp_path: Path) -> None:
    records = played(3, 200)
    written(tmp_path, records)
    machine = machine_on(tmp_path)
    machine.start()
    assert (await machine.as_of(len(records), "slider", None)).seq == len(records)
    silent = machine.pid
    assert silent is not None
    stop(silent)
    machine._timeout_s = 0.5  # this answer does not come, however long one waits
    with pytest.raises(TimeoutError, match=r"record 7: not shown within 0\.5 s"):
        await machine.as_of(7, "slider", None)
    machine._timeout_s = 30.0
    assert (await machine.as_of(7, "slider", None)).seq == 7
    assert machine.pid != silent
    with pytest.raises(TooOld):
        await machine.as_of(0, "slider", None)
    await machine.close()
    assert machine.pid is None
