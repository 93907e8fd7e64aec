"""The journal's republisher: tails the orders tape, folds it into the house market, publishes what that gives.

    tape ──poll──▶ HouseMarket ──▶ house.trade, quote, book, status, auction, instrument, exec
      └───────────────────────────▶ orders.tape.<shard>, each record as it is

It can only fall behind: when the bus takes no more it waits, and the tape keeps everything. Its position on the tape is
stored once everything before it has reached the bus, so after a kill the last second is published again, byte for byte.

A tape may lose its tail and give the same numbers to other records, in a later epoch (EpochStarted stands before
them). What was published is therefore known by seq and epoch; and when another writer takes the tape over while we
read it, the record published last must still be there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Protocol

from services.journal.checkpoint import Checkpoint
from services.journal.standing_by import epoch_begun
from tapewire import messages as m
from tapewire.bus import schemas
from tapewire.bus.discovery import Discovery
from tapewire.config import Publisher as Settings
from tapewire.errors import SubjectError, TapeDamaged, TapeError, TapeGone, TransportError
from tapewire.house import FEED, HouseMarket
from tapewire.house_notices import STATUS
from tapewire.house_snapshot import snapshot_for
from tapewire.interfaces import Received, Transport
from tapewire.latest.outlet import nowhere
from tapewire.logs import Logger
from tapewire.snapshots import Snapshot
from tapewire.stages import StageWriter
from tapewire.subjects import subject

SERVICE = "journal"
WAIT_S = 0.05  # between two looks at the stop signal while the tape stands still
BEHIND = 100_000  # records; further behind than that is reported as degraded


class ReleasedPositions(Protocol):
    @property
    def released_seq(self) -> int: ...
    @property
    def durable_seq(self) -> int: ...


class Records(Protocol):
    """What the publisher needs of a TapeReader."""

    @property
    def positions(self) -> ReleasedPositions: ...
    @property
    def epoch(self) -> int: ...
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
        stages: StageWriter | None = None,
        told_as: str = SERVICE,
        latest: Callable[[bytes], object] = nowhere,
    ) -> None:
        """`stages`: where it notes when each batch was read and handed to the bus; `told_as`: its name for health.
        `latest` gets what is published of the market."""
        self._told_as = told_as
        self._env, self._shard, self._settings = env, shard, settings
        self._stages, self._latest = stages, latest
        self._tape, self._checkpoint, self._transport = tape, checkpoint, transport
        self._position = checkpoint.published
        self._log, self._now = log, now
        self._market = HouseMarket(env)
        self._last = b""
        """The record folded last, as it was; empty if it is not at hand."""
        self._epoch = 0
        """The epoch it was written in."""
        self._writer_epoch = tape.epoch
        """The epoch whose writer was last seen to have the tape."""
        self._last_snapshot = 0
        self._taken: Snapshot | None = None
        """A snapshot that waits for its records to be durable."""
        self._tape_subject = subject(env, "orders", "tape", shard)
        self._health_subject = subject(env, "ops", "health", SERVICE)
        self._state = m.HealthState.starting
        self._next_report = 0
        self.answered = 0
        self.lag = 0
        """Records of the tape not published yet, as of the last report."""

    def reasons(self) -> list[str]:
        """Why what subscribers hear is not what the tape says now; from any thread."""
        if self._state == m.HealthState.starting:
            return [f"starting: record {self.seq} of the tape folded, {self._position.seq} was published before"]
        why = [] if self._transport.connected else ["the bus is away: what happens is published once it is back"]
        if self.lag > BEHIND:
            why.append(f"{self.lag} records of the tape are not published yet; expected at most {BEHIND}")
        return why

    def figures(self) -> str:
        return f"shard={self._shard} seq={self.seq} lag={self.lag} live_orders={self._market.live_orders}"

    @property
    def seq(self) -> int:
        """The last record folded."""
        return self._market.seq

    async def run(self, stop: asyncio.Event) -> None:
        """Catches up quietly, then publishes until `stop` is set. The transport is connected, and stays open."""
        await self._catch_up(stop)
        self._tell_latest()
        await self._offer()
        if not stop.is_set():
            self._state = m.HealthState.ready
            self._log.info("publishing", shard=self._shard, from_seq=self.seq + 1)
        try:
            while not stop.is_set():
                records = self._next_records()
                began = self._now() if records else 0
                await self._publish(records, stop)
                if records and self._stages is not None:
                    self._stages.record(self.seq - len(records) + 1, self.seq, began, self._now())
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
        await self._until_the_tape_is_there(stop)
        self._market = market = self._checkpoint.restore(self._env, self._tape.positions.released_seq)
        self._last_snapshot, published, self._epoch = market.seq, self._position.seq, self._position.epoch
        if stop.is_set():
            return
        self._writer_epoch = self._tape.epoch
        self._last = self._record(market.seq)
        try:
            self._tape.seek_seq(market.seq + 1)
        except TapeGone as error:
            raise TapeGone(
                f"{error}. The journal builds the books from the first record on, or from a snapshot of its own or of "
                f"the engine, and finds none here that the tape goes on from: put those of a backup, with its "
                f"consumers' positions, below the tape's folder"
            ) from error
        market.quiet = True
        while market.seq < published and not stop.is_set():
            records = self._tape.poll(min(self._settings.max_batch, published - market.seq))
            if not self._fold_published(records):
                self._log.error("published_records_were_lost", from_seq=market.seq + 1, to_seq=published)
                self._tape.seek_seq(market.seq + 1)
                break
            await self._report_if_due()
            await asyncio.sleep(0 if records else WAIT_S)
        # A command may be half folded here; its end is published with the next record, or at the tape's end.
        market.quiet = False

    async def _offer(self) -> None:
        """Answers requests from here on, and can be found ($SRV)."""
        about = {"env": self._env, "shard": str(self._shard)}
        offered = Discovery(
            self._transport, "tapewire-journal", version("tapewire"), "the house market on the bus", **about
        )
        await offered.endpoint(
            "snapshot",
            f"{self._env}.{FEED}.snapshot.*",
            self._on_snapshot_request,
            "what was published last of a ticker",
        )
        await offered.endpoint(
            "schema", f"{self._env}.ops.schema.*", self._on_schema_request, "a schema, or all offsets: layout"
        )
        await offered.start()

    async def _until_the_tape_is_there(self, stop: asyncio.Event) -> None:
        """Waits until the tape shows all that was published.

        After a reboot it shows what was durable, until the engine has recovered it. What is lost then, the engine takes
        off our position before it writes anything: so the tape is looked at first, then the position.
        """
        said = False
        while not stop.is_set():
            released = self._tape.positions.released_seq
            self._position.load()
            if released >= self._position.seq:
                return
            if not said:
                self._log.warning("waiting_for_the_tape", published=self._position.seq, released=released)
                said = True
            await self._report_if_due()
            await asyncio.sleep(WAIT_S)

    def _fold_published(self, records: list[bytes]) -> bool:
        """False: at a record of a later epoch than what was published. It has an old number, and is new."""
        for raw in records:
            if epoch_begun(raw) > self._epoch:
                self._market.settle()
                return False
            self._market.fold(raw)
            self._last = raw
        return True

    def _record(self, seq: int) -> bytes:
        """The record `seq` as it is on the tape; empty if retention removed it. Moves the reader."""
        if not seq:
            return b""
        try:
            self._tape.seek_seq(seq)
        except TapeGone:
            return b""
        return next(iter(self._tape.poll(1)), b"")

    def _next_records(self) -> list[bytes]:
        """What comes next on the tape, surely behind what was published. Raises TapeError if that is gone."""
        try:
            records = self._tape.poll(self._settings.max_batch)
        except TapeDamaged:
            self._check_past()
            raise
        # A new writer says its epoch before it writes anything: if it is the old one, so are these records.
        while self._check_past():
            records = self._tape.poll(self._settings.max_batch)
        return records

    def _check_past(self) -> bool:
        """Whether another writer has taken the tape over since the last look; the reader then stands where it stood."""
        epoch, seq = self._tape.epoch, self._market.seq
        if epoch == self._writer_epoch:
            return False
        try:
            still = self._record(seq)
            self._tape.seek_seq(seq + 1)
        except TapeError as error:
            raise self._lost(str(error)) from error
        if still and self._last and still != self._last:
            raise self._lost("another record has its number")
        self._writer_epoch = epoch
        return True

    def _lost(self, why: str) -> TapeError:
        return TapeError(
            f"record {self._market.seq} of the orders tape of shard {self._shard} was published and is gone: {why}. "
            "The tape was cut, or replaced by an older copy. Start the journal again once the engine runs: it goes on "
            "where the tape begins anew"
        )

    async def _publish(self, records: list[bytes], stop: asyncio.Event) -> None:
        market, send, latest = self._market, self._send, self._latest
        for raw in records:
            if self._settings.raw:
                await send(self._tape_subject, raw, stop)
            for to, payload in market.fold(raw):
                await send(to, payload, stop)
                latest(payload)
            self._last, self._epoch = raw, epoch_begun(raw) or self._epoch
        if len(records) < self._settings.max_batch:
            # The released end of the tape, where no command is half there: what it changed need not wait for the next.
            for to, payload in market.settle():
                await send(to, payload, stop)
                latest(payload)

    def _tell_latest(self) -> None:
        """How each instrument stands as the publisher begins: its page may be new, or have missed what came last."""
        for ticker in self._market.tickers:
            book = self._market.book(ticker)
            if book is not None:
                for payload in (bytes(book.definition), book.notices.standing(STATUS), book.snapshot()):
                    self._latest(payload)

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
        durable = self._tape.positions.durable_seq
        if self._taken is not None and durable >= self._taken.seq and not self._check_past():
            # Not before: a tape that loses its tail loses the snapshots of it, and older ones have made way for them.
            self._checkpoint.save(self._taken)
            self._taken = None
        if not every or market.seq - self._last_snapshot < every or not market.between_commands:
            return
        # Published first, stored as such, and only then a place to restart from.
        await self._report()
        if self._position.seq == market.seq and not self._check_past():
            self._last_snapshot = market.seq
            self._taken = Snapshot(market.seq, market.state())

    async def _report_if_due(self) -> None:
        if self._now() >= self._next_report:
            await self._report()

    async def _report(self) -> None:
        """Stores the position of what has reached the bus, and says how this service is."""
        now = self._now()
        self._next_report = now + int(self._settings.health_interval * 1e9)
        seq = self.seq
        self.lag = max(0, self._tape.positions.released_seq - seq)
        state = m.HealthState.degraded if self._state == m.HealthState.ready and self.reasons() else self._state
        health = m.ServiceHealth(ts=now, pid=os.getpid(), state=state, service=self._told_as, detail=self.figures())
        self._transport.publish(self._health_subject, bytes(health))
        try:
            await self._transport.flush()
        except TransportError as error:
            self._log.warning("not_flushed", error=str(error), stored=self._position.seq)
            return
        if self._state != m.HealthState.starting and not self._check_past():
            self._position.store(seq, self._epoch)

    def _on_snapshot_request(self, request: Received) -> None:
        self._answer(request, snapshot_for(self._market, request.subject, request.data, self._now()))

    def _on_schema_request(self, request: Received) -> None:
        self._answer(request, schemas.answer(request.subject))

    def _answer(self, request: Received, answer: bytes) -> None:
        try:
            taken = self._transport.publish(request.reply, answer)
        except SubjectError as error:
            # Anybody may ask, and ask to be answered anywhere: that must not end the service.
            self._log.warning("request_not_answered", subject=request.subject, reason=str(error))
            return
        if not taken:
            self._log.warning("request_not_answered", subject=request.subject, reason="outgoing buffer full")
            return
        self.answered += 1
