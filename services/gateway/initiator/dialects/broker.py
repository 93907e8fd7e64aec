"""A broker or venue that speaks plain FIX 4.2 or 4.4, ours included.

logon        553 and 554 if there is a username; else the CompIDs alone (and whatever the line proves)
numbers      go on, unless reset_on_logon or rollover say otherwise; resends are asked for, and answered by gap fills:
             an order that did not arrive is not sent late
orders       D F G; 4.4: open orders by AF (585=7), what it does not tell of by H; 4.2 has no AF: by H alone
types        market, limit; day, GTC, IOC, FOK; 18=6; icebergs as 1138 in 4.4, 111 in 4.2
executions   4.4: 150=F, H, G. 4.2: LastShares (32) above 0; bust and correction by 20=1 and 20=2, a status by 20=3

Some brokers answer AF or H not at all: see answer_timeout. None is known to ask for more than this.
"""

from __future__ import annotations

from services.gateway.initiator.dialects.base import Dialect, Secrets, names_no_order
from services.gateway.initiator.words import Kind, Order
from tapewire.config.venues import Venue
from tapewire.fix.message import Message

_TRANSACTIONS = {"1": Kind.busted, "2": Kind.corrected, "3": Kind.unspecified}


class Broker(Dialect):
    def __init__(self, venue: Venue, secrets: Secrets) -> None:
        super().__init__(venue, secrets)
        self._old = venue.version == "FIX.4.2"
        self.asks = "each" if self._old else "mass"
        self.rollover = venue.rollover
        self._iceberg = 111 if self._old else 1138

    @property
    def display_tag(self) -> int:  # type: ignore[override]
        return self._iceberg

    def more(self, order: Order) -> list[str]:
        handled = ["21=1"] if self._old else []
        return [*super().more(order), *handled]

    def kind(self, message: Message) -> Kind:
        if self._old and (found := _TRANSACTIONS.get(message.get(20))) is not None:
            return Kind.unknown if found == Kind.unspecified and names_no_order(message) else found
        if self._old and message.get(32).strip("0."):
            return Kind.executed  # 150 may say how the order stands by now, such as 4 of a fill after its cancel
        return super().kind(message)
