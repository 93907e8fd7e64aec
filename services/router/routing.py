"""Where an order goes: which venues take how much of it now, or at which it rests. Every venue's score says why.

Effective price, in millionths of the price mantissa; a buyer wants it low, a seller high (all signs turned):

    taking    price x (1,000,000 + takerFee + penalty)
    resting   price x (1,000,000 + makerFee + penalty); what the venue's tick moves the price away from the market is
              added to it, so that a coarse tick counts against a venue and not for it

    penalty   REJECT_COST x rejects + UNFILLED_COST x (1 - fill rate)
              + LATENCY_COST for each 10 ms, LATENCY_COST_MAX at most
              + where it rests: QUEUE_COST x queue / (queue + quantity); queue: what is shown at its price or better

Fees are in 1/100 of a basis point, that is in millionths, and so are the costs here. Rates are those of `learned.py`.
Equal prices go to the lower venue number first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.router.interfaces import MarketView, VenueBook
from services.router.learned import ALL, Figures, Learned
from services.router.split import Offer, split
from tapewire import messages as m
from tapewire.fixed import MAX_MANTISSA

REJECT_COST: Final = 500  # of a venue that refuses everything: 5 basis points
UNFILLED_COST: Final = 200
LATENCY_COST: Final = 1
LATENCY_COST_MAX: Final = 100
QUEUE_COST: Final = 100
_LATENCY_STEP_NS: Final = 10_000_000
_MILLION: Final = 1_000_000

_NOTHING = m.Unusable.unspecified


class Planned(NamedTuple):
    """A child to be made."""

    venue: int
    price: int
    qty: int
    ord_type: m.OrdType
    tif: m.TimeInForce
    post_only: bool
    display_qty: int
    """0: all of it."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What was decided, for RouteDecided and the NewChild that follow it."""

    scores: list[m.VenueScore]
    """Of every venue where the instrument is known, by number."""
    children: list[Planned]
    """At most one a venue, by number."""
    unrouted: int


