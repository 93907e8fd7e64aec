"""Runs the whole platform on this machine: starts it, watches it, ends it, verifies what it left.

nats-server      the bus
simulator        three venues on sockets of their own; house traders
connector x 3    venue -> book -> bus and ring
flusher          rings -> tapes -> columnar files
engine           the house market: risk, journal, matcher
journal          the orders tape on the bus
gateway, front   the door for FIX clients, where QuickFIX is installed
api              the dashboard, HTTP and WebSocket clients
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from tapewire import messages as m
from tapewire.config.sections import Nats
from tapewire.demo import front_door, kill, opening, settings, web
from tapewire.demo.observe import Observer, Sample, summary
from tapewire.demo.supervisor import Supervisor
from tapewire.demo.view import Market, View
from tapewire.errors import TapewireError
from tapewire.folders import Folders, default_rings
from tapewire.interfaces import Received, Transport
from tapewire.lifecycle import stop_on_signals
from tapewire.nats_server import NatsServer
from tapewire.ring.removal import remove_drained
from tapewire.transports.nats import NatsTransport

VENUES = ("binance", "coinbase", "kraken")
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.25
DEFAULT_RATE = 400  # house commands a second
# Who writes ends before who reads, so that everything written is drained.
STOP_ORDER = (
    ("traders", *(f"connector.{venue}" for venue in VENUES), *front_door.PROCESSES, web.PROCESS),
    ("simulator", "engine", "flusher", "journal"),
)


@dataclass
class Options:
    data: Path = Path(".tapewire/demo")
    recordings: Path | None = None
    seconds: float = 0.0  # 0: until Ctrl-C
    headless: bool = False
    kill_engine: bool = False
    rate: int = DEFAULT_RATE
    seed: int = 1


@dataclass
class Outcome:
    """What --json prints, and whether all of it is as it should be."""

    summary: dict[str, Any] = field(default_factory=dict)
    ok: bool = True


class Demo:
    def __init__(self, options: Options, console: Console) -> None:
        self.options, self.console = options, console
        self.folders = Folders(options.data.absolute())
        self.rings = default_rings("demo", self.folders.data)
        self.market = Market()
        self.setup_seconds = 0.0
        self.killed: dict[str, Any] = {}
        self.config = Path()
        self.fix: settings.Fix | None = None
        self.web: settings.Web | None = None

    async def run(self) -> Outcome:
        began = time.monotonic()
        self.folders.prepare(self.rings)
        with NatsServer(self.folders.nats) as server:
            supervisor = Supervisor(self.folders.data / "logs")
            try:
                sample = await self._watched(server, supervisor, began)
            finally:
                await asyncio.to_thread(supervisor.stop)
                for path, why in remove_drained(self.rings).items():
                    self.console.print(f"{path} stays for the next start: {why}", highlight=False)
        return self._finish(sample)

    async def _watched(self, server: NatsServer, supervisor: Supervisor, began: float) -> Sample:
        observer = Observer(self.folders, VENUES)
        stopping = stop_on_signals()
        transport = NatsTransport(Nats(url=server.url))
        await self._start(server, supervisor)
        await transport.connect()
        try:
            for kind in ("trade", "quote", "auction"):
                await transport.subscribe(f"demo.*.{kind}.*", self._take)
            await transport.subscribe("demo.house.status.*", self._take)
            await self._heard({*VENUES}, observer, supervisor, stopping, began)
            opens = await self._open_house(transport, supervisor, stopping, began)
            if self.fix is not None:
                front_door.start(supervisor, self.config)
            if self.web is not None:
                web.start(supervisor, self.config)
            if opens:
                await self._heard({"house"}, observer, supervisor, stopping, began)
            self.setup_seconds = time.monotonic() - began
            self._say(f"a running market after {self.setup_seconds:.1f} s")
            await self._watch(observer, supervisor, stopping, server.url)
        finally:
            await transport.close()
        # Counters and positions as they are once everything has drained; children still hold their pages until then.
        if killed := await asyncio.to_thread(supervisor.stop, *STOP_ORDER):
            self.console.print(f"[red]did not end by themselves in time: {', '.join(killed)}; see {supervisor.logs}[/]")
        return observer.sample()

    async def _start(self, server: NatsServer, supervisor: Supervisor) -> None:
        options, ports = self.options, self.folders.data / "venues.json"
        ports.unlink(missing_ok=True)
        recordings = ["--data", str(options.recordings)] if options.recordings else []
        supervisor.start(
            "simulator",
            *("services.simulator", "--venues", ",".join(VENUES), "--ports-file", str(ports)),
            *("--seed", str(options.seed), *recordings),
        )
        venues = await self._venues(ports, supervisor)
        self.fix = front_door.find(self.folders.data)
        self.web = web.find(self.folders.data)
        self.config = settings.write(self.folders.data, server.url, venues, self.fix, self.web)
        at = ("--config", str(self.config))
        supervisor.start("engine", "services.engine", *at)
        supervisor.start("flusher", "services.flusher", *at)
        for venue in VENUES:
            supervisor.start(f"connector.{venue}", "services.connector", venue, *at)
        supervisor.start("journal", "services.journal", *at)
        supervisor.start(
            "traders",
            *("services.simulator", "traders", "--data", str(self.folders.data), "--producer", "traders"),
            *("--rate", str(options.rate), "--seed", str(options.seed)),
        )

    async def _venues(self, ports: Path, supervisor: Supervisor) -> dict[str, dict[str, Any]]:
        """What the simulator announces once its sockets listen."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not ports.exists():
            supervisor.check()
            if time.monotonic() > deadline:
                raise TapewireError(
                    f"the simulated venues were not ready within {READY_WITHIN_S:g} s: see {ports.parent}/logs"
                )
            await asyncio.sleep(0.02)
        found: dict[str, dict[str, Any]] = json.loads(ports.read_bytes())
        return found

    async def _open_house(
        self, transport: Transport, supervisor: Supervisor, stopping: asyncio.Event, began: float
    ) -> bool:
        """Asks how each instrument stands, and calls the opening auction of those that are closed.

        Returns whether any takes orders then.
        """
        for ticker in settings.INSTRUMENTS:
            while (status := await opening.status_of(transport, ticker)) is None and not stopping.is_set():
                supervisor.check()
                if time.monotonic() - began > READY_WITHIN_S:
                    raise TapewireError(
                        f"no status of {ticker} within {READY_WITHIN_S:g} s: see {self.folders.data}/logs"
                    )
                await asyncio.sleep(0.05)
            if status is not None:
                self.market.take("house", status)
        found = list(self.market.statuses.values())
        closed = [status.instrument for status in found if status.status == m.InstrumentStatus.closed]
        if closed and not stopping.is_set():
            await asyncio.to_thread(opening.call_auction, self.folders.data, closed)
        return bool(closed) or any(status.status != m.InstrumentStatus.halted for status in found)

    async def _heard(
        self, wanted: set[str], observer: Observer, supervisor: Supervisor, stopping: asyncio.Event, began: float
    ) -> None:
        """Until a quote or trade of every wanted feed has come over the bus."""
        while (missing := wanted - self.market.feeds_seen) and not stopping.is_set():
            supervisor.check()
            observer.sample()
            if time.monotonic() - began > READY_WITHIN_S:
                raise TapewireError(
                    f"no quote or trade of {', '.join(sorted(missing))} within {READY_WITHIN_S:g} s: "
                    f"see {self.folders.data}/logs"
                )
            await asyncio.sleep(0.05)

    async def _watch(self, observer: Observer, supervisor: Supervisor, stopping: asyncio.Event, nats: str) -> None:
        view = View(nats, str(self.options.data), self.hints())
        began = time.monotonic()
        kill_at = min(self.options.seconds / 2 or 8.0, 8.0) if self.options.kill_engine else None
        live = None if self.options.headless else Live(console=self.console, screen=True, auto_refresh=False)
        if live:
            live.start()
        try:
            while not stopping.is_set():
                elapsed = time.monotonic() - began
                sample = observer.sample()
                supervisor.check()
                if kill_at is not None and elapsed >= kill_at:
                    kill_at = None
                    self.killed = await asyncio.to_thread(kill.kill_and_recover, supervisor, self.folders, self.config)
                if live:
                    live.update(view.render(sample, self.market, elapsed, self.console.width), refresh=True)
                if self.options.seconds and elapsed >= self.options.seconds:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            if live:
                live.stop()

    def _take(self, message: Received) -> None:
        self.market.take(message.subject.split(".")[1], m.decode(message.data))

    def hints(self) -> dict[str, str]:
        """Commands to try beside the demo, and what each does."""
        data = "" if self.options.data == Options.data else f" --data {self.options.data}"
        return {
            "tapewire sub 'demo.house.*.BTCUSDT'": "decoded messages, one per line (--json for machines)",
            f"tapewire tape tail orders.0{data}": "the house tape, decoded, live",
            f"tapewire operator{data} halt BTCUSDT": "stops it; then: auction BTCUSDT --resume-in 5",
            **self._fix_hint(),
            **self._web_hint(),
            f"tapewire verify{data}": "replays every tape, compares events and digests",
        }

    def _fix_hint(self) -> dict[str, str]:
        if self.fix is None:
            return {}
        data = "" if self.options.data == Options.data else f" {self.options.data}"
        return {f"python examples/fix_order.py{data}": f"an order by FIX at 127.0.0.1:{self.fix.port}"}

    def _web_hint(self) -> dict[str, str]:
        if self.web is None:
            return {}
        return {f"http://127.0.0.1:{self.web.port}/": f"the dashboard: user {web.USER}, password {self.web.password}"}

    def _finish(self, sample: Sample) -> Outcome:
        known: dict[str, Any] = {"setup_seconds": round(self.setup_seconds, 2)}
        # A service is named, not imported: tapewire depends on none.
        verify = importlib.import_module("services.engine.verify")
        reports = verify.verify(self.folders.data)
        orders = next((r for r in reports if r.tape == "orders.0"), None)
        known["verify"] = {
            "ok": all(r.ok for r in reports),
            "records": sum(r.records for r in reports),
            "digest": orders.digest if orders else "",
            "problems": [f"{r.tape}: {p}" for r in reports for p in r.problems],
        }
        outcome = Outcome(ok=known["verify"]["ok"])
        if self.options.kill_engine:
            known["kill"] = self.killed
            outcome.ok = outcome.ok and bool(self.killed) and self.killed["digest_equal"] and not self.killed["lost"]
        outcome.summary = summary(sample, known)
        return outcome

    def _say(self, text: str) -> None:
        if self.options.headless:
            self.console.print(text, highlight=False)
