"""The side of the producers: their rings here, a connection for each, the mirrored tape that says what was taken."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from services.relay.bell import Bell
from services.relay.mirror import Mirror
from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import RelayError, RingError, RingMissing, WireError
from tapewire.histogram import StatsPage
from tapewire.interfaces import Received
from tapewire.logs import Logger
from tapewire.relay import Outgoing, RingName, counters
from tapewire.relay.beginning import Beginning
from tapewire.relay.payload import split
from tapewire.ring import RingConsumer, create_ring
from tapewire.transports.nats import NatsTransport

TAPE_LOOK_S: Final = 0.002
"""Between two looks at the tape while something is to be seen there, at first; then ever longer."""
TAPE_LOOK_MAX_S: Final = 0.02
IDLE_LOOK_S: Final = 0.5
STORE_S: Final = 1.0


class OutwardRing:
    """One producer's ring and its connection."""

    def __init__(self, name: RingName, settings: Config, mirror: Mirror, log: Logger) -> None:
        self.name, self._settings, self._mirror = name, settings, mirror
        self._log = log.bind(ring=name.file)
        self._ring: RingConsumer | None = None
        self._out: Outgoing | None = None
        self._beginning: Beginning | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._said = ""
        self._alone = False
        self.fault = ""
        """Why this ring is not carried any more; empty: it is."""
        self.opened: Callable[[RingConsumer], None] = lambda ring: None
        self.page: StatsPage = counters.page(settings.folders, "out", name.file)

    async def start(self, fail: Callable[[BaseException], None]) -> None:
        """Raises TransportError, RingBusy."""
        self._loop = asyncio.get_running_loop()
        self._transport = NatsTransport(
            self._settings.nats, name=self.name.user, on_failure=fail, on_reconnected=self._back, log=self._log
        )
        await self._transport.connect()
        self._inbox = self._transport.new_inbox()
        await self._transport.subscribe(self._inbox, self._answer)
        try:
            self._take_ring()
        except RingMissing:
            self._beginning = Beginning(self.name, _session())
        self.pump()

    @property
    def waits_for_tape(self) -> bool:
        return self._beginning is not None or (self._out is not None and not self.fault and self._out.waits_for_tape)

    @property
    def unreleased(self) -> bool:
        """Whether the tape showed what could not be released yet."""
        return self._out is not None and not self.fault and self._out.pending

    @property
    def lag(self) -> int:
        """Bytes that the mirrored tape does not show as taken, of a ring that is carried."""
        return self._out.lag if self._out is not None and not self.fault else 0

    def reasons(self) -> list[str]:
        """What speaks against being ready."""
        if self.fault:
            return [self.fault]
        if self._beginning is not None:
            why = self._beginning.refusal or "it is not known yet where the ring goes on: is the other side up?"
            return [f"{self.name.file}: {why}"]
        if self._out is None or self._out.open:
            return []
        return [f"{self.name.file}: {self._out.refusal or 'the other side does not answer'}"]

    def pump(self) -> None:
        """Sends what there is to send."""
        if self.fault:
            return
        now = time.monotonic_ns()
        try:
            if self._beginning is not None:
                self._begin(self._beginning, now)
            side = self._out or self._beginning
            assert side is not None
            for message in side.turn(now):
                self._transport.publish(self.name.subject, message, reply=self._inbox)
        except (RingError, RelayError) as error:
            self._fail(error)
            return
        self._say()
        self._wake_at(side.due(), now)

    def shown(self, position: int) -> None:
        """The tape shows how far the ring was taken."""
        if self._out is None or self.fault:
            return
        try:
            self._out.shown(position)
        except RelayError as error:
            self._fail(error)

    def count(self) -> None:
        out, page = self._out, self.page
        if out is None:
            return
        counts = out.counts
        page.set("records", counts.records)
        page.set("bytes", counts.bytes)
        page.set("resent", counts.resent)
        page.set("refused", counts.refused)
        page.set("lag_bytes", out.lag)
        page.set("unsent_bytes", out.unsent)
        page.set("open", out.open and not self.fault)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._transport.close()
        if self._ring is not None:
            self._ring.close()
        self.page.close()

    # -- the ring

    def _take_ring(self) -> None:
        self._ring = RingConsumer(str(self.name.path(self._settings.folders)))
        self._out, self._beginning = Outgoing(self.name, self._ring, _session()), None
        self._log.info("carrying", head=self._ring.head, tail=self._ring.tail)
        self.opened(self._ring)
        if position := self._mirror.taken.get(self.name.source):
            self.shown(position)

    def _begin(self, beginning: Beginning, now: int) -> None:
        first = beginning.first(*self._mirror.reached, now)
        if first is not None:
            create_ring(str(self.name.path(self._settings.folders)), self.name.capacity, first)
            self._take_ring()

    # -- what comes

    def _answer(self, message: Received) -> None:
        if not message.data:  # the bus itself: nobody listens there
            if not self._alone:
                self._alone = True
                self._log.warning("nobody answers", reason="no relay takes this ring in: is its engine's host up?")
            return
        self._alone = False
        try:
            answer, _ = split(message.data)
        except WireError as error:
            self._log.warning("answer not understood", error=str(error))
            return
        side = self._out or self._beginning
        if isinstance(answer, m.RelayPosition) and side is not None and not self.fault:
            side.answered(answer, time.monotonic_ns())
            self.pump()

    def _back(self) -> None:
        if self._out is not None:
            self._out.lost(time.monotonic_ns())
        self.pump()

    def _wake_at(self, due: int, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(due - now, 0) / 1e9, self.pump)

    def _say(self) -> None:
        """Once per change."""
        refusal = (self._out or self._beginning).refusal  # type: ignore[union-attr]
        if refusal != self._said:
            self._said = refusal
            if refusal:
                self._log.error("refused by the other side", reason=refusal)
            else:
                self._log.info("taken again")

    def _fail(self, error: Exception) -> None:
        """This ring stands still; the others go on."""
        self.fault = str(error)
        self._log.error("ring not carried any more", reason=self.fault)


