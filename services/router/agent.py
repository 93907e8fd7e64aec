"""The router's duty cycle: what has come is sequenced and applied, committed as one batch, and then acted upon.

    clients' rings, venues' tapes, house, markets, time ─▶ tape.take ─▶ commit ─▶ release rings, ask the house, publish

Nothing leaves before it is committed. Whatever fails stops the router: recovery is replay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from services.router.clients import ClientRing
from services.router.core import Core
from services.router.house_session import HouseSession
from services.router.market_feed import MarketFeed
from services.router.tape import RouterTape
from services.router.venue_tapes import VenueTape
from tapewire import messages as m
from tapewire.ring import Doorbell

IDLE_NS = 1_000_000
"""How late it is noticed at most what nobody rings for: tapes of others, and time."""
STORE_EVERY_NS = 1_000_000_000


class Publishes(Protocol):
    def publish(self, account: int, raw: bytes) -> None: ...
    def health(self, now: int, state: m.HealthState, detail: str) -> None: ...
    def check(self) -> None: ...


class RouterAgent:
    name = "router"

    def __init__(
        self,
        core: Core,
        tape: RouterTape,
        clients: Sequence[ClientRing],
        venues: Sequence[VenueTape],
        house: HouseSession | None,
        feed: MarketFeed | None,
        bus: Publishes | None,
        clock: Callable[[], int],
    ) -> None:
        self.core, self.tape, self._clock = core, tape, clock
        self._clients, self._venues, self._house = clients, venues, house
        self._feed, self._bus = feed, bus
        self._stored = 0
        self._away: list[int] = []
        self._venues_known = 0
        self._figures = ""

    def do_work(self) -> int:
        take = self.tape.take
        count = sum(client.work(take) for client in self._clients)
        count += sum(venue.work(take) for venue in self._venues)
        if self._house is not None:
            count += self._house.work(take)
        if self._feed is not None:
            live = [instrument for instrument, parents in self.core.state.live.items() if parents]
            for record in self._feed.drain(self._clock(), live):
                take(record)
                count += 1
        if self.core.due() <= self._clock():
            take(m.AdvanceClock())
            count += 1
        self._commit()
        return count

    def _commit(self) -> None:
        took = self.tape.uncommitted > 0
        events = self.tape.commit()
        if took:
            for client in self._clients:
                client.release()
        if self._house is not None:
            self._house.send()
        if self._bus is not None:
            self._bus.check()
            for event in events:
                if isinstance(event, m.ParentChanged):
                    self._bus.publish(event.account, bytes(event))
                elif isinstance(event, m.ParentMeasured):
                    self._bus.publish(self.core.state.parents[event.parent_id].account, bytes(event))
        if (now := self._clock()) >= self._stored + STORE_EVERY_NS:
            self._stored = now
            self._store()
            self._say_health(now)

    def _store(self) -> None:
        for venue in self._venues:
            venue.store()
        if self._house is not None:
            self._house.store()

    def _say_health(self, now: int) -> None:
        """On the bus, ready is a router all of whose venues are; what is missing stands in the detail."""
        state = self.core.state
        away = [number for number, stands in state.markets.venues.items() if stands != m.VenueState.ready]
        dropped = self._feed.dropped if self._feed is not None else 0
        detail = f"{state.live_parents()} parents live, {dropped} trades dropped"
        if away:
            detail += f", venues not ready: {', '.join(map(str, away))}"
        self._away, self._venues_known, self._figures = away, len(state.markets.venues), detail
        if self._bus is not None:
            self._bus.health(now, m.HealthState.degraded if away else m.HealthState.ready, detail)

    def reasons(self) -> list[str]:
        """Why no child order can go anywhere; from any thread. With one venue of several it works."""
        if not self._venues_known:
            return ["no venue has told how it stands"]
        if len(self._away) < self._venues_known:
            return []
        return [f"no venue is ready: {', '.join(map(str, self._away))} are not"]

    def figures(self) -> str:
        return self._figures

    def wait(self, bell: Doorbell) -> None:
        """Until somebody rings, or a moment has passed. Call it after a cycle without work."""
        bell.arm()
        if self.do_work():
            bell.disarm()
        else:
            bell.wait(IDLE_NS)

    def close(self) -> None:
        self._store()
        for client in self._clients:
            client.close()
        for venue in self._venues:
            venue.close()
        if self._house is not None:
            self._house.close()
        self.tape.close()
