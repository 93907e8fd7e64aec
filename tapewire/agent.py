"""Agents: work cut into short duty cycles that never block, so many can share a thread or each have its own.

    AgentRunner thread                       a test
      while running:                           schedule = SteppedSchedule(seed, agents)
          idle.idle(agent.do_work())           schedule.run(1000)

After Agrona. An agent does not know what runs it; how the thread waits is the idle strategy's affair.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tapewire.ring import Doorbell


class Agent(Protocol):
    """Something with a duty cycle. Called by one thread at a time."""

    @property
    def name(self) -> str: ...

    def do_work(self) -> int:
        """Does a bounded amount of what there is to do, without blocking; returns how much (0: nothing to do)."""

    def close(self) -> None:
        """Gives back what the agent holds. Called once, by the thread that ran it, however it ended."""


class IdleStrategy(Protocol):
    """What a thread does between two duty cycles. One for each thread: it may keep state."""

    def idle(self, work: int) -> None:
        """Called after each cycle with what `do_work` returned. Returns at once if that was not 0."""

    def wake(self) -> None:
        """Ends a wait early. Called from any thread, and from signal handlers."""


class SpinIdle:
    """Burns the core: 0.1 to 0.4 us to notice work. On two cores one such thread fits, and in Python none should."""

    def idle(self, work: int) -> None:
        pass

    def wake(self) -> None:
        pass


class YieldIdle:
    """Offers the core to others after each empty cycle. Still burns what nobody wants."""

    def idle(self, work: int) -> None:
        if not work:
            os.sched_yield()

    def wake(self) -> None:
        pass


class BackoffIdle:
    """Spins, then yields, then sleeps, ever longer: for work that comes from where no doorbell can be."""

    def __init__(
        self, spins: int = 10, yields: int = 20, sleep_ns_min: int = 50_000, sleep_ns_max: int = 1_000_000
    ) -> None:
        self._spins, self._yields = spins, spins + yields
        self._sleep_ns_min, self._sleep_ns_max = sleep_ns_min, sleep_ns_max
        self._empty_cycles = 0
        self._sleep_ns = sleep_ns_min

    def idle(self, work: int) -> None:
        if work:
            self._empty_cycles = 0
            self._sleep_ns = self._sleep_ns_min
            return
        self._empty_cycles += 1
        if self._empty_cycles <= self._spins:
            return
        if self._empty_cycles <= self._yields:
            os.sched_yield()
            return
        time.sleep(self._sleep_ns / 1e9)
        self._sleep_ns = min(2 * self._sleep_ns, self._sleep_ns_max)

    def wake(self) -> None:
        """Nothing to do: it never sleeps longer than `sleep_ns_max`."""


class FutexIdle:
    """Sleeps until a producer rings the doorbell: no CPU while idle, 20 to 40 us to wake.

    The first empty cycle arms the doorbell; only a second one, which finds nothing that came before the arming, sleeps.
    """

    def __init__(self, doorbell: Doorbell, timeout_ns: int = 100_000_000) -> None:
        """`timeout_ns` (at most 10 s) bounds how late work is noticed that nobody rings for, such as timers."""
        self._doorbell, self._timeout_ns = doorbell, timeout_ns
        self._armed = False

    def idle(self, work: int) -> None:
        if work:
            if self._armed:
                self._armed = False
                self._doorbell.disarm()
        elif self._armed:
            self._armed = False
            self._doorbell.wait(self._timeout_ns)
        else:
            self._armed = True
            self._doorbell.arm()

    def wake(self) -> None:
        self._doorbell.ring()


class CompositeAgent:
    """Several agents as one: each cycle gives every one of them a turn, in the order given."""

    def __init__(self, name: str, agents: Sequence[Agent]) -> None:
        self._name = name
        self._agents = tuple(agents)

    @property
    def name(self) -> str:
        return self._name

    def do_work(self) -> int:
        return sum(agent.do_work() for agent in self._agents)

    def close(self) -> None:
        """Closes all, the last first, even if some fail; their errors are raised together."""
        errors: list[Exception] = []
        for agent in reversed(self._agents):
            try:
                agent.close()
            except Exception as error:  # noqa: BLE001 - raised below, once all are closed
                error.add_note(f"while closing agent '{agent.name}'")
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"closing the agents of '{self._name}'", errors)


class AgentRunner:
    """Runs one agent until it is told to stop or the agent raises.

    An exception ends the agent: nothing is retried here, for what an agent half did only its owner can judge. It is
    given to `on_error` at once, from the agent's thread, and raised by `join`.

        runner = AgentRunner(agent, FutexIdle(doorbell))
        signal.signal(signal.SIGTERM, lambda *_: runner.request_stop())
        runner.start()
        runner.join()
    """

    def __init__(
        self,
        agent: Agent,
        idle: IdleStrategy,
        *,
        on_error: Callable[[Agent, BaseException], None] | None = None,
    ) -> None:
        self._agent, self._idle, self._on_error = agent, idle, on_error
        self._thread: threading.Thread | None = None
        self._stop = False
        self._error: BaseException | None = None

    @property
    def error(self) -> BaseException | None:
        """What ended the agent, if it was not `request_stop`."""
        return self._error

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Runs the agent on a thread of its own."""
        if self._thread is not None:
            raise RuntimeError(f"agent '{self._agent.name}' was started before; a runner runs once")
        self._thread = threading.Thread(target=self.run, name=self._agent.name)
        self._thread.start()

    def run(self) -> None:
        """Runs the agent on the calling thread until it has stopped and was closed; `error` says how it went."""
        try:
            do_work, idle = self._agent.do_work, self._idle.idle
            while not self._stop:
                idle(do_work())
        except BaseException as error:  # noqa: BLE001 - kept, reported and raised by join
            self._fail(error)
        try:
            self._agent.close()
        except BaseException as error:  # noqa: BLE001 - likewise
            self._fail(error)

    def request_stop(self) -> None:
        """Asks the agent to stop after the cycle it is in; returns at once. May be called from a signal handler."""
        self._stop = True
        self._idle.wake()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits for the agent to stop, then raises what ended it, if anything did. TimeoutError: it still runs."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                raise TimeoutError(f"agent '{self._agent.name}' still runs after {timeout_s} s")
        if self._error is not None:
            raise self._error

    def stop(self, timeout_s: float | None = None) -> None:
        """`request_stop` and `join`."""
        self.request_stop()
        self.join(timeout_s)

    def _fail(self, error: BaseException) -> None:
        error.add_note(f"agent '{self._agent.name}' stopped by this")
        if self._error is None:
            self._error = error
        else:
            # Both matter: the first is the cause, the second says what could not be given back.
            both = [self._error, error]
            self._error = BaseExceptionGroup(f"agent '{self._agent.name}' failed, and then its close", both)
        if self._on_error is not None:
            self._on_error(self._agent, error)
