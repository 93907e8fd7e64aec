"""The republisher on a tape in memory: what it publishes, where it goes on, what it does when the tape lost records."""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from services.journal.checkpoint import RESTART, Checkpoint
from services.journal.publisher import Publisher
from tapewire import logs, snapshots
from tapewire import messages as m
from tapewire.config import Publisher as Settings
from tapewire.consumers import positions, take_back
from tapewire.errors import TapeError
from tapewire.house import HouseMarket, Publication
from tapewire.interfaces import Received, Transport
from tapewire.nats_server import NatsServer
from tapewire.order_bus import unframed
from tapewire.snapshots import Snapshot
from tapewire.transports.memory import MemoryBus, MemoryTransport
from tapewire.transports.nats import NatsTransport
from tests.engine_process import PATIENCE_S
from tests.integration.test_transport_contract import patient, until
from tests.oracle.naive_market import TICKERS, NaiveMarket


class ListTape:
    """A tape reader over records in memory; `released` is how many may be read."""

    def __init__(self, records: list[bytes]) -> None:
        self.records, self.released, self.at, self.epoch = records, 0, 0, 1
        self.durable: int | None = None  # all that is released

    @property
    def positions(self) -> ListTape:
        return self

    @property
    def released_seq(self) -> int:
        return self.released

    @property
    def durable_seq(self) -> int:
        return self.released if self.durable is None else self.durable

    def poll(self, limit: int) -> list[bytes]:
        found = self.records[self.at : min(self.at + limit, self.released)]
        self.at += len(found)
        return found

    def seek_seq(self, seq: int) -> None:
        if seq > self.released + 1:
            raise TapeError(f"record {seq} is not on the tape, which ends with record {self.released}")
        self.at = seq - 1

    def wait(self, timeout_s: float) -> bool:
        time.sleep(min(timeout_s, 0.002))
        return self.at < self.released


@contextmanager
def checkpoint_of(tape: Path) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(tape, logs.get("journal"))
    try:
        yield checkpoint
    finally:
        checkpoint.close()


def publisher_on(
    tape: ListTape, checkpoint: Checkpoint, transport: Transport, env: str, batch: int = 7, every: int = 0
) -> Publisher:
    return Publisher(
        env=env,
        shard=0,
        settings=Settings(max_batch=batch, health_interval=0.05, snapshot_every=every),
        tape=tape,
        checkpoint=checkpoint,
        transport=transport,
        log=logs.get("journal"),
        now=time.time_ns,
    )


def expected(market: NaiveMarket, env: str, first: int = 0) -> list[Publication]:
    """What a publisher that begins behind record `first` has to publish, raw records aside."""
    house, out = HouseMarket(env), list[Publication]()
    house.quiet = True
    for number, raw in enumerate(market.records):
        house.quiet = number < first
        out += house.fold(raw)
    return out + house.settle()


@pytest.fixture
def market() -> NaiveMarket:
    return again(7, 300)


