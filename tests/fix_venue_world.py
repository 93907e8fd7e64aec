"""A simulated FIX venue driven by hand, over a real engine that is stepped: no sockets, no clock, no threads."""

from __future__ import annotations

import itertools
from pathlib import Path

from services.engine import Engine, InboundRing
from services.simulator.fix_venue.dialects import DIALECTS
from services.simulator.fix_venue.session import Close
from services.simulator.fix_venue.terms import Client
from services.simulator.fix_venue.venue import FixVenue, Link
from tapewire import messages as m
from tapewire.fix.message import Message, build, fields_of
from tapewire.fix.timestamps import Stamp
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

START = 1_795_262_400_000_000_000  # 2026-11-21 12:00 UTC
MS = 1_000_000
HOUSE, ACCOUNTS = 90, (1, 2, 90)


class SteppedHouse:
    """An engine that works when the venue looks at its tape."""

    source = 2

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        rings = [
            InboundRing(folder / "operator", 1, "operator"),
            InboundRing(folder / "venue", self.source, "trader"),
        ]
        self.tape = folder / "orders.0"
        self.engine = Engine(self.tape, rings, now=START, segment_bytes=1 << 18, ring_bytes=1 << 16)
        self._operator, self._trader = RingProducer(folder / "operator"), RingProducer(folder / "venue")
        self._reader = TapeReader(self.tape, limit="released")

    def submit(self, command: m.Message) -> None:
        assert self._trader.write(bytes(command))

    def operate(self, command: m.Message) -> None:
        assert self._operator.write(bytes(command))

    def poll(self, limit: int) -> list[m.Message]:
        while self.engine.do_work():
            pass
        return [m.decode(raw) for raw in self._reader.poll(limit)]

    def records(self) -> list[m.Message]:
        """All of the tape."""
        with TapeReader(self.tape, limit="released") as reader:
            return [m.decode(raw) for raw in reader]

    def close(self) -> None:
        self._reader.close()
        self.engine.abandon()
        self._operator.close()
        self._trader.close()


class World:
    """A venue and the time it is there. Two clients: ONE (account 1) and TWO (account 2)."""

    def __init__(self, folder: Path, dialect: str = "fix44") -> None:
        self.now = START
        self.house = SteppedHouse(folder)
        self.house.operate(
            m.InstrumentDefinition(
                instrument=1, ticker="ACME", tick_size=1, lot_size=1, price_exponent=-2, qty_exponent=0, status=1
            )
        )
        for account in ACCOUNTS:
            self.house.operate(m.AccountLimits(account=account))
        clients = [Client(name, n, n, name.lower(), "password") for n, name in enumerate(("ONE", "TWO"), 1)]
        self.venue = FixVenue(DIALECTS[dialect](), clients, self.house, HOUSE)
        self.venue.step(self.now)

    def run(self, ms: int = 5) -> None:
        """Lets time pass, in ticks of five milliseconds."""
        for _ in range(max(1, ms // 5)):
            self.now += 5 * MS
            self.venue.step(self.now)

    def fault(self, fault: str, **query: object) -> None:
        self.venue.control(fault, {key: str(value) for key, value in query.items()}, self.now)

    def close(self) -> None:
        self.house.close()


class Pen:
    """A client without any judgement: it writes what it is told to. Only a ResendRequest it answers by itself."""

    def __init__(self, world: World, name: str, begin: str = "FIX.4.4") -> None:
        self.world, self.name, self._begin = world, name, begin
        self.seq = 1
        self._ids = itertools.count(1)
        self._stamp = Stamp()
        self.link: Link | None = None
        self.closed = ""
        """`closed` or `aborted` once the venue has ended the connection."""

    def logon(self, *more: tuple[int, object]) -> list[Message]:
        """Connects, if it is let, and logs on; returns what came."""
        self.link, self.closed = self.world.venue.connect(self.world.now), ""
        if self.link is None:
            return []
        return self.ask("A", (98, 0), (108, 30), (553, self.name.lower()), (554, "password"), *more)

    def say(self, kind: str, *fields: tuple[int, object]) -> None:
        """Sends a message, if there is a connection."""
        if self.link is None:
            return
        sent = self._stamp.millis(self.world.now)
        head = [(35, kind), (34, self.seq), (49, self.name), (52, sent), (56, self.world.venue.dialect.comp_id)]
        self.seq += 1
        self.world.venue.received(self.link, build(self._begin, [*head, *fields]), self.world.now)

    def heard(self) -> list[Message]:
        """What has come since the last look."""
        if self.link is None:
            return []
        messages = []
        for item in self.world.venue.take(self.link, self.world.now):
            if isinstance(item, Close):
                self.closed = "aborted" if item.abort else "closed"
                self.world.venue.lost(self.link, self.world.now)
                self.link = None
                break
            messages.append(fields_of(item))
            if messages[-1].type == "2":
                self._fill(messages[-1])
        return messages

    def _fill(self, request: Message) -> None:
        """What we said once is not said again: one gap fill covers it."""
        if self.link is not None:
            head = [(35, "4"), (34, request[7]), (49, self.name), (52, self._stamp.millis(self.world.now))]
            head += [(56, self.world.venue.dialect.comp_id), (43, "Y"), (123, "Y"), (36, str(self.seq))]
            self.world.venue.received(self.link, build(self._begin, head), self.world.now)

    def ask(self, kind: str, *fields: tuple[int, object]) -> list[Message]:
        """Sends a message, lets the venue work, and returns what came."""
        self.say(kind, *fields)
        self.world.run()
        return self.heard()

    def id(self) -> str:
        return f"{self.name}-{next(self._ids)}"

    def order(self, side: int, price: str, qty: int, *more: tuple[int, object]) -> str:
        name = self.id()
        fields: dict[int, object] = {11: name, 55: "ACME", 54: side, 38: qty, 40: 2, 44: price, 59: 1}
        self.say("D", *{**fields, **dict(more)}.items())
        return name

    def cancel(self, orig: str) -> str:
        name = self.id()
        self.say("F", (11, name), (41, orig), (55, "ACME"), (54, 1))
        return name

    def amend(self, orig: str, qty: int, price: str = "") -> str:
        name = self.id()
        self.say("G", (11, name), (41, orig), (55, "ACME"), (54, 1), (38, qty), *([(44, price)] if price else []))
        return name
