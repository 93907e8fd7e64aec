"""The side of the engine: its rings of producers that stand elsewhere, and what their relays ask.

A ring is taken while it is there and an engine has its other end. While there is none (it starts, or this host is a
standby whose tape is a mirror) nothing is answered: whoever has the engine answers.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import RingBusy, RingError, SubjectError, TapeError, WireError
from tapewire.histogram import StatsPage
from tapewire.interfaces import Received, Transport
from tapewire.logs import Logger
from tapewire.relay import Incoming, RingName, counters
from tapewire.relay.incoming import InCounts
from tapewire.relay.payload import split
from tapewire.ring import Doorbell, RingProducer
from tapewire.subjects import Subject
from tapewire.tape import TapeReader

LOOK_S: Final = 0.1
_ID: Final = struct.Struct("<Q")


class LastRing:
    """The id of the ring whose records came last: eight bytes in `<data>/relay/<ring>`, so that a restart knows it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        raw = os.pread(self._file, _ID.size, 0)
        self.id: int = _ID.unpack(raw)[0] if len(raw) == _ID.size else 0

    def store(self, number: int) -> None:
        if number != self.id:
            self.id = number
            os.pwrite(self._file, _ID.pack(number), 0)

    def close(self) -> None:
        os.close(self._file)


class InwardRing:
    """One ring here, as long as its engine lives."""

    def __init__(self, name: RingName, settings: Config, log: Logger) -> None:
        self.name, self._folders = name, settings.folders
        self._path = name.path(settings.folders)
        self._log = log.bind(ring=name.file)
        self._bell: Doorbell | None = None
        self._ring: RingProducer | None = None
        self._tape: TapeReader | None = None
        self._side: Incoming | None = None
        self._inode = 0
        self._carried = self._stands_by = False
        self._said = ""
        self._last = LastRing(settings.data / "relay" / name.file)
        self.counts = InCounts()
        self.page: StatsPage = counters.page(settings.folders, "in", name.file)

    @property
    def attached(self) -> bool:
        return self._side is not None

    @property
    def reason(self) -> str:
        """What speaks against being ready; empty: nothing. Beside an engine that stands by there is nothing to take."""
        if self._side or self._stands_by:
            return ""
        return f"{self.name.file}: {self._said or 'no engine has this ring open here'}"

    def look(self) -> None:
        """Takes the ring once it is there with a live engine; lets it go when it is not."""
        if self._ring is None:
            self._attach()
        elif not self._ring.consumer_alive or self._tape is None or self._tape.epoch != self._epoch or self._gone():
            self._detach("its engine ended, or began anew")

    def answer(self, payload: bytes, now: int) -> m.RelayPosition | None:
        """What a relay elsewhere is told; None: nobody here can say. Raises WireError."""
        asked, records = split(payload)
        if self._side is None or self._gone():
            return None
        try:
            if isinstance(asked, m.RelayOpened):
                return self._opened(self._side, asked, now)
            if isinstance(asked, m.RelayChunk):
                return self._side.chunk(asked, records, now)
        except RingError as error:
            self._detach(str(error))
            return None
        raise WireError(f"{type(asked).__name__} where a RelayOpened or a RelayChunk was expected")

    def count(self) -> None:
        page, counts = self.page, self.counts
        page.set("bytes", counts.bytes)
        page.set("gaps", counts.gaps)
        page.set("refused", counts.refused)
        page.set("damaged", counts.damaged)
        page.set("full", counts.full)
        page.set("attached", self.attached)
        self._stands_by = not self.attached and _is_copy(self._folders.tape(self.name.tape))

    def close(self) -> None:
        self._let_go()
        self._last.close()
        self.page.close()

    def _opened(self, side: Incoming, asked: m.RelayOpened, now: int) -> m.RelayPosition:
        assert self._ring is not None
        assert self._tape is not None
        taken = self._ring.head == self._ring.tail  # before the tape is looked at: then all of it is there
        seq = self._tape.positions.written_seq if taken else 0
        before, last = self.counts.refused, side.last_ring
        answer = side.opened(asked, now, seq)
        if answer.verdict == m.RelayVerdict.taken:
            if side.last_ring != last or not self._carried:
                self._carried = bool(asked.ring_id)
                self._log.info("asked from elsewhere", position=answer.position, ring=asked.ring_id)
            self._last.store(side.last_ring)
        elif self.counts.refused != before:
            self._log.error("relay refused", verdict=answer.verdict.name, reason=answer.detail)
        return answer

    def _attach(self) -> None:
        self._inode = _inode(self._path)
        if not self._inode:
            return
        try:
            self._bell = Doorbell(self.name.bell(self._folders))
            self._ring = RingProducer(str(self._path), doorbell=self._bell)
            if not self._ring.consumer_alive or self._gone():
                self._let_go()
                return
            self._tape = TapeReader(str(self._folders.tape(self.name.tape)), None, limit="written")
        except RingBusy as error:
            self._let_go()
            self._say(f"a producer on this host has it: {error}. Take it off [relay] in, or stop that one")
            return
        except (RingError, TapeError) as error:
            self._let_go()
            self._say(str(error))
            return
        self._epoch = self._tape.epoch
        self._side = Incoming(self.name, self._ring, self._epoch, self.counts, self._last.id)
        self._said = ""
        self._log.info("taking", position=self._ring.tail, epoch=self._epoch)

    def _gone(self) -> bool:
        return _inode(self._path) != self._inode

    def _detach(self, why: str) -> None:
        self._log.warning("ring let go", reason=why)
        self._let_go()

    def _let_go(self) -> None:
        self._side = None
        for part in (self._ring, self._bell, self._tape):
            if part is not None:
                part.close()
        self._ring = self._bell = self._tape = None

    def _say(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._log.error("ring not taken", reason=why)


def _is_copy(tape: Path) -> bool:
    try:
        with TapeReader(tape, None) as reader:
            return reader.mirror
    except TapeError:
        return False  # there is none yet, or it is just being made


class Inward:
    """All rings here whose producers stand elsewhere, on one connection."""

    def __init__(self, names: list[RingName], settings: Config, transport: Transport, log: Logger) -> None:
        self.rings = {name.subject: InwardRing(name, settings, log) for name in names}
        self._own = {(name.kind, name.number) for name in names}
        self._env, self._transport, self._log = settings.env, transport, log
        self._counted = 0.0
        self._strangers: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        for kind in sorted({kind for kind, _ in self._own}):
            await self._transport.subscribe(f"{self._env}.{kind}.ring.*", self._take)
        try:
            while not stop.is_set():
                for ring in self.rings.values():
                    ring.look()
                if (now := time.monotonic()) - self._counted >= 1.0:
                    self._counted = now
                    for ring in self.rings.values():
                        ring.count()
                await asyncio.sleep(LOOK_S)
        finally:
            for ring in self.rings.values():
                ring.close()

    def reasons(self) -> list[str]:
        return [ring.reason for ring in self.rings.values() if ring.reason]

    def _take(self, message: Received) -> None:
        if not message.reply:
            return
        try:
            ring = self.rings.get(message.subject)
            answer = ring.answer(message.data, time.monotonic_ns()) if ring else self._not_listed(message)
        except (WireError, SubjectError) as error:
            self._log.warning("request not understood", subject=message.subject, error=str(error))
            return
        if answer is not None:
            self._transport.publish(message.reply, bytes(answer))

    def _not_listed(self, message: Received) -> m.RelayPosition | None:
        """Said by the host of the engine alone: others that listen here know nothing of its producers."""
        _, kind, _, key = Subject.parse(message.subject)
        number, _, producer = key.partition("-")
        if (kind, int(number) if number.isdecimal() else -1) not in self._own:
            return None
        if not any(ring.attached and ring.name.kind == kind for ring in self.rings.values()):
            return None
        if message.subject not in self._strangers and len(self._strangers) < 100:
            self._strangers.add(message.subject)
            self._log.error("relay refused", reason=f"{producer!r} is not in [relay] in", subject=message.subject)
        asked, _ = split(message.data)
        session = asked.session if isinstance(asked, m.RelayOpened | m.RelayChunk) else 0
        verdict = m.RelayVerdict.not_listed
        return m.RelayPosition(session=session, verdict=verdict, detail=f"{producer!r} is not in [relay] in over there")


def _inode(path: Path) -> int:
    """0: there is no such file."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0
