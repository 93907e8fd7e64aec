from os import PathLike
from typing import NamedTuple, Self

class Batch(NamedTuple):
    """One batch of records of a tape, and when each stage was done with it: UTC ns; 0: not looked at."""

    first: int
    """Seq of its first record."""
    last: int
    began: int
    """When its first commands were taken; of a publisher, when it was read."""
    matched: int
    """When all of it had been checked, sequenced and matched."""
    written: int
    """When it was in the file."""
    durable: int
    """When the file was synced."""
    released: int
    """When it could be read; of a publisher, when it had been handed to the bus."""

class StageWriter:
    """The one writer of a stage log. Goes on in the log that is there, if it has as many slots, else makes it anew.

    StageLogError: another live process writes it, or the system refused.
    """

    path: str | PathLike[str]
    def __init__(self, path: str | PathLike[str], *, slots: int = 65_536) -> None:
        """`slots`: batches kept, a power of two from 4 to 2^24."""
    def record(
        self, first: int, last: int, began: int, released: int, matched: int = 0, written: int = 0, durable: int = 0
    ) -> None: ...
    @property
    def count(self) -> int:
        """Batches recorded since the log was made."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class StageReader:
    """Reads along, unnoticed by the writer. StageLogError: not there, or no stage log of this version."""

    path: str | PathLike[str]
    def __init__(self, path: str | PathLike[str], *, start: int | None = None) -> None:
        """`start`: number of the batch read first, from 0; None: the oldest that is still there."""
    @property
    def next(self) -> int:
        """Number of the batch read next."""
    @property
    def missed(self) -> int:
        """Batches that were overwritten before they were read."""
    def poll(self, max_batches: int = 1024, /) -> list[Batch]:
        """The next batches, whole and in order; what was overwritten meanwhile is counted in `missed`."""
    def find(self, seq: int, /) -> Batch | None:
        """The newest batch that holds record `seq`, if the log still has it. Looks through it from the end."""
    @property
    def count(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def writer_alive(self) -> bool: ...
    @property
    def replaced(self) -> bool:
        """The name leads to another file now, or to none: open it again."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
