from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tapewire.agent import AgentRunner, BackoffIdle, CompositeAgent, FutexIdle, IdleStrategy, SpinIdle, YieldIdle
from tapewire.ring import Doorbell, RingConsumer, RingProducer, create_ring

SECOND = 1_000_000_000


class Scripted:
    """Does what it is told to, and writes down that it did."""

    def __init__(
        self, name: str = "scripted", work: Callable[[], int] = lambda: 0, log: list[str] | None = None
    ) -> None:
        self.name, self.work, self.log = name, work, [] if log is None else log
        self.closing: Exception | None = None

    def do_work(self) -> int:
        self.log.append(self.name)
        return self.work()

    def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.closing:
            raise self.closing


class Drain:
    """Takes what is on a ring."""

    name = "drain"

    def __init__(self, path: Path) -> None:
        self.ring = RingConsumer(path)
        self.seen: list[bytes] = []
        self.cycles = 0

    def do_work(self) -> int:
        self.cycles += 1
        records = self.ring.poll(16)
        self.seen += records
        self.ring.release()
        return len(records)

    def close(self) -> None:
        self.ring.close()


def fail(error: Exception) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.fixture
def bell(tmp_path: Path) -> Doorbell:
    return Doorbell(tmp_path / "bell")


@pytest.mark.parametrize("strategy", ["spin", "yield", "backoff", "futex"])
def test_an_agent_takes_everything_whatever_its_thread_does_between(
    tmp_path: Path, bell: Doorbell, strategy: str
) -> None:
    strategies: dict[str, IdleStrategy] = {
        "spin": SpinIdle(),
        "yield": YieldIdle(),
        "backoff": BackoffIdle(),
        "futex": FutexIdle(bell, 100 * SECOND),
    }
    create_ring(tmp_path / "ring", 4096)
    agent = Drain(tmp_path / "ring")
    runner = AgentRunner(agent, strategies[strategy])
    runner.start()
    sent = [str(n).encode() for n in range(200)]
    with RingProducer(tmp_path / "ring", bell) as producer:
        for n, record in enumerate(sent):
            assert producer.write(record)
            if n % 50 == 0:
                time.sleep(0.003)  # long enough for any of them to fall asleep
        deadline = time.monotonic() + 30
        while producer.head < producer.tail and time.monotonic() < deadline:
            time.sleep(0.0005)
    runner.stop(30)  # raises where a sleeper is not woken to stop
    assert agent.seen == sent
    assert not runner.running


def test_a_futex_idle_agent_costs_next_to_nothing_when_there_is_nothing_to_do(tmp_path: Path, bell: Doorbell) -> None:
    create_ring(tmp_path / "ring", 4096)
    agent = Drain(tmp_path / "ring")
    runner = AgentRunner(agent, FutexIdle(bell, 20_000_000))
    began = time.monotonic_ns()
    runner.start()
    time.sleep(0.1)
    runner.stop(30)
    slept = (time.monotonic_ns() - began) // 20_000_000
    assert agent.cycles <= 2 * (slept + 2)


def test_a_backoff_sleeps_ever_longer_up_to_its_bound_and_starts_over_after_work() -> None:
    idle = BackoffIdle(spins=0, yields=0, sleep_ns_min=1_000_000, sleep_ns_max=4_000_000)

    def slept_ms(work: int) -> int:
        started = time.monotonic_ns()
        idle.idle(work)
        return (time.monotonic_ns() - started) // 1_000_000

    assert [slept_ms(0) >= expected for expected in (1, 2, 4, 4)] == [True] * 4
    assert min(slept_ms(1) for _ in range(20)) == 0  # whoever is not let run may be away for as long
    assert slept_ms(0) >= 1


def test_a_composite_gives_each_agent_a_turn_and_closes_the_last_first() -> None:
    log: list[str] = []
    composite = CompositeAgent("both", [Scripted("a", lambda: 2, log), Scripted("b", lambda: 3, log)])
    assert composite.do_work() == 5
    composite.close()
    assert log == ["a", "b", "close b", "close a"]


def test_a_composite_closes_all_even_if_one_fails_to() -> None:
    log: list[str] = []
    agents = [Scripted(name, log=log) for name in "abc"]
    agents[1].closing = OSError("disk gone")
    with pytest.raises(ExceptionGroup, match="closing the agents of 'all'") as caught:
        CompositeAgent("all", agents).close()
    assert caught.value.exceptions == (agents[1].closing,)
    assert log == ["close c", "close b", "close a"]


def test_an_exception_stops_the_agent_closes_it_and_is_reported_and_raised() -> None:
    error = RuntimeError("invariant broken")
    reported: list[BaseException] = []
    agent = Scripted(work=fail(error))
    runner = AgentRunner(agent, SpinIdle(), on_error=lambda _, it: reported.append(it))
    runner.start()
    with pytest.raises(RuntimeError, match="invariant broken") as caught:
        runner.join(5)
    assert caught.value is error
    assert (reported, runner.error, agent.log) == ([error], error, ["scripted", "close scripted"])
    assert caught.value.__notes__ == ["agent 'scripted' stopped by this"]


def test_a_failure_to_close_does_not_hide_what_came_before() -> None:
    first, second = RuntimeError("first"), OSError("second")
    agent = Scripted(work=fail(first))
    agent.closing = second
    runner = AgentRunner(agent, SpinIdle())
    runner.start()
    with pytest.raises(BaseExceptionGroup) as caught:
        runner.join(5)
    assert caught.value.exceptions == (first, second)


def test_a_join_that_waits_in_vain_says_so_and_a_runner_runs_once(bell: Doorbell) -> None:
    runner = AgentRunner(Scripted(), FutexIdle(bell))
    runner.start()
    with pytest.raises(TimeoutError, match=r"agent 'scripted' still runs after 0\.01 s"):
        runner.join(0.01)
    runner.stop(5)
    with pytest.raises(RuntimeError, match="a runner runs once"):
        runner.start()


def test_sigterm_ends_a_sleeping_agent_at_once_and_cleanly(tmp_path: Path) -> None:
    program = """
import signal, sys
from tapewire.agent import AgentRunner, FutexIdle
from tapewire.ring import Doorbell
from tests.unit.test_agent import Scripted
agent = Scripted()
runner = AgentRunner(agent, FutexIdle(Doorbell(sys.argv[1]), 100_000_000_000))
signal.signal(signal.SIGTERM, lambda *_: runner.request_stop())
runner.start()
print(flush=True)
runner.join()
print(agent.log[-1])
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "bell")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        output, _ = child.communicate(timeout=30)
    assert (output, child.returncode) == ("close scripted\n", 0)
