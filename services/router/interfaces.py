"""What the parts of the router know of each other.

The core sequences and keeps parents and children, algorithms say what a parent wants next, routing says where. All is
pure; prices and quantities are mantissas at the exponents of the router's instrument, times UTC ns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tapewire import messages as m


@dataclass(slots=True)
class VenueBook:
    """What one venue shows of one instrument, best first. Empty sides are empty."""

    venue: int
    state: m.VenueState
    quality: m.BookQuality
    bids: Sequence[tuple[int, int]]
    """(price, quantity)."""
    asks: Sequence[tuple[int, int]]
    seen: int
    """When it last changed."""


class MarketView(Protocol):
    """One instrument's market as the tape has told it so far."""

    @property
    def instrument(self) -> int: ...

    @property
    def books(self) -> Sequence[VenueBook]:
        """Of every venue where it is defined, by venue number."""

    @property
    def best_bid(self) -> int:
        """Over venues whose book is live; 0: none."""

    @property
    def best_ask(self) -> int: ...

    @property
    def last(self) -> int:
        """Price of the last trade anywhere; 0: none."""

    @property
    def volume(self) -> int:
        """Traded by everybody since the router's tape began, at all of its venues, our own trades included once."""

    @property
    def tick(self) -> int:
        """Of the router's definition; a venue's own may be coarser."""

    @property
    def lot(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client wants of a parent, as amended last. See NewParent for the meaning of each."""

    parent_id: int
    instrument: int
    side: m.Side
    algorithm: m.Algorithm
    qty: int
    limit_price: int
    start_time: int
    end_time: int
    participation: int
    max_participation: int
    display_qty: int
    interval: int
    randomness: int
    urgency: int
    seed: int
    time_in_force: m.TimeInForce


@dataclass(slots=True)
class ChildView:
    """A child that lives."""

    child_id: int
    venue: int
    price: int
    qty: int
    leaves: int
    resting: bool
    """Was made by Rest, and not by Take."""
    pending: bool
    """Asked for something that the venue has not answered yet: it can be neither moved nor pulled."""


@dataclass(slots=True)
class Progress:
    """How far a parent has come."""

    cum_qty: int
    open_qty: int
    """What of it stands at venues, or is on its way there."""
    children: Sequence[ChildView]


@dataclass(frozen=True, slots=True)
class Slice:
    """Tells of the next slice, random draw included: becomes SliceScheduled."""

    number: int
    slices: int
    due: int
    qty: int
    total_qty: int


@dataclass(frozen=True, slots=True)
class Take:
    """Trade up to `qty` now, at venues that show it within `limit` (0: none)."""

    qty: int
    limit: int
    slice: int = 0


@dataclass(frozen=True, slots=True)
class Rest:
    """Let `qty` stand at `price` at the venue that is best to rest at, `display_qty` (0: all) shown."""

    qty: int
    price: int
    display_qty: int = 0
    post_only: bool = True
    slice: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """Change price and whole quantity of a resting child."""

    child_id: int
    price: int
    qty: int


@dataclass(frozen=True, slots=True)
class Pull:
    """Cancel a resting child."""

    child_id: int


Action = Slice | Take | Rest | Move | Pull


class Algorithm(Protocol):
    """Works one parent. Deterministic: the same calls give the same actions; random numbers come from the terms' seed.

    Whatever an algorithm asks for, the core never lets the sum of what is done and what stands exceed the parent, and
    keeps the parent's price limit and participation bound; an algorithm that asks for more is cut.
    """

    def due(self) -> int:
        """When it wants to be asked again, UTC ns; 0: only when something happens."""

    def amend(self, terms: Terms, now: int, progress: Progress) -> None:
        """Goes on under other terms."""

    def step(self, now: int, market: MarketView, progress: Progress) -> list[Action]:
        """What to do now. Asked when it is due, and after each fill, cancel or reject of a child of its own, and, where
        `follows_market`, after each change of the market."""

    @property
    def follows_market(self) -> bool: ...

    @property
    def finished(self) -> bool:
        """It wants nothing more: what is left is cancelled once its children are done."""

    @property
    def scheduled(self) -> int:
        """What its schedule has asked for by now, for ParentMeasured."""
