"""The engine's thread and what is done beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from services.engine.agent import EngineAgent
from tapewire import logs, snapshots
from tapewire.consumers import ConsumerPosition, positions
from tapewire.errors import EngineStopped
from tapewire.snapshots import Snapshot
from tests.unit.services.engine.conftest import Market
from tests.unit.services.engine.test_full_disk import SEGMENT_BYTES, no_room_for_a_segment

PATIENCE_S = 30.0


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path, segment_bytes=SEGMENT_BYTES, ring_bytes=1 << 20, stats=tmp_path / "stats")
    market.send(market.account(), market.instrument())
    yield market
    market.kill()


def agent_of(market: Market, snapshot_every: int = 0, restart: ConsumerPosition | None = None) -> EngineAgent:
    return EngineAgent(
        market.engine,
        idle="yield",
        snapshot_every=snapshot_every,
        background_sync=False,
        log=logs.get("engine"),
        restart=restart,
    )


def run_until(agent: EngineAgent, done: Callable[[], bool]) -> None:
    """Runs the agent until `done`, or for so long that something is wrong."""
    deadline = time.monotonic() + PATIENCE_S

    def look() -> None:
        if done() or time.monotonic() > deadline:
            agent.stop()

    agent.start()
    agent.watch(look)
    assert time.monotonic() < deadline


def flood(market: Market, stop: threading.Event) -> None:
    orders = [bytes(market.order(1, 100, 5)) for _ in range(2000)]
    while not stop.is_set():
        market.producer.write_many(orders)


def test_snapshots_are_taken_while_the_market_never_rests(market: Market) -> None:
    stop, agent = threading.Event(), agent_of(market, snapshot_every=500)
    flooding = threading.Thread(target=flood, args=(market, stop))
    flooding.start()
    try:
        run_until(agent, lambda: len(list(snapshots.folder(market.tape).glob("*.snap"))) == snapshots.KEEP)
    finally:
        stop.set()
        flooding.join()
    digest = market.engine.digest()
    last = market.engine.next_seq - 1
    (newest, *_) = snapshots.newest(market.tape, last)
    assert isinstance(newest, snapshots.Snapshot)
    assert (newest.seq, newest.digest) == (last, digest)


def test_retention_may_have_what_lies_before_the_oldest_snapshot_that_a_restart_can_begin_with(market: Market) -> None:
    """One of another format is none, however many there are."""
    for seq in (1, 2):
        snapshots.save(market.tape, Snapshot(seq, b"of another version"))
    stood: list[int] = []

    def trade(agent: EngineAgent) -> bool:
        stood.append(positions(market.tape)["engine"])
        if len(set(stood)) == 4:
            return True  # nothing is left in the ring that the next one would make a snapshot of before it is looked at
        market.producer.write_many([bytes(market.order(1, 100, 5)) for _ in range(10)])
        return False

    before = 0
    for _ in range(2):
        agent = agent_of(market, 50, ConsumerPosition(market.tape, "engine"))
        stood.clear()
        run_until(agent, lambda agent=agent: trade(agent))  # type: ignore[misc]
        assert stood[0] == before
        kept = [s.seq for s in snapshots.newest(market.tape, 1 << 62) if isinstance(s, Snapshot)]
        before = positions(market.tape)["engine"]
        assert before == kept[-1]
        assert 2 not in kept
        market.reopen()
        assert market.engine.recovery.snapshot_seq == kept[0]


def test_a_snapshot_that_cannot_be_written_is_said_and_harms_nothing(market: Market) -> None:
    snapshots.folder(market.tape).write_bytes(b"a file where the folder should be")
    agent = agent_of(market, snapshot_every=1)
    with structlog.testing.capture_logs() as lines:
        market.producer.write(bytes(market.order(1, 100, 5)))
        run_until(agent, lambda: any(line["event"] == "snapshot not written" for line in lines))
    # One while it ran, one when it stopped.
    assert [line["event"] for line in lines] == ["snapshot not written"] * 2
    assert market.engine.do_work() == 0


def test_a_full_disk_and_its_end_are_said_once(market: Market) -> None:
    sent = [bytes(market.order(1, 100, 5)) for _ in range(3000)]
    agent = agent_of(market)
    with structlog.testing.capture_logs() as lines:
        agent.start()
        with no_room_for_a_segment():
            assert market.producer.write_many(sent) == len(sent)
            wait_for(lambda: len(lines) > 0)
            time.sleep(0.3)
        wait_for(lambda: len(lines) > 1)
        agent.stop()
        agent.watch()
    assert [line["event"] for line in lines] == ["commands held back", "commands taken again"]
    assert "no room for the next segment" in lines[0]["reason"]


def test_a_damaged_ring_is_said_once(market: Market) -> None:
    with market.ring.open("r+b") as file:
        file.seek(128)
        file.write(b"\xff" * 8)
    agent = agent_of(market)
    with structlog.testing.capture_logs() as lines:
        run_until(agent, lambda: len(lines) > 0)
    assert [line["event"] for line in lines] == ["ring let go"]
    assert str(market.ring) in lines[0]["reason"]


def test_what_stops_the_engine_is_raised_where_it_is_watched(market: Market) -> None:
    agent = agent_of(market)
    agent.idle = "nothing"
    agent.start()
    with pytest.raises(KeyError, match="nothing"):
        agent.watch()


def test_an_error_beside_the_loop_stops_the_loop(market: Market) -> None:
    agent = agent_of(market)

    def fail() -> None:
        raise EngineStopped("from beside the loop")

    agent.start()
    with pytest.raises(EngineStopped, match="beside"):
        agent.watch(fail)
    assert not agent._thread.is_alive()


def test_a_stop_before_the_start_ends_at_once_and_leaves_the_rings_as_they_are(market: Market) -> None:
    market.producer.write(bytes(market.order(1, 100, 5)))
    before, agent = market.engine.next_seq, agent_of(market)
    agent.stop()
    agent.start()
    agent.watch()
    assert market.engine.next_seq == before
    assert market.producer.head < market.producer.tail


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
