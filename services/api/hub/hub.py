"""What the API knows of the platform: the fold of the orders tape, venues' markets, health; and who is told.

    orders tape ──poll, ≤ SLICE_S of the loop──▶ Views ──▶ taps (records) ─▶ listeners (events)
    router's tape ─────────────────────────────▶ Parents ────────────────────────┤
    bus ── feeds, health ──────────────────────▶ Venues, Services ───────────────┤
    clock ── beats of state, latency, feeds, services ───────────────────────────┘

The fold begins at the newest picture that the time machine's process took. If the tape loses its tail, it begins anew.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Sequence

from services.api import platform
from services.api.hub import past
from services.api.hub.answers import Answers
from services.api.hub.errors import TailLost
from services.api.hub.events import Event
from services.api.hub.follower import Follower
from services.api.hub.frames import Requests, Settings
from services.api.hub.observed import Stages, TapeWatch, feeds, types
from services.api.hub.parents import Parents
from services.api.hub.pictures import PICTURES, PICTURES_BYTES, Pictures
from services.api.hub.telling import Telling
from services.api.hub.time_machine import TimeMachine
from services.api.hub.venues import Venues
from services.api.types import AsOf
from tapewire import messages as m
from tapewire.config import Config
from tapewire.consumers import ConsumerPosition
from tapewire.errors import SubjectError, TapeError, TapeGone, WireError
from tapewire.interfaces import Received, Transport
from tapewire.logs import Logger
from tapewire.subjects import Subject
from tapewire.views import Views

SLICE_S = 0.003  # of the loop at a time
BATCH = 16  # records between two looks at the time
BUSY_S, IDLE_S = 0.001, 0.005  # between two looks at a tape that stands still; idle: nothing came for a second
READY_WITHIN = 1_000  # records
PARENTS_BATCH = 512
SPARED_EVERY = 5_000  # records folded between two times that the collector is told to leave them alone
CONSUMER = "api.views"
BEATS = {"state": 0.25, "feeds": 0.5, "latency": 1.0, "services": 1.0}  # seconds between two events
VENUE_KINDS = ("trade", "quote", "book", "status")
"""What of a venue's market is followed on the bus."""
_LOST = "the tape lost its tail"

Listener = Callable[[Event], None]
Tap = Callable[[Sequence[bytes], bool], None]


