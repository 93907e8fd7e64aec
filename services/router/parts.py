"""What the core is put together from besides itself: algorithms, routing, benchmarks. Tests bring simpler ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.router.algorithms import make, refuses
from services.router.benchmarks import Benchmarks
from services.router.interfaces import Algorithm, Terms
from services.router.learned import Learned
from services.router.routing import rest, take
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
        self, view: Any, markets: Definitions, learned: Any, side: m.Side, qty: int, limit: int, allowed: int
    ) -> Routed: ...


class Rests(Protocol):
    def __call__(
        self,
        view: Any,
        markets: Definitions,
        learned: Any,
        side: m.Side,
        qty: int,
        price: int,
        display_qty: int,
        post_only: bool,
        allowed: int,
    ) -> Routed: ...


class Folds(Protocol):
    def fold(self, record: m.Message) -> Any: ...


class Measures(Protocol):
    """Progress and cost of one parent against its benchmarks."""

    def market(self, now: int, view: Any, trades: tuple[tuple[int, int], ...] = ()) -> None: ...
    def own(self, report: m.VenueReported) -> None: ...
    def measured(self, now: int, scheduled: int) -> dict[str, int]: ...


class Refuses(Protocol):
    """What speaks against terms: (reason, value, limit, text), or None."""

    def __call__(
        self, terms: Terms, now: int, market: Any, profile: m.VolumeProfile | None
    ) -> tuple[m.RejectReason, int, int, str] | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    refuses: Refuses
    make: Callable[[Terms, int, Any, m.VolumeProfile | None], Algorithm]
    take: Takes
    rest: Rests
    learned: Callable[[], Folds]
    benchmarks: Callable[[m.Side, int, Any, int], Measures]
    """Of a side, a start, a view, and the exponent at which fees are told."""


def all_parts() -> Parts:
    """Those that the service runs with."""
    return Parts(refuses, make, take, rest, Learned, Benchmarks)
