"""What the monitor runs side by side: each part follows something of the platform until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol


class Part(Protocol):
    """One thing that the monitor does."""

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then finishes what it has begun. Never holds the loop for longer than 5 ms."""


async def run_all(parts: Sequence[Part], stop: asyncio.Event) -> None:
    """Runs all parts. When one ends with an error the others are stopped in order, and it is raised."""

    async def run(part: Part) -> None:
        try:
            await part.run(stop)
        finally:
            stop.set()

    done = await asyncio.gather(*(run(part) for part in parts), return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
