from __future__ import annotations

from collections.abc import Callable

from tapewire.alarm import Alarm


class Timers:
    """Time that moves by hand."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay: float, call: Callable[[], None]) -> None:
        self.due.append((delay, call))

    def fire(self) -> None:
        due, self.due = self.due, []
        for _, call in due:
            call()


def test_the_first_is_told_at_once_the_rest_together_and_silence_ends_it() -> None:
    timers, said = Timers(), list[tuple[int, int]]()
    alarm = Alarm(lambda since, total: said.append((since, total)), timers.later, interval_s=1.0)
    for _ in range(5):
        alarm.hit()
    assert said == [(1, 1)]
    timers.fire()
    assert said == [(1, 1), (4, 5)]
    alarm.hit()
    assert said == [(1, 1), (4, 5)]
    timers.fire()
    assert said == [(1, 1), (4, 5), (1, 6)]
    timers.fire()
    assert timers.due == []
    alarm.hit()
    assert said[-1] == (1, 7)
