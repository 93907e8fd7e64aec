"""When a parent asks for how much: slices whose quantities add up to exactly what is to be done.

    shape     cumulative quantities after each of n equal stretches of time: even, by a volume profile, front-loaded
    slice k   begins delay(k) after its stretch does, and asks for total(k) - total(k-1)

    delay(k)  = uniform in 0 .. r/2 x stretch                                      r = randomness / 10,000
    total(k)  = shape(k) + uniform in -r/2 .. +r/2 x min(slice k, slice k+1)       the last: shape(n), exactly

A slice thus differs from its shape by at most r of itself, a total by at most half of r of one slice, and no draw can
make a slice negative. Totals are in whole lots but for the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from services.router.randomness import SplitMix64
from tapewire import messages as m

SLICES_MAX: Final = 10_000
SECOND: Final = 1_000_000_000
DAY: Final = 86_400 * SECOND
INTERVAL_MIN: Final = SECOND
INTERVAL_MAX: Final = 300 * SECOND
"""Of the algorithm's own choice."""
SLICES_AIMED: Final = 20
ALL: Final = 10_000

Shape = Callable[[int, int, int, int], list[int]]
"""(quantity, from, to, n) -> n cumulative quantities, rising, the last one `quantity`."""


class Planned(NamedTuple):
    """One slice."""

    begin: int
    total: int
    """What is asked for with it and all before it."""


def interval(asked: int, length: int) -> int:
    """How long a slice is, ns: as asked, else a twentieth of the whole between 1 s and 5 min (more beyond a month)."""
    return asked or max(INTERVAL_MIN, min(length // SLICES_AIMED, INTERVAL_MAX), -(-length // SLICES_MAX))


def plan(
    shape: Shape, qty: int, begin: int, end: int, step: int, lot: int, randomness: int, draw: SplitMix64
) -> list[Planned]:
    """The slices of `qty` from `begin` to `end`, those that ask for nothing left out. Needs begin < end."""
    count = max(1, -(-(end - begin) // step))
    shaped = [0, *shape(qty, begin, end, count)]
    assert (len(shaped), shaped[-1]) == (count + 1, qty), "a shape ends with the whole quantity"
    slices, asked = [], 0
    for k in range(1, count + 1):
        starts, ends = (begin + (end - begin) * at // count for at in (k - 1, k))
        due = starts + draw.between(0, (ends - starts) * randomness // (2 * ALL))
        next_slice = shaped[k + 1] - shaped[k] if k < count else 0
        spread = min(shaped[k] - shaped[k - 1], next_slice) * randomness // (2 * ALL)
        total = (shaped[k] + draw.between(-spread, spread)) // lot * lot if k < count else qty
        if total > asked:
            slices.append(Planned(due, total))
            asked = total
    return slices


def even(qty: int, begin: int, end: int, count: int) -> list[int]:
    """shape(k) = quantity x k / n, rounded down."""
    return [qty * k // count for k in range(1, count + 1)]


def by_profile(profile: m.VolumeProfile) -> Shape:
    """shape(k) = quantity x volume from the begin to the k-th end / volume from begin to end, rounded down.

    Volume is spread evenly within a bucket. Where the profile has none between begin and end it is even: `refuses` lets
    no parent begin with that, but an amendment may leave such a rest.
    """
    buckets, length = [bucket.qty for bucket in profile.buckets], profile.bucket_ns
    before = [0]
    for bucket in buckets:
        before.append(before[-1] + bucket)

    def up_to(time: int) -> int:
        """Volume from 1970 to `time`, in units x ns."""
        days, rest = divmod(time, DAY)
        at, within = divmod(rest, length)
        part = buckets[at] * within if at < len(buckets) else 0
        return (days * before[-1] + before[min(at, len(buckets))]) * length + part

    def shape(qty: int, begin: int, end: int, count: int) -> list[int]:
        base = up_to(begin)
        whole = up_to(end) - base
        if not whole:
            return even(qty, begin, end, count)
        return [qty * (up_to(begin + (end - begin) * k // count) - base) // whole for k in range(1, count + 1)]

    return shape


def volume(profile: m.VolumeProfile, begin: int, end: int) -> int:
    """Of a profile's buckets that [begin, end) touches; 0: it says that nothing trades then."""
    buckets = list(profile.buckets)
    if not buckets:
        return 0
    first, last = begin // profile.bucket_ns, (end - 1) // profile.bucket_ns
    if last - first + 1 >= len(buckets):
        return sum(bucket.qty for bucket in buckets)
    return sum(buckets[at % len(buckets)].qty for at in range(first, last + 1))


def front_loaded(urgency: int) -> Shape:
    """Almgren and Chriss' optimal execution for a risk aversion told as urgency u, 0 to 10,000.

    What is left after slice k of n is  x(k) = quantity x y(n - k) / y(n)  with

        y(0) = 0,  y(1) = 1,  y(j+1) = c x y(j) - y(j-1),  c = 2 + (K/n)^2,  K = 3u / (10,000 - u)

    The recurrence is the discrete optimum itself: y(j) is proportional to sinh(j x kappa) with 2 cosh(kappa) = c. K is
    about kappa times n: 0 is even, 3 (u = 5,000) leaves about a fifth after half of the time, 27 (u = 9,000) next to
    nothing. u = 10,000 asks for everything at once. In fixed point at 64 binary places, every product rounded down.
    """

    def shape(qty: int, begin: int, end: int, count: int) -> list[int]:
        if urgency >= ALL:
            return [qty] * count
        one = 1 << 64
        factor = 2 * one + (3 * urgency) ** 2 * one // ((ALL - urgency) * count) ** 2
        left = [0, one]
        while len(left) <= count:
            left.append((factor * left[-1] >> 64) - left[-2])
        return [qty - qty * left[count - k] // left[count] for k in range(1, count + 1)]

    return shape
