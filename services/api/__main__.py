"""`tapewire api`: reads configuration, recovers, serves HTTP, the stream and the bus until SIGTERM."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

import asyncio
import gc
import time
from contextlib import AsyncExitStack
from pathlib import Path

import click

from services.api import cache as known_elsewhere
from services.api import counters, files, health, recovery
from services.api.answers import Remembered
from services.api.app import Api
from services.api.authors import NS
from services.api.bus_door import BusDoor
from services.api.desk import Desk
from services.api.entry import Entry
from services.api.history import History
from services.api.http.server import HttpServer, tls_context
from services.api.hub import Hub
from services.api.hub.frames import Requests
from services.api.hub.waiter import Waiter
from services.api.kept_answers import KeptAnswers
from services.api.keys import Failures, Keys
from services.api.operations import Operations
from services.api.outgoing import Ring
from services.api.parent_answers import ParentAnswers
from services.api.parents import ParentDesk
from services.api.sessions import Sessions, Tickets
from services.api.stream.history import TapeHistory
from services.api.stream.server import StreamServer
from services.api.tape import ApiTape, Sampler
from tapewire import config as configuration
from tapewire import lifecycle
from tapewire.config import Config
from tapewire.errors import RingError
from tapewire.folders import Folders
from tapewire.health import serve as serve_health
from tapewire.interfaces import Transport
from tapewire.logs import Logger, configure
from tapewire.metrics import exposition
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader
from tapewire.transports import nats_access

COLLECT_AFTER = (100_000, 50, 1000)
"""Objects, and collections of the younger ones, between two collections: of the oldest in effect never."""


def open_ring(folders: Folders, shard: int, name: str, bell: Doorbell) -> Ring | None:
    """Our ring of that name at the engine; None if it knows no such producer."""
    found = folders.find_inbound_ring(shard, name)
    return None if found is None else Ring(RingProducer(str(found[0]), doorbell=bell), found[1])


async def connected(settings: Config, stack: AsyncExitStack, log: Logger) -> Transport | None:
    """The bus, until the stack ends; None if the settings say to do without."""
    if not settings.api.bus:
        return None
    from tapewire.transports.nats import NatsTransport

    transport = NatsTransport(settings.nats, name="api", log=log)
    await transport.connect()
    stack.push_async_callback(transport.drain)
    return transport


async def opened(
    entry: Entry, hub: Hub, rings: list[Ring], door: BusDoor | None, stop: asyncio.Event, log: Logger
) -> None:
    """Lets requests in once the engine has taken what an earlier process left, and all of that is folded."""
    await recovery.drained([ring.producer for ring in rings], stop)
    until = hub.state().released_seq
    while hub.seq < until and not stop.is_set():
        await asyncio.sleep(recovery.POLL_S)
    if stop.is_set():
        return
    entry.open()
    if door is not None:
        # Not before: what it says of an account's history is final, and what the rings hold is not on the tape yet.
        await door.start()
    log.info("open", orders_seq=hub.seq)


def recall(past: recovery.Recovery, kept: KeptAnswers, since: int, up_to: int, log: Logger) -> None:
    """Folds what became of requests up to record `up_to` of the orders tape: from a snapshot on, or since that time."""
    began = time.perf_counter()
    with TapeReader(kept.own, None, limit="written") as own, TapeReader(kept.orders, None) as orders:
        if not kept.restore(past, own, orders, up_to):
            own.seek_time(since)
            orders.seek_time(since)
        past.forget(since)
        snapshot = past.at_seq
        recovery.fold_tapes(past, own, orders, up_to)
    seconds = round(time.perf_counter() - began, 3)
    log.info("requests_recalled", snapshot=snapshot, seq=up_to, known=len(past.remembered), seconds=seconds)


async def serve(settings: Config, log: Logger) -> None:
    own, shard, folders, clock = settings.api, settings.engine.shard, settings.folders, time.time_ns
    stop, interval_ns = lifecycle.stop_on_signals(), int(own.failures_interval * 1e9)
    # What the settings name and nobody put there is said before anything is waited for.
    keys = Keys(own, Failures(own.failures, interval_ns))
    tls_context(own)
    if own.bus:
        nats_access.check(settings.nats, health.SERVICE)
    async with AsyncExitStack() as stack:
        told = stack.enter_context(serve_health(settings, health.SERVICE))
        told.watch_loop(stop)
        bell = stack.enter_context(Doorbell(str(folders.doorbell(shard))))
        trader = open_ring(folders, shard, own.producer, bell)
        if trader is None:
            raise RingError(
                f"{folders.rings}: no inbound ring of a producer {own.producer!r} for shard {shard}. "
                f"Start the engine with this data folder, and name the producer in [engine] producers"
            )
        stack.enter_context(trader.producer)
        operator = open_ring(folders, shard, own.operator, bell)
        if operator is not None:
            stack.enter_context(operator.producer)
        rings = [trader] if operator is None else [trader, operator]
        transport = await connected(settings, stack, log)
        now, sources = clock(), [ring.source for ring in rings]
        since = recovery.since(now, own.remember_for)
        own_path, orders_path = folders.api_tape(own.number), folders.orders_tape(shard)
        requests = Requests(
            *(str(own_path.absolute()), sources, own.snapshot_every, own.remember),
            *(int(own.remember_for * NS), since),
        )
        hub = Hub(settings, transport, log, clock, requests)
        remembered = Remembered(own.remember)
        # Before the hub starts: what was kept of records that this tape lost is removed before anybody looks for it.
        writer = recovery.open_tape(own_path, settings.engine.segment_bytes)
        stack.callback(writer.close)
        recovery.use_nonces(own_path, keys, now)
        past = recovery.Recovery(remembered, sources)
        durable = settings.engine.durability != "memory"
        tape = ApiTape(writer, clock, past.last_ts, Sampler(own.trace_sampling), durable=durable)
        entry = Entry(own, tape, trader, operator, remembered, past.found, clock, log)
        sessions, tickets = Sessions(own, Failures(own.failures, interval_ns)), Tickets()
        stack.callback(sessions.close)
        desk = Desk(entry, hub)
        operations = Operations(entry, hub)
        parents = ParentDesk(settings, entry, hub, ParentAnswers(own.remember, past.key_of), clock)
        history = History(settings.data)
        stack.callback(history.close)
        page = stack.enter_context(counters.page(folders.stats, own.number))
        entry.took = page.histogram(counters.ANSWER).record
        collectors = exposition.registry(folders)
        cache = known_elsewhere.opened(settings, log)
        api = Api(
            *(settings, hub, entry, desk, operations, parents, keys, sessions, tickets, clock, history),
            *(lambda accept: exposition.scrape(collectors, accept), cache, log),
        )
        http = HttpServer(own, api.handle, log)
        if cache is not None:
            stack.push_async_callback(cache.close)
            # Nobody waits for a long tape to be read who is served by the cache.
            await http.start()
            stack.push_async_callback(http.stop, own.drain_timeout)
            log.info("starting", port=own.port, cache=own.cache_prefix)
        await hub.start()
        stack.push_async_callback(hub.close)
        await asyncio.to_thread(recall, past, KeptAnswers(own_path, orders_path, log), since, hub.seq, log)
        tape.last_ts = max(tape.last_ts, past.last_ts)
        # What was folded is never looked at again, and what comes makes no cycles: all would stop for nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        hub.tap(entry.fold)
        hub.lost = entry.lost
        entry.hurry = hub.poll
        waiter = Waiter(folders.orders_tape(shard), entry.look)
        stack.callback(waiter.close)
        entry.await_tape = lambda: waiter.ask(hub.position)
        api.starting = False

        door = None
        if transport is not None and own.bus_door:
            door = BusDoor(settings.env, transport, entry, folders.orders_tape(shard), clock, log)
        async with asyncio.TaskGroup() as tasks:
            ended = asyncio.Event()  # what was asked before `stop` is still answered
            tasks.create_task(hub.run(ended))
            tasks.create_task(entry.run(ended))
            tasks.create_task(parents.run(ended))
            if transport is not None:
                tasks.create_task(health.tell(settings, transport, hub, entry, cache, stop))
            tasks.create_task(opened(entry, hub, rings, door, stop, log))
            if cache is None:
                await http.start()
            logs = TapeHistory(hub, folders.orders_tape(shard))
            stream = StreamServer(own, hub, logs, keys, tickets, desk, clock, log)
            await stream.start()
            tasks.create_task(stream.run(stop))
            tasks.create_task(counters.count(page, api, http, stream, ended))
            told.check(ready=lambda: health.reasons(hub, entry), detail=lambda: health.figures(hub, entry, cache))
            log.info("listening", port=own.port, stream=own.stream_address[1])
            await stop.wait()
            entry.close()
            if door is not None:
                await door.close()
            await stream.drain()
            await http.stop(own.drain_timeout)
            ended.set()
    log.info("stopped")


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file; else TAPEWIRE_CONFIG.")
def main(path: Path | None) -> None:
    """HTTP and WebSocket clients, and the dashboard in the browser."""
    settings = configuration.load(path)
    files.raise_limit(settings.api)
    settings.folders.prepare(settings.rings)
    lifecycle.run(serve(settings, configure("api")))


if __name__ == "__main__":
    lifecycle.main(main, "tapewire api")
