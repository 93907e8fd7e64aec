"""A parent worked at an outside broker: router, FIX session and broker as they run, through faults and kills."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.router.verify import verify_tape
from services.simulator.fix_venue.running import RunningVenue
from tapewire import messages as m
from tapewire.config import Nats
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.router_client import RouterClient
from tapewire.subjects import subject
from tapewire.tape import TapeReader
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S, ROOT
from tests.fix.processes import skip_reason

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
ENV = "routside"
A = m.Algorithm
ENDED = (m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired)
CONFIG = """
env = "{env}"
data = "{folder}/data"
rings = "{folder}/rings"
[nats]
url = "{nats}"
[[account]]
account = 1
[[venues]]
name = "out"
number = 3
answer_timeout = 1.0
reconnect = 1
drain_timeout = 1.0
tls = false
comp_id = "CLIENT"
target_comp_id = "BROKER"
username = "client"
secret_file = "{folder}/password"
port = {port}
markets = [{{ ticker = "ACME", symbol = "ACME" }}]
[router]
durability = "memory"
book_interval = 0.01
feeds = [{{ venue = "out", feed = "outside" }}]
instruments = [{{ ticker = "ACME", tick_size = "0.01", lot_size = "1" }}]
"""


class Outside:
    """Router and session as processes; the broker runs in the test, so that it can be told to misbehave."""

    def __init__(self, folder: Path, venue: RunningVenue, nats_url: str) -> None:
        folder.mkdir()
        secret = folder / "password"
        secret.write_text("password\n")
        secret.chmod(0o600)
        self.venue, self.folder, self.folders = venue, folder, Folders(folder / "data")
        self.config = folder / "tapewire.toml"
        self.config.write_text(CONFIG.format(env=ENV, folder=folder, nats=nats_url, port=venue.port))
        self.nats_url = nats_url
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *more: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", f"services.{name}", *more, "--config", str(self.config)]
            self.running[name] = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def start_all(self) -> None:
        self.start("router")
        self.until(lambda: self.folders.find_router_ring(0, "traders") is not None)
        self.start_session()

    def start_session(self) -> None:
        ready = self.ready()
        self.start("gateway.initiator", "--venue", "out")
        self.until(lambda: self.ready() > ready)

    def ready(self) -> int:
        return sum(isinstance(r, m.VenueChanged) and r.state == m.VenueState.ready for r in self.records())

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait(PATIENCE_S)

    def records(self) -> list[m.Message]:
        with TapeReader(str(self.folders.router_tape(0))) as reader:
            return list(map(m.decode, reader))

    def stands(self, parent_id: int = 1) -> m.ParentChanged:
        return [r for r in self.records() if isinstance(r, m.ParentChanged) and r.parent_id == parent_id][-1]

    def has(self, parent_id: int) -> bool:
        return any(isinstance(r, m.ParentChanged) and r.parent_id == parent_id for r in self.records())

    def last(self) -> dict[int, m.ParentChanged]:
        return {r.parent_id: r for r in self.records() if isinstance(r, m.ParentChanged)}

    def quiet(self) -> bool:
        return all(one.state in ENDED and not one.open_qty for one in self.last().values())

    def total(self) -> int:
        return sum(one.cum_qty for one in self.last().values())

    def quote(self, *asks: tuple[int, int]) -> None:
        """What the venue's feed tells of it."""
        levels = [m.BookLevel(price=price, qty=qty, orders=1, side=m.Side.sell) for price, qty in asks]
        levels.append(m.BookLevel(price=asks[0][0] - 2, qty=50, orders=1, side=m.Side.buy))
        levels.sort(key=lambda level: level.side)
        book = m.BookSnapshot(ticker="ACME", book_seq=1, quality=m.BookQuality.live, price_exponent=-2, levels=levels)

        async def publish() -> None:
            transport = NatsTransport(Nats(url=self.nats_url))
            await transport.connect()
            transport.publish(subject(ENV, "outside", "book", "ACME"), bytes(book))
            await transport.drain()

        asyncio.run(publish())
        self.until(lambda: any(isinstance(r, m.BookSnapshot) for r in self.records()))

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            logs = "".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))
            assert all(one.poll() is None for one in self.running.values()), logs
            assert time.monotonic() < deadline, logs
            time.sleep(0.02)

    def client(self) -> RouterClient:
        return RouterClient.open(self.folders.data)

    def truth(self) -> int:
        """What the broker's own engine has executed of ours."""
        return sum(int(one["cum_qty"]) for one in self.venue.orders())

    def close(self) -> None:
        for one in self.running.values():
            if one.poll() is None:
                one.kill()
                one.wait()


