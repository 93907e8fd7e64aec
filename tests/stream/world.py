"""A real engine, the hub, the entry and the stream over a folder; clients by the library `websockets`.

The engine runs in this process, a piece of work at each turn of the loop, so that a test takes milliseconds.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from services.api.answers import Remembered
from services.api.desk import Desk
from services.api.entry import Entry
from services.api.hub import Hub
from services.api.keys import Failures, Keys
from services.api.outgoing import Ring
from services.api.sessions import Tickets
from services.api.stream.history import TapeHistory
from services.api.stream.server import StreamServer
from services.api.tape import ApiTape, Sampler
from services.engine import Engine, configured
from services.engine.producers import inbound_rings
from tapewire import config as configuration
from tapewire import messages as m
from tapewire.logs import get
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader, TapeWriter
from tools.services.ports import free_port

PATIENCE_S = 30.0
SECRET = b"a secret of thirty-two bytes, so!"
KEYS = {
    "trader": (1, '["read", "trade"]', "[1]"),
    "other": (2, '["read", "trade"]', "[2]"),
    "watcher": (3, '["read"]', "[1]"),
    "risk": (4, '["read", "risk"]', "[]"),
}
"""Name: number, scopes, accounts."""
SETTINGS = """\
env = "t{pid}"
data = "{folder}/data"
rings = "{folder}/rings"

[engine]
durability = "memory"
segment_bytes = 1048576
ring_bytes = 262144
producers = [
    {{ name = "operator", role = "operator" }}, {{ name = "traders" }}, {{ name = "api" }},
    {{ name = "api-operator", role = "operator" }},
]

