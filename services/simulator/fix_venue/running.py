"""A whole venue with its engine, as an async context manager, or on a thread of its own for tests and demos.

with RunningVenue(folder, "fix44") as venue:
    connect to 127.0.0.1:venue.port
    venue.fault("late_fill", client="CLIENT")
    assert venue.orders()[0]["cum_qty"] == "10"
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from services.simulator.fix_venue import control
from services.simulator.fix_venue.crowd import Crowd
from services.simulator.fix_venue.dialect import Endpoint
from services.simulator.fix_venue.dialects import DIALECTS
from services.simulator.fix_venue.engine import OwnEngine
from services.simulator.fix_venue.house import EngineHouse
from services.simulator.fix_venue.market_data import MarketData
from services.simulator.fix_venue.server import FixServer
from services.simulator.fix_venue.terms import Client
from services.simulator.fix_venue.venue import FixVenue
from tapewire.config import Nats
from tapewire.errors import ConfigError, TapewireError
from tapewire.transports.nats import NatsTransport

HOUSE_ACCOUNT = 90
CROWD_ACCOUNTS = (91, 92, 93, 94)
START_WAIT_S = 60.0
CALL_WAIT_S = 60.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """How a venue is made. Left out: what the dialect says."""

    dialect: str
    clients: Sequence[Client] = ()
    """Left out: one, `CLIENT`, as the dialect's `example_client` has it."""
    instruments: Sequence[str] = ()
    """TICKER:TICK:LOT:REFERENCE, of an engine of its own."""
    engine: bool = True
    """Whether to start an engine of its own; else one runs over the data folder."""
    shard: int = 0
    producer: str = "venue"
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    tls: ssl.SSLContext | None = None
    house_account: int = HOUSE_ACCOUNT
    crowd_accounts: Sequence[int] = CROWD_ACCOUNTS
    seed: int = 1
    rate: float = 0.0
    """Commands a second of other traders."""
    levels: int = 0
    publish: str = ""
    """`ENV.FEED`: its market is published on the bus as this feed; empty: it is not."""
    nats: str = Nats().url
    """The bus."""
    lots: int = 0
    """The opening book: levels on each side, lots on each; 0: as the dialect says."""
    copy_delay: float = 1.0
    """Seconds that a drop copy is later than order entry."""


@contextlib.asynccontextmanager
async def running(
    data: Path, options: Options, stopped: Callable[[], bool] = lambda: False
) -> AsyncIterator[FixServer]:
    """A venue on its ports, its engine up and its book open. Raises ConfigError, RingError."""
    dialect = DIALECTS[options.dialect]()
    clients = list(options.clients) or [dialect.example_client()]
    accounts = sorted({client.account for client in clients} | {options.house_account, *options.crowd_accounts})
    instruments = options.instruments or dialect.instruments
    lots = options.lots or dialect.lots
    own = OwnEngine(data, instruments, accounts, lots) if options.engine else None
    house: EngineHouse | None = None
    stack = contextlib.AsyncExitStack()
    try:
        deadline = time.monotonic() + START_WAIT_S
        house = await _house(data, options, own, deadline, stopped)
        delay = int(options.copy_delay * 1e9)
        venue = FixVenue(dialect, clients, house, options.house_account, copy_delay_ns=delay)
        crowd = Crowd(
            house,
            maker=options.house_account,
            accounts=options.crowd_accounts,
            seed=options.seed,
            rate=options.rate,
            levels=options.levels,
            lots=lots,
        )
        market = await _market(options, venue, crowd, stack)
        also = [crowd.on_time, *([market.on_time] if market is not None else [])]
        expected = len(instruments) if own is not None else 1
        while len(venue.orders.symbols) < expected or not venue.orders.accounts >= set(accounts if own else ()):
            venue.step(time.time_ns())
            if time.monotonic() > deadline or stopped():
                raise ConfigError(f"{data}: the engine defines no instruments and accounts; expected them by now")
            await asyncio.sleep(0.01)
        if market is not None:
            market.begin()
        crowd.open(time.time_ns())
        async with FixServer(
            venue,
            host=options.host,
            port=options.port,
            control_port=options.control_port,
            tls=options.tls,
            also=also,
        ) as server:
            yield server
    finally:
        await stack.aclose()
        if house is not None:
            house.close()
        if own is not None:
            own.close()


async def _market(
    options: Options, venue: FixVenue, crowd: Crowd, stack: contextlib.AsyncExitStack
) -> MarketData | None:
    """Lets the crowd and, if it is wanted, the bus see what happens; `stack` ends the connection to it.

    Raises ConfigError, TransportError.
    """
    venue.watch.append(crowd.saw)
    if not options.publish:
        return None
    env, dot, feed = options.publish.partition(".")
    if not (env and dot and feed) or "." in feed:
        raise ConfigError(f"--publish {options.publish}: expected ENV.FEED, such as demo.kraken")
    transport = NatsTransport(Nats(url=options.nats), name=f"fix venue {feed}")
    await transport.connect()
    stack.push_async_callback(transport.drain)
    market = MarketData(transport, env, feed)
    venue.watch.append(market.saw)
    return market


async def _house(
    data: Path, options: Options, own: OwnEngine | None, deadline: float, stopped: Callable[[], bool]
) -> EngineHouse:
    """The engine's rings, once it has made them."""
    while True:
        try:
            return EngineHouse(data, options.shard, producer=options.producer)
        except TapewireError:
            if time.monotonic() > deadline or stopped():
                raise
        if own is not None:
            own.check()
        await asyncio.sleep(0.01)


class RunningVenue:
    """A venue on a thread of its own. Its methods may be called from any other."""

    def __init__(self, data: Path, dialect: str, **options: Any) -> None:
        """`options`: those of `Options`."""
        self._data, self._options = data, Options(dialect, **options)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._server: FixServer | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=f"fix venue {dialect}")
        self.port = self.control_port = 0
        self.ports: dict[Endpoint, int] = {}
        """By endpoint."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    @property
    def venue(self) -> FixVenue:
        """To look at within `call`."""
        assert self._server is not None
        return self._server.venue

    def call(self, function: Callable[[], T]) -> T:
        """Calls it on the venue's own thread, and returns or raises what it does."""
        assert self._loop is not None

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(CALL_WAIT_S)

    def fault(self, name: str, **query: object) -> dict[str, object]:
        """What `POST /_sim/<name>?…` does. Raises FaultRequestError."""
        server = self._server
        assert server is not None
        return self.call(lambda: server.fault(name, **query))

    def orders(self, client: str = "") -> list[dict[str, Any]]:
        """What `GET /_sim/orders` shows: the truth."""
        return self.call(lambda: control.orders(self.venue, client))

    def status(self) -> dict[str, Any]:
        """What `GET /_sim/status` shows."""
        return self.call(lambda: control.status(self.venue))

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001  given to whoever entered, or leaves
            self._failure = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with running(self._data, self._options) as server:
            self._server = server
            self.port, self.control_port, self.ports = server.port, server.control_port, server.ports
            self._ready.set()
            stop = asyncio.ensure_future(self._stop.wait())
            ended = asyncio.ensure_future(server.wait())
            done, pending = await asyncio.wait((stop, ended), return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            for task in done:
                task.result()