@pytest.fixture
def outside(tmp_path: Path, nats_server: NatsServer) -> Iterator[Outside]:
    with RunningVenue(tmp_path / "venue", "fix44", levels=3) as venue:
        one = Outside(tmp_path / "desk", venue, nats_server.url)
        try:
            one.start_all()
            yield one
        finally:
            one.close()


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with NatsServer(tmp_path_factory.mktemp("nats"), port=0) as server:
        yield server


def test_a_sweep_is_filled_and_a_bust_makes_it_work_again(outside: Outside) -> None:
    outside.quote((101_00, 500))
    with outside.client() as client:
        number = client.new(
            instrument=1, side=m.Side.buy, qty=6, account=1, algorithm=A.sweep,
            time_in_force=m.TimeInForce.day, limit_price=101_00,
        )  # fmt: skip
        assert isinstance(client.answer(number), m.ParentChanged)
        outside.until(lambda: outside.stands().state == m.ParentState.filled)
        assert outside.truth() == 6
        outside.venue.fault("bust")
        outside.until(lambda: any(r.last_qty < 0 for r in outside.records() if isinstance(r, m.ParentChanged)))
        outside.until(lambda: outside.stands().state == m.ParentState.filled)
    report = verify_tape(outside.folders.router_tape(0))
    assert report.ok, report.problems


def test_router_and_session_are_killed_in_the_middle_of_a_twap(outside: Outside) -> None:
    outside.quote((101_00, 500))
    with outside.client() as client:
        number = client.new(
            instrument=1, side=m.Side.buy, qty=40, account=1, algorithm=A.twap,
            end_time=time.time_ns() + 20 * 10**9, interval=2 * 10**9, limit_price=101_00,
        )  # fmt: skip
        assert isinstance(client.answer(number), m.ParentChanged)
    outside.until(lambda: outside.stands().cum_qty >= 4)
    outside.kill("router")
    outside.start("router")
    outside.until(lambda: outside.stands().cum_qty >= 8)
    outside.kill("gateway.initiator")
    outside.start_session()
    outside.quote((101_00, 500))
    outside.until(lambda: outside.stands().state in (m.ParentState.filled, m.ParentState.expired))
    assert outside.stands().cum_qty == outside.truth()
    records = outside.records()
    assert outside.stands().state == m.ParentState.filled
    slices = [r.number for r in records if isinstance(r, m.SliceScheduled)]
    assert slices == list(range(1, 11))
    report = verify_tape(outside.folders.router_tape(0))
    assert report.ok, report.problems
    names = Counter(str(one["cl_ord_id"]) for one in outside.venue.orders())
    assert set(names.values()) == {1}


FAULTS: list[tuple[str, dict[str, object]]] = [
    ("late_fill", {"qty": 3}),
    ("out_of_order", {"count": 2}),
    ("repeat", {"how": "possdup"}),
    ("repeat", {"how": "possresend"}),
    ("reject", {"of": "D"}),
    ("silence", {"seconds": 2}),
    ("lose", {}),
    ("gap", {}),
    ("garbled", {}),
    ("disconnect", {"when": "mid_fill"}),
    ("bust", {}),
    ("wrong_cum", {}),
]


def test_whatever_the_broker_does_parents_end_with_what_it_has_executed(outside: Outside) -> None:
    """(A bust of before makes an older parent work again.)"""
    outside.quote((101_00, 500))
    with outside.client() as client:
        for number, (fault, how) in enumerate(FAULTS, start=1):
            outside.venue.fault(fault, **how)
            client.new(
                instrument=1, side=m.Side.buy, qty=6, account=1, algorithm=A.sweep,
                time_in_force=m.TimeInForce.day, limit_price=101_00 if fault != "late_fill" else 90_00,
            )  # fmt: skip
            outside.until(lambda number=number: outside.has(number))  # type: ignore[misc]
            if fault == "late_fill":
                outside.until(lambda number=number: outside.stands(number).open_qty == 6)  # type: ignore[misc]
                time.sleep(0.5)
                client.cancel(number, 1)
            outside.until(lambda number=number: outside.stands(number).state in ENDED)  # type: ignore[misc]
        outside.until(outside.quiet)
    assert outside.total() == outside.truth()
    report = verify_tape(outside.folders.router_tape(0))
    assert report.ok, report.problems
    kinds = {m.VenueReportKind(r.kind).name for r in outside.records() if isinstance(r, m.VenueReported)}
    assert {"executed", "cancelled", "rejected", "unknown", "busted"} <= kinds
    late = outside.last()[1]
    assert (late.state, late.cum_qty) == (m.ParentState.cancelled, 3)  # executed after its cancel
