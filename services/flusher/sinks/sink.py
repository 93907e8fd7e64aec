"""Drives one target and all tapes it follows: one process, one task; a batch commits while the next is prepared.

    open ─▶ every tape: resume, judge, fold ─▶ gather, prepare, commit … ──SIGTERM──▶ what is gathered commits, end
      ▲                                              │ TargetError
      └────────── pause, longer each time ◀──────────┘

A tape that cannot be followed stops alone and is looked at again every RETRY_S; a target that is away stops all of
them. Nobody else notices either: tapes are only read, and retention waits for `keep` at most.
"""

from __future__ import annotations

import asyncio
import fnmatch
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.flusher.sinks.backoff import Backoff
from services.flusher.sinks.follower import Follower, Lost, Waits
from services.flusher.sinks.status import STOPPED, State, Teller
from services.flusher.sinks.target import Batch, Committed, Renewal, Target
from tapewire.config import Sink as Settings
from tapewire.errors import SinkError, TapeError, TargetError, WireError
from tapewire.tape import inspect

LOOK_S: Final = 0.01  # between two looks at tapes where nothing is due
RETRY_S: Final = 2.0  # how long a tape that cannot be followed, or is not there yet, is left alone
UPKEEP_S: Final = 60.0
RATE_S: Final = 5.0  # what the rate is an average of, about
CONSUMER: Final = "sink."
PROMISE: Final = "Nothing is lost; it is tried again"


class Rebuild(NamedTuple):
    """What `--from` asks for: a seq, or a time (UTC ns); of one tape, or (empty) of all."""

    seq: int = 0
    ts: int = 0
    tape: str = ""


class _Rate:
    """Records a second, as an average that forgets."""

    def __init__(self, now: float) -> None:
        self.value, self._at, self._count = 0.0, now, 0

    def add(self, count: int) -> None:
        self._count += count

    def look(self, now: float) -> int:
        if (passed := now - self._at) >= 1.0:
            share = min(1.0, passed / RATE_S)
            self.value += share * (self._count / passed - self.value)
            self._at, self._count = now, 0
        return round(self.value)


def wanted(tapes: Path, patterns: Iterable[str]) -> list[Path]:
    """The tapes there are of those that the patterns name."""
    return [
        folder
        for folder in inspect.tapes(tapes)
        if any(fnmatch.fnmatchcase(folder.name, pattern) for pattern in patterns)
    ]


