"""Steps agents by hand in an order drawn from a seed: the same seed is the same interleaving."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tapewire.agent import Agent


class SteppedSchedule:
    """Runs agents on the calling thread, one duty cycle at a time.

    with SteppedSchedule(seed, [engine, flusher]) as schedule:
        schedule.run(1000)
        schedule.run_until_idle()
        assert ...

    Whatever fails inside the block, an agent or an assertion, the seed and the step are printed and noted on the error.
    """

    def __init__(self, seed: int, agents: Sequence[Agent]) -> None:
        if not agents:
            raise ValueError("a schedule of no agents would never step")
        self.seed, self.agents = seed, tuple(agents)
        self.steps = 0
        self._draw = random.Random(seed)
        self._reported = False

    def step(self) -> int:
        """One cycle of an agent drawn at random; what its `do_work` returned."""
        return self._step(self._draw.choice(self.agents))

    def run(self, steps: int) -> int:
        """`steps` steps; how much work was done in all."""
        return sum(self.step() for _ in range(steps))

    def run_until_idle(self, rounds_max: int = 10_000) -> int:
        """Gives every agent a turn, in a drawn order, until a round finds no work; how much was done in all.

        AssertionError: there still was work after `rounds_max` rounds.
        """
        done = 0
        for _ in range(rounds_max):
            work = sum(self._step(agent) for agent in self._draw.sample(self.agents, len(self.agents)))
            if not work:
                return done
            done += work
        error = AssertionError(f"still not idle after {rounds_max} rounds")
        self._report(error, "the schedule")
        raise error

    def _step(self, agent: Agent) -> int:
        self.steps += 1
        try:
            return agent.do_work()
        except BaseException as error:
            self._report(error, f"agent '{agent.name}'")
            raise

    def _report(self, error: BaseException, where: str) -> None:
        if self._reported:
            return
        self._reported = True
        line = f"seed {self.seed}, step {self.steps}, {where}: {type(error).__name__}. Run again with this seed"
        print(line, file=sys.stderr)
        error.add_note(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._report(error, "the test")
