"""Looks at a running platform from outside: its statistics pages, its tapes, its rings. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapewire import consumers
from tapewire import messages as m
from tapewire.errors import RingError, StatsError, TapeError
from tapewire.folders import Folders
from tapewire.histogram import Histogram, StatsPage
from tapewire.ring import ring_state
from tapewire.tape import TapeReader

FEED_COUNTERS = ("messages", "published", "gaps", "resyncs", "dropped", "malformed")
ENGINE_STAGES = ("queue", "decide", "commit", "answer")
POLL = 4096  # tape records counted per look, at most POLLS times
POLLS = 64


@dataclass(frozen=True)
class Latency:
    p50_ns: int
    p99_ns: int
    p999_ns: int
    count: int

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        p50, p99, p999 = (histogram.percentile(p) for p in (50, 99, 99.9))
        return cls(p50, p99, p999, histogram.count)


@dataclass(frozen=True)
class TapeState:
    records: int
    written: int
    durable: int


@dataclass
class Sample:
    """What was seen at one moment. Counters count since this demo began."""

    feeds: dict[str, dict[str, int]] = field(default_factory=dict)
    house: dict[str, int] = field(default_factory=dict)
    tapes: dict[str, TapeState] = field(default_factory=dict)
    latency: dict[str, Latency] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    """Bytes of a ring not yet taken, by consumer."""
    lag_records: dict[str, int] = field(default_factory=dict)
    """Records of a tape that a registered consumer has not stored as done."""


class Pages:
    """Statistics pages by name, opened when they appear and again when their writer was replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, StatsPage] = {}

    def get(self, name: str) -> StatsPage | None:
        page = self._open.get(name)
        if page is not None and not page.replaced:
            return page
        try:
            self._open[name] = StatsPage.open(self.folder / name)
        except StatsError:  # not there yet
            return page
        return self._open[name]


class Observer:
    def __init__(self, folders: Folders, feeds: Iterable[str], shard: int = 0) -> None:
        self.folders, self.feeds, self.shard = folders, tuple(feeds), shard
        self.pages = Pages(folders.stats)
        self.types: Counter[int] = Counter()
        self.auctions = 0
        """That have traded."""
        self._orders: TapeReader | None = None

    def sample(self) -> Sample:
        sample = Sample()
        for feed in self.feeds:
            if page := self.pages.get(f"connector.{feed}"):
                counters = page.counters()
                sample.feeds[feed] = {name: counters.get(name, 0) for name in FEED_COUNTERS}
                for stage, histogram in page.histograms().items():
                    sample.latency[f"{feed}.{stage.removesuffix('_ns')}"] = Latency.of(histogram)
            self._look_at_ring(sample, feed)
        if page := self.pages.get(f"engine.{self.shard}"):
            sample.latency |= {stage: Latency.of(page.histogram(stage)) for stage in ENGINE_STAGES}
        self._count_orders()
        sample.house = {
            "orders": self.types[m.MessageType.new_order],
            "trades": self.types[m.MessageType.order_executed],
            "rejects": self.types[m.MessageType.order_rejected] + self.types[m.MessageType.cancel_rejected],
            "auctions": self.auctions,
            "triggered": self.types[m.MessageType.order_triggered],
            "restated": self.types[m.MessageType.order_restated],
        }
        for path in sorted(self.folders.tapes.glob("*")):
            self._look_at_tape(sample, path)
        return sample

    def _look_at_ring(self, sample: Sample, feed: str) -> None:
        try:
            state = ring_state(self.folders.md_ring(feed))
        except RingError:  # the flusher has not made it yet
            return
        sample.lag[f"flusher.{feed}"] = state.tail - state.head

    def _look_at_tape(self, sample: Sample, path: Path) -> None:
        try:
            with TapeReader(path, limit="written") as reader:
                at = reader.positions
        except TapeError:  # being made
            return
        sample.tapes[path.name] = TapeState(at.written_seq, at.written, at.durable)
        for name, seq in consumers.positions(path).items():
            if consumers.reads(name):
                sample.lag_records[f"{name.split('.')[0]} {path.name}"] = at.released_seq - seq

    def _count_orders(self) -> None:
        """Follows the orders tape from where this demo found it."""
        if self._orders is None:
            try:
                self._orders = TapeReader(self.folders.orders_tape(self.shard), limit="released")
                self._orders.seek_seq(self._orders.positions.released_seq + 1)
            except TapeError:
                self._orders = None
                return
        for _ in range(POLLS):
            batch = self._orders.poll(POLL)
            for raw in batch:
                kind = m.type_of(raw)
                self.types[kind] += 1
                if kind == m.MessageType.instrument_status_changed:
                    self.auctions += m.InstrumentStatusChanged.decode(raw).auction_qty > 0
            if len(batch) < POLL:
                return


def summary(sample: Sample, started_with: dict[str, Any]) -> dict[str, Any]:
    """The stable keys of `--json`; `started_with` holds those that are known from elsewhere."""
    return {
        "feeds": sample.feeds,
        "house": sample.house,
        "tape": {
            name: {"records": t.records, "written": t.written, "durable": t.durable} for name, t in sample.tapes.items()
        },
        "latency": {
            stage: {"p50_ns": one.p50_ns, "p99_ns": one.p99_ns, "p999_ns": one.p999_ns, "count": one.count}
            for stage, one in sample.latency.items()
        },
        **started_with,
    }
