"""What a sink says about itself: numbers on pages of statistics, words in a small file.

<data>/stats/sink.<name>            its state and failures; locked while it runs
<data>/stats/sink.<name>.<tape>     counters and the histogram `commit`, see COUNTERS
<data>/sinks/<name>.json            state and reason, of the sink and of each tape; replaced when they change
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path
from typing import Final

import msgspec

from tapewire.errors import StatsError
from tapewire.folders import Folders
from tapewire.histogram import StatsPage
from tapewire.logs import Logger

COUNTERS: Final = ("state", "seq", "lag", "records", "rows", "commits", "losses", "rate")
"""`state` as in State; `seq` the last record the target has; `lag` records released behind it; `rate` records a second
over the last seconds; the others since the start, `losses` being tails that the tape lost."""
SINK_COUNTERS: Final = ("state", "failures")
"""Of the sink itself: its state, and how often the target failed since the start."""
HISTOGRAMS: Final = ("commit",)
"""What one commit took, ns."""


STOPPED: Final = "stopped"


class State(IntEnum):
    waiting = 0
    """For the target, or for the tape's writer."""
    running = 1
    stopped = 2
    """The tape cannot be followed: the reason says what to do. It is looked at again now and then."""


class Told(msgspec.Struct, frozen=True):
    """`since`: UTC ns."""

    state: str
    reason: str
    since: int


class Words(msgspec.Struct):
    """The file of a sink."""

    name: str
    pid: int
    where: str
    sink: Told
    tapes: dict[str, Told]


def path_of(folders: Folders, name: str) -> Path:
    return folders.data / "sinks" / f"{name}.json"


def page_of(folders: Folders, name: str, tape: str) -> Path:
    return folders.stats / (f"sink.{name}.{tape}" if tape else f"sink.{name}")


def read(folders: Folders, name: str) -> Words | None:
    """What the sink said last, whether it runs or not; None: nothing, ever."""
    try:
        return msgspec.json.decode(path_of(folders, name).read_bytes(), type=Words)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def is_running(folders: Folders, name: str) -> bool:
    """Whether a process runs this sink: the page of the sink itself is locked while one lives."""
    try:
        return StatsPage.open(page_of(folders, name, "")).writer_alive
    except StatsError:
        return False


class Teller:
    """Says each change once: to the log, to the pages, to the file. `now` in UTC ns at each call."""

    def __init__(self, folders: Folders, name: str, where: str, log: Logger) -> None:
        """Raises StatsError if another process runs this sink."""
        self._folders, self._path, self._log = folders, path_of(folders, name), log
        self._words = Words(name, os.getpid(), where, Told(State.waiting.name, "starting", 0), {})
        self._pages: dict[str, StatsPage] = {}
        self._own = StatsPage.create(page_of(folders, name, ""), (), SINK_COUNTERS)

    def page(self, tape: str) -> StatsPage:
        if tape not in self._pages:
            path = page_of(self._folders, self._words.name, tape)
            self._pages[tape] = StatsPage.create(path, HISTOGRAMS, COUNTERS)
        return self._pages[tape]

    def sink(self, state: State, reason: str, now: int) -> None:
        self._own.set("state", state)
        if (state.name, reason) == (self._words.sink.state, self._words.sink.reason):
            return
        say = self._log.warning if reason else self._log.info
        say("sink", sink=self._words.name, state=state.name, reason=reason, target=self._words.where)
        self._words.sink = Told(state.name, reason, now)
        self._write()

    def tape(self, tape: str, state: State, reason: str, now: int) -> None:
        self.page(tape).set("state", state)
        told = self._words.tapes.get(tape)
        if told is not None and (state.name, reason) == (told.state, told.reason):
            return
        say = self._log.error if state is State.stopped else self._log.warning if reason else self._log.info
        say("tape", sink=self._words.name, tape=tape, state=state.name, reason=reason)
        self._words.tapes[tape] = Told(state.name, reason, now)
        self._write()

    def failed(self) -> None:
        """The target did, once more."""
        self._own.add("failures")

    def reasons(self) -> list[str]:
        """Why this sink is not ready; empty: it follows everything it is to follow."""
        told = [self._words.sink, *list(self._words.tapes.values())]
        return [one.reason or one.state for one in told if one.state != State.running.name]

    def _write(self) -> None:
        aside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(self._words), indent=1) + b"\n")
            os.replace(aside, self._path)
        except OSError as error:
            # The log has it, and the pages: a full disk here must not keep rows from a target that has room.
            self._log.warning("status_not_written", path=str(self._path), error=str(error))

    def close(self) -> None:
        for page in (self._own, *self._pages.values()):
            page.close()