@pytest.mark.parametrize("kind", ["nats", "memory"])
async def test_everything_on_the_tape_is_published_and_snapshots_are_answered(
    market: NaiveMarket, nats_server: NatsServer, tmp_path: Path, kind: str
) -> None:
    bus, env = MemoryBus(), f"j-{kind}"

    def new() -> Transport:
        return MemoryTransport(bus) if kind == "memory" else NatsTransport(patient(nats_server.url))

    publishing, watching = new(), new()
    await publishing.connect()
    await watching.connect()
    got: list[Publication] = []
    raw: list[bytes] = []
    health: list[m.ServiceHealth] = []
    await watching.subscribe(f"{env}.house.>", lambda message: got.append((message.subject, message.data)))
    await watching.subscribe(f"{env}.orders.tape.0", lambda message: raw.append(message.data))
    await watching.subscribe(f"{env}.ops.health.*", lambda one: health.append(m.ServiceHealth.decode(one.data)))
    tape, stop = ListTape(market.records), asyncio.Event()
    with checkpoint_of(tmp_path) as checkpoint:
        running = asyncio.create_task(publisher_on(tape, checkpoint, publishing, env).run(stop))
        for released in [*market.ends[::20], len(market.records)]:
            tape.released = released
            await asyncio.sleep(0.005)
        await until(lambda: len(raw) == len(market.records))
        await until(lambda: checkpoint.published.seq == len(market.records))
        answer = m.decode((await watching.request(f"{env}.house.snapshot.BTC=2FUSD", b"", timeout=PATIENCE_S)).data)
        subject = f"{env}.house.snapshot.BTC=2FUSD"
        words = (b"book", b"status", b"limit", b"auction", b"\xff" * 99)
        asked = [m.decode((await watching.request(subject, word, timeout=PATIENCE_S)).data) for word in words]
        defined = m.decode((await watching.request(subject, b"instrument", timeout=PATIENCE_S)).data)
        every = unframed((await watching.request(f"{env}.house.snapshot.=", b"instruments", timeout=PATIENCE_S)).data)
        unknown = m.decode((await watching.request(f"{env}.house.snapshot.XYZ", b"", timeout=PATIENCE_S)).data)
        stop.set()
        await running
    assert raw == market.records
    published = [one for one in got if ".snapshot." not in one[0]]
    assert published == expected(market, env)
    assert isinstance(answer, m.BookSnapshot)
    assert {(one.side, one.price): (one.qty, one.orders) for one in answer.levels} == market.levels(1)
    assert answer.book_seq == [m.BookDelta.decode(p).book_seq for s, p in published if s.endswith("book.BTC=2FUSD")][-1]
    statuses = [
        p
        for s, p in published
        if s.endswith("status.BTC=2FUSD") and m.type_of(p) == m.MessageType.instrument_status_changed
    ]
    assert [type(one) for one in asked] == [
        *(m.BookSnapshot, m.InstrumentStatusChanged, m.LimitStateChanged, m.AuctionIndicated, m.FeedStatus)
    ]
    assert asked[0] == answer
    assert bytes(asked[1]) == statuses[-1]
    assert "expected book, status, limit, auction, instrument, instruments, or no payload" in asked[4].reason  # type: ignore[attr-defined]
    assert isinstance(defined, m.InstrumentDefinition)
    assert defined.ticker == "BTC/USD"
    assert [m.InstrumentDefinition.decode(raw).ticker for raw in every] == list(TICKERS)
    assert isinstance(unknown, m.FeedStatus)
    assert unknown.reason == f"no instrument 'XYZ'; there are {', '.join(TICKERS)}"
    await until(lambda: health[-1].state == m.HealthState.draining)
    assert health[-1].detail.startswith(f"shard=0 seq={len(market.records)} lag=0 ")
    assert m.HealthState.ready in {one.state for one in health}
    await publishing.drain()
    await watching.close()


@pytest.mark.parametrize("at", [1, 40, 411])
async def test_a_restarted_publisher_goes_on_behind_its_position(market: NaiveMarket, tmp_path: Path, at: int) -> None:
    transport = MemoryTransport(MemoryBus())
    await transport.connect()
    got: list[Publication] = []
    await transport.subscribe("demo.house.>", lambda message: got.append((message.subject, message.data)))
    tape, stop = ListTape(market.records), asyncio.Event()
    tape.released = len(market.records)
    with checkpoint_of(tmp_path) as checkpoint:
        checkpoint.published.store(at, 1)
        running = asyncio.create_task(publisher_on(tape, checkpoint, transport, "demo").run(stop))
        await until(lambda: checkpoint.published.seq == len(market.records))
        stop.set()
        await running
    assert got == expected(market, "demo", at)
    await transport.drain()


def branches(seed: int = 7) -> tuple[NaiveMarket, NaiveMarket, int]:
    """A tape, another one that lost its tail and was written on in a second epoch, and how many records they share."""
    one = again(seed, 100)
    other, shared = copy.deepcopy(one), len(one.records)
    other._put(m.EpochStarted(epoch=2, resumed_seq=shared))
    other.flow.random = random.Random(seed + 1)
    for market in (one, other):
        for _ in range(50):
            market.step()
    return one, other, shared


def new_since(market: NaiveMarket, shared: int) -> list[Publication]:
    """All that follows from the records behind the first `shared`, raw records aside."""
    house = HouseMarket("demo")
    house.quiet = True
    for raw in market.records[:shared]:
        house.fold(raw)
    house.settle()
    house.quiet = False
    return [one for raw in market.records[shared:] for one in house.fold(raw)] + house.settle()


@asynccontextmanager
async def republishing(
    tape: ListTape, checkpoint: Checkpoint
) -> AsyncIterator[tuple[asyncio.Task[None], list[Publication]]]:
    """A publisher at work, and what it has published of the house market."""
    transport, stop, got = MemoryTransport(MemoryBus()), asyncio.Event(), list[Publication]()
    await transport.connect()
    await transport.subscribe("demo.house.>", lambda message: got.append((message.subject, message.data)))
    running = asyncio.create_task(publisher_on(tape, checkpoint, transport, "demo").run(stop))
    try:
        yield running, got
    finally:
        stop.set()
        await asyncio.wait((running,))
        await transport.drain()


