from __future__ import annotations

import pytest

from tapewire.clock import Clock
from tapewire.testing.clock import ManualClock
from tapewire.testing.schedule import SteppedSchedule


class Countdown:
    """Has `left` pieces of work, does one a cycle, and logs it."""

    def __init__(self, name: str, left: int, log: list[str], error: Exception | None = None) -> None:
        self.name, self.left, self.log, self.error = name, left, log, error

    def do_work(self) -> int:
        self.log.append(self.name)
        if self.left == 0:
            if self.error:
                raise self.error
            return 0
        self.left -= 1
        return 1

    def close(self) -> None:
        pass


def order(seed: int) -> list[str]:
    log: list[str] = []
    SteppedSchedule(seed, [Countdown(name, 100, log) for name in "abc"]).run(50)
    return log


def test_the_same_seed_is_the_same_order_and_another_is_another() -> None:
    assert order(1) == order(1)
    assert order(1) != order(2)
    assert set(order(1)) == set("abc")


def test_it_runs_until_nobody_has_work_left() -> None:
    agents = [Countdown(name, left, []) for name, left in zip("abc", (3, 0, 7), strict=True)]
    assert SteppedSchedule(5, agents).run_until_idle() == 10
    assert [agent.left for agent in agents] == [0, 0, 0]


def test_agents_that_never_come_to_rest_are_an_error() -> None:
    with pytest.raises(AssertionError, match="still not idle after 10 rounds"):
        SteppedSchedule(5, [Countdown("busy", 100, [])]).run_until_idle(rounds_max=10)


def test_a_failing_agent_is_reported_once_with_seed_step_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    line = "seed 42, step 4, agent 'a': KeyError. Run again with this seed"
    with pytest.raises(KeyError) as caught, SteppedSchedule(42, [Countdown("a", 3, [], KeyError("x"))]) as schedule:
        schedule.run(10)
    assert (capsys.readouterr().err, caught.value.__notes__) == (line + "\n", [line])


def test_a_failing_assertion_is_reported_with_the_seed_too(capsys: pytest.CaptureFixture[str]) -> None:
    agent = Countdown("a", 3, [])
    with pytest.raises(AssertionError), SteppedSchedule(43, [agent]) as schedule:
        assert (schedule.run(2), agent.left) == (2, 0)
    assert capsys.readouterr().err == "seed 43, step 2, the test: AssertionError. Run again with this seed\n"


def test_a_schedule_of_no_agents_is_refused() -> None:
    with pytest.raises(ValueError, match="no agents"):
        SteppedSchedule(1, [])


def test_the_manual_clock_stands_still_until_moved() -> None:
    manual = ManualClock(100)
    clock: Clock = manual
    assert (clock.now(), manual.advance(5), clock.now(), manual.advance(-10)) == (100, 105, 105, 95)
