"""A market with a router: the house, an outside venue that speaks FIX, parents entered at the API; in either topology.

The house bids 100000 at 100.00, the venue offers a million a level from 100.02 on: a parent that sells is filled by the
house, one that buys by the venue, at one price each, whatever happens in between. So what becomes of each is foretold.
"""

from __future__ import annotations

import http.client
import os
import time
from pathlib import Path
from typing import Any, Self

from services.router.verify import verify_tape
from services.simulator.fix_venue.running import RunningVenue
from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader
from tests.fix.processes import order
from tests.market_day import PRODUCERS, Market
from tools.services.ports import free_port

WITH_ROUTER = PRODUCERS.replace('operator" }]', 'operator" }, { name = "router" }]')
ENDED = ("filled", "cancelled", "expired", "failed", "rejected")
HOUSE = """
[nats]
url = "{nats}"
[publisher]
health_interval = 0.5
[[venues]]
name = "house"
number = 1
kind = "house"
[[venues.markets]]
ticker = "ACME"
symbol = "ACME"
[[router.feeds]]
venue = "house"
feed = "house"
"""
AWAY = """
[[venues]]
name = "away"
number = 2
dialect = "broker"
port = {port}
tls = false
comp_id = "CLIENT"
target_comp_id = "BROKER"
username = "client"
secret_file = "{folder}/away.secret"
reconnect = 1
[[venues.markets]]
ticker = "ACME"
symbol = "ACME"
[[router.feeds]]
venue = "away"
feed = "away"
[router]
durability = "disk"
book_interval = 0.01
profile_days = 0
clients = [{{ name = "operator", role = "operator" }}, {{ name = "traders" }}, {{ name = "api" }}]
"""
AWAY_SECRET = "password"
ENTERED = {"sell": "100.00", "buy": "100.02"}
"""Where a parent of each side is filled."""


def away_venue(folder: Path, env: str, nats: str) -> RunningVenue:
    """The outside venue, which publishes its book on the bus."""
    market = {"instruments": ("ACME:0.01:1:100.00",), "lots": 1_000_000, "levels": 3}
    return RunningVenue(folder / "away", "fix44", publish=f"{env}.away", nats=nats, **market)


def away_tables(folder: Path, venue: RunningVenue) -> str:
    """The settings of a router and its session there, and the secret that they name."""
    (folder / "away.secret").write_text(AWAY_SECRET)
    (folder / "away.secret").chmod(0o600)
    return AWAY.format(port=venue.port, folder=folder)


class RoutedMarket(Market):
    """`with RoutedMarket(folder, "split") as market:` all runs, and the router knows both books."""

    patience = 180.0
    """Of two dozen processes that start at once."""

    def __init__(self, folder: Path, topology: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bus = NatsServer(folder / "nats", port=free_port(), strict_port=True)
        env = f"d{os.getpid()}"
        self.away = away_venue(folder, env, self.bus.url)
        self.bus.start()
        try:
            self.away.__enter__()
        except BaseException:
            self.bus.stop()
            raise
        more = HOUSE.format(nats=self.bus.url) + away_tables(folder, self.away)
        super().__init__(folder, topology, more=more, producers=WITH_ROUTER)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._quote()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        try:
            self.away.__exit__()
        finally:
            self.bus.stop()

    @property
    def router_tape(self) -> Path:
        return Folders(self.host("router")).router_tape(0)

    def router_records(self, host: str = "router") -> list[m.Message]:
        try:
            with TapeReader(str(Folders(self.host(host)).router_tape(0)), None, limit="written") as reader:
                return [m.decode(raw) for raw in reader]
        except TapeError:
            return []

    def _quote(self) -> None:
        """The house's bid, by FIX; until the router has both books and a session at the venue."""
        self.bidder = self.fix()
        self.bidder.send(order("bid", "1", "100.00", 100_000))
        self.wait_until(lambda: known(self.router_records()) == {1, 2}, "the router knows both venues")

    def parents(self) -> list[m.NewParent]:
        """As the router took them."""
        return [one for one in self.router_records() if isinstance(one, m.NewParent)]

    def verify_router(self) -> None:
        """The router's tape replays to what it holds; the copy on the API's host holds the same."""
        report = verify_tape(self.router_tape)
        assert report.ok, report
        if self.topology == "split":
            ours = self.router_records()
            self.wait_until(lambda: len(self.router_records("api")) >= len(ours), "the router's tape on the API's host")
            assert self.router_records("api")[: len(ours)] == ours

    def away_orders(self) -> list[dict[str, Any]]:
        """What the venue itself says."""
        return self.away.orders()


def known(records: list[m.Message]) -> set[int]:
    """Venues that a router is at, and of whose book it knows a side."""
    ready, books = set[int](), set[int]()
    for one in records:
        if isinstance(one, m.VenueChanged):
            (ready.add if one.state is m.VenueState.ready else ready.discard)(one.venue)
        elif isinstance(one, m.BookSnapshot) and one.levels:
            books.add(one.source)
    return ready & books


def parent(name: str, side: str, qty: int) -> dict[str, object]:
    """Takes at once what it gets, up to where the other side stands."""
    return {
        **{"cl_ord_id": name, "account": 2, "ticker": "ACME", "side": side, "algorithm": "sweep", "qty": str(qty)},
        **{"limit_price": ENTERED[side], "time_in_force": "ioc"},
    }


def answered(client: Any, method: str, path: str, body: dict[str, object] | None = None) -> Any:
    """The answer for good: asked again while something is away. The same ClOrdID is the same parent."""
    deadline = time.monotonic() + RoutedMarket.patience
    found: object = None
    while True:
        try:
            answer = client.call(method, path, body)
            if answer.status in (200, 201):
                return answer.body
            found = answer
        except (OSError, http.client.HTTPException) as error:
            found = error
            client.close()
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def ended(client: Any, number: int) -> dict[str, Any]:
    """The parent, once it has ended."""
    deadline = time.monotonic() + RoutedMarket.patience
    while (found := answered(client, "GET", f"/v1/parents/{number}"))["state"] not in ENDED:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return dict(found)


def result(one: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the clock."""
    kept = (
        "cl_ord_id",
        "side",
        "algorithm",
        "state",
        "qty",
        "cum_qty",
        "leaves_qty",
        "avg_price",
        "children",
        "reason",
    )
    return {name: one[name] for name in kept}
