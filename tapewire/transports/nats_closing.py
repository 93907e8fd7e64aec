"""The end of nats-py's connection, also where it ends in the middle of coming back."""

from __future__ import annotations

import asyncio
from typing import Final

from nats.aio.client import Client

from tapewire import logs

TRIES: Final = 50
AGAIN_S: Final = 0.03
"""No multiple of the wait between two attempts to connect: the next cancellation meets another turn of theirs."""


async def close(client: Client, log: logs.Logger, url: str) -> None:
    """Closes it and ends its attempts to come back. `url`: as it may be shown.

    nats-py cancels its reconnecting once. An attempt that is refused in that turn of the loop loses the cancellation
    (asyncio.wait_for before Python 3.12), and tries for ever: so it is cancelled until it ends, and what it connected
    meanwhile is closed.
    """
    for _ in range(TRIES):
        await _close_once(client, log, url)
        trying = client._reconnection_task
        if trying is None or trying is asyncio.current_task() or (trying.done() and client.is_closed):
            return
        trying.cancel()
        await asyncio.wait((trying,), timeout=AGAIN_S)
    log.error("reconnecting_goes_on", url=url, tries=TRIES)


async def _close_once(client: Client, log: logs.Logger, url: str) -> None:
    """nats-py that is closed as it begins to reconnect cancels its own task, with it the socket's end that this waits
    for, and then waits for that itself: who closes would be told of a cancellation that nobody asked for."""
    try:
        await client.close()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        log.debug("closed_while_reconnecting", url=url)
