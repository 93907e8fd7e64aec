from collections.abc import Iterable
from enum import IntEnum
from os import PathLike
from typing import NamedTuple, Self

class RingState(NamedTuple):
    """A look at a ring from outside, without taking a side. Positions are bytes since the ring began."""

    capacity: int
    head: int
    tail: int
    producer_alive: bool
    consumer_alive: bool

def create_ring(path: str | PathLike[str], capacity: int, first_position: int = 0) -> bool:
    """Makes a ring, whole or not at all; keeps a valid one that is there, with all it holds. True if it made one.

    `capacity` in bytes, a power of two from 4 KiB to 4 GiB; the longest record is a quarter of it. `first_position`
    (a multiple of 8) is where positions start to count. RingError: no valid ring there and none can be made, or the
    one that is there stands behind `first_position`; what is there is never overwritten.
    """

def ring_state(path: str | PathLike[str]) -> RingState:
    """Raises RingMissing, RingDamaged, or RingError if the file is no ring."""

def last_record(path: str | PathLike[str]) -> bytes | None:
    """The newest record that the consumer has not released; None if it has released all.

    For a producer that continues a numbering after a restart: call it before writing. Raises as `ring_state`.
    """

class Carried(IntEnum):
    """What became of records that were carried over from another ring."""

    taken = 0
    """All of them are in the ring, now or from before."""
    full = 1
    """Some, in order; there is no room for the next."""
    gap = 2
    """They begin behind what the ring has; nothing was written."""
    damaged = 3
    """They are no records, or not of a ring like this one; nothing was written."""

class Doorbell:
    """Lets one consumer sleep until any of many producers writes. The file is made if it is not there.

    The consumer: `arm()`, look for work once more, then `wait()`; `disarm()` if there was work after all.
    """

    path: str
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def ring(self) -> None:
        """Wakes the consumer if it sleeps. About 30 ns when it does not."""
    def arm(self) -> None: ...
    def disarm(self) -> None: ...
    def wait(self, timeout_ns: int) -> bool:
        """Sleeps, without the GIL, until rung, a signal, or the time-out (0 to 10 s). True: rung since `arm()`."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class RingProducer:
    """The one writer of a ring. Raises RingMissing, RingBusy (another one lives), RingDamaged, or RingError."""

    path: str
    def __init__(self, path: str | PathLike[str], doorbell: Doorbell | None = None) -> None: ...
    def write(self, data: bytes, /) -> bool:
        """False: full, nothing was written. RingError: longer than `max_record`. RingDamaged: the ring is not whole."""
    def write_many(self, records: Iterable[bytes], /) -> int:
        """Writes records until one does not fit and publishes them together; returns how many. Errors as `write`."""
    def carry(self, records: bytes | memoryview, position: int, end: int, /) -> Carried:
        """Writes records as another ring's `poll_into` copied them, at the positions they had there, each once.

        `position`: where the first was written, `end`: just past the last. RingDamaged: this ring is not whole.
        """
    @property
    def tail(self) -> int:
        """The position just past the last record written."""
    @property
    def head(self) -> int:
        """The position up to which the consumer has released."""
    @property
    def capacity(self) -> int: ...
    @property
    def max_record(self) -> int: ...
    @property
    def consumer_alive(self) -> bool:
        """Whether a live process has the other side open now. Costs a system call."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class RingConsumer:
    """The one reader of a ring, starting at what was last released. Raises as RingProducer does."""

    path: str
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def poll(self, limit: int = 256, /) -> list[bytes]:
        """Up to `limit` unread records, in order. They stay on the ring until `release()`. RingDamaged: not whole."""
    def poll_into(self, buffer: bytearray, limit: int = 65536, /) -> tuple[int, int]:
        """Copies unread records into `buffer`; returns (records, bytes used).

        Each is its length u32, 0 u32, its bytes, and zero to seven spare bytes up to the next multiple of 8.
        ValueError: not even the next record fits.
        """
    def release(self) -> None:
        """Gives the room of all records polled so far back to the producer: they will not be seen again."""
    def seek(self, position: int, /) -> bool:
        """Reads on behind the unreleased record that ends at `position` (or at `head`: before all of them).

        False: none ends there, and reading begins before all of them. RingDamaged: not whole.
        """
    def release_to(self, position: int, /) -> bool:
        """Releases the polled records up to the one that ends at `position`. False: none does; nothing was released."""
    @property
    def id(self) -> int:
        """Drawn when the ring was made: one that is made anew under the same name has another."""
    @property
    def position(self) -> int:
        """The position just past the last record polled."""
    @property
    def head(self) -> int: ...
    @property
    def tail(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def max_record(self) -> int: ...
    @property
    def producer_alive(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
