"""TWAP: the same quantity in each stretch of time.

Schedule    n = ceil((end - start) / interval) slices; after slice k the target is quantity x k / n. Interval 0: a
            twentieth of the whole, between 1 s and 5 min. Delays and quantities are drawn as `schedule.py` says.
Work        each slice rests at the near touch for seven tenths of its time and takes what is left in the last three
            (`patience.py`). What a slice does not get, the next ones ask for.
Bounds      never beyond limitPrice: it rests at the limit while the market is beyond it, and takes nothing; it then
            stays behind schedule until the market comes back. Never above maxParticipation of the volume.
Amending    quantity, limit, end, maxParticipation (`sliced.py`).
At the end  children are pulled, nothing is taken any more; what is left expires.
"""

from __future__ import annotations

from services.router.algorithms.schedule import even
from services.router.algorithms.sliced import Sliced
from services.router.interfaces import Terms


class Twap(Sliced):
    """Time-weighted: even slices."""

    def __init__(self, terms: Terms, now: int, lot: int) -> None:
        super().__init__(terms, now, lot, even)
