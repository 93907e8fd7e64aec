"""Coinbase Exchange, order entry (FIXT 1.1 with FIX 5.0SP2 over TLS).

logon        49 and 553 API key, 554 passphrase, 95/96 base64 HMAC-SHA256 with the decoded secret over 52, 35, 34, 49,
             56, 554 joined by SOH; 1137=9, 141=Y; 52 with three places; 8013=S cancels this session's orders when it
             is lost, N keeps them: always said, as leaving it out is taken for S by some
numbers      34=1 in each Logon; nothing is sent again on order entry
orders       D F G H; ClOrdID is a UUID. Batches (U4, U6) are not used: each order is a message of its own on the tape
status       by H, order by order (11, and 37 once known): 150=I; an order it does not know: 39=8 with 150=I or 8
types        market, limit; GTC, IOC, FOK (day is sent as GTC); 18=A post-only; no icebergs
executions   150=F (older reports: 1 and 2), busts 150=H; AggressorIndicator 1057; fees in 137 where told
limits       100 messages a second here; it has more, but how they are counted differs by profile
ending       every Saturday 13:00 New York time everybody is logged out
not known    whether 8013=N is taken everywhere: what the venue cancelled all the same is found at the next logon
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import ClassVar

from services.gateway.initiator.dialects.base import Dialect, Fields, Head, Secrets
from services.gateway.initiator.names import Form
from services.gateway.initiator.words import Order
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.errors import CredentialError
from tapewire.fix.message import SOH, Message


def decoded(secret: str, where: object) -> bytes:
    """An API secret as its bytes. Raises CredentialError."""
    try:
        found = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise CredentialError(f"{where}: expected one line of base64")
    return found


class Coinbase(Dialect):
    form: ClassVar[Form] = "uuid"
    always_resets = True
    resends = False
    limit: ClassVar[tuple[int, float]] = (100, 1.0)
    tifs: ClassVar[dict[m.TimeInForce, str]] = {
        m.TimeInForce.day: "1",
        m.TimeInForce.gtc: "1",
        m.TimeInForce.ioc: "3",
        m.TimeInForce.fok: "4",
    }
    post_only = "A"
    display_tag = 0

    def __init__(self, venue: Venue, secrets: Secrets) -> None:
        super().__init__(venue, secrets)
        self._key = decoded(secrets.secret, venue.secret_file)

    def logon(self, head: Head) -> Fields:
        passphrase = self._secrets.passphrase
        signed = SOH.join((head.sending_time, "A", head.seq, head.sender, head.target, passphrase))
        signature = base64.b64encode(hmac.digest(self._key, signed.encode("latin-1"), hashlib.sha256)).decode()
        cancels = "S" if self.venue.cancel_on_disconnect else "N"
        proof = [(95, str(len(signature))), (96, signature), (553, self.venue.username), (554, passphrase)]
        return [*proof, (8013, cancels)]

    def more(self, order: Order) -> list[str]:
        return []

    def liquidity(self, message: Message) -> m.Liquidity:
        return {"Y": m.Liquidity.removed, "N": m.Liquidity.added}.get(message.get(1057), m.Liquidity.unspecified)
