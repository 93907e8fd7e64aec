"""What a load run measured, by step.

    corrected      answer - intended time      what a client sees that sends when it wants to, not when it is let
    uncorrected    answer - sending            what a generator shows that waits before it sends the next

When the system stalls, the orders that were due meanwhile are sent late. Uncorrected latency forgets their wait; the
difference of the two is coordinated omission.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tapewire.histogram import Histogram
from tapewire.load.schedule import Step
from tapewire.plot.words import duration

SHARES: Final = (50.0, 90.0, 99.0, 99.9)
LATE_NS: Final = 1_000_000


@dataclass(slots=True)
class Measured:
    """Of one step. `late`: sent more than LATE_NS behind their intended time; `unanswered`: not by the end."""

    step: Step
    corrected: Histogram = field(default_factory=Histogram)
    uncorrected: Histogram = field(default_factory=Histogram)
    sent: int = 0
    answered: int = 0
    refused: int = 0
    late: int = 0
    late_ns_max: int = 0
    first_sent: int = 0
    last_sent: int = 0

    @property
    def unanswered(self) -> int:
        return self.sent - self.answered

    @property
    def rate(self) -> float:
        """Sent a second, as it came."""
        took = self.last_sent - self.first_sent
        return (self.sent - 1) * 1e9 / took if took > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "rate": self.step.rate,
            "seconds": self.step.seconds,
            "rate_sent": round(self.rate, 1),
            "sent": self.sent,
            "answered": self.answered,
            "refused": self.refused,
            "unanswered": self.unanswered,
            "late": self.late,
            "late_ns_max": self.late_ns_max,
            "corrected": _percentiles(self.corrected),
            "uncorrected": _percentiles(self.uncorrected),
        }


class Recorder:
    """Told of every sending and every answer, with times of one clock in ns."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = [Measured(step) for step in steps]
        self._open: dict[int | str, tuple[Measured, int, int]] = {}

    @property
    def waiting(self) -> int:
        """Orders without an answer yet."""
        return len(self._open)

    def sent(self, name: int | str, step: int, intended: int, now: int) -> None:
        """`name` is what the answer will be known by."""
        measured = self.steps[step]
        self._open[name] = (measured, intended, now)
        measured.sent += 1
        measured.first_sent = measured.first_sent or now
        measured.last_sent = now
        behind = now - intended
        measured.late += behind > LATE_NS
        measured.late_ns_max = max(measured.late_ns_max, behind)

    def answered(self, name: int | str, now: int, *, refused: bool = False) -> None:
        """The first answer counts; others, and those to what was never sent, are left out."""
        if (found := self._open.pop(name, None)) is None:
            return
        measured, intended, sent = found
        measured.answered += 1
        measured.refused += refused
        measured.corrected.record(now - intended)
        measured.uncorrected.record(now - sent)


def words(steps: list[Measured]) -> Iterator[str]:
    """For people: two lines a step."""
    heads = "".join(f"{f'p{share:g}':>10}" for share in SHARES)
    counted = "".join(f"{name:>9}" for name in ("rate", "sent/s", "orders", "refused"))
    yield f"{counted}{'open':>6}{'late':>7}  {'latency':<12}{heads}{'max':>10}"
    for one in steps:
        counts = (
            f"{one.step.rate:>9,.0f}{one.rate:>9,.0f}{one.sent:>9,}{one.refused:>9,}{one.unanswered:>6,}{one.late:>7,}"
        )
        for name, histogram in (("corrected", one.corrected), ("uncorrected", one.uncorrected)):
            values = [duration(histogram.percentile(share)) for share in SHARES] + [duration(histogram.max)]
            yield f"{counts:>49}  {name:<12}" + "".join(f"{value:>10}" for value in values)
            counts = ""


def _percentiles(histogram: Histogram) -> dict[str, float]:
    return {
        "count": histogram.count,
        "mean_ns": round(histogram.mean, 1),
        **{f"p{share:g}_ns": histogram.percentile(share) for share in SHARES},
        "max_ns": histogram.max,
    }
