"""A venue driven by hand: no sockets, no clock. Time moves when a test says so."""

from __future__ import annotations

from typing import Any

import orjson

from services.simulator.instruments import instrument
from services.simulator.venue import Answer, Close, Ping, Session, Venue

START_NS = 1_785_641_750_000_000_000
MS = 1_000_000
TICK_NS = 10 * MS

BINANCE = (
    instrument("BTCUSDT", "BTC", "USDT", (8, 8), "0.01", "0.00001", "61837.64", 60, "0.05"),
    instrument("ETHUSDT", "ETH", "USDT", (8, 8), "0.01", "0.0001", "2683.12", 12, "0.8"),
)
COINBASE = (
    instrument("BTC-USD", "BTC", "USD", (2, 8), "0.01", "0.00000001", "61842.10", 80, "0.04"),
    instrument("ETH-USD", "ETH", "USD", (2, 8), "0.01", "0.00000001", "2683.30", 14, "0.7"),
)
KRAKEN = (
    instrument("BTC/USD", "BTC", "USD", (1, 8), "0.1", "0.00000001", "61840.3", 12, "0.03"),
    instrument("XRP/USD", "XRP", "USD", (5, 8), "0.00001", "0.00000001", "0.61725", 20, "700"),
)


class World:
    """A venue and the time it is there."""

    def __init__(self, venue: Venue, now: int = START_NS) -> None:
        self.venue, self.now = venue, now

    def connect(self, path: str, address: str = "1.2.3.4", **query: str) -> Client:
        accepted = self.venue.connect(path, query, address, self.now)
        assert isinstance(accepted, Session), accepted
        self.venue.opened(accepted, self.now)
        return Client(self, accepted)

    def refused(self, path: str, address: str = "1.2.3.4", **query: str) -> Answer:
        answer = self.venue.connect(path, query, address, self.now)
        assert isinstance(answer, Answer)
        return answer

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 1e9) // TICK_NS):
            self.now += TICK_NS
            self.venue.step(self.now)

    def get(self, path: str, address: str = "1.2.3.4", **query: str) -> Answer:
        answer = self.venue.rest(path, query, address, self.now)
        assert answer is not None
        return answer

    def post(self, fault: str, **query: str) -> Answer:
        return self.venue.control(fault, query, self.now)


class Client:
    """One session, seen from the client's side."""

    def __init__(self, world: World, session: Session) -> None:
        self.world, self.session = world, session

    def say(self, message: object) -> None:
        self.session.on_text(orjson.dumps(message), self.world.now)

    def raw(self) -> list[bytes]:
        """The text frames since the last look; pings and closes stay where they are."""
        frames = [action for action in self.session.out if isinstance(action, bytes)]
        self.session.out = [action for action in self.session.out if not isinstance(action, bytes)]
        return frames

    def frames(self) -> list[Any]:
        return [orjson.loads(frame) for frame in self.raw()]

    def ask(self, message: object) -> Any:
        """Says something and returns the one frame that answers."""
        before = self.raw()
        assert not before, before
        self.say(message)
        (answer,) = self.frames()
        return answer

    def pings(self) -> list[bytes]:
        pings = [action.payload for action in self.session.out if isinstance(action, Ping)]
        self.session.out = [action for action in self.session.out if not isinstance(action, Ping)]
        return pings

    @property
    def close(self) -> Close | None:
        return next((action for action in self.session.out if isinstance(action, Close)), None)
