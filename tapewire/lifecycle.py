"""How a service on the event loop starts, does things beside, and ends cleanly on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import click

from tapewire import stopping
from tapewire.advice import advised
from tapewire.errors import TapewireError
from tapewire.interfaces import Transport

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine on uvloop until it ends."""
    import uvloop

    return uvloop.run(main)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. Call it inside the loop; a second signal changes nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stopping.SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if stopping.asked():  # while it started
        stop.set()
    return stop


Failed = Callable[[BaseException], object]


class Background:
    """Tasks that nobody awaits. Each is held until it ends, as the loop alone would let it be collected under way; what
    one raises is told."""

    def __init__(self, failed: Failed) -> None:
        """`failed` is called on the loop with what a task raised; to be cancelled is no failure."""
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Tasks under way."""
        return len(self._tasks)

    def begin(self, work: Coroutine[Any, Any, None], failed: Failed | None = None) -> None:
        """Starts `work`; `failed`: told instead of the one for all."""
        told = failed or self._failed

        def finished(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                told(error)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(finished)

    def cancel(self) -> None:
        """Ends all that is under way."""
        for task in list(self._tasks):
            task.cancel()

    async def ended(self, timeout_s: float | None = None) -> None:
        """Returns when what is under way now has ended, or the time is over."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)


@asynccontextmanager
async def draining(transport: Transport) -> AsyncIterator[asyncio.Event]:
    """Connects, and drains when the block ends: `async with draining(transport) as stop: await stop.wait()`."""
    stop = stop_on_signals()
    await transport.connect()
    try:
        yield stop
    finally:
        await transport.drain()


def main(command: click.Command, name: str) -> NoReturn:
    """What a service's `__main__` ends with: runs its command; an error of ours is one line and exit status 1.

    Its first lines hold signals (`tapewire.stopping`); the command asks for them by `stop_on_signals` or `on_stop`.
    """
    stopping.begin()
    try:
        command.main(prog_name=name, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TapewireError as error:
        if os.environ.get("TAPEWIRE_DEBUG"):
            raise
        sys.exit(f"{name}: {advised(error)}")
    except ExceptionGroup as group:  # what tasks side by side raised
        ours, others = group.split(TapewireError)
        if ours is None or others is not None or os.environ.get("TAPEWIRE_DEBUG"):
            raise
        sys.exit(f"{name}: {'; '.join(map(advised, leaves(ours)))}")
    sys.exit(0)


def leaves(group: ExceptionGroup[TapewireError]) -> list[TapewireError]:
    """What a group holds, groups within it opened."""
    found: list[TapewireError] = []
    for one in group.exceptions:
        found += leaves(one) if isinstance(one, ExceptionGroup) else [one]
    return found