@dataclass(slots=True)
class _Candidate:
    """One venue in one decision."""

    venue: int
    market: m.MarketDefinition | None
    book: VenueBook | None
    figures: Figures
    unusable: m.Unusable
    fee: int = 0
    factor: int = 0
    """(1,000,000 + fee + penalty), of a seller (1,000,000 - fee - penalty)."""
    fill_rate: int = 0
    price: int = 0
    size: int = 0
    qty: int = 0
    away: int = 0
    """By how much a resting price was moved away from the market; of a seller negative."""

    def cost(self) -> int:
        """Effective price."""
        return (self.price + 2 * self.away) * self.factor

    def score(self) -> m.VenueScore:
        return m.VenueScore(
            price=self.price,
            size=min(self.size, MAX_MANTISSA),
            fee=self.fee,
            fill_rate=self.fill_rate,
            reject_rate=self.figures.rejects,
            venue=self.venue,
            state=m.VenueState.unspecified if self.book is None else self.book.state,
            latency=self.figures.latency,
            score=max(min(self.cost() // 1_000, MAX_MANTISSA), -MAX_MANTISSA),
            qty=self.qty,
            unusable=self.unusable,
        )


def take(
    view: MarketView,
    markets: Mapping[int, m.MarketDefinition],
    learned: Learned,
    side: m.Side,
    qty: int,
    limit: int,
    allowed: int = 0,
) -> Routed:
    """Splits `qty` over what venues show within `limit` (0: none), cheapest effective price first.

    As much of it is traded as can be, and that as cheaply as can be (`split.py` says how exactly). Of a venue no more
    is taken than it shows, in whole lots of its own, between its smallest and its largest order. Each child is an IOC
    order at the worst price that is taken at its venue. `allowed`: bit n stands for venue n; 0: all.
    """
    candidates = _candidates(view, markets, learned, allowed)
    offers = []
    for candidate in candidates:
        market, book = candidate.market, candidate.book
        if candidate.unusable != _NOTHING or market is None or book is None:
            continue
        candidate.fee = market.taker_fee
        candidate.fill_rate = candidate.figures.take_fill
        candidate.factor = _factor(side, market.taker_fee + _penalty(candidate.figures, candidate.fill_rate))
        levels = [(p, q) for p, q in (book.asks if side == m.Side.buy else book.bids) if _within(side, p, limit)]
        if not levels:
            other = book.asks if side == m.Side.buy else book.bids
            candidate.unusable = m.Unusable.beyond_limit if other else m.Unusable.too_small
            continue
        candidate.price, candidate.size = levels[0][0], sum(q for _, q in levels)
        lot, least, most = _bounds(market)
        if min(candidate.size, qty, most) < least:
            candidate.unusable = m.Unusable.too_small
            continue
        sign = 1 if side == m.Side.buy else -1
        offers.append(
            Offer(candidate.venue, lot, least, most, [(p, sign * p * candidate.factor, q) for p, q in levels])
        )
    children = []
    by_venue = {c.venue: c for c in candidates}
    for part in split(qty, offers):
        by_venue[part.venue].qty = part.qty
        children.append(
            Planned(part.venue, part.price, part.qty, m.OrdType.limit, m.TimeInForce.ioc, False, display_qty=0)
        )
    return Routed([c.score() for c in candidates], children, qty - sum(c.qty for c in children))


def rest(
    view: MarketView,
    markets: Mapping[int, m.MarketDefinition],
    learned: Learned,
    side: m.Side,
    qty: int,
    price: int,
    display_qty: int = 0,
    post_only: bool = True,
    allowed: int = 0,
) -> Routed:
    """Puts `qty` at `price` to the venue whose effective price is best; what its largest order leaves, to the next one.

    The price goes to the venue's tick, away from the market. A venue where a post-only order would trade at once is
    not considered (crossed). `allowed`: as in `take`.
    """
    candidates = _candidates(view, markets, learned, allowed)
    ranked = []
    for candidate in candidates:
        market, book = candidate.market, candidate.book
        if candidate.unusable != _NOTHING or market is None or book is None:
            continue
        at = resting_price(market, side, price)
        own, other = (book.bids, book.asks) if side == m.Side.buy else (book.asks, book.bids)
        candidate.size = queue = sum(q for p, q in own if _within(side, p, at, resting=True))
        candidate.fee = market.maker_fee
        candidate.fill_rate = candidate.figures.rest_fill
        waits = QUEUE_COST * queue // (queue + qty)
        candidate.factor = _factor(side, market.maker_fee + _penalty(candidate.figures, candidate.fill_rate) + waits)
        candidate.price, candidate.away = at, price - at
        if at <= 0:
            candidate.unusable = m.Unusable.beyond_limit
        elif post_only and other and _within(side, other[0][0], at):
            candidate.unusable = m.Unusable.crossed
        elif min(qty, _bounds(market)[2]) < _bounds(market)[1]:
            candidate.unusable = m.Unusable.too_small
        else:
            sign = 1 if side == m.Side.buy else -1
            ranked.append((sign * candidate.cost(), candidate.venue, candidate, market))
    left, children = qty, []
    for _, venue, candidate, market in sorted(ranked, key=lambda r: r[:2]):
        lot, least, most = _bounds(market)
        part = min(left, most) // lot * lot
        if part < least:
            continue
        candidate.qty = part
        left -= part
        shown = display_qty // lot * lot
        children.append(
            Planned(
                venue,
                candidate.price,
                part,
                m.OrdType.limit,
                m.TimeInForce.gtc,
                post_only,
                display_qty=shown if lot <= shown < part else 0,
            )
        )
    return Routed([c.score() for c in candidates], sorted(children), left)


def resting_price(market: m.MarketDefinition, side: m.Side, price: int) -> int:
    """`price` on the venue's tick, away from the market: where an order that is to rest or to be moved stands there."""
    tick = max(market.tick_size, 1)
    return price // tick * tick if side == m.Side.buy else -(-price // tick) * tick


def _candidates(
    view: MarketView, markets: Mapping[int, m.MarketDefinition], learned: Learned, allowed: int
) -> list[_Candidate]:
    """Every venue that has a book or a definition, with what speaks against it before prices are looked at."""
    books = {book.venue: book for book in view.books}
    found = []
    for venue in sorted({*books, *markets}):
        market, book = markets.get(venue), books.get(venue)
        if market is None or (allowed and not allowed >> venue & 1):
            unusable = m.Unusable.excluded
        elif book is None:
            unusable = m.Unusable.stale
        else:
            unusable = _state(book)
        found.append(_Candidate(venue, market, book, learned.of(venue, view.instrument), unusable))
    return found


def _state(book: VenueBook) -> m.Unusable:
    if book.state != m.VenueState.ready:
        return m.Unusable.down
    if book.quality == m.BookQuality.crossed:
        return m.Unusable.crossed
    return _NOTHING if book.quality == m.BookQuality.live else m.Unusable.stale


def _bounds(market: m.MarketDefinition) -> tuple[int, int, int]:
    """Lot, smallest and largest order of a venue, the latter two in whole lots."""
    lot = max(market.lot_size, 1)
    least = max(-(-market.min_qty // lot), 1) * lot
    return lot, least, (market.max_qty if market.max_qty > 0 else 1 << 62) // lot * lot


def _within(side: m.Side, price: int, limit: int, resting: bool = False) -> bool:
    """Whether `price` is no worse than `limit` (0: none); of what rests: whether it stands before, or with, `limit`."""
    if not limit:
        return True
    return price <= limit if (side == m.Side.buy) != resting else price >= limit


def _factor(side: m.Side, extra: int) -> int:
    return _MILLION + extra if side == m.Side.buy else _MILLION - extra


def _penalty(figures: Figures, fill_rate: int) -> int:
    """What is known against a venue, in millionths of the price."""
    slow = min(figures.latency // _LATENCY_STEP_NS * LATENCY_COST, LATENCY_COST_MAX)
    return (REJECT_COST * figures.rejects + UNFILLED_COST * (ALL - fill_rate)) // ALL + slow