class Outward:
    """All rings that lead away from this host to one engine or router: one doorbell, one mirrored tape."""

    def __init__(self, names: list[RingName], settings: Config, log: Logger) -> None:
        one, folders = names[0], settings.folders
        self._mirror = Mirror(folders.tape(one.tape), one.types, log)
        self.rings = [OutwardRing(name, settings, self._mirror, log) for name in names]
        self._by_source = {ring.name.source: ring for ring in self.rings}
        self._bell = Bell(one.bell(folders), self.pump, log)
        self._look_s = TAPE_LOOK_S
        self._wake = asyncio.Event()
        self._drain_timeout = settings.relay.drain_timeout
        self._counted = 0.0

    async def run(self, stop: asyncio.Event, fail: Callable[[BaseException], None]) -> None:
        self._bell.start()
        try:
            for ring in self.rings:
                ring.opened = self._bell.add
                await ring.start(fail)
            while not stop.is_set():
                self._look()
                await self._nap()
            end = time.monotonic() + self._drain_timeout
            while any(ring.lag for ring in self.rings) and time.monotonic() < end:
                self._look()
                await self._nap()
        finally:
            self._bell.stop()
            for ring in self.rings:
                await ring.close()
            self._mirror.close()

    def pump(self) -> None:
        for ring in self.rings:
            ring.pump()
        self._look_s = TAPE_LOOK_S
        self._wake.set()

    @property
    def lag(self) -> int:
        return sum(ring.lag for ring in self.rings)

    def reasons(self) -> list[str]:
        return [why for ring in self.rings for why in ring.reasons()]

    async def _nap(self) -> None:
        """Until the tape is to be looked at again: soon while it must show something, else when a producer writes."""
        if any(ring.waits_for_tape for ring in self.rings):
            await asyncio.sleep(self._look_s)
            return
        self._wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), IDLE_LOOK_S)

    def _look(self) -> None:
        found = self._mirror.look(self._shown)
        self._look_s = TAPE_LOOK_S if found else min(1.5 * self._look_s, TAPE_LOOK_MAX_S)
        if (now := time.monotonic()) - self._counted >= STORE_S:
            self._counted = now
            for ring in self.rings:
                ring.count()
            if not any(ring.unreleased for ring in self.rings):
                self._mirror.store()

    def _shown(self, source: int, position: int) -> None:
        if ring := self._by_source.get(source):
            ring.shown(position)


def _session() -> int:
    """Where session numbers of one process begin: far from those of any other."""
    return secrets.randbits(62)