@pytest.mark.parametrize("behind", [0, 1, 20])
async def test_records_of_a_later_epoch_are_published_though_their_numbers_were(tmp_path: Path, behind: int) -> None:
    """The position says more than the tape kept: it was stored by one who had not yet noticed."""
    _, other, shared = branches()
    tape = ListTape(other.records)
    tape.released, tape.epoch = len(other.records), 2
    with checkpoint_of(tmp_path) as checkpoint:
        checkpoint.published.store(shared + behind, 1)
        async with republishing(tape, checkpoint) as (_, got):
            await until(lambda: checkpoint.published.seq == len(other.records))
        assert checkpoint.published.epoch == 2
    assert got == (new_since(other, shared) if behind else expected(other, "demo", shared))


async def test_a_tape_that_lost_what_was_published_while_it_was_read_ends_the_service(tmp_path: Path) -> None:
    one, other, shared = branches()
    tape = ListTape(list(one.records))
    tape.released = len(one.records)
    with checkpoint_of(tmp_path) as checkpoint:
        async with republishing(tape, checkpoint) as (running, _):
            await until(lambda: checkpoint.published.seq == len(one.records))
            tape.records, tape.released = [*other.records, *again(9, 300).records], len(one.records) + 100
            tape.epoch = 2
            with pytest.raises(TapeError, match=f"record {len(one.records)} of the orders tape .* is gone"):
                await asyncio.wait_for(asyncio.shield(running), PATIENCE_S)
        assert checkpoint.published.seq == len(one.records)
    assert shared < len(one.records)


async def test_another_writer_that_lost_nothing_is_read_on(market: NaiveMarket, tmp_path: Path) -> None:
    half = market.ends[150]
    tape = ListTape(market.records)
    tape.released = half
    with checkpoint_of(tmp_path) as checkpoint:
        async with republishing(tape, checkpoint) as (running, got):
            await until(lambda: checkpoint.published.seq == half)
            tape.epoch, tape.released = 2, len(market.records)
            await until(lambda: checkpoint.published.seq == len(market.records))
            assert not running.done()
    assert got == expected(market, "demo")


async def test_a_tape_that_is_yet_to_be_recovered_is_waited_for(tmp_path: Path) -> None:
    one, other, shared = branches()
    tape = ListTape(one.records)
    tape.released = shared - 10  # what was durable
    with checkpoint_of(tmp_path) as checkpoint:
        checkpoint.published.store(shared + 5, 1)
        async with republishing(tape, checkpoint) as (running, got):
            await asyncio.sleep(0.15)
            assert (running.done(), got) == (False, [])
            take_back(tmp_path, shared)  # the engine found that much
            tape.records, tape.released, tape.epoch = other.records, len(other.records), 2
            await until(lambda: checkpoint.published.seq == len(other.records))
    assert got == expected(other, "demo", shared)


async def test_a_request_that_names_no_ticker_is_answered_and_ends_nothing(market: NaiveMarket, tmp_path: Path) -> None:
    bus, failures = MemoryBus(), list[BaseException]()
    publishing, asking = MemoryTransport(bus, on_failure=failures.append), MemoryTransport(bus)
    await publishing.connect()
    await asking.connect()
    tape, stop = ListTape(market.records), asyncio.Event()
    tape.released = len(market.records)
    with checkpoint_of(tmp_path) as checkpoint:
        running = asyncio.create_task(publisher_on(tape, checkpoint, publishing, "demo").run(stop))
        await until(lambda: checkpoint.published.seq == len(market.records))
        answer = m.decode((await asking.request("demo.house.snapshot.==", b"", timeout=PATIENCE_S)).data)
        stop.set()
        await running
    assert isinstance(answer, m.FeedStatus)
    assert answer.reason.startswith("subject token '=='")
    assert failures == []
    await publishing.drain()
    await asking.close()


async def test_without_room_on_the_bus_it_waits_and_stops_without_moving_its_position(
    market: NaiveMarket, tmp_path: Path
) -> None:
    class Full(MemoryTransport):
        """A bus that takes ten messages and no more."""

        def publish(self, subject: str, payload: bytes, headers: bytes | None = None, reply: str = "") -> bool:
            return self.stats.published < 10 and super().publish(subject, payload, headers, reply)

        async def writable(self) -> None:
            await asyncio.Event().wait()

    transport = Full(MemoryBus())
    await transport.connect()
    heard: list[Received] = []
    await transport.subscribe("demo.>", heard.append)
    tape, stop = ListTape(market.records), asyncio.Event()
    tape.released = len(market.records)
    with checkpoint_of(tmp_path) as checkpoint:
        publisher = publisher_on(tape, checkpoint, transport, "demo")
        running = asyncio.create_task(publisher.run(stop))
        await until(lambda: len(heard) == 10)
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
        assert checkpoint.published.seq == 0
        assert 0 < publisher.seq < len(market.records)
    await transport.close()