class Sink:
    """`name` is the sink's in settings, pages and consumers of tapes. `now` gives UTC ns; `believed`, too, and records'
    age is measured by it: a clock that runs ahead for a moment must not let go of what the store has not taken."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        tapes: Path,
        target: Target,
        teller: Teller,
        *,
        rebuild: Rebuild | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], int] = time.time_ns,
        believed: Callable[[], int] = time.time_ns,
    ) -> None:
        self._name, self._settings, self._tapes = name, settings, tapes
        self._target, self._teller, self._now, self._believed = target, teller, now, believed
        self._backoff = backoff or Backoff(settings.retry_max)
        self._rebuild, self._rebuilt = rebuild, set[str]()
        self._followers: dict[str, Follower] = {}
        self._rates: dict[str, _Rate] = {}
        self._retry_at: dict[str, float] = {}
        self._look_at = self._upkeep_at = self._status_at = 0.0
        self._committing: asyncio.Task[Committed] | None = None
        self._in_flight: tuple[Batch, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop` is set, then commits what was gathered. Raises SinkError if `--from` cannot be done."""
        while not stop.is_set():
            try:
                renewal: Renewal | None = await self._within(self._target.open())
                if renewal is None or await self._renewed(renewal, stop):
                    await self._follow(stop)
            except TargetError as error:
                self._failed(error)
            finally:
                await self._let_go()
            if not stop.is_set():
                self._mind_tapes()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._backoff.pause())
        self._teller.sink(State.waiting, STOPPED, self._now())

    async def _within(self, doing: Any) -> Any:
        """What the target does, given up after `timeout`. Raises TargetError."""
        try:
            return await asyncio.wait_for(doing, self._settings.timeout)
        except TimeoutError:
            raise TargetError(
                f"{self._target.where}: no answer within {self._settings.timeout:g} s. Is it overloaded, locked by "
                f"another session, or the network slow?"
            ) from None

    async def _renewed(self, renewal: Renewal, stop: asyncio.Event) -> bool:
        """Waits for it however long it takes; False: `stop` came first, and it was given up. Raises TargetError."""
        text = f"{self._target.where}: {renewal.what}. It takes as long as there is in it; records wait on their tapes"
        self._teller.sink(State.waiting, text, self._now())
        doing, stopping = asyncio.ensure_future(renewal.do()), asyncio.ensure_future(stop.wait())
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (doing, stopping):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await doing
        return not stop.is_set()

    def _failed(self, error: TargetError) -> None:
        text = str(error)
        self._teller.sink(State.waiting, f"{text}{'' if text[-1:] in '.?' else '.'} {PROMISE}", self._now())
        self._teller.failed()
        for name in self._followers:
            self._teller.page(name).set("state", State.waiting)

    def _mind_tapes(self) -> None:
        """While the target is away: how far behind it falls, and no tape is kept back longer than `keep`."""
        for folder in self._wanted():
            try:
                with self._follower(folder) as follower:
                    page = self._teller.page(folder.name)
                    page.set("lag", max(0, follower.released - page.counter("seq")))
                    self._bound(follower)
            except TapeError as error:
                self._teller.tape(folder.name, State.stopped, str(error), self._now())

    def _bound(self, follower: Follower) -> None:
        if self._settings.keep:
            follower.let_go_before(self._believed() - int(self._settings.keep * 1e9))

    def _wanted(self) -> list[Path]:
        return wanted(self._tapes, self._settings.tapes)

    def _follower(self, folder: Path) -> Follower:
        settings = self._settings
        wait_ns = int(settings.batch_wait * 1e9)
        return Follower(folder.name, folder, f"{CONSUMER}{self._name}", settings.batch_records, wait_ns)

    async def _let_go(self) -> None:
        if self._committing is not None:
            self._committing.cancel()
            # Whether it was committed, the target says when it is opened again.
            await asyncio.wait({self._committing})
            if not self._committing.cancelled():
                self._committing.exception()
        self._committing = self._in_flight = None
        for follower in self._followers.values():
            follower.close()
        self._followers.clear()
        self._retry_at.clear()
        self._look_at = 0.0
        await self._target.close()

    # -- one connection's time

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._find_tapes(stop)
            worked = await self._turn(draining=False)
            if not worked and not any(follower.waiting for follower in self._followers.values()):
                self._works()
            await self._mind_the_rest()
            if not worked:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_S)
        await self._turn(draining=True)
        await self._settle()

    async def _find_tapes(self, stop: asyncio.Event) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + RETRY_S
        folders = self._wanted()
        if (asked := self._rebuild) and asked.tape and asked.tape not in {folder.name for folder in folders}:
            raise SinkError(
                f"--tape {asked.tape}: there is no such tape below {self._tapes} that this sink follows; it follows "
                f"{', '.join(folder.name for folder in folders) or 'none'}"
            )
        for folder in folders:
            name = folder.name
            if name not in self._followers and now >= self._retry_at.get(name, 0.0) and not stop.is_set():
                await self._begin(name, folder, stop)

    async def _begin(self, name: str, folder: Path, stop: asyncio.Event) -> None:
        """Takes a tape up where the target stands."""
        await self._settle()
        try:
            follower = self._follower(folder)
        except TapeError as error:
            self._stop_tape(name, State.stopped, str(error))
            return
        try:
            if await self._caught_up(follower, stop):
                self._followers[name] = follower
                self._rates.setdefault(name, _Rate(time.monotonic()))
                since = f"what stands is known from record {follower.known_from} on" if follower.known_from else ""
                self._teller.tape(name, State.running, since, self._now())
                self._tell_lag(name, follower)
        except TargetError:
            raise
        except (TapeError, SinkError) as error:
            self._stop_tape(name, State.stopped, str(error))
            if self._asked_for(name):
                raise SinkError(f"--from: {error}") from error
        finally:
            if name not in self._followers:
                follower.close()

    async def _caught_up(self, follower: Follower, stop: asyncio.Event) -> bool:
        """Whether the target is right about the tape and its state is as of its position."""
        name, target = follower.name, self._target
        if self._asked_for(name):
            assert self._rebuild is not None
            seq = self._rebuild.seq or follower.seq_at(self._rebuild.ts)
            position = follower.from_seq(seq)
            self._teller.tape(name, State.waiting, f"taking back everything from record {seq} on (--from)", self._now())
            await self._within_long(target.take_back(name, position))
            self._rebuilt.add(name)
        resume = await self._within(target.resume(name, follower.folder))
        found = follower.standing(resume)
        while isinstance(found, Lost):
            lost = f"records {found.position.seq + 1} to {resume.position.seq}"
            self._teller.tape(name, State.waiting, f"the tape lost {lost}: they are taken back", self._now())
            self._teller.page(name).add("losses")
            await self._within_long(target.take_back(name, found.position))
            resume = await self._within(target.resume(name, follower.folder))
            found = follower.standing(resume)
        if isinstance(found, Waits):
            self._stop_tape(name, State.waiting, found.reason)
            return False
        left = follower.go_on(resume)
        while left and not stop.is_set():
            records = follower.to_fold(left)
            if not records:
                raise SinkError(f"tape {follower.folder}: ended {left} records before record {resume.position.seq}")
            target.fold(name, records)
            left -= len(records)
            await asyncio.sleep(0)
        return not left

    async def _within_long(self, doing: Any) -> None:
        """A step that takes as long as there is to take back: only cutting the connection ends it."""
        await doing

    def _asked_for(self, name: str) -> bool:
        asked = self._rebuild
        return asked is not None and name not in self._rebuilt and asked.tape in ("", name)

    def _stop_tape(self, name: str, state: State, reason: str) -> None:
        self._retry_at[name] = time.monotonic() + RETRY_S
        self._teller.tape(name, state, reason, self._now())

    def _drop(self, name: str) -> None:
        self._followers.pop(name).close()
        self._look_at = 0.0

    # -- batches

    async def _turn(self, *, draining: bool) -> bool:
        """One look at every tape; whether anything was handed over."""
        worked = False
        for name, follower in list(self._followers.items()):
            try:
                if follower.taken_over():
                    # What was read may be of the lost tail: judged anew from what the target has.
                    self._drop(name)
                    continue
                while follower.read(time.monotonic_ns()):
                    await asyncio.sleep(0)  # the commit under way goes on: the store waits for its bytes
                if not follower.due(time.monotonic_ns()) and not (draining and follower.waiting):
                    continue
                if follower.taken_over():
                    self._drop(name)
                    continue
            except TapeError as error:
                self._drop(name)
                self._stop_tape(name, State.stopped, str(error))
                continue
            worked = True
            try:
                await self._hand_over(follower.batch())
            except TargetError:
                raise
            except (SinkError, WireError, TapeError) as error:  # nothing of this batch was handed over
                self._drop(name)
                self._stop_tape(name, State.stopped, f"tape {follower.folder}: {error}")
        if not worked:
            await self._settle()
        return worked

    async def _hand_over(self, batch: Batch) -> None:
        """Prepares the batch while the one before it commits, then begins its commit."""
        prepared = await self._target.prepare(batch)
        await self._settle()
        self._in_flight = (batch, time.monotonic_ns())
        self._committing = asyncio.ensure_future(self._within(self._target.commit(batch, prepared)))
        await asyncio.sleep(0)  # so that it is on its way before anything else is begun

    async def _settle(self) -> None:
        """Waits for the commit under way, and counts it. Raises TargetError."""
        if self._committing is None or self._in_flight is None:
            return
        batch, began = self._in_flight
        try:
            committed = await self._committing
        finally:
            self._committing = self._in_flight = None
        self._works()
        page = self._teller.page(batch.tape)
        page.histogram("commit").record(time.monotonic_ns() - began)
        page.add("records", len(batch.records))
        page.add("rows", committed.rows)
        page.add("commits")
        page.set("seq", batch.position.seq)
        self._rates[batch.tape].add(len(batch.records))
        if follower := self._followers.get(batch.tape):
            follower.hold(committed.hold)
            page.set("lag", max(0, follower.released - batch.position.seq))

    def _works(self) -> None:
        """The target took what there was: only now is it no longer what it failed at before."""
        self._backoff.reset()
        self._teller.sink(State.running, "", self._now())

    # -- what is done now and then

    async def _mind_the_rest(self) -> None:
        now = time.monotonic()
        if now >= self._status_at:
            self._status_at = now + 0.5
            for name, follower in self._followers.items():
                self._tell_lag(name, follower)
        if now >= self._upkeep_at:
            self._upkeep_at = now + UPKEEP_S
            for follower in self._followers.values():
                self._bound(follower)
            await self._settle()
            await self._within_long(self._target.upkeep())

    def _tell_lag(self, name: str, follower: Follower) -> None:
        page = self._teller.page(name)
        if rate := self._rates.get(name):
            page.set("rate", rate.look(time.monotonic()))
        stored = self._in_flight[0].before if self._in_flight and self._in_flight[0].tape == name else follower.position
        page.set("seq", stored.seq)
        page.set("lag", max(0, follower.released - stored.seq))
