"""The venues whose market data is understood here, by the name that a feed's section gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from services.connector.binance import BinanceSession
from services.connector.coinbase import CoinbaseSession
from services.connector.kraken import KrakenSession
from tapewire.feed.session import VenueSession

SESSIONS: Final[dict[str, Callable[[Sequence[str], int, Random], VenueSession[Any]]]] = {
    "binance": BinanceSession,
    "coinbase": CoinbaseSession,
    "kraken": KrakenSession,
}
