"""What an instrument's numbers are: decimals to mantissas and back, exactly, and the checks of tick and lot.

A price or quantity is given as Decimal, decimal text or int, and never as a float: 0.1 is no tenth.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tapewire import messages as m
from tapewire.errors import FixedError, OrderRefused
from tapewire.fixed import to_mantissa, to_text

Number = Decimal | str | int
"""How prices and quantities are given."""

ZERO: Final = Decimal(0)


def decimal(mantissa: int, exponent: int) -> Decimal:
    """mantissa x 10^exponent, whatever the context's precision."""
    return Decimal(to_text(mantissa, exponent))


def mantissa(number: Number, exponent: int, what: str) -> int:
    """The integer at `exponent` that is exactly `number`. TypeError: a float. OrderRefused: that is none."""
    if isinstance(number, bool | float) or not isinstance(number, Decimal | str | int):
        raise TypeError(
            f"{what} is {number!r}, a {type(number).__name__}: expected Decimal, int or decimal text such as '0.1'"
        )
    try:
        return to_mantissa(str(number), exponent)
    except FixedError as error:
        raise OrderRefused(f"{what} {number}: {error}") from None


class Instrument:
    """One instrument of one feed as it is defined."""

    __slots__ = ("definition", "id", "price_exponent", "qty_exponent", "ticker")

    def __init__(self, definition: m.InstrumentDefinition) -> None:
        self.definition = definition
        self.id = definition.instrument
        self.ticker = definition.ticker
        self.price_exponent, self.qty_exponent = definition.price_exponent, definition.qty_exponent

    @property
    def tick(self) -> Decimal:
        """Every price is a multiple of it."""
        return self.price(self.definition.tick_size)

    @property
    def lot(self) -> Decimal:
        """Every quantity is a multiple of it."""
        return self.qty(self.definition.lot_size)

    def price(self, value: int) -> Decimal:
        """The price of a mantissa."""
        return decimal(value, self.price_exponent)

    def qty(self, value: int) -> Decimal:
        """The quantity of a mantissa."""
        return decimal(value, self.qty_exponent)

    def amount(self, value: int) -> Decimal:
        """Of a price's mantissa times a quantity's."""
        return decimal(value, self.price_exponent + self.qty_exponent)

    def price_mantissa(self, price: Number, what: str = "price") -> int:
        """Raises OrderRefused for what is not positive or off the tick, TypeError for a float."""
        value = mantissa(price, self.price_exponent, f"{self.ticker}: {what}")
        tick = self.definition.tick_size
        if value <= 0 or value % tick:
            raise OrderRefused(f"{self.ticker}: {what} {price}: expected a multiple of the tick {self.tick} above 0")
        return value

    def qty_mantissa(self, qty: Number, what: str = "qty") -> int:
        """Raises OrderRefused for what is not positive, off the lot or above the largest, TypeError for a float."""
        value = mantissa(qty, self.qty_exponent, f"{self.ticker}: {what}")
        definition = self.definition
        if value <= 0 or value % definition.lot_size:
            raise OrderRefused(f"{self.ticker}: {what} {qty}: expected a multiple of the lot {self.lot} above 0")
        if definition.max_qty and value > definition.max_qty:
            raise OrderRefused(f"{self.ticker}: {what} {qty}: expected at most {self.qty(definition.max_qty)}")
        return value

    def floor(self, price: Decimal) -> Decimal:
        """The highest price on the tick that is not above `price`."""
        return price // self.tick * self.tick

    def ceil(self, price: Decimal) -> Decimal:
        """The lowest price on the tick that is not below `price`."""
        return -(-price // self.tick) * self.tick

    def __repr__(self) -> str:
        return f"Instrument({self.ticker}, id {self.id}, tick {self.tick}, lot {self.lot})"
