"""From a parent's terms to its algorithm, or to the reason why there is none."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.router.algorithms.iceberg import Iceberg
from services.router.algorithms.pov import Pov
from services.router.algorithms.schedule import ALL, INTERVAL_MIN, SLICES_MAX, volume
from services.router.algorithms.shortfall import Shortfall
from services.router.algorithms.sweep import Sweep
from services.router.algorithms.twap import Twap
from services.router.algorithms.vwap import Vwap
from services.router.interfaces import Algorithm, MarketView, Terms
from tapewire import messages as m

SCHEDULED: Final = (m.Algorithm.twap, m.Algorithm.vwap, m.Algorithm.shortfall)


class Refusal(NamedTuple):
    """Why terms cannot be worked. `value` and `limit` as ParentRefused has them."""

    reason: m.RejectReason
    value: int
    limit: int
    text: str


def make(terms: Terms, now: int, market: MarketView, profile: m.VolumeProfile | None) -> Algorithm:
    """The algorithm for terms that `refuses` has nothing against. `profile`: the last one on the tape, if any."""
    kind = m.Algorithm
    if terms.algorithm == kind.twap:
        return Twap(terms, now, market.lot)
    if terms.algorithm == kind.vwap:
        assert profile is not None, "refuses() lets no VWAP pass without a profile"
        return Vwap(terms, now, market.lot, profile)
    if terms.algorithm == kind.shortfall:
        return Shortfall(terms, now, market.lot)
    if terms.algorithm == kind.pov:
        return Pov(terms, now)
    if terms.algorithm == kind.iceberg:
        return Iceberg(terms, now)
    assert terms.algorithm == kind.sweep, "refuses() lets no unknown algorithm pass"
    return Sweep(terms, now)


def refuses(terms: Terms, now: int, market: MarketView, profile: m.VolumeProfile | None) -> Refusal | None:
    """What speaks against these terms, of a new parent or of one as it would be after an amendment; None: nothing.

    Looks at what the algorithm needs. Accounts, notionals, collars and venues are the core's.
    """
    if terms.algorithm == m.Algorithm.unspecified:
        return _field(0, "algorithm: none is named")
    if terms.qty <= 0 or terms.qty % market.lot:
        return Refusal(
            m.RejectReason.invalid_qty,
            terms.qty,
            market.lot,
            f"qty {terms.qty}: expected a positive multiple of the lot {market.lot}",
        )
    return _rates(terms) or _times(terms, now) or _own(terms, now, market, profile)


def _field(value: int, text: str, limit: int = 0) -> Refusal:
    return Refusal(m.RejectReason.invalid_field, value, limit, text)


def _rates(terms: Terms) -> Refusal | None:
    for name, value in (
        ("participation", terms.participation),
        ("maxParticipation", terms.max_participation),
        ("randomness", terms.randomness),
        ("urgency", terms.urgency),
    ):
        if not 0 <= value <= ALL:
            return _field(value, f"{name} {value}: expected 0 to {ALL}, in 1/10,000", ALL)
    if terms.limit_price < 0:
        return Refusal(m.RejectReason.invalid_price, terms.limit_price, 0, f"limitPrice {terms.limit_price} < 0")
    return None


def _times(terms: Terms, now: int) -> Refusal | None:
    begin = max(terms.start_time, now)
    if terms.end_time and terms.end_time <= begin:
        return _field(terms.end_time, f"endTime {terms.end_time} is not after {begin}, when it would begin", begin)
    if terms.algorithm in SCHEDULED and not terms.end_time:
        return _field(0, f"endTime: {terms.algorithm.name} needs one to spread its quantity up to")
    if terms.interval and terms.interval < INTERVAL_MIN:
        return _field(terms.interval, f"interval {terms.interval} ns: expected at least {INTERVAL_MIN}", INTERVAL_MIN)
    if terms.interval and terms.algorithm in SCHEDULED:
        least = -(-(terms.end_time - begin) // SLICES_MAX)
        if terms.interval < least:
            text = f"interval {terms.interval} ns makes more than {SLICES_MAX} slices: expected at least {least}"
            return _field(terms.interval, text, least)
    return None


def _own(terms: Terms, now: int, market: MarketView, profile: m.VolumeProfile | None) -> Refusal | None:
    """What one algorithm alone needs."""
    kind = terms.algorithm
    if kind == m.Algorithm.vwap:
        if profile is None:
            return _field(kind, "no VolumeProfile of this instrument is on the router's tape: make one, or use twap")
        if volume(profile, max(terms.start_time, now), terms.end_time) <= 0:
            return _field(kind, "by its VolumeProfile nothing is traded between start and end: use twap")
    if kind == m.Algorithm.pov:
        if not terms.participation:
            return _field(0, "participation: pov needs 1 to 10,000")
        if terms.max_participation and terms.max_participation < terms.participation:
            text = f"maxParticipation {terms.max_participation} is below participation {terms.participation}"
            return _field(terms.max_participation, text, terms.participation)
    if kind == m.Algorithm.iceberg and not 0 < terms.display_qty <= terms.qty:
        text = f"displayQty {terms.display_qty}: expected 1 to the quantity {terms.qty}"
        return _field(terms.display_qty, text, terms.qty)
    if kind == m.Algorithm.sweep:
        if terms.time_in_force not in (m.TimeInForce.ioc, m.TimeInForce.day):
            return _field(terms.time_in_force, "timeInForce: a sweep is ioc or day")
        if terms.time_in_force == m.TimeInForce.ioc and terms.max_participation:
            text = "maxParticipation: a sweep ioc trades before any volume since its start is known"
            return _field(terms.max_participation, text)
    resting = kind == m.Algorithm.iceberg or (kind == m.Algorithm.sweep and terms.time_in_force == m.TimeInForce.day)
    if resting and not terms.limit_price:
        return Refusal(m.RejectReason.invalid_price, 0, 0, f"limitPrice: {kind.name} needs a price to rest at")
    return None
