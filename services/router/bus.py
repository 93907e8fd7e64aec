"""The router on NATS: hears the markets on a thread with an event loop of its own, and publishes how parents stand.

The router's own thread never waits for the bus: what it publishes waits in a bounded queue, the oldest going first when
that is full. The tape has everything.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable

from services.router.market_feed import MarketFeed
from tapewire import messages as m
from tapewire.errors import TransportError
from tapewire.interfaces import OnFailure, Received, Transport
from tapewire.logs import Logger
from tapewire.subjects import Subject, pattern, subject

OUTGOING_MAX = 65_536
LOOK_S = 0.005
"""Between two looks at what is to be published."""
SNAPSHOT_EVERY_S = 1.0
"""Between two questions for a book that is not known."""
KINDS = ("trade", "quote", "book", "status")
HOUSE = "house"
SERVICE = "router"


class Bus:
    """Runs a transport on a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        make: Callable[[OnFailure], Transport],
        feed: MarketFeed,
        env: str,
        wake: Callable[[], None],
        log: Logger,
        told_as: str = SERVICE,
    ):
        """`told_as`: the router's name in ServiceHealth."""
        self._told_as = told_as
        self._make, self._feed, self._env, self._wake, self._log = make, feed, env, wake, log
        self._outgoing: deque[tuple[str, bytes]] = deque(maxlen=OUTGOING_MAX)
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)

    def start(self, timeout_s: float = 10.0) -> None:
        """Returns when everything is subscribed to. Raises what kept it from being so."""
        self._thread.start()
        if not self._ready.wait(timeout_s) or self._failure is not None:
            self.check()
            raise TransportError(f"the bus was not ready within {timeout_s} s")

    def check(self) -> None:
        """Raises what ended the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def publish(self, account: int, raw: bytes) -> None:
        """How a parent of the account stands."""
        self._outgoing.append((subject(self._env, "router", "parent", account), raw))

    def health(self, now: int, state: m.HealthState, detail: str) -> None:
        told = m.ServiceHealth(ts=now, pid=os.getpid(), state=state, service=self._told_as, detail=detail)
        self._outgoing.append((subject(self._env, "ops", "health", SERVICE), bytes(told)))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - kept, and raised by check() on the router's thread
            self._failure = error
        finally:
            self._ready.set()
            self._wake()

    async def _main(self) -> None:
        failures: list[BaseException] = []
        transport = self._make(failures.append)
        await transport.connect()
        for feed, ticker in self._feed.sources:
            for kind in KINDS:
                await transport.subscribe(pattern(self._env, feed, kind, ticker), self._hear)
            await transport.subscribe(pattern(self._env, feed, "status", ""), self._hear)
        self._ready.set()
        asked, was_connected = 0.0, True
        loop = asyncio.get_running_loop()
        while not self._stop.is_set() and not failures:
            self._send(transport)
            if was_connected and not transport.connected:
                for feed in {feed for feed, _ in self._feed.sources}:
                    self._feed.lose(feed)
                self._wake()
            was_connected = transport.connected
            if was_connected and loop.time() >= asked + SNAPSHOT_EVERY_S:
                asked = loop.time()
                await self._ask(transport)
            await asyncio.sleep(LOOK_S)
        self._send(transport)
        await transport.drain()
        if failures:
            raise failures[0]

    def _hear(self, message: Received) -> None:
        at = Subject.parse(message.subject)
        record = m.decode(message.data)
        if at.kind == "status" and not at.key:
            if isinstance(record, m.FeedStatus) and record.quality != m.BookQuality.live:
                self._feed.lose(at.feed)
                self._wake()
        elif self._feed.hear(at.feed, at.key, record):
            self._wake()

    def _send(self, transport: Transport) -> None:
        while self._outgoing and transport.publish(*self._outgoing[0]):
            self._outgoing.popleft()

    async def _ask(self, transport: Transport) -> None:
        """Asks the house market for the books that are not known. Venues' feeds bring snapshots by themselves."""
        for feed, ticker in self._feed.sources:
            if feed != HOUSE or not self._feed.wants_snapshot(feed, ticker):
                continue
            try:
                answer = await transport.request(subject(self._env, HOUSE, "snapshot", ticker), b"book", timeout=1.0)
            except TransportError as error:
                self._log.warning("no snapshot", ticker=ticker, reason=str(error))
                continue
            if self._feed.hear(feed, ticker, m.decode(answer.data)):
                self._wake()
