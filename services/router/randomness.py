"""SplitMix64: the random numbers of algorithms, the same for ever for the same seed.

    state  = state + 0x9E3779B97F4A7C15                    all modulo 2^64
    z      = (state ^ state >> 30) x 0xBF58476D1CE4E5B9
    z      = (z ^ z >> 27) x 0x94D049BB133111EB
    output = z ^ z >> 31

By Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014); it passes BigCrush, and unlike the
interpreter's own generator nothing of it can change with a new release. Not for secrets.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15


class SplitMix64:
    """A stream of 64-bit numbers from one seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def next(self) -> int:
        """0 to 2^64 - 1, each equally likely."""
        self._state = (self._state + _STEP) & _MASK
        z = self._state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
        return z ^ (z >> 31)

    def between(self, low: int, high: int) -> int:
        """low to high, both included. One number is used whatever the bounds, so that draws stay in step.

        The favour that some results get is below (high - low + 1) / 2^64.
        """
        assert low <= high, f"between {low} and {high}"
        return low + (self.next() * (high - low + 1) >> 64)
