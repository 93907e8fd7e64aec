"""Kraken Spot, trading session: FIX.4.4 with HMAC-SHA512 logons.

Written from the venue's pages on its (unified) FIX API: D, F, G, H, q in; 8, j, 3 out. What never reaches the matcher
is refused by BusinessMessageReject (j), cancels and amendments always are: there is no OrderCancelReject on spot. A
mass cancel is answered by the reports of the orders it cancels alone. Orders are cancelled on disconnect unless the
Logon says 8674=1. ClOrdIDs are whole numbers of up to 18 digits, or UUIDs.

Not known from those pages, and chosen here: the value of 18 that makes an order post-only (6); that an order which the
matcher itself refuses is told by 8 with 150=8, as it has an OrderID; that 44 left out of an amendment keeps the price.
The daily roll-over at 22:00 UTC is not simulated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.session import Rules
from services.simulator.fix_venue.terms import (
    CancelReject,
    Client,
    Enter,
    MassCancel,
    MassCancelled,
    Refused,
    Report,
    Told,
)
from tapewire.fix.message import SOH, Message, printable

MS: Final = 1_000_000
NONCE_MS: Final = 5_000
ID: Final = re.compile(r"[1-9][0-9]{0,17}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
UNKNOWN_INSTRUMENT, UNKNOWN_ORDER, OTHER = 2, 101, 0


class Kraken(Dialect):
    name = "kraken"
    comp_id = "KRAKEN-TRD"
    instruments = ("BTC/USD:0.1:0.00000001:64000", "ETH/USD:0.01:0.00000001:2600")
    lots = 10_000_000
    requests = frozenset({"D", "F", "G", "H", "q"})
    times = frozenset({"1", "3", "4", "6"})
    default_time = "1"
    rules = Rules("FIX.4.4", heartbeat=(1, 300))

    def example_client(self) -> Client:
        secret = base64.b64encode(b"a secret that is sixty-four bytes long, as the venue's own are .")
        return Client("CLIENT", account=1, session=1, username="client", secret=secret)

    def check_logon(self, logon: Message, client: Client, now: int) -> str:
        """`secret` is base64, as the venue gives it out."""
        nonce = logon.integer(5025)
        if abs(now // MS - nonce) > NONCE_MS:
            return "Nonce (5025) is more than five seconds off"
        fields = ((35, "A"), (34, logon[34]), (49, logon[49]), (56, logon[56]), (553, logon[553]))
        text = "".join(f"{tag}={value}{SOH}" for tag, value in fields) + logon[5025]
        digest = hashlib.sha256(text.encode()).digest()
        proof = base64.b64encode(hmac.digest(base64.b64decode(client.secret), digest, "sha512"))
        if not hmac.compare_digest(proof, logon[554].encode("latin-1")) or logon[553] != client.username:
            return "EAPI:Invalid key"
        if logon.get(8674, "0") not in ("0", "1"):
            return "CancelOrdersOnDisconnect (8674) must be 0 or 1"
        return ""

    def cancels_on_disconnect(self, logon: Message) -> bool:
        return logon.get(8674, "0") == "0"

    def enter(self, message: Message) -> Enter:
        if not ID.fullmatch(message[11]):
            raise Refused("EOrder:Invalid ClOrdID", OTHER, tag=11)
        return super().enter(message)

    def mass_cancel(self, message: Message) -> MassCancel:
        """All of the session's, or those of a symbol if one is named."""
        return MassCancel(message[11], message.get(55))

    def told(self, told: Told) -> tuple[str, str] | None:
        if isinstance(told, MassCancelled):
            return None
        if isinstance(told, CancelReject):
            reason = UNKNOWN_ORDER if told.reason in (0, 1) else OTHER
            return self._business(told.ref_seq, "G" if told.amend else "F", told.cl_ord_id, reason, told.text)
        if isinstance(told, Report) and told.status == "8" and not told.order_id:
            if told.exec_type == "I":
                return self._business(told.ref_seq, "H", told.cl_ord_id, UNKNOWN_ORDER, "EOrder:Unknown order")
            reason = UNKNOWN_INSTRUMENT if told.reason == 1 else OTHER
            return self._business(told.ref_seq, "D", told.cl_ord_id, reason, told.text)
        return super().told(told)

    @staticmethod
    def _business(seq: int, kind: str, cl_ord_id: str, reason: int, text: str) -> tuple[str, str]:
        named = f"379={cl_ord_id}\x01" if cl_ord_id else ""
        return "j", f"45={seq}\x0158={printable(text)}\x01372={kind}\x01{named}380={reason}\x01"

    def liquidity(self, r: Report) -> list[tuple[int, object]]:
        return [(851, "1" if r.maker else "2"), (527, r.match_id)]
