"""All dialects by name."""

from __future__ import annotations

from services.simulator.fix_venue.binance import Binance
from services.simulator.fix_venue.broker import Broker42, Broker44
from services.simulator.fix_venue.coinbase import Coinbase
from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.kraken import Kraken

DIALECTS: dict[str, type[Dialect]] = {one.name: one for one in (Binance, Coinbase, Kraken, Broker44, Broker42)}
