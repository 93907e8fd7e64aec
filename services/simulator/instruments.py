"""What the simulated venues list, with each venue's own names and precision.

Prices and quantities are integers at the decimals the venue prints: Binance prints eight places whatever the tick,
Coinbase and Kraken print as many as the increment has.
"""

from __future__ import annotations

from dataclasses import dataclass

from tapewire.fixed import to_mantissa, to_text


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed instrument. All sizes are mantissas at `price_decimals` or `qty_decimals`."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    qty_decimals: int
    tick: int
    lot: int
    start_price: int
    width: int  # ticks between the fair value and a typical resting order
    typical_lots: int  # size of a typical order, in lots

    def price_text(self, price: int) -> str:
        return to_text(price, -self.price_decimals)

    def qty_text(self, qty: int) -> str:
        return to_text(qty, -self.qty_decimals)


def instrument(
    symbol: str,
    base: str,
    quote: str,
    decimals: tuple[int, int],
    tick: str,
    lot: str,
    start: str,
    width: int,
    typical: str,
) -> Instrument:
    """An instrument from the texts a person writes; `decimals` are those the venue prints, price and quantity."""
    price, qty = decimals
    lot_mantissa = to_mantissa(lot, -qty)
    return Instrument(
        *(symbol, base, quote, price, qty, to_mantissa(tick, -price), lot_mantissa, to_mantissa(start, -price), width),
        typical_lots=to_mantissa(typical, -qty) // lot_mantissa,
    )


# Widths give spreads of the order seen in the recordings: cents for BTC, a tick or two for the small ones.
BINANCE: tuple[Instrument, ...] = (
    instrument("BTCUSDT", "BTC", "USDT", (8, 8), "0.01", "0.00001", "61837.64", 60, "0.05"),
    instrument("ETHUSDT", "ETH", "USDT", (8, 8), "0.01", "0.0001", "2683.12", 12, "0.8"),
    instrument("SOLUSDT", "SOL", "USDT", (8, 8), "0.01", "0.001", "161.48", 4, "12"),
    instrument("XRPUSDT", "XRP", "USDT", (8, 8), "0.0001", "0.1", "0.6172", 3, "900"),
)
COINBASE: tuple[Instrument, ...] = (
    instrument("BTC-USD", "BTC", "USD", (2, 8), "0.01", "0.00000001", "61842.10", 80, "0.04"),
    instrument("ETH-USD", "ETH", "USD", (2, 8), "0.01", "0.00000001", "2683.30", 14, "0.7"),
    instrument("SOL-USD", "SOL", "USD", (2, 8), "0.01", "0.00000001", "161.50", 4, "10"),
    instrument("XRP-USD", "XRP", "USD", (4, 6), "0.0001", "0.000001", "0.6173", 3, "800"),
)
KRAKEN: tuple[Instrument, ...] = (
    instrument("BTC/USD", "BTC", "USD", (1, 8), "0.1", "0.00000001", "61840.3", 12, "0.03"),
    instrument("ETH/USD", "ETH", "USD", (2, 8), "0.01", "0.00000001", "2683.25", 16, "0.6"),
    instrument("SOL/USD", "SOL", "USD", (2, 8), "0.01", "0.00000001", "161.49", 4, "9"),
    instrument("XRP/USD", "XRP", "USD", (5, 8), "0.00001", "0.00000001", "0.61725", 20, "700"),
)
