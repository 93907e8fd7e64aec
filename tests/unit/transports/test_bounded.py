"""Work that is to end in time, of kinds that do not want to."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.transports.bounded import within


async def deaf(times: int, ended: list[int]) -> None:
    """Swallows its first `times` cancellations."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if len(ended) == times:
                raise
            ended.append(1)


def test_work_that_swallows_its_cancellation_is_ended_all_the_same() -> None:
    ended: list[int] = []
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(within(deaf(2, ended), 0.01), 10))
    assert len(ended) == 2


def test_who_is_cancelled_meanwhile_takes_the_work_along() -> None:
    async def world() -> bool:
        ended: list[int] = []
        waiting = asyncio.create_task(within(deaf(1, ended), 60))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=10)
        return waiting.cancelled() and len(asyncio.all_tasks()) == 1

    assert asyncio.run(world())


def test_what_work_raises_in_time_is_raised() -> None:
    async def refused() -> None:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(ConnectionRefusedError, match="nobody there"):
        asyncio.run(within(refused(), 10))


def test_work_that_is_done_in_time_is_done() -> None:
    asyncio.run(within(asyncio.sleep(0), 10))
