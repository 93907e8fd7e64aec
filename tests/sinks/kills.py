"""Engine, sink and server killed under load with SIGKILL, again and again, whatever the store is."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.ring import ring_state
from tapewire.tape import TapeReader
from tests.engine_process import EngineProcess
from tests.services import own
from tests.sinks.stack import PATIENCE_S, SinkProcess, Store
from tools.services import Server

Kind = TypeVar("Kind", bound=Server)
SIDES = ("sink", "server", "engine")
STEPS = 8  # of load between two kills at most, some commands each


class Load:
    """A trader with two accounts, who trades with itself."""

    def __init__(self, client: OrderClient, seed: int) -> None:
        self.client, self.pick = client, random.Random(seed)
        self.live: list[tuple[int, int]] = []

    def step(self) -> None:
        try:
            for _ in range(self.pick.randint(1, 20)):
                self.command()
        except RingFull:
            time.sleep(0.002)
        for event in self.client.poll():
            if isinstance(event, m.OrderAccepted):
                self.live.append((event.order_id, event.account))
        del self.live[:-50]

    def command(self) -> None:
        pick, chance = self.pick, self.pick.random()
        if self.live and chance < 0.2:
            self.client.cancel(*pick.choice(self.live))
        elif self.live and chance < 0.4:
            self.client.replace(*pick.choice(self.live), pick.randint(90, 110), pick.randint(1, 9))
        else:
            terms: dict[str, Any] = {"side": pick.choice((m.Side.buy, m.Side.sell)), "qty": pick.randint(0, 9)}
            self.client.new_order(instrument=1, price=pick.randint(95, 105), account=pick.choice((1, 2)), **terms)


class Killed(Store, Protocol):
    def toml(self, **more: object) -> str: ...


async def killed_again_and_again(
    folder: Path,
    kind: type[Kind],
    store_of: Callable[[Kind], Killed],
    check: Callable[[Any, list[bytes]], Awaitable[None]],
    kills: int,
    seed: int,
) -> None:
    """A server of its own, an engine and a sink; in the end `check` gets the store and all records of the tape."""
    pick = random.Random(seed)
    with own(kind) as server:
        store = store_of(server)
        engine = EngineProcess(folder, engine='durability = "memory"')
        with engine.config.open("a") as file:
            file.write(store.toml(batch_records=64, keep=0.0))
        sink = SinkProcess(engine.config, store.sink)
        engine.start()
        engine.wait_for_accounts(1, 2)
        client = engine.client()
        running = sink.start()
        try:
            load = Load(client, seed)
            sides = itertools.cycle(SIDES)
            taken = 0
            for _ in range(kills):
                # All three are at work by then: a sink that has not begun yet is no target.
                taken = await more_is_taken(load, store, sink, taken)
                for _ in range(pick.randrange(STEPS)):
                    load.step()
                    await asyncio.sleep(pick.random() * 0.02)
                running = await kill(next(sides), engine, server, sink, running)
            load.step()
            await everything_taken(engine, store, sink)
            running.terminate()
            assert running.wait(PATIENCE_S) == 0
        finally:
            client.close()
            engine.close()
            if running.poll() is None:
                running.kill()
                running.wait()
        with TapeReader(engine.tape) as reader:
            records = list(reader)
        await check(store, records)
        assert sum(isinstance(m.decode(raw), m.OrderExecuted) for raw in records) > kills


async def more_is_taken(load: Load, store: Store, sink: SinkProcess, before: int) -> int:
    """Goes on trading until the store has got on since the last kill; returns how far it is."""
    deadline = time.monotonic() + PATIENCE_S
    while (taken := await store.seq()) <= before:
        assert time.monotonic() < deadline, sink.log.read_text()[-4000:]
        load.step()
        await asyncio.sleep(0.01)
    return taken


async def kill(
    side: str, engine: EngineProcess, server: Server, sink: SinkProcess, running: subprocess.Popen[bytes]
) -> subprocess.Popen[bytes]:
    if side == "engine":
        engine.kill()
        engine.start()
    elif side == "server":
        server.kill()
        await asyncio.to_thread(server.start)
    else:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        return sink.start()
    return running


def all_taken(engine: EngineProcess) -> bool:
    """Whether nothing of the trader waits for the engine."""
    ring = engine.folders.find_inbound_ring(0, "traders")
    assert ring is not None
    state = ring_state(ring[0])
    return state.head == state.tail


async def everything_taken(engine: EngineProcess, store: Store, sink: SinkProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        # An engine that has just begun still answers what is in its ring, and takes it from there afterwards.
        drained = all_taken(engine)
        with TapeReader(engine.tape) as reader:
            released = reader.positions.released_seq
        if drained and released and await store.seq() == released:
            return
        assert time.monotonic() < deadline, sink.log.read_text()[-4000:]
        await asyncio.sleep(0.05)
