"""Tasks in the background: held, counted, and what they raise is told once."""

from __future__ import annotations

import asyncio
import gc

import click
import pytest

from tapewire.errors import TransportError
from tapewire.lifecycle import Background, main


def test_what_a_task_raises_is_told_and_a_cancelled_one_is_no_failure() -> None:
    told: list[str] = []

    async def fail(why: str) -> None:
        raise ValueError(why)

    async def main() -> None:
        tasks = Background(lambda error: told.append(f"all: {error}"))
        tasks.begin(fail("one"))
        tasks.begin(fail("two"), lambda error: told.append(f"own: {error}"))
        tasks.begin(asyncio.sleep(60))
        assert len(tasks) == 3
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(tasks) == 1
        tasks.cancel()
        await tasks.ended()
        await asyncio.sleep(0)
        assert len(tasks) == 0

    asyncio.run(main())
    assert told == ["all: one", "own: two"]


def test_a_task_that_nobody_holds_is_not_collected_under_way() -> None:
    done: list[int] = []

    async def wait_long() -> None:
        # A future that only this task refers to: loop, task and future would be a cycle that nothing holds.
        future: asyncio.Future[None] = asyncio.Future()
        asyncio.get_running_loop().call_later(0.02, lambda: future.set_result(None))
        await future
        done.append(1)

    async def main() -> None:
        tasks = Background(lambda error: None)
        tasks.begin(wait_long())
        await asyncio.sleep(0)
        gc.collect()
        await tasks.ended(30.0)

    asyncio.run(main())
    assert done == [1]


def test_the_wait_for_the_end_has_a_limit() -> None:
    async def main() -> None:
        tasks = Background(lambda error: None)
        await tasks.ended()
        tasks.begin(asyncio.sleep(60))
        await tasks.ended(0.01)
        assert len(tasks) == 1
        tasks.cancel()

    asyncio.run(main())


ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}


def raising(error: Exception) -> click.Command:
    """What ends by it, whatever the command line of these tests is."""

    def callback() -> None:
        raise error

    return click.Command("one", callback=callback, context_settings=ANY_ARGUMENTS)


def test_what_tasks_side_by_side_raised_is_one_line() -> None:
    inner = ExceptionGroup("inner", [TransportError("the port is taken")])
    with pytest.raises(SystemExit) as ended:
        main(raising(ExceptionGroup("outer", [TransportError("no bus"), inner])), "service")
    assert ended.value.code == "service: no bus; the port is taken"


def test_a_fault_among_them_is_shown_whole() -> None:
    with pytest.raises(ExceptionGroup):
        main(raising(ExceptionGroup("outer", [TransportError("no bus"), ValueError("a fault")])), "service")
