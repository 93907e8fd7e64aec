"""What a service says about itself: starting, ready, degraded or draining, and why; alive as long as it turns."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson

from tapewire.config import Config
from tapewire.health.listener import Listener

Reasons = Callable[[], Sequence[str]]
"""Why not, one sentence each; none: it is. Called on the thread of the listener, and must not wait for anything."""

REMEMBERED_S: Final = 0.1
"""What was found is the answer for so long: however often somebody asks, the service is not looked at more often."""
LOOP_BEAT_S: Final = 0.5
ROOM_MIN: Final = 1 << 20
"""Bytes that must be left where the data is: below it nothing that a client sends can be kept for sure."""
REASONS_MAX: Final = 16
REASON_CHARACTERS_MAX: Final = 300


def _good() -> Sequence[str]:
    return ()


class Pulse:
    """Something that turns: `beat` in every turn, from the one thread that turns. A beat costs under 0.1 µs."""

    def __init__(self, name: str, stalled_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`stalled_after`: seconds without a beat from which on it counts as stopped."""
        self._name, self._stalled_after, self._clock = name, stalled_after, clock
        self._last = clock()

    def beat(self) -> None:
        self._last = self._clock()

    def reasons(self) -> list[str]:
        quiet = self._clock() - self._last
        if quiet <= self._stalled_after:
            return []
        return [f"{self._name}: no turn for {quiet:.1f} s; expected one within {self._stalled_after:g} s"]


class Health:
    """The state of one service, and the listener that tells it. Made by `serve`."""

    def __init__(
        self,
        service: str,
        stalled_after: float,
        clock: Callable[[], float] = time.monotonic,
        room: Reasons = _good,
    ) -> None:
        """`room`: what the disk lacks, asked besides whatever else makes the service not ready."""
        self.service, self._room = service, room
        self._stalled_after, self._clock = stalled_after, clock
        self._live: Reasons = _good
        self._ready: Reasons | None = None
        self._detail: Callable[[], str] = str
        self._pulses: list[Pulse] = []
        self._was_ready = self._draining = False
        self._beating: asyncio.TimerHandle | None = None
        self._found: dict[str, tuple[float, int, bytes]] = {}
        self._lock = threading.Lock()
        self.listener: Listener | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Of the listener for probes from outside; 0: there is none."""
        return 0 if self.listener is None else self.listener.port

    def check(
        self, *, live: Reasons | None = None, ready: Reasons | None = None, detail: Callable[[], str] | None = None
    ) -> None:
        """From now on these say how it is; what is left out stays. `detail`: a line of figures, for people.

        Until the first `ready` is given the service is starting.
        """
        self._live = live or self._live
        self._ready = ready or self._ready
        self._detail = detail or self._detail
        self._found = {}

    def pulse(self, name: str) -> Pulse:
        """Something that must turn for the service to be alive."""
        pulse = Pulse(name, self._stalled_after, self._clock)
        self._pulses.append(pulse)
        return pulse

    def forget(self, pulse: Pulse) -> None:
        """It was made by `pulse`, and turns no more: what it did is over."""
        self._pulses = [one for one in self._pulses if one is not pulse]

    def watch_loop(self, stop: asyncio.Event) -> None:
        """The running event loop must turn for the service to be alive; once `stop` is set it drains."""
        pulse, loop = self.pulse("event loop"), asyncio.get_running_loop()

        def beat() -> None:
            pulse.beat()
            if stop.is_set():
                self.drain()
            self._beating = loop.call_later(LOOP_BEAT_S, beat)

        beat()

    def drain(self) -> None:
        """It ends: not ready any more, whatever else holds, and alive until it is gone. Safe in a signal handler."""
        self._draining = True
        self._found = {}

    def draining(self, stop: Callable[[], object]) -> Callable[[], None]:
        """`drain`, and then `stop`: what a signal calls."""

        def ask() -> None:
            self.drain()
            stop()

        return ask

    def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        if self.listener is not None:
            self.listener.close()

    def answer(self, path: str) -> tuple[int, bytes] | None:
        """HTTP status and JSON for /live or /ready; None: there is no such path. Any thread may ask."""
        if path not in ("/live", "/ready"):
            return None
        with self._lock:
            now = self._clock()
            known = self._found  # another takes its place when something was told meanwhile
            held = known.get(path)
            if held is None or now - held[0] > REMEMBERED_S:
                held = known[path] = (now, *self._look(path))
        return held[1], held[2]

    def _look(self, path: str) -> tuple[int, bytes]:
        dead = [reason for pulse in self._pulses for reason in pulse.reasons()] + _asked(self._live)
        reasons = dead if path == "/live" else dead + self._unready()
        state = self._state(not reasons) if path == "/ready" else "live" if not reasons else "stalled"
        told = {
            "service": self.service,
            "ok": not reasons,
            "state": state,
            "reasons": [reason[:REASON_CHARACTERS_MAX] for reason in reasons[:REASONS_MAX]],
            "detail": _figures(self._detail),
            "pid": os.getpid(),
        }
        return 503 if reasons else 200, orjson.dumps(told)

    def _unready(self) -> list[str]:
        if self._draining:
            return ["draining: it was asked to stop"]
        if self._ready is None:
            return ["starting: it has not recovered yet"]
        return _asked(self._ready) + _asked(self._room)

    def _state(self, ready: bool) -> str:
        if self._draining:
            return "draining"
        if ready:
            self._was_ready = True
            return "ready"
        return "degraded" if self._was_ready else "starting"


def _asked(reasons: Reasons) -> list[str]:
    """What a check says. One that fails is a reason itself: nobody knows then how the service is."""
    try:
        return list(reasons())
    except Exception as error:  # noqa: BLE001 - told to whoever asks, and the thread goes on answering
        return [f"its own check failed: {type(error).__name__}: {error}"]


def no_room(folder: Path) -> list[str]:
    """Why nothing more can be kept in that folder."""
    found = os.statvfs(folder)
    left = found.f_bavail * found.f_frsize
    return [] if left >= ROOM_MIN else [f"{folder}: the disk is full, {left} bytes are left. Make room"]


def _figures(detail: Callable[[], str]) -> str:
    try:
        return detail()
    except Exception as error:  # noqa: BLE001 - as for checks
        return f"no figures: {type(error).__name__}: {error}"


def serve(settings: Config, service: str, *, live: Reasons | None = None, ready: Reasons | None = None) -> Health:
    """Begins to answer for `service` (as in `<env>.ops.health.<service>`): on its socket, and on [health] port if set.

    Raises ConfigError where that cannot be listened on.
    """
    own = settings.health
    told = Health(service, own.stalled_after, room=lambda: no_room(settings.data))
    told.check(live=live, ready=ready)
    told.listener = Listener(settings.folders.health / service, own.address, own.port, told.answer)
    told.listener.start()
    return told
