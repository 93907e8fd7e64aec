"""What the core is put together from besides itself: algorithms, routing, benchmarks. Tests bring simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.router.interfaces import Algorithm, MarketView, Terms
from tapewire import messages as m


class Planned(Protocol):
    """A child as routing wants it."""

    @property
    def venue(self) -> int: ...
    @property
    def price(self) -> int: ...
    @property
    def qty(self) -> int: ...
    @property
    def ord_type(self) -> m.OrdType: ...
    @property
    def tif(self) -> m.TimeInForce: ...
    @property
    def post_only(self) -> bool: ...
    @property
    def display_qty(self) -> int: ...


class Routed(Protocol):
    """Where a quantity goes, and why."""

    @property
    def scores(self) -> Sequence[m.VenueScore]: ...
    @property
    def children(self) -> Sequence[Planned]: ...
    @property
    def unrouted(self) -> int: ...


Definitions = Mapping[int, m.MarketDefinition]


class Takes(Protocol):
    def __call__(
        self,
        view: Any,
        learned: Any,
        definitions: Definitions,
        side: m.Side,
        qty: int,
        limit: int,
        allowed_venues: int,
    ) -> Routed: ...


class Rests(Protocol):
    def __call__(
        self,
        view: Any,
        learned: Any,
        definitions: Definitions,
        side: m.Side,
        qty: int,
        price: int,
        allowed_venues: int,
        *,
        display_qty: int,
        post_only: bool,
    ) -> Routed: ...


class Folds(Protocol):
    def fold(self, record: m.Message) -> Any: ...


@dataclass(frozen=True, slots=True)
class Parts:
    make: Callable[[Terms, int, MarketView, m.VolumeProfile | None], Algorithm]
    take: Takes
    rest: Rests
    learned: Callable[[], Folds]
    benchmarks: Callable[[m.Side, int, MarketView], Any]
