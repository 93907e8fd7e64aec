"""A republisher that is first started where retention has been begins at the engine's snapshot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from services.journal.checkpoint import RESTART
from tapewire import consumers, snapshots
from tapewire import messages as m
from tapewire.consumers import positions
from tapewire.house import Publication
from tapewire.transports.memory import MemoryBus, MemoryTransport
from tests.engine_states import snapshot_of
from tests.integration.test_journal_publisher import (
    ListTape,
    again,
    checkpoint_of,
    expected,
    new_since,
    publisher_on,
)
from tests.integration.test_transport_contract import until
from tests.oracle.naive_market import NaiveMarket

STEPS = 300


@pytest.fixture
def market() -> NaiveMarket:
    return again(11, STEPS)


def pruned(market: NaiveMarket, folder: Path, first: int, *ends: int) -> ListTape:
    """A tape that begins with record `first`, and the engine's snapshots behind these commands."""
    for end in ends:
        snapshots.save(folder, snapshot_of(market.records[: market.ends[end]]), keep=9)
    (folder / f"{first:020d}.seg").touch()
    tape = ListTape([b"gone"] * (first - 1) + market.records[first - 1 :])
    tape.released = len(market.records)
    return tape


async def publish(tape: ListTape, folder: Path, every: int = 0) -> list[Publication]:
    """What a publisher publishes from its start until all is."""
    transport, stop, got = MemoryTransport(MemoryBus()), asyncio.Event(), list[Publication]()
    await transport.connect()
    await transport.subscribe("demo.house.>", lambda message: got.append((message.subject, message.data)))
    with checkpoint_of(folder) as checkpoint:
        running = asyncio.create_task(publisher_on(tape, checkpoint, transport, "demo", every=every).run(stop))
        await until(lambda: checkpoint.published.seq == tape.released)
        stop.set()
        await running
    await transport.drain()
    return got


def numbered(market: NaiveMarket, end: int, messages: list[Publication]) -> list[Publication]:
    """The same with bookSeq counted from the record of the engine's snapshot behind command `end`."""
    at, before = market.ends[end], dict[str, int]()
    for _, payload in expected(again(11, STEPS), "demo"):
        known = m.decode(payload)
        if isinstance(known, m.BookDelta) and known.seq <= at:
            before[known.ticker] = known.book_seq
    return [(to, _numbered(payload, at, before)) for to, payload in messages]


def _numbered(payload: bytes, at: int, before: dict[str, int]) -> bytes:
    known = m.decode(payload)
    if not isinstance(known, m.BookDelta | m.Quote):
        return payload
    return bytes(known.replace(book_seq=known.book_seq + at - before.get(known.ticker, 0)))


async def test_it_publishes_what_one_does_that_folded_from_the_first_record(
    market: NaiveMarket, tmp_path: Path
) -> None:
    first, begins = market.ends[80], market.ends[200]
    tape = pruned(market, tmp_path, first, 100, 200)
    got = await publish(tape, tmp_path)
    assert got == numbered(market, 200, new_since(market, begins))
    assert positions(tmp_path)["journal.publisher"] == tape.released
    # Whoever starts again publishes nothing twice, but what ended the last command.
    assert len(await publish(tape, tmp_path)) <= 2


async def test_it_goes_on_behind_what_was_published_though_its_own_snapshots_are_gone(
    market: NaiveMarket, tmp_path: Path
) -> None:
    tape = pruned(market, tmp_path, market.ends[80], 100, 200, 250)
    published = market.ends[220]
    consumers.restore(tmp_path, "journal.publisher", published, 1)
    got = await publish(tape, tmp_path)
    assert got == numbered(market, 200, expected(market, "demo", published))


async def test_where_only_a_later_snapshot_is_left_it_goes_on_there_and_says_what_was_not_published(
    market: NaiveMarket, tmp_path: Path
) -> None:
    tape = pruned(market, tmp_path, market.ends[80], 200, 250)
    consumers.restore(tmp_path, "journal.publisher", market.ends[150], 1)
    with structlog.testing.capture_logs() as said:
        got = await publish(tape, tmp_path)
    assert got == numbered(market, 200, new_since(market, market.ends[200]))
    assert {"from_seq": market.ends[150] + 1, "to_seq": market.ends[200]}.items() <= said[1].items()
    assert said[1]["event"] == "not_published"


async def test_a_damaged_one_is_passed_over_and_its_own_are_taken_from_then_on(
    market: NaiveMarket, tmp_path: Path
) -> None:
    tape = pruned(market, tmp_path, market.ends[80], 100, 200)
    newest = snapshots.folder(tmp_path) / f"{market.ends[200]:020d}.snap"
    newest.write_bytes(newest.read_bytes()[:-1])
    got = await publish(tape, tmp_path, every=50)
    assert got == numbered(market, 100, new_since(market, market.ends[100]))
    assert positions(tmp_path)[RESTART] > market.ends[100]
    for path in snapshots.folder(tmp_path).iterdir():
        path.unlink()
    assert len(await publish(tape, tmp_path)) <= 2
