"""What one client may cost, decided without a session layer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.agent import GatewayAgent
from services.gateway.fold import Fold
from services.gateway.replay import Replay
from services.gateway.session import MIN_ANSWERS, RESEND_NS, RESENDS, Session
from services.gateway.snapshotter import Snapshotter
from tapewire.config import GatewaySession
from tapewire.logs import configure
from tapewire.tape import TapeReader, TapeWriter
from tests.unit.services.gateway.test_gateway import NOON, TERMS, World

SECOND = 10**9


def session(**more: object) -> Session:
    return Session(GatewaySession(name="a", number=1, comp_id="A", username="a", accounts=(1,), **more))  # type: ignore[arg-type]


def test_what_was_sent_again_counts_for_a_minute() -> None:
    one = session()
    assert not one.may_resend(101, 100, NOON)
    assert [one.may_resend(60, 100, NOON + n) for n in range(4)] == [True, True, True, False]
    assert one.resent <= RESENDS * 100
    assert not one.may_resend(60, 100, NOON + RESEND_NS - 1)
    assert one.may_resend(60, 100, NOON + RESEND_NS)


def test_who_has_asked_too_much_may_ask_again_in_the_next_interval() -> None:
    one = session(messages=5, interval=1.0)
    assert one.may_ask(NOON)
    one.charge(MIN_ANSWERS)
    assert not one.may_ask(NOON + SECOND - 1)
    assert one.within_limit(NOON + SECOND - 1)
    assert one.may_ask(NOON + SECOND)


def test_what_waits_for_its_turn_waits_for_the_answers_before_it_too() -> None:
    one = session(messages=2, interval=1.0, on_excess="queue")
    assert [one.within_limit(NOON) for _ in range(3)] == [True, True, False]
    one.queued.extend((7, 8))
    assert one.next_queued(NOON + SECOND) == 7
    one.charge(MIN_ANSWERS)
    assert one.next_queued(NOON + SECOND + 1) == 0
    assert one.next_queued(NOON + 2 * SECOND) == 8


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[GatewayAgent]:
    world = World(tmp_path)
    orders = tmp_path / "orders.0"
    TapeWriter(str(orders), "orders.0", durability="memory", helper=False).close()
    log = configure("test")
    snapshotter = Snapshotter([sys.executable, "-c", ""], 0, 0, log)
    own = tmp_path / "fix.test"
    with TapeReader(str(orders)) as reader:
        yield GatewayAgent(world.gateway, reader, world.producer, log, own, snapshotter)
    world.end()


def test_one_replay_of_a_session_is_prepared_at_a_time(agent: GatewayAgent, tmp_path: Path) -> None:
    gateway, go_on = agent.gateway, threading.Event()

    def begin() -> Fold:
        assert go_on.wait(5)
        return Fold(TERMS, 0, 3)

    asked, one = gateway.reporting.replaying, gateway.sessions.by_number[1]
    first = Replay(
        *("0-1", one, (1, 0), gateway.reporting.copies, gateway.reports[1], begin),
        *(tmp_path / "fix.test", tmp_path / "orders.0"),
    )
    agent._replays[1], asked[1] = first, "0-2"
    for exec_id in ("0-2", "0-3", "0-2"):
        asked[1] = exec_id
        agent._replay()
        assert agent._replays == {1: first}, "both would fold at once"
    go_on.set()
    first._thread.join()
    agent._replay()
    second = agent._replays[1]
    assert second.asked == "0-2"
    second.close()


def test_a_logon_that_was_refused_has_not_set_the_numbers_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.logon(1)
    for seq in range(1, 6):
        world.report(1, seq)
    before = world.numbers(1)
    world.gateway.logged_out(1, 1, 2)
    assert world.numbers(1) == before
    left = world.tape()[-1]
    assert (left.next_in, left.next_out) == before  # type: ignore[attr-defined]
    world.end()
