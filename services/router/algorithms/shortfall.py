"""Implementation shortfall: soon what would cost more to wait for, by Almgren and Chriss.

Schedule    like TWAP's, with the target after slice k: quantity - x(k), x(k) = quantity x y(n - k) / y(n), where
            y(0) = 0, y(1) = 1, y(j+1) = c y(j) - y(j-1), c = 2 + (K / n)^2, K = 3u / (10,000 - u), u: urgency
            (`schedule.front_loaded`). Urgency 0 is even, 10,000 all at once.
Work        as TWAP, but the patient part of each slice shrinks with the urgency: 7 x (10,000 - u) / 10,000 of its ten
            parts, rounded down. At 10,000 it only takes.
Bounds, at the end    as TWAP.
Amending    as TWAP; what is left is front-loaded anew over the time that is left.
"""

from __future__ import annotations

from services.router.algorithms.patience import PATIENT_PARTS
from services.router.algorithms.schedule import ALL, front_loaded
from services.router.algorithms.sliced import Sliced
from services.router.interfaces import Terms


class Shortfall(Sliced):
    """Front-loaded by urgency."""

    def __init__(self, terms: Terms, now: int, lot: int) -> None:
        self.patient_parts = PATIENT_PARTS * (ALL - terms.urgency) // ALL
        super().__init__(terms, now, lot, front_loaded(terms.urgency))
