"""VWAP: as much in each stretch of time as is usually traded in it.

Schedule    like TWAP's, with the target after slice k: quantity x V(start, end of k) / V(start, end), V: volume by the
            profile on the tape (VolumeProfile: what the days of history traded in each bucket of a day), spread evenly
            within a bucket. A parent over several days goes through the profile again each day.
Work, bounds, amending, at the end    as TWAP.
Refused     without a profile, and where the profile says that nothing is traded between start and end: an even
            schedule under the name of VWAP would be measured against a benchmark that it does not follow.
"""

from __future__ import annotations

from services.router.algorithms.schedule import by_profile
from services.router.algorithms.sliced import Sliced
from services.router.interfaces import Terms
from tapewire import messages as m


class Vwap(Sliced):
    """Volume-weighted: slices by the profile that stood on the tape when it was made."""

    def __init__(self, terms: Terms, now: int, lot: int, profile: m.VolumeProfile) -> None:
        super().__init__(terms, now, lot, by_profile(profile))
