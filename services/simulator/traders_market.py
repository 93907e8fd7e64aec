"""What simulated traders know of an instrument: its terms, its status, what they think it is worth, their quotes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tapewire import messages as m

LOTS_OF_MAX = 2000  # a typical order is this part of the largest
TYPICAL_LOTS = 100  # where the instrument has no largest order
CALLS = frozenset(
    {m.InstrumentStatus.opening_auction, m.InstrumentStatus.closing_auction, m.InstrumentStatus.halt_auction}
)


@dataclass(slots=True)
class Quote:
    """One place where a maker keeps an order: empty, live, or waiting for an answer."""

    account: int
    book: Market
    side: m.Side
    level: int
    order_id: int = 0
    price: int = 0
    pending: int = 0  # the ClOrdID whose answer is awaited
    since: int = 0  # the turn it was sent


@dataclass(slots=True)
class Market:
    """An instrument, and what the traders think it is worth."""

    definition: m.InstrumentDefinition
    fair: int  # in ticks
    anchor: int
    step: int  # ticks between a maker's levels
    lots: int  # a typical size, in lots
    status: m.InstrumentStatus
    quotes: list[Quote] = field(default_factory=list)

    @classmethod
    def of(cls, definition: m.InstrumentDefinition) -> Market:
        reference = definition.reference_price or definition.min_price or 1000 * definition.tick_size
        fair = max(2, reference // definition.tick_size)
        largest = definition.max_qty // definition.lot_size
        lots = max(1, largest // LOTS_OF_MAX) if largest else TYPICAL_LOTS
        # A level every hundredth of a per cent: wide enough that most quotes rest, close enough that takers reach them.
        return cls(definition, fair, fair, max(1, fair // 10_000), lots, definition.status)

    @property
    def in_call(self) -> bool:
        """Orders are collected; what has to trade at once is refused."""
        return self.status in CALLS

    @property
    def takes_orders(self) -> bool:
        return self.in_call or self.status == m.InstrumentStatus.trading

    def price(self, ticks: int) -> int:
        return max(1, ticks) * self.definition.tick_size
