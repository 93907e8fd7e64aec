"""Reads that our own folds answer, and, where they cannot, the cache: the fold wins wherever there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from services.api.desk import Response
from services.api.http.call import Call
from services.api.problems import Problem

HOUSE: Final = "house"


def starting() -> Problem:
    """What is answered while the tape is being read, and nobody else knows."""
    return Problem(503, "the tape is still being read", reason="starting", headers={"Retry-After": "1"})


async def nothing() -> None:
    """What no cache knows."""


async def from_fold(
    call: Call, local: Callable[[], Struct], cached: Callable[[], Awaitable[Struct | None]], feed: str
) -> Response:
    """Raises LookupError if neither knows it, Problem (503) if the fold is not there yet."""
    api = call.api
    found = await cached() if (asked := api.starting) else None
    if api.starting:  # still: while the cache was asked, the fold may have come up to date
        if found is None:
            raise starting()
        return Response(200, found)
    try:
        return Response(200, local())
    except LookupError:
        # Of the house market the fold of its tape knows all there is.
        if feed == HOUSE:
            raise
        found = found if asked else await cached()
        if found is None:
            raise
        return Response(200, found)