class Hub(Answers):
    """Everything is called on the event loop's thread. `now` gives UTC ns."""

    def __init__(
        self,
        config: Config,
        transport: Transport | None,
        log: Logger,
        now: Callable[[], int],
        requests: Requests | None = None,
    ) -> None:
        """`transport` is connected by whoever made it; without one, venues and health stay empty. `requests`: whose
        outcomes the process that folds the past keeps."""
        folders, shard = config.folders, config.engine.shard
        self._tape = folders.orders_tape(shard)
        producers = {number: one.name for number, one in enumerate(config.engine.producers, start=1)}
        super().__init__(
            Views(config.env),
            Venues(list(config.feeds)),
            self._tape,
            Parents(folders.router_tape(config.router.number)),
            producers,
            now,
        )
        self._config, self._transport, self._log = config, transport, log
        self._pictures = Pictures(self._tape, config.env, log)
        self._watch = TapeWatch(self._tape, self._pictures, CONSUMER)
        self._stages = Stages(folders.stats, shard)
        self._telling = Telling(self)
        self._taps: list[Tap] = []
        self.lost: Callable[[], object] = lambda: None
        """Called when the tape has lost its tail, and all was folded anew: taps were told what is no longer true."""
        self._follower: Follower[Views] | None = None
        self._position: ConsumerPosition | None = None
        self._last_came = 0.0
        self._spared_at = 0
        self._half = False
        """Whether the last command taken in may have more events, which are there already."""
        self._machine = TimeMachine(
            Settings(
                tape=str(self._tape.absolute()),
                env=config.env,
                producers=producers,
                feeds=["house"],
                every=config.api.snapshot_every,
                pictures=PICTURES,
                pictures_bytes=PICTURES_BYTES,
                requests=requests,
            ),
            log,
        )

    # -- running

    async def start(self) -> None:
        """Folds what is on the tape, then returns; starts the time machine and listens to the bus.

        Raises TapeMissing (the engine has not made its tape yet), TapeGone (retention removed records that neither a
        picture nor a snapshot stands for), TapeError, EngineStopped.
        """
        self._position = ConsumerPosition(self._tape, CONSUMER)
        try:
            await self._begin()
        except TapeGone as error:
            raise TapeGone(
                f"{error}. The API builds orders and positions from the first record on, from a picture that an API "
                f"took or from a snapshot of the engine, and finds none that the tape goes on from. Put `views` or "
                f"`snapshots` of a backup below the tape's folder"
            ) from error
        self._machine.start()
        if self._transport is not None:
            for feed in self.venues.feeds:
                for kind in VENUE_KINDS:
                    await self._transport.subscribe(f"{self._config.env}.{feed}.{kind}.*", self._hear)
            await self._transport.subscribe(f"{self._config.env}.ops.health.*", self._hear_health)

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the tape until `stop`. Raises TapeError, EngineStopped: the process ends, and recovers by replay."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(stop))
            tasks.create_task(self._follow_parents(stop))
            tasks.create_task(self._beat(stop))

    async def close(self) -> None:
        """Ends the time machine's process, lets the tapes go."""
        await self._machine.close()
        self._store_position()
        for one in (self._follower, self._parents, self._position):
            if one is not None:
                one.close()

    @property
    def ready(self) -> bool:
        """Whether everything on the tape has been taken in, up to READY_WITHIN records."""
        follower = self._follower
        return follower is not None and follower.reader.positions.released_seq - self.seq <= READY_WITHIN

    @property
    def past_pid(self) -> int | None:
        """The process that folds the past, while one runs."""
        return self._machine.pid

    @property
    def seq(self) -> int:
        """The last record of the orders tape taken in."""
        return self.views.at_seq

    @property
    def position(self) -> int:
        """Up to where the orders tape was taken in, in bytes."""
        return self._follower.reader.position if self._follower is not None else 0

    # -- telling

    def listen(self, callback: Listener, channels: Iterable[str]) -> Callable[[], None]:
        """Calls `callback` for each event of these channels; what is returned ends it. A callback must not raise."""
        return self._telling.listen(callback, channels)

    def tap(self, callback: Tap) -> Callable[[], None]:
        """Calls `callback(records, ended)` once per batch of the orders tape, after all of it was folded and before
        listeners are told; `ended`: nothing more is there now, and the last command is whole. What is returned ends it.
        """
        self._taps.append(callback)
        return lambda: self._taps.remove(callback)

    def poll(self) -> bool:
        """Takes in what is on the tape now, for at most SLICE_S. Whether there is more.

        For whoever has just put something on the way and waits for it. Raises TapeError, EngineStopped.
        """
        follower = self._follower
        if follower is None:
            return False
        until = time.perf_counter() + SLICE_S
        while True:
            try:
                records = follower.poll(BATCH)
            except TailLost as error:
                self._log.error("tape_lost_its_tail", reason=str(error))
                follower.close()
                self._follower = None
                return False
            ended = not follower.reader.lag
            if records or self._half:
                self._take(follower, records, ended or not records)
            if ended or not records:
                return False
            if time.perf_counter() > until:
                return True

    # -- platform

    def state(self) -> platform.TapeState:
        """Raises TapeError while the tape is being looked for anew."""
        if self._follower is None:
            raise TapeError(f"{self._tape}: {_LOST}, and is folded anew")
        return self._watch.shown(self._follower.reader, self.views, self._rates.per_second())

    def feeds(self) -> platform.Feeds:
        rates = self._rates.per_second()
        listed = self.views.house.tickers
        books = {ticker: book.quality.name for ticker in sorted(listed) if (book := self.views.house.book(ticker))}
        state = "live" if self.ready else "resync"
        own = platform.Feed(state, state, 0, 0, 0, rates.get("all", 0.0), books, last_ts=str(self.views.ts))
        return feeds(self.venues, self._feed_rates.per_second(), own)

    async def as_of(self, seq: int, client: str, accounts: Iterable[int] | None = None) -> AsOf:
        """All as it was right after record `seq`. A newer request of the same `client` ends this one (Superseded).

        Raises TooOld, BeyondEnd (both LookupError, with what can be asked for), Superseded, Busy, TimeoutError.
        """
        return await self._machine.as_of(seq, client, accounts)

    # -- the orders tape

    async def _begin(self) -> None:
        """Folds all that is released, from the newest picture on, a slice at a time and without telling anybody."""
        began = time.perf_counter()
        gc.disable()  # it would walk again and again through what only grows, and makes this many times slower
        try:
            follower = await asyncio.to_thread(past.begin, self._tape, self._config.env, self._log)
            views = follower.views
            from_seq, views.quiet = views.at_seq, True
            try:
                await self._catch_up(follower)
            except TapeError:
                follower.close()
                raise
        finally:
            gc.enable()
        views.settle()
        views.quiet = False
        self.views, self._follower, self._half = views, follower, False
        self._spare_collector()
        self._rates.clear()
        seconds = round(time.perf_counter() - began, 3)
        known = {"known_from": views.known_from} if views.known_from else {}
        self._log.info("views_folded", picture=from_seq, seq=views.at_seq, seconds=seconds, **known)

    def _spare_collector(self) -> None:
        """What was folded lives on, and has no cycles: a full collection need not walk through all orders, which would
        hold the loop for tens of milliseconds. Orders are freed as ever when nothing refers to them."""
        gc.collect(1)
        gc.freeze()
        self._spared_at = self.seq

    async def _catch_up(self, follower: Follower[Views]) -> None:
        views = follower.views
        while True:
            until = time.perf_counter() + SLICE_S
            while time.perf_counter() < until:
                records = follower.poll(BATCH)
                for raw in records:
                    views.fold(raw)
                if records:
                    follower.last = records[-1]
                if len(records) < BATCH:
                    return
            await asyncio.sleep(0)

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._follower is None:
                await self._begin()
                self._telling.reset(self.seq)
                self.lost()
            more = self.poll()
            idle = time.monotonic() - self._last_came > 1.0
            await asyncio.sleep(0 if more else IDLE_S if idle else BUSY_S)

    def _take(self, follower: Follower[Views], records: list[bytes], ended: bool) -> None:
        views, telling = self.views, self._telling
        for raw in records:
            telling.changed(views.fold(raw), raw, views.at_seq)
        follower.last = records[-1] if records else follower.last
        self._half = not ended
        if ended:
            # The released end, where no command is half there: what it changed need not wait for the next.
            telling.changed(views.settle(), b"", views.at_seq)
        self._last_came = time.monotonic()
        if views.at_seq - self._spared_at > SPARED_EVERY:
            self._spare_collector()
        for tap in list(self._taps):
            tap(records, ended)
        telling.deliver()

    def _store_position(self) -> None:
        if self._position is not None and self._follower is not None:
            # The engine takes it back when it finds that the tape has lost its tail.
            self._position.load()
            self._position.store(self.seq, self._follower.reader.epoch)

    # -- everything else

    def tap_parents(self, callback: Callable[[m.Message], object]) -> None:
        """Calls `callback` with each record of the router's tape about parents, once it is folded; one may."""
        self._parents.tap = callback

    def poll_parents(self) -> bool:
        """Takes in a batch of what is on the router's tape; whether that is all of it now. Raises TapeError."""
        _, parents = self._parents.poll(PARENTS_BATCH)
        self._telling.parents(parents)
        return self._parents.current

    async def _follow_parents(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(0.02 if self.poll_parents() else 0)

    async def _beat(self, stop: asyncio.Event) -> None:
        due = dict.fromkeys(BEATS, 0.0)
        connected = True
        while not stop.is_set():
            now = time.monotonic()
            self._rates.sample(self._now(), types(self.views) | {"all": sum(self.views.counts)})
            self._feed_rates.sample(self._now(), {name: feed.messages for name, feed in self.venues.feeds.items()})
            if self._transport is not None:
                if connected and not self._transport.connected:
                    self.venues.lose()
                connected = self._transport.connected
            for channel, every in BEATS.items():
                if now >= due[channel]:
                    due[channel] = now + every
                    self._telling.beat(channel, self.seq)
                    if channel == "services":
                        self._store_position()
            await asyncio.sleep(min(BEATS.values()))

    def _hear(self, received: Received) -> None:
        try:
            at, record = Subject.parse(received.subject), m.decode(received.data)
        except (SubjectError, WireError) as error:
            # Anybody with the right to publish there could send it: it is counted, and must not end the service.
            self.venues.refused[type(error).__name__] += 1
            return
        self._telling.venue(at.feed, self.venues.tell(at, record))

    def _hear_health(self, received: Received) -> None:
        try:
            self._services.hear(m.decode(received.data))
        except WireError as error:
            self.venues.refused[type(error).__name__] += 1
