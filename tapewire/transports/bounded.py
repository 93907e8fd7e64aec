"""Work that ends in time, also where it is deaf to being cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

CANCEL_EVERY_S: Final = 0.1


async def within(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Runs `work`; after `seconds` cancels it until it has ended, and raises TimeoutError.

    `asyncio.wait_for` cancels once and waits: of CPython 3.11, it may itself swallow that when it is cancelled in the
    moment in which what it waits for is done. nats-py connects by such, in a loop of attempts, and who waited for it
    waited for as long as those went on, deaf to SIGTERM.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        late = not task.done()
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_EVERY_S)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told of it later
    if late:
        raise TimeoutError
    task.result()
