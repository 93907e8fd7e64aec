"""SIGTERM and Ctrl-C from the first moment on: a service that is asked to stop while it still starts, stops in order.

    hold()          first of all in a service's `__main__`, before imports that take their time: a signal ends them
    begin()         before anything is done that must be ended in order: from here on a signal is kept
    on_stop(ask)    once there is something to stop: `ask` is called at each signal, and at once if one was held

Before `hold` a signal ends the process as it always does; nothing was begun then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_held: list[int] = []


def hold() -> None:
    """From now on a signal ends the process at once, with status 0: imports on a busy machine take longer than who asks
    it to stop will wait. From the main thread."""
    for number in SIGNALS:
        signal.signal(number, _leave)


def begin() -> None:
    """From now on a signal is remembered until there is something to stop. From the main thread."""
    for number in SIGNALS:
        signal.signal(number, _hold)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)  # not by an exception: what is being imported may catch it


def _hold(number: int, frame: FrameType | None) -> None:
    _held.append(number)


def on_stop(ask: Callable[[], object]) -> None:
    """Calls `ask` at each signal, from the main thread; it may come more than once."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: ask())
    if asked():
        ask()


def asked() -> bool:
    """Whether a signal was held."""
    return bool(_held)
