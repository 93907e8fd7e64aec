"""The loop is woken when the tape goes on: soon, once for each time it asked, and never after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from services.api.hub.waiter import WAIT_S, Waiter
from tapewire.tape import TapeReader, TapeWriter
from tests.tapes import trade


class Woken:
    """Counts, and lets be waited for."""

    def __init__(self) -> None:
        self.times = 0
        self.came = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.came.set()


def append(writer: TapeWriter, count: int = 1) -> None:
    for _ in range(count):
        writer.append(trade(writer.next_seq))
        writer.commit()


Act = Callable[[TapeWriter, Waiter, Woken], Awaitable[None]]
LONG_S = 60.0
"""So long that whoever is woken before it was woken by the tape."""


def with_waiter(folder: Path, act: Act, wait_s: float = LONG_S) -> None:
    async def main() -> None:
        with TapeWriter(folder / "orders.0", durability="memory") as writer:
            woken = Woken()
            waiter = Waiter(writer.path, woken, wait_s)
            try:
                await act(writer, waiter, woken)
            finally:
                waiter.close()
            times = woken.times
            append(writer)
            await asyncio.sleep(0.01)
            assert woken.times == times, "woken after the end"

    asyncio.run(main())


def test_it_wakes_when_a_record_is_released_and_not_before(tmp_path: Path) -> None:
    async def act(writer: TapeWriter, waiter: Waiter, woken: Woken) -> None:
        for _ in range(20):
            woken.came.clear()
            waiter.ask(writer.positions.released)
            await asyncio.sleep(0.002)
            assert not woken.came.is_set()
            append(writer)
            await asyncio.wait_for(woken.came.wait(), LONG_S / 2)
        assert woken.times == 20

    with_waiter(tmp_path, act)


def test_what_is_there_already_wakes_at_once(tmp_path: Path) -> None:
    async def act(writer: TapeWriter, waiter: Waiter, woken: Woken) -> None:
        before = writer.positions.released
        append(writer)
        waiter.ask(before)
        await asyncio.wait_for(woken.came.wait(), LONG_S / 2)

    with_waiter(tmp_path, act)


def test_a_busy_tape_wakes_once_for_each_time_it_is_asked(tmp_path: Path) -> None:
    async def act(writer: TapeWriter, waiter: Waiter, woken: Woken) -> None:
        for _ in range(3):
            waiter.ask(writer.positions.released)
        append(writer, 1_000)
        await woken.came.wait()
        append(writer, 1_000)
        await asyncio.sleep(0.01)
        assert woken.times == 1

    with_waiter(tmp_path, act)


def test_it_wakes_by_time_where_the_position_is_never_reached(tmp_path: Path) -> None:
    async def act(writer: TapeWriter, waiter: Waiter, woken: Woken) -> None:
        waiter.ask(1 << 40)  # of a tape that has lost its tail
        await asyncio.wait_for(woken.came.wait(), LONG_S / 2)

    with_waiter(tmp_path, act, WAIT_S)


def test_another_reader_of_the_tape_may_be_closed_meanwhile(tmp_path: Path) -> None:
    async def act(writer: TapeWriter, waiter: Waiter, woken: Woken) -> None:
        append(writer)
        with TapeReader(writer.path) as reader:
            reader.poll()
            waiter.ask(reader.position)
        append(writer)
        await asyncio.wait_for(woken.came.wait(), LONG_S / 2)

    with_waiter(tmp_path, act)
