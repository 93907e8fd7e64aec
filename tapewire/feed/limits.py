"""The bounds a session keeps: silences, retries, pacing. Each venue has its own defaults."""

from __future__ import annotations

from random import Random

import msgspec

MS = 1_000_000
SECOND = 1_000 * MS


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All in ns unless said."""

    stale: int = 10 * SECOND
    """Silence of the connection after which every book of it is stale."""
    dead: int = 30 * SECOND
    """Silence after which the connection is given up."""
    instrument_stale: int = 10 * SECOND
    """Silence of one instrument's own sign of life (Coinbase's heartbeat), where the venue has one."""
    crossed: int = 5 * SECOND
    """How long a book may stay crossed before it is built anew."""
    recovery_first: int = 1 * SECOND
    recovery_most: int = 60 * SECOND
    """Waits between tries to recover one instrument: doubled from first to most, with jitter."""
    reconnect_first: int = 1 * SECOND
    reconnect_most: int = 60 * SECOND
    settled: int = 60 * SECOND
    """A connection that lasted this long starts the waits from the first again."""
    send_gap: int = 300 * MS
    """Least time between two control messages."""
    tick: int = 250 * MS
    """Longest time between two calls of on_timer while connected."""
    snapshot_every: int = 15 * SECOND
    """A live book is published whole this often, for those who joined late."""
    malformed: int = 10
    malformed_within: int = 10 * SECOND
    """So many malformed frames (a count) within so long close the connection."""
    say_every: int = 1 * SECOND
    """A reason of the same kind is reported no more often; what happened in between is counted."""


class Backoff:
    """Waits that double from `first` to `most`, each shortened by up to half at random so that crowds spread out."""

    __slots__ = ("_random", "attempts", "first", "most")

    def __init__(self, first: int, most: int, random: Random) -> None:
        self.first, self.most, self._random = first, most, random
        self.attempts = 0

    def next(self) -> int:
        """The next wait in ns: between half of and the whole of min(most, first x 2^attempts)."""
        wait = jittered(self.first, self.most, self.attempts, self._random)
        self.attempts += 1
        return wait

    def reset(self) -> None:
        self.attempts = 0


def jittered(first: int, most: int, attempts: int, random: Random) -> int:
    """The wait in ns before try number `attempts` (from 0)."""
    whole = min(most, first << min(attempts, 32))
    return whole - random.randrange(whole // 2 + 1)
