"""Binance Spot, market data (FIX 4.4 over TLS): an endpoint and a session of its own, for which a key that may read is
enough.

definition   x with 559=0, answered by y: tick size 969, lot size 25039, largest order 1140
book         V with 269=0 and 1 and MarketDepth 2 to 5000: W with LastBookUpdateID 25044, then X every 100 ms at most,
             each change absolute, with FirstBookUpdateID 25043 and 25044 (said once for all entries). Levels beyond the
             depth are only known once they change. A long X comes in parts (893=N … 893=Y)
trades       V with 269=2: X at once, TradeID 1003 contiguous, AggressorSide 2446
gap rule     25043 is the last 25044 and 1; else the book is asked for anew: unsubscribe (263=2), then a new MDReqID
quotes       the best levels of that book: they come with it, not at once as the venue's own ticker would
refusals     Y with 281 and 58; 3 for what it does not understand, and for a symbol that is not traded
limits       2,000 messages in 60 s
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from services.gateway.initiator.market_data.dialect import MarketDialect


class BinanceMarket(MarketDialect):
    dictionary = Path(__file__).with_name("binance.xml")
    limit: ClassVar[tuple[int, float]] = (2_000, 60.0)
    depths = (2, 5000)
    first_id = 25043
    last_id = 25044
