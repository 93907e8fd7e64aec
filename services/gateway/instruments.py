"""The instruments as the orders tape defines them, and their numbers as decimal text."""

from __future__ import annotations

from tapewire import messages as m
from tapewire.fixed import to_text

AVERAGE_PLACES = 4
"""AvgPx has up to so many places more than a price."""


class Instrument:
    """One instrument: its definition as it stands, its status, and texts at its exponents."""

    __slots__ = ("definition", "limits", "number", "price_exponent", "qty_exponent", "reason", "status", "ticker")

    def __init__(self, definition: m.InstrumentDefinition) -> None:
        self.number, self.ticker = definition.instrument, definition.ticker
        self.status = definition.status
        self.reason = m.StatusReason.unspecified
        self.limits = (0, 0)
        """Lower and upper edge of the price band as last said; 0: none."""
        self.define(definition)

    def define(self, definition: m.InstrumentDefinition) -> None:
        """A redefinition; the status stays, it is the market's."""
        self.definition = definition
        self.price_exponent, self.qty_exponent = definition.price_exponent, definition.qty_exponent

    def px(self, mantissa: int) -> str:
        return to_text(mantissa, self.price_exponent)

    def qty(self, mantissa: int) -> str:
        return to_text(mantissa, self.qty_exponent)

    def average(self, cost: int, cum: int) -> str:
        """Price mantissa times quantity, over quantity, rounded half up; 0 if nothing was filled."""
        if not cum:
            return "0"
        scale = 10**AVERAGE_PLACES
        scaled = (2 * cost * scale + cum) // (2 * cum)
        text = to_text(scaled, self.price_exponent - AVERAGE_PLACES)
        places = max(-self.price_exponent, 0)
        whole, _, fraction = text.partition(".")
        fraction = fraction[:places] + fraction[places:].rstrip("0")
        return f"{whole}.{fraction}" if fraction else whole

    def number_text(self, reason: m.RejectReason, mantissa: int) -> str:
        """A number of a refusal, at the exponent of what it is."""
        if reason in _PRICES:
            return self.px(mantissa)
        if reason in _QUANTITIES:
            return self.qty(mantissa)
        if reason == _R.max_notional:
            return to_text(mantissa, self.price_exponent + self.qty_exponent)
        return str(mantissa)


_R = m.RejectReason
_PRICES = frozenset({_R.invalid_price, _R.off_tick, _R.price_collar, _R.would_cross, _R.price_band, _R.would_trigger})
_QUANTITIES = frozenset({_R.invalid_qty, _R.max_order_qty, _R.max_position, _R.would_not_fill})
COMPARED = _PRICES | _QUANTITIES | {_R.max_notional, _R.capacity}
"""Reasons whose two numbers mean something to a client; of others they are numbers of our own schema, or none."""


class Instruments:
    """All of them, by number and by ticker. Feed it every record of the orders tape that concerns instruments."""

    def __init__(self) -> None:
        self.by_number: dict[int, Instrument] = {}
        self.by_ticker: dict[str, Instrument] = {}

    def fold(self, record: m.Message) -> Instrument | None:
        """Returns the instrument whose status has changed, if one has."""
        if isinstance(record, m.InstrumentDefinition):
            if record.decision:
                return None
            found = self.by_number.get(record.instrument)
            if found is not None and found.status != m.InstrumentStatus.delisted:
                found.define(record)
                return None
            made = Instrument(record)
            self.by_number[record.instrument] = self.by_ticker[record.ticker] = made
            return made
        found = self.by_number.get(record.instrument)
        if found is None:
            return None
        if isinstance(record, m.InstrumentStatusChanged):
            found.status, found.reason = record.status, record.reason
        elif isinstance(record, m.LimitStateChanged):
            found.limits = (record.lower_price, record.upper_price)
        return found
