"""Kraken Spot, trading (FIX 4.4 over TLS 1.3, from listed addresses).

logon        553 API key, 5025 nonce (UTC ms, within 5 s, rising), 554 base64 HMAC-SHA512 with the decoded secret over
             SHA-256 of `35=A␁34=…␁49=…␁56=…␁553=…␁` and the nonce; 8674=0 cancels orders when the connection is lost
             (its default), 1 keeps them: always said
numbers      go on, and what was missed is sent again; both begin at 1 after the rollover at 22:00 UTC, of half a minute
orders       D F G H; ClOrdID: a number that only rises (at most 18 digits), so it is made of the router's seq
status       H wants 11 and 37; of an order whose 37 we never learnt it is asked without
types        market, limit; GTC, IOC, FOK (day is sent as GTC); 18=6
executions   150=F; 851 where told
limits       none published for FIX; 60 messages a second here
refusals     j, also of cancels, amendments and status requests: 380=101 is an order that it does not know; another j
             or 3 to H leaves the order as it was, to be asked for again
not known    how an iceberg is written: none is sent
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import ClassVar

from services.gateway.initiator.dialects.base import Dialect, Fields, Head, Secrets
from services.gateway.initiator.dialects.coinbase import decoded
from services.gateway.initiator.names import Form
from services.gateway.initiator.words import Report
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.fix.message import SOH

UNKNOWN_ORDER = 101
"""BusinessRejectReason (380)."""


class Kraken(Dialect):
    form: ClassVar[Form] = "rising"
    limit: ClassVar[tuple[int, float]] = (60, 1.0)
    display_tag = 0
    tifs: ClassVar[dict[m.TimeInForce, str]] = {
        m.TimeInForce.day: "1",
        m.TimeInForce.gtc: "1",
        m.TimeInForce.ioc: "3",
        m.TimeInForce.fok: "4",
    }

    def __init__(self, venue: Venue, secrets: Secrets) -> None:
        super().__init__(venue, secrets)
        self._key = decoded(secrets.secret, venue.secret_file)
        self._nonce = 0
        self.rollover = "" if venue.reset_on_logon else venue.rollover or "22:00"

    def logon(self, head: Head) -> Fields:
        self._nonce = max(self._nonce + 1, head.now_ms)
        fields = ("35=A", f"34={head.seq}", f"49={head.sender}", f"56={head.target}", f"553={self.venue.username}")
        signed = SOH.join(fields) + SOH + str(self._nonce)
        digest = hmac.digest(self._key, hashlib.sha256(signed.encode("latin-1")).digest(), hashlib.sha512)
        keeps = "0" if self.venue.cancel_on_disconnect else "1"
        password = base64.b64encode(digest).decode()
        return [(553, self.venue.username), (554, password), (5025, str(self._nonce)), (8674, keeps)]

    def knows_not(self, report: Report) -> bool:
        return report.code in (1, UNKNOWN_ORDER)