async def test_a_restart_from_a_snapshot_needs_no_older_records_and_goes_on_with_the_same_bytes(
    market: NaiveMarket, tmp_path: Path
) -> None:
    transport = MemoryTransport(MemoryBus())
    await transport.connect()
    got: list[Publication] = []
    await transport.subscribe("demo.house.>", lambda message: got.append((message.subject, message.data)))
    tape = ListTape(market.records)
    for released in (market.ends[150], len(market.records)):
        stop = asyncio.Event()
        tape.released = released
        with checkpoint_of(tmp_path) as checkpoint:
            publisher = publisher_on(tape, checkpoint, transport, "demo", every=50)
            running = asyncio.create_task(publisher.run(stop))
            await until(lambda checkpoint=checkpoint, released=released: checkpoint.published.seq == released)  # type: ignore[misc]
            stop.set()
            await running
        restart = positions(tmp_path)[RESTART]
        assert 0 < restart <= released
        # What retention may now remove is gone: reading it would not decode.
        tape.records[:restart] = [b"gone"] * restart
    # What ended the last command before the restart is published again, as nobody knows whether it was.
    assert list(dict.fromkeys(got)) == expected(again(7, 300), "demo")
    assert len(got) <= len(dict.fromkeys(got)) + 2
    await transport.drain()


async def test_a_snapshot_is_kept_once_its_records_are_durable(market: NaiveMarket, tmp_path: Path) -> None:
    """A tape that loses its tail loses the snapshots of it, and retention may have removed what came before them."""
    stop, transport = asyncio.Event(), MemoryTransport(MemoryBus())
    await transport.connect()
    tape = ListTape(market.records)
    tape.released, tape.durable = len(market.records), 10
    kept = tmp_path / "publisher" / "snapshots"
    with checkpoint_of(tmp_path) as checkpoint:
        publisher = publisher_on(tape, checkpoint, transport, "demo", every=50)
        running = asyncio.create_task(publisher.run(stop))
        await until(lambda: checkpoint.published.seq == tape.released)
        await asyncio.sleep(0.1)
        assert (list(kept.glob("*.snap")), positions(tmp_path)[RESTART]) == ([], 0)
        tape.durable = tape.released
        await until(lambda: positions(tmp_path)[RESTART] > 0)
        stop.set()
        await running
    await transport.drain()


async def test_on_a_pruned_tape_it_goes_on_from_its_snapshot_though_a_cut_has_moved_its_position_aside(
    market: NaiveMarket, tmp_path: Path
) -> None:
    transport = MemoryTransport(MemoryBus())
    await transport.connect()
    tape = ListTape(market.records)
    tape.released = len(market.records)

    async def publish_all() -> None:
        stop = asyncio.Event()
        with checkpoint_of(tmp_path) as checkpoint:
            running = asyncio.create_task(publisher_on(tape, checkpoint, transport, "demo", every=50).run(stop))
            await until(lambda: checkpoint.published.seq == tape.released)
            stop.set()
            await running

    await publish_all()
    (newest, *_) = snapshots.newest(tmp_path / "publisher", tape.released)
    assert isinstance(newest, Snapshot)
    (tmp_path / "consumers" / "journal.publisher").unlink()
    (tmp_path / f"{newest.seq:020d}.seg").touch()
    tape.records[: newest.seq - 1] = [b"gone"] * (newest.seq - 1)
    got: list[Publication] = []
    await transport.subscribe("demo.house.>", lambda message: got.append((message.subject, message.data)))
    await publish_all()
    assert got
    assert got == expected(again(7, 300), "demo")[-len(got) :]
    await transport.drain()


async def test_a_damaged_snapshot_is_passed_over(market: NaiveMarket, tmp_path: Path) -> None:
    house = HouseMarket("demo")
    for raw in market.records:
        house.fold(raw)
    house.settle()
    with checkpoint_of(tmp_path) as checkpoint:
        checkpoint.published.store(house.seq)
        checkpoint.save(Snapshot(house.seq, house.state()))
        assert checkpoint.restore("demo", house.seq).state() == house.state()
        (snapshot,) = (tmp_path / "publisher" / "snapshots").iterdir()
        snapshot.write_bytes(snapshot.read_bytes()[:-1])
        assert checkpoint.restore("demo", house.seq).seq == 0


def again(seed: int, steps: int) -> NaiveMarket:
    made = NaiveMarket(seed)
    for _ in range(steps):
        made.step()
    return made
