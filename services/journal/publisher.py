"""The journal's republisher: tails the orders tape, folds it into the house market, publishes what that gives.

    tape ──poll──▶ HouseMarket ──▶ house.trade, quote, book, status, auction, instrument, exec
      └───────────────────────────▶ orders.tape.<shard>, each record as it is

It can only fall behind: when the bus takes no more it waits, and the tape keeps everything. Its position on the tape is
stored once everything before it has reached the bus, so after a kill the last second is published again, byte for byte.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

from services.journal.checkpoint import Checkpoint
from tapewire import messages as m
from tapewire.config import Publisher as Settings
from tapewire.errors import TransportError
from tapewire.house import FEED, HouseMarket
from tapewire.house_notices import KINDS
from tapewire.interfaces import Received, Transport
from tapewire.logs import Logger
from tapewire.subjects import Subject, subject

SERVICE = "journal"
WAIT_S = 0.05  # between two looks at the stop signal while the tape stands still
BOOK = "book"  # what a snapshot request may name, beside the KINDS of notices
MAX_WORD = 16  # bytes of it that are looked at
BEHIND = 100_000  # records; further behind than that is reported as degraded


class ReleasedPositions(Protocol):
    @property
    def released_seq(self) -> int: ...


class Records(Protocol):
    """What the publisher needs of a TapeReader."""

    @property
    def positions(self) -> ReleasedPositions: ...
    def poll(self, max_records: int, /) -> list[bytes]: ...
    def wait(self, timeout_s: float, /) -> bool: ...
    def seek_seq(self, seq: int, /) -> None: ...


class _GivenUpError(Exception):
    """Asked to stop while the bus has no room. Nothing is lost: the next start goes on at the stored position."""


class Publisher:
    """One shard's republisher. `now` gives UTC ns."""

    def __init__(
        self,
        *,
        env: str,
        shard: int,
        settings: Settings,
        tape: Records,
        checkpoint: Checkpoint,
        transport: Transport,
        log: Logger,
        now: Callable[[], int],
    ) -> None:
        self._env, self._shard, self._settings = env, shard, settings
        self._tape, self._checkpoint, self._transport = tape, checkpoint, transport
        self._position = checkpoint.published
        self._log, self._now = log, now
        self._market = HouseMarket(env)
        self._last_snapshot = 0
        self._tape_subject = subject(env, "orders", "tape", shard)
        self._health_subject = subject(env, "ops", "health", SERVICE)
        self._state = m.HealthState.starting
        self._next_report = 0
        self.answered = 0

    @property
    def seq(self) -> int:
        """The last record folded."""
        return self._market.seq

    async def run(self, stop: asyncio.Event) -> None:
        """Catches up quietly, then publishes until `stop` is set. The transport is connected, and stays open."""
        await self._catch_up(stop)
        await self._transport.subscribe(f"{self._env}.{FEED}.snapshot.*", self._on_snapshot_request)
        if not stop.is_set():
            self._state = m.HealthState.ready
            self._log.info("publishing", shard=self._shard, from_seq=self.seq + 1)
        try:
            while not stop.is_set():
                records = self._tape.poll(self._settings.max_batch)
                await self._publish(records, stop)
                await self._report_if_due()
                await self._snapshot_if_due()
                if not records:
                    await asyncio.to_thread(self._tape.wait, WAIT_S)
        except _GivenUpError:
            self._log.warning("stopped_while_the_bus_takes_nothing", seq=self.seq, stored=self._position.seq)
            return
        self._state = m.HealthState.draining
        await self._report()
        self._log.info("drained", shard=self._shard, seq=self.seq, stored=self._position.seq)

    async def _catch_up(self, stop: asyncio.Event) -> None:
        """Folds what was published before, without publishing it again."""
        self._market = market = self._checkpoint.restore(self._env)
        self._last_snapshot, published = market.seq, self._position.seq
        self._tape.seek_seq(market.seq + 1)
        market.quiet = True
        while market.seq < published and not stop.is_set():
            records = self._tape.poll(min(self._settings.max_batch, published - market.seq))
            if not records:
                self._log.warning("position_beyond_tape", position=published, tape=market.seq)
                break
            for raw in records:
                market.fold(raw)
            await self._report_if_due()
            await asyncio.sleep(0)
        # A command may be half folded here; its end is published with the next record, or at the tape's end.
        market.quiet = False

    async def _publish(self, records: list[bytes], stop: asyncio.Event) -> None:
        market, send = self._market, self._send
        for raw in records:
            if self._settings.raw:
                await send(self._tape_subject, raw, stop)
            for to, payload in market.fold(raw):
                await send(to, payload, stop)
        if len(records) < self._settings.max_batch:
            # The released end of the tape, where no command is half there: what it changed need not wait for the next.
            for to, payload in market.settle():
                await send(to, payload, stop)

    async def _send(self, to: str, payload: bytes, stop: asyncio.Event) -> None:
        """Publishes, waiting for room while the bus is slow or away; given up only at the stop."""
        while not self._transport.publish(to, payload):
            room = asyncio.ensure_future(self._transport.writable())
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((room, stopped), return_when=asyncio.FIRST_COMPLETED)
            room.cancel()
            stopped.cancel()
            if stop.is_set():
                raise _GivenUpError

    async def _snapshot_if_due(self) -> None:
        every, market = self._settings.snapshot_every, self._market
        if not every or market.seq - self._last_snapshot < every or not market.between_commands:
            return
        # Published first, stored as such, and only then a place to restart from.
        await self._report()
        if self._position.seq == market.seq:
            self._last_snapshot = market.seq
            self._checkpoint.save(market)

    async def _report_if_due(self) -> None:
        if self._now() >= self._next_report:
            await self._report()

    async def _report(self) -> None:
        """Stores the position of what has reached the bus, and says how this service is."""
        now = self._now()
        self._next_report = now + int(self._settings.health_interval * 1e9)
        seq = self.seq
        lag = max(0, self._tape.positions.released_seq - seq)
        state = m.HealthState.degraded if self._state == m.HealthState.ready and lag > BEHIND else self._state
        detail = f"shard={self._shard} seq={seq} lag={lag} live_orders={self._market.live_orders}"
        health = m.ServiceHealth(ts=now, pid=os.getpid(), state=state, service=SERVICE, detail=detail)
        self._transport.publish(self._health_subject, bytes(health))
        try:
            await self._transport.flush()
        except TransportError as error:
            self._log.warning("not_flushed", error=str(error), stored=self._position.seq)
            return
        if self._state != m.HealthState.starting:
            self._position.store(seq)

    def _on_snapshot_request(self, request: Received) -> None:
        """Answers with what was published last: the book, or what the payload asks for by name; see README.md.

        A FeedStatus says so if there is no such instrument, or nothing of that name.
        """
        if not request.reply:
            return
        ticker, wanted = Subject.parse(request.subject).key, bytes(request.data[:MAX_WORD]).decode("ascii", "replace")
        if not self._transport.publish(request.reply, self._snapshot(ticker, wanted)):
            self._log.warning("snapshot_not_answered", ticker=ticker, reason="outgoing buffer full")
            return
        self.answered += 1

    def _snapshot(self, ticker: str, wanted: str) -> bytes:
        book = self._market.book(ticker)
        if book is None:
            listed = ", ".join(self._market.tickers[:20]) or "none yet"
            return self._nothing(f"no instrument {ticker!r}; there are {listed}")
        if wanted in ("", BOOK):
            return book.snapshot()
        if wanted in KINDS:
            return book.notices.standing(wanted)
        return self._nothing(f"no snapshot called {wanted!r}; expected {BOOK}, {', '.join(KINDS)}, or no payload")

    def _nothing(self, reason: str) -> bytes:
        return bytes(m.FeedStatus(ts=self._now(), state=m.FeedState.down, reason=reason))
