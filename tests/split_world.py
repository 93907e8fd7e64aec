"""An engine in parts in one process: the real asking side, the real cores, and a way between them that loses things."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from services import matcher, risk
from services.engine import Engine, InboundRing
from services.engine.asked import COUNTERS, HISTOGRAMS, Asked
from tapewire import logs
from tapewire.errors import TransportError
from tapewire.histogram import StatsPage
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

NOW = 1_700_000_000_000_000_000
VERSION = "1.0"
MAKERS: dict[str, Callable[[int, str], Any]] = {"risk": risk.Answering, "matcher": matcher.Answering}


class LossyLine:
    """The `Line` of services/engine/asked.py to instances in memory; `trouble`: share of asks that meet with it."""

    def __init__(self, service: Literal["risk", "matcher"], seed: int = 0, trouble: float = 0.0) -> None:
        self.service, self.trouble, self.random = service, trouble, random.Random(seed)
        self.instances: list[Any] = []
        self.befell: dict[str, int] = {}
        self.now = 1
        self.longest = 0
        """Bytes of the longest ask and answer."""
        self.start()

    def start(self, version: str = VERSION) -> None:
        self.instances.append(MAKERS[self.service](self.random.getrandbits(62) | 1, version))

    def kill(self) -> None:
        """One of them starts anew, and knows nothing."""
        self.instances.pop(0)
        self.start()

    def ask(self, ask: bytes, seconds: float, fits: Callable[[bytes], bool]) -> bytes | None:
        self.now += 1
        if self.random.random() < self.trouble:
            what = self.random.choice(["ask lost", "answer lost", "killed", "killed late", "bus away", "another one"])
            self.befell[what] = self.befell.get(what, 0) + 1
            if what == "ask lost":
                return None
            if what == "bus away":
                raise TransportError("the bus is away")
            if what == "killed":
                self.kill()
            if what in ("answer lost", "killed late"):
                self.carry(ask, fits)
                if what == "killed late":
                    self.kill()
                return None
            if what == "another one" and len(self.instances) < 3:
                self.start()
        return self.carry(ask, fits)

    def carry(self, ask: bytes, fits: Callable[[bytes], bool]) -> bytes | None:
        answers = [answer for one in self.instances if (answer := one.answer(ask, self.now)) is not None]
        self.longest = max([self.longest, len(ask), *map(len, answers)])
        return next((answer for answer in answers if fits(answer)), None)

    def tend(self) -> None:
        pass


class SplitMarket:
    """One engine with one producer, whole or in parts."""

    def __init__(self, folder: Path, *, split: bool, seed: int = 0, trouble: float = 0.0, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.tape, self.split = folder, folder / "orders.0", split
        self.lines = LossyLine("risk", seed, trouble), LossyLine("matcher", seed + 1, trouble)
        self.opened = 0
        self.patience = 0
        """After so many tries that found no answer the engine is stopped; 0: never."""
        self.options = {"segment_bytes": 1 << 20, "ring_bytes": 1 << 18, "max_batch": 16, **options}
        self.open()

    def open(self, now: int = NOW) -> None:
        self.services = (self._asked(self.lines[0]), self._asked(self.lines[1])) if self.split else None
        ring = InboundRing(self.folder / "ring", 1, "operator")
        self.engine = Engine(self.tape, [ring], now=now, services=self.services, **self.options)
        self.producer = RingProducer(self.folder / "ring")

    def _asked(self, line: LossyLine) -> Asked:
        self.opened += 1
        page = StatsPage.create(self.folder / f"asked.{line.service}.{self.opened}", HISTOGRAMS, COUNTERS)
        log = logs.get("test")
        return Asked(line.service, line, version=VERSION, answer_within=0.1, log=log, page=page, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.patience -= 1
        if self.patience == 0:
            self.engine.stop()

    def counter(self, service: str, name: str) -> int:
        """Of the asks to a service since the engine was opened."""
        newest = self.opened - (service == "risk")
        with StatsPage.open(self.folder / f"asked.{service}.{newest}") as page:
            return page.counter(name)

    def reopen(self, *, split: bool, now: int) -> None:
        """As after a kill."""
        self.engine.abandon()
        self.producer.close()
        self.split = split
        self.open(now)

    def send(self, now: int, *commands: bytes) -> list[bytes]:
        """Sends commands; the records that came of them."""
        first = self.engine.next_seq
        self.engine.set_time(now)
        for command in commands:
            assert self.producer.write(command)
        while self.engine.do_work():
            pass
        return self.records(first)

    def records(self, first: int = 1) -> list[bytes]:
        with TapeReader(str(self.tape), first, "released") as reader:
            return list(reader)

    def close(self) -> None:
        self.engine.close()
        self.producer.close()
