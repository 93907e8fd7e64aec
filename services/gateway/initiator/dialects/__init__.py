"""How venues speak: one small file each, over what plain FIX has in common."""

from __future__ import annotations

from services.gateway.initiator.dialects.base import Dialect, Secrets
from services.gateway.initiator.dialects.binance import Binance
from services.gateway.initiator.dialects.broker import Broker
from services.gateway.initiator.dialects.coinbase import Coinbase
from services.gateway.initiator.dialects.kraken import Kraken
from tapewire.config.venues import Venue

_ALL: dict[str, type[Dialect]] = {"broker": Broker, "binance": Binance, "coinbase": Coinbase, "kraken": Kraken}


def make(venue: Venue, secrets: Secrets) -> Dialect:
    """The dialect that the configuration names. Raises CredentialError if its secret is none."""
    return _ALL[venue.dialect](venue, secrets)