[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"

[[instrument]]
ticker = "WIDE"
tick_size = "0.5"
lot_size = "0.1"

[[account]]
account = 1

[[account]]
account = 2

[api]
port = {port}
stream_port = {stream}
bus = false
origins = ["https://desk.example.com"]
{api}

[api.stream]
{bounds}
"""
KEY = """
[[api.keys]]
name = "{name}"
number = {number}
auth = "hmac"
secret_file = "{folder}/secret"
scopes = {scopes}
accounts = {accounts}
rate = 10000.0
burst = 10000
"""


class World:
    """Made by `running`."""

    def __init__(self, folder: Path, bounds: str = "", more: str = "", api: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        secret = folder / "secret"
        secret.write_text(base64.b64encode(SECRET).decode())
        secret.chmod(0o600)
        file = folder / "tapewire.toml"
        ports = {"port": free_port(), "stream": free_port()}
        text = SETTINGS.format(pid=os.getpid(), folder=folder, bounds=bounds, api=api, **ports)
        for name, (number, scopes, accounts) in KEYS.items():
            text += KEY.format(name=name, number=number, scopes=scopes, accounts=accounts, folder=folder)
        file.write_text(text + more)
        self.settings = configuration.load(file, {})
        self.url = f"ws://127.0.0.1:{self.settings.api.stream_address[1]}/v1/stream"
        self.tickets = Tickets()
        self.orders = itertools.count(1)
        self.stop = asyncio.Event()

    @property
    def tape(self) -> Path:
        return self.settings.folders.orders_tape(0)

    def open_engine(self) -> None:
        folders, own = self.settings.folders, self.settings.engine
        folders.prepare(self.settings.rings)
        rings = inbound_rings(folders, 0, own.producers)
        self.engine = Engine(
            self.tape,
            rings,
            durability=own.durability,
            segment_bytes=own.segment_bytes,
            ring_bytes=own.ring_bytes,
            doorbell=folders.doorbell(0),
        )
        self.rings = [RingProducer(ring.path) for ring in rings]
        pending = configured.pending(self.settings.instruments, self.settings.accounts, self.engine.definitions())
        for command in pending:
            assert self.rings[0].write(bytes(command))
        self.engine.do_work()

    async def open_api(self) -> None:
        settings, own, clock, log = self.settings, self.settings.api, time.time_ns, get("test")
        self.hub = Hub(settings, None, log, clock)
        await self.hub.start()
        keys = self.keys = Keys(own, Failures(own.failures, int(own.failures_interval * 1e9)))
        self.writer = TapeWriter(settings.folders.api_tape(0), durability="memory")
        tape = ApiTape(self.writer, clock, 0, Sampler(0.0), durable=False)
        remembered = Remembered(1000)
        self.entry = Entry(own, tape, Ring(self.rings[2], 3), Ring(self.rings[3], 4), remembered, _nothing, clock, log)
        self.hub.tap(self.entry.fold)
        self.entry.hurry = self.hub.poll
        self.entry.open()
        history = TapeHistory(self.hub, self.tape)
        self.stream = StreamServer(own, self.hub, history, keys, self.tickets, Desk(self.entry, self.hub), clock, log)
        await self.stream.start()

    async def work(self) -> None:
        """The engine's part of this process."""
        while True:
            self.engine.do_work()
            await asyncio.sleep(0.0005)

    def send(self, *commands: m.Message) -> None:
        """Commands of other clients, straight into the engine's ring."""
        for command in commands:
            assert self.rings[1].write(bytes(command)), "the ring is full"

    def order(self, side: int, price: int, qty: int, **fields: Any) -> m.NewOrder:
        """A limit order of account 2, good till cancelled."""
        given = {"account": 2, "instrument": 1, "ord_type": 1, "time_in_force": 2, "cl_ord_id": next(self.orders)}
        return m.NewOrder(side=side, price=price, qty=qty, **{**given, **fields})

    async def settled(self) -> None:
        """Returns when the hub has taken in all that was sent."""
        await until(
            lambda: all(ring.head == ring.tail for ring in self.rings) and self.hub.seq >= self.engine.next_seq - 1
        )

    def ticket(self, name: str) -> str:
        """As `POST /v1/stream/ticket` gives it to the key `name`."""
        author = next(one for one in self.keys.authors if one.name == name)
        return self.tickets.issue(author, time.time_ns())

    def records(self, tape: Path | None = None) -> list[m.Message]:
        with TapeReader(tape or self.tape, 1, "written") as reader:
            return [m.decode(raw) for raw in reader]


def _nothing(raw: bytes, number: int) -> None:
    return None


@asynccontextmanager
async def running(folder: Path, bounds: str = "", more: str = "", api: str = "") -> AsyncIterator[World]:
    """`bounds`: lines of [api.stream]; `api`: of [api]; `more`: tables after everything else."""
    world = World(folder, bounds, more, api)
    async with AsyncExitStack() as stack:
        world.open_engine()
        stack.callback(world.engine.close)
        for ring in world.rings:
            stack.callback(ring.close)
        await world.open_api()
        stack.callback(world.writer.close)
        stack.push_async_callback(world.hub.close)
        tasks = [asyncio.create_task(world.work())]
        runs = (world.hub.run(world.stop), world.entry.run(world.stop), world.stream.run(world.stop))
        tasks += [asyncio.create_task(run) for run in runs]
        try:
            yield world
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            world.stop.set()
            await world.stream.drain()
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], Any]) -> None:
    """Waits until it holds. Raises AssertionError after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.002)


_nonces = itertools.count()


def signed(name: str, *, secret: bytes = SECRET, at: int | None = None, nonce: str = "") -> dict[str, Any]:
    """The first message of a client with the key `name`, as docs/stream.md says."""
    timestamp = str(at if at is not None else time.time_ns() // 1_000_000)
    nonce = nonce or f"n{time.time_ns()}.{next(_nonces)}"
    text = f"{timestamp}\n{nonce}\nGET\n/v1/stream\n{hashlib.sha256(b'').hexdigest()}"
    signature = base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
    return {"op": "auth", "key": name, "timestamp": timestamp, "nonce": nonce, "signature": signature}


class Peer:
    """A client by the library `websockets`."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.aside: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.ws.send(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            found: dict[str, Any] = json.loads(await self.ws.recv())
        return found

    async def find(self, **wanted: Any) -> dict[str, Any]:
        """The next message with these fields; others are put aside."""
        while True:
            message = await self.next()
            if all(message.get(name) == value for name, value in wanted.items()):
                return message
            self.aside.append(message)

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Says it, and returns what comes next."""
        await self.say(**message)
        return await self.next()

    async def subscribe(self, number: int, channel: str, **options: Any) -> dict[str, Any]:
        """The first message of the subscription (its snapshot, or what was missed)."""
        await self.say(op="subscribe", id=number, channel=channel, **options)
        await self.find(op="subscribed", id=number)
        return await self.find(id=number)

    async def closed(self) -> tuple[int, str]:
        """Code and reason, once it has been closed."""
        async with asyncio.timeout(PATIENCE_S):
            await self.ws.wait_closed()
        return self.ws.close_code or 0, self.ws.close_reason or ""


@asynccontextmanager
async def client(world: World, name: str = "trader", **options: Any) -> AsyncIterator[Peer]:
    """One that has said who it is; `name` empty: one that has not."""
    async with connect(world.url, compression=None, proxy=None, **options) as ws:
        peer = Peer(ws)
        if name:
            answer = await peer.ask(**signed(name))
            assert answer["op"] == "auth", answer
        yield peer
