"""A split engine with real services on a real bus: nothing acknowledged is lost, whoever dies; it goes on by itself."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.engine import Audit
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.tape import TapeReader
from tests.engine_process import PATIENCE_S, order
from tests.split_stack import SplitStack
from tests.stopped import stopped


def records(stack: SplitStack) -> list[m.Message]:
    with TapeReader(str(stack.engine.tape), None, limit="written") as reader:
        return [m.decode(raw) for raw in reader]


def traded(client: OrderClient, price: int) -> None:
    """A sell and a buy that meet."""
    assert_accepted(client, order(client, m.Side.sell, price, account=1))
    order(client, m.Side.buy, price, account=2)
    found: list[m.Message] = []
    deadline = time.monotonic() + PATIENCE_S
    while not any(isinstance(one, m.OrderExecuted) for one in found):
        assert time.monotonic() < deadline, found
        client.wait(0.1)
        found += client.poll()


def assert_accepted(client: OrderClient, number: int) -> None:
    assert [type(one) for one in client.answers(number, PATIENCE_S)] == [m.OrderAccepted]


def test_orders_are_answered_and_the_topology_may_change_on_the_tape(tmp_path: Path) -> None:
    with SplitStack(tmp_path) as stack:
        with stack.engine.client() as client:
            traded(client, 1000)
            digests = []
            for topology in ("fused", "split"):
                assert stack.engine.end() == 0
                digests.append(stack.engine.lines("stopped")[-1]["digest"])
                report = verify_tape(stack.engine.tape)
                assert (report.problems, report.redecided, report.digest) == ([], 0, digests[-1])
                assert report.snapshots_equal == len(digests)
                stack.configure(topology)
                stack.engine.start()
                traded(client, 1001 + len(digests))
        assert [stack.end(service) for service in ("risk", "matcher")] == [0, 0]
        assert len(stack.engine.lines("service brought to the state")) == 4


def away(stack: SplitStack, service: str) -> list[dict[str, Any]]:
    """What the engine said of its being away."""
    return [line for line in stack.engine.lines("service away") if line["service"] == service]


def wait_until(stack: SplitStack, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, stack.engine.log.read_text()
        time.sleep(0.01)


def test_while_a_service_is_away_commands_wait_and_then_are_answered(tmp_path: Path) -> None:
    with SplitStack(tmp_path) as stack, stack.engine.client() as client:
        traded(client, 1000)
        for service in ("risk", "matcher"):
            stack.kill(service)
            waiting = order(client, m.Side.buy, 900)
            wait_until(stack, lambda service=service: away(stack, service))  # type: ignore[misc]
            assert client.poll() == []
            stack.start(service)
            assert_accepted(client, waiting)
        stack.engine.wait_for_line("service answers", 2)
        # A hung one is told once, and asked the same again until it goes on.
        before = len(away(stack, "matcher"))
        with stopped(stack.processes["matcher"].pid):
            waiting = order(client, m.Side.buy, 900)

            def reasons() -> list[str]:
                return [one["reason"] for one in away(stack, "matcher")[before:]]

            wait_until(stack, lambda: "nobody is there" in reasons())
            time.sleep(1.0)  # it is asked again and again, and nothing more is said
            assert reasons() == ["no answer within 0.3 s, asked 4 times", "nobody is there"]
        assert_accepted(client, waiting)
        traded(client, 1000)


def test_an_engine_whose_services_are_away_ends_at_once_and_keeps_what_waits(tmp_path: Path) -> None:
    with SplitStack(tmp_path) as stack, stack.engine.client() as client:
        traded(client, 1000)
        stack.kill("matcher")
        waiting = order(client, m.Side.buy, 900)
        wait_until(stack, lambda: away(stack, "matcher"))
        assert stack.engine.end() == 0  # and does not wait for one that may never come
        assert [line["event"] for line in stack.engine.lines("batch given up")] == ["batch given up"]
        assert verify_tape(stack.engine.tape).ok
        stack.start("matcher")
        stack.engine.start()
        assert_accepted(client, waiting)


def test_a_second_instance_takes_over_when_the_first_dies(tmp_path: Path) -> None:
    with SplitStack(tmp_path) as stack, stack.engine.client() as client:
        traded(client, 1000)
        first = stack.processes["risk"]
        stack.start("risk")  # beside the first
        stack.wait_for("risk", "bus reached", 2)
        traded(client, 1000)
        first.kill()
        first.wait()
        traded(client, 1001)
        assert stack.engine.lines("service brought to the state")[-1]["service"] == "risk"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_is_lost_and_nothing_taken_twice(seed: int, tmp_path: Path) -> None:
    pick, deaths = random.Random(seed), Counter[str]()
    rounds = 4 if seed == 1 else 40
    with SplitStack(tmp_path, engine="snapshot_every = 500") as stack, stack.engine.client() as client:
        sent: list[int] = []
        acknowledged: dict[int, bytes] = {}
        for i in range(rounds):
            until = time.monotonic() + pick.uniform(0.1, 0.4)
            while time.monotonic() < until:
                try:
                    side = pick.choice([m.Side.buy, m.Side.sell])
                    sent.append(order(client, side, pick.randint(990, 1010), pick.randint(1, 9), pick.choice([1, 2])))
                except RingFull:
                    time.sleep(0.005)
                acknowledged |= {one.seq: bytes(one) for one in client.poll()}
            what = ["risk", "matcher", "engine", "bus"][i % 4]
            deaths[what] += 1
            if what == "engine":
                stack.engine.kill()
                stack.engine.start()
            elif what == "bus":
                stack.nats.stop()
                time.sleep(pick.uniform(0.0, 0.5))
                stack.nats.start()
            else:
                stack.kill(what)
                stack.start(what)
        deadline = time.monotonic() + PATIENCE_S
        decided: set[int] = set()
        while not decided >= set(sent):
            for one in client.poll(4096):
                acknowledged[one.seq] = bytes(one)
                if isinstance(one, m.OrderAccepted | m.OrderRejected):
                    decided.add(one.cl_ord_id)
            decided |= {
                one.cl_ord_id
                for raw in acknowledged.values()
                if (one := m.decode(raw)).cause and hasattr(one, "cl_ord_id")
            }
            assert time.monotonic() < deadline, stack.engine.log.read_text()[-4000:]
        assert stack.engine.end() == 0
        on_tape = records(stack)
        assert all(bytes(on_tape[seq - 1]) == raw for seq, raw in acknowledged.items())
        taken = [one.cl_ord_id for one in on_tape if isinstance(one, m.NewOrder)]
        assert sorted(taken) == sorted(sent)
        # What a fused engine makes of the same commands is what stands there.
        report = verify_tape(stack.engine.tape)
        assert (report.problems, report.redecided) == ([], 0)
        audit = Audit(stack.engine.tape)
        audit.run()
        assert audit.digest() == stack.engine.lines("stopped")[-1]["digest"]
        assert len(deaths) == 4
