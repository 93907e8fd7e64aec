"""What a feed says about itself: counters in a page that others read, and a health message each second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tapewire import messages as m
from tapewire.clock import Clock
from tapewire.feed.instrument import CONNECTING, DOWN, LIVE_STATE
from tapewire.feed.limits import SECOND
from tapewire.feed.publisher import Publisher
from tapewire.feed.session import VenueSession
from tapewire.histogram import StatsPage
from tapewire.interfaces import Transport
from tapewire.subjects import subject

STATS_EVERY_S = 0.25
HEALTH_EVERY = 1 * SECOND
SHOWN = 5
"""Tickers that are named in a reason."""
HISTOGRAMS = ("decode_ns", "exchange_to_edge_ns")
"""From the socket read to the stamp of each message; from the venue's time to the socket read."""
COUNTERS = (
    "messages",
    "published",
    "gaps",
    "resyncs",
    "dropped",
    "malformed",
    "reconnects",
    "unknown",
    "impossible",
    "duplicates",
    "missed_trades",
    "errors",
    "bus_refused",
    "instruments",
    "live",
)


def create_page(path: Path) -> StatsPage:
    """The counters of one feed. Raises StatsError if another live process writes them."""
    return StatsPage.create(path, HISTOGRAMS, COUNTERS)


class Reporter:
    """Copies counters to the page and publishes health messages."""

    def __init__(
        self,
        session: VenueSession[Any],
        publisher: Publisher,
        page: StatsPage,
        bus: Transport,
        clock: Clock,
        env: str,
        feed: str,
    ) -> None:
        self._session, self._publisher, self._page, self._bus = session, publisher, page, bus
        self._now = clock.now
        self._service = f"connector-{feed}"
        self._subject = subject(env, "ops", "health", self._service)
        self._told = m.HealthState.unspecified
        self._next = 0
        self.draining = False

    def count(self) -> None:
        """Brings the page up to date."""
        put, session, publisher = self._page.set, self._session, self._publisher
        counters = session.counters
        for name in counters.__struct_fields__:
            put(name, getattr(counters, name))
        put("published", publisher.published)
        put("dropped", publisher.dropped)
        put("bus_refused", publisher.bus_refused)
        put("instruments", len(session.instruments))
        put("live", self._live())

    def health(self) -> m.ServiceHealth:
        """How it stands: ready when every book is live, degraded when some are not or messages were dropped."""
        session, publisher, live = self._session, self._publisher, self._live()
        if self.draining:
            state = m.HealthState.draining
        elif session.state == CONNECTING:
            state = m.HealthState.starting
        elif session.state == LIVE_STATE and live == len(session.instruments) and not publisher.owing:
            state = m.HealthState.ready
        else:
            state = m.HealthState.degraded
        return m.ServiceHealth(
            ts=self._now(), pid=os.getpid(), state=state, service=self._service, detail=self.figures()
        )

    def reasons(self) -> list[str]:
        """Why not every book is live, or not every message reached its readers; from any thread."""
        session, publisher = self._session, self._publisher
        if session.state == CONNECTING:
            return ["connecting to the venue"]
        if session.state == DOWN:
            return ["the venue cannot be reached, or went silent: connecting again"]
        away = [one.ticker for one in session.instruments if one.state != LIVE_STATE]
        why = (
            [f"{len(away)} of {len(session.instruments)} books are not live: {', '.join(away[:SHOWN])}"] if away else []
        )
        if publisher.owing:
            why.append(f"{publisher.dropped} messages were dropped, the ring was full; some books wait for a snapshot")
        if session.state != LIVE_STATE and not why:
            why.append(f"the session is {session.state}")
        return why

    def figures(self) -> str:
        session, publisher, counters = self._session, self._publisher, self._session.counters
        where = "not connected" if session.state in (CONNECTING, DOWN) else "connected"
        return (
            f"{where}, {self._live()} of {len(session.instruments)} books live, {counters.messages} messages, "
            f"{publisher.published} published, {counters.gaps} gaps, {counters.resyncs} resyncs, "
            f"{publisher.dropped} dropped, {counters.malformed} malformed"
        )

    def tell(self) -> None:
        """Publishes the health message: once a second, and when the state changed. The next makes up for a lost one."""
        health = self.health()
        now = self._now()
        if health.state != self._told or now >= self._next:
            self._told, self._next = health.state, now + HEALTH_EVERY
            self._bus.publish(self._subject, bytes(health))

    def _live(self) -> int:
        return sum(instrument.state == LIVE_STATE for instrument in self._session.instruments)
