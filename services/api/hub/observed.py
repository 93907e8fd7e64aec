"""What the platform says of itself: latency pages, positions and consumers of the tape, health on the bus, rates."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from msgspec import UNSET

from services.api import platform
from services.api.hub.pictures import Pictures
from services.api.hub.venues import Venues
from tapewire import consumers
from tapewire import messages as m
from tapewire.demo.observe import ENGINE_STAGES, Pages
from tapewire.histogram import Histogram
from tapewire.tape import TapeReader
from tapewire.views import Views

SILENT_NS = 5_000_000_000  # a service that said nothing for so long is silent
SERVICES_MAX = 256
RATE_SAMPLES = 10  # one a second
_SECOND_NS = 1_000_000_000


class Services:
    """Health by service, as last heard."""

    def __init__(self) -> None:
        self._said: dict[str, m.ServiceHealth] = {}

    def hear(self, record: m.Message) -> None:
        if isinstance(record, m.ServiceHealth) and (record.service in self._said or len(self._said) < SERVICES_MAX):
            self._said[record.service] = record

    def shown(self, now: int) -> platform.Services:
        return platform.Services(
            {
                name: platform.Service(
                    "silent" if now - said.ts > SILENT_NS else said.state.name, said.detail, said.pid, str(said.ts)
                )
                for name, said in sorted(self._said.items())
            }
        )


class Rates:
    """Counters a second over the last ten, sampled once a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, dict[str, int]]] = deque(maxlen=RATE_SAMPLES + 1)

    def sample(self, now: int, counts: dict[str, int]) -> None:
        if not self._samples or now - self._samples[-1][0] >= _SECOND_NS:
            self._samples.append((now, counts))

    def clear(self) -> None:
        self._samples.clear()

    def per_second(self) -> dict[str, float]:
        """Of those that moved."""
        if len(self._samples) < 2:
            return {}
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        seconds = (ended - began) / _SECOND_NS
        moved = {name: count - first.get(name, 0) for name, count in last.items()}
        return {name: round(more / seconds, 1) for name, more in moved.items() if more > 0}


class TapeWatch:
    """Positions of the orders tape and of those who read it."""

    def __init__(self, tape: Path, pictures: Pictures, consumer: str) -> None:
        """`consumer`: our own, whose lag is known better than its stored position says."""
        self._tape, self._pictures, self._consumer = tape, pictures, consumer

    def shown(self, reader: TapeReader, views: Views, rates: dict[str, float]) -> platform.TapeState:
        """Raises TapeError if a consumer's position cannot be read."""
        at, first = reader.positions, reader.first_seq
        behind = {name: max(0, at.released_seq - seq) for name, seq in consumers.positions(self._tape).items()}
        lag = {name: records for name, records in behind.items() if consumers.reads(name)}
        return platform.TapeState(
            first_seq=first,
            written_seq=at.written_seq,
            released_seq=at.released_seq,
            durable_seq=at.durable_seq,
            folded_seq=views.at_seq,
            oldest_as_of=self._pictures.oldest(first),
            epoch=reader.epoch,
            lag=lag | {self._consumer: max(0, at.released_seq - views.at_seq)},
            kept={
                name.removesuffix(consumers.RESTART): records
                for name, records in behind.items()
                if not consumers.reads(name)
            },
            types=types(views),
            rates=rates,
            known_from=views.known_from or UNSET,
        )


def types(views: Views) -> dict[str, int]:
    """Records folded, by the name of their type."""
    return {m.MessageType(kind).name: count for kind, count in enumerate(views.counts) if count}


class Stages:
    """Latency of the engine's stages, off its page."""

    def __init__(self, folder: Path, shard: int) -> None:
        self._pages, self._name = Pages(folder), f"engine.{shard}"

    def shown(self) -> platform.Latency:
        page = self._pages.get(self._name)
        if page is None:
            return platform.Latency({})
        return platform.Latency({name: _stage(page.histogram(name)) for name in ENGINE_STAGES})


def _stage(of: Histogram) -> platform.Stage:
    p50, p90, p99, p999 = (of.percentile(p) for p in (50, 90, 99, 99.9))
    buckets = [(Histogram.highest_of(bucket), count) for bucket, count in of.counts()]
    return platform.Stage(p50, p90, p99, p999, of.max, of.mean, of.count, buckets)


def feeds(venues: Venues, rates: dict[str, float], own: platform.Feed) -> platform.Feeds:
    """The house market first."""
    return platform.Feeds({"house": own} | {name: _feed(venues, name, rates) for name in sorted(venues.feeds)})


def _feed(venues: Venues, name: str, rates: dict[str, float]) -> platform.Feed:
    feed = venues.feeds[name]
    said = feed.status
    # A feed that was there before this API came says nothing of itself until something changes: its messages tell.
    live = any(book.quality == m.BookQuality.live for book in feed.books.values())
    state, quality = ("live", "live" if live else "resync") if feed.messages else ("unspecified", "unspecified")
    made = platform.Feed(
        state=said.state.name if said else state,
        quality=said.quality.name if said else quality,
        gaps=said.gaps if said else 0,
        resyncs=said.resyncs if said else 0,
        dropped=said.dropped if said else 0,
        rate=rates.get(name, 0.0),
        tickers={ticker: book.quality.name for ticker, book in sorted(feed.books.items())},
        missed=sum(book.gaps for book in feed.books.values()),
    )
    if feed.last_ts:
        made.last_ts = str(feed.last_ts)
    if said is not None and said.reason:
        made.reason = said.reason
    return made
