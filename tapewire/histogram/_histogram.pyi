from collections.abc import Iterable
from os import PathLike
from typing import Self

class Histogram:
    """Durations in ns, each kept to 0.8 %: 0 to 18 minutes, longer ones in the last bucket. One writer, any readers.

    `Histogram()` owns its memory (35 kB); one of a StatsPage shares the page's.
    """

    def __init__(self) -> None: ...
    def record(self, ns: int, /) -> None:
        """A negative duration (a clock that was set back) counts as 0. StatsError: the page was opened for reading."""
    def merge(self, other: Histogram, /) -> None: ...
    def reset(self) -> None: ...
    def percentile(self, percent: float, /) -> int:
        """The value, in ns, that `percent` (0 to 100) of all values do not exceed; 0 if nothing was recorded.

        Up to 0.8 % above the exact one, never above `max`.
        """
    @property
    def count(self) -> int: ...
    @property
    def max(self) -> int:
        """Exact, in ns."""
    @property
    def mean(self) -> float:
        """Exact, in ns; 0.0 if nothing was recorded."""
    @property
    def sum(self) -> int:
        """Exact, in ns."""
    def counts(self) -> list[tuple[int, int]]:
        """(bucket, count) of every bucket that holds something, by rising bucket. The drawing is in histogram.hpp."""
    @staticmethod
    def highest_of(bucket: int, /) -> int:
        """The longest duration, in ns, that goes into a bucket. ValueError: there is no such bucket."""

class StatsPage:
    """A file of up to 32 histograms and 64 counters that one process writes and any number read."""

    path: str
    @staticmethod
    def create(path: str | PathLike[str], histograms: Iterable[str] = (), counters: Iterable[str] = ()) -> StatsPage:
        """A page of zeros, replacing one whose writer is gone. Names have 1 to 47 bytes.

        StatsError: another live process writes it, too many or unfit names, or the system refused.
        """
    @staticmethod
    def open(path: str | PathLike[str]) -> StatsPage:
        """For reading. StatsError: not there, or no page of this version."""
    def histogram(self, name: str, /) -> Histogram:
        """KeyError: no such name; it lists those there are."""
    def histograms(self) -> dict[str, Histogram]: ...
    def counter(self, name: str, /) -> int: ...
    def counters(self) -> dict[str, int]: ...
    def add(self, name: str, n: int = 1, /) -> None: ...
    def set(self, name: str, value: int, /) -> None: ...
    @property
    def started_ns(self) -> int:
        """When its writer created it, UTC ns."""
    @property
    def writer_alive(self) -> bool: ...
    @property
    def replaced(self) -> bool:
        """The name leads to another file now, since a new writer started: open it again."""
    def close(self) -> None:
        """Ends writing. Histograms taken from the page stay readable."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
