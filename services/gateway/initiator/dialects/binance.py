"""Binance Spot, order entry (FIX 4.4 over TLS, which must ask for the host by SNI).

logon        553 API key, 95/96 base64 of an Ed25519 signature over 35, 49, 56, 34, 52 joined by SOH; 98=0, 108 5 to 60,
             141=Y always, 25035=2 (messages are processed in order), 25036=1 (all reports); CompIDs of at most 8
numbers      begin at 1 with each logon; a gap is refused, nothing is ever sent again
window       25000 (ms) in the header of Logon and of every request: one that is late is refused, not traded
orders       D, F, XAK (less quantity at the same price, keeps its place). Another amendment is F, and D for what its
             answer says is left: the venue's own XCN could trade more than asked for if a fill crosses it
status       none in FIX: H and AF do not exist. An order of which we do not know how it stands is cancelled; the answer
             tells CumQty. If the venue no longer knows it (25016 -2011), nobody can say by FIX what it filled
drop copy    9406=Y: the same reports of all orders of the account, a second later; no history, no requests. Where it
             was there all the time, nothing need be cancelled after order entry was lost
types        market, limit; GTC, IOC, FOK (day is sent as GTC: the market never closes); 18=6; 111 as iceberg
executions   150=F with 1057 (Y: we took), fees in 136/137/138; no busts or corrections are described
refusals     3 for what it does not understand, 8 with 150=8, 9 for F, XAR for XAK; 25016 is its number, 58 says why
limits       10,000 messages in 10 s; beyond it: Logout
ending       News (B) before maintenance, with ten seconds to go; then Logout
not known    whether 17 is unique across orders: an ExecID is taken as unique per order, and as the same in a drop copy
"""

from __future__ import annotations

import base64
from typing import ClassVar

from services.gateway.initiator.dialects.base import Dialect, Fields, Head, Secrets
from services.gateway.initiator.words import Kind, Order, Report, Request
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.errors import CredentialError
from tapewire.fix.message import SOH, Message

UNKNOWN_ORDER = 2011
"""25016 without its sign."""


class Binance(Dialect):
    always_resets = True
    resends = False
    asks = "cancel"
    amends = "cancel-new"
    limit: ClassVar[tuple[int, float]] = (10_000, 10.0)
    tifs: ClassVar[dict[m.TimeInForce, str]] = {
        m.TimeInForce.day: "1",
        m.TimeInForce.gtc: "1",
        m.TimeInForce.ioc: "3",
        m.TimeInForce.fok: "4",
    }
    display_tag = 111
    transact_time = False

    def __init__(self, venue: Venue, secrets: Secrets) -> None:
        super().__init__(venue, secrets)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(secrets.secret.encode("latin-1"), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise CredentialError(f"{venue.secret_file}: expected an Ed25519 private key in PEM, not encrypted")
        self._key = key

    def logon(self, head: Head) -> Fields:
        return [*self._signed(head), (25035, "2"), (25036, "1")]

    def copy_logon(self, head: Head) -> Fields:
        return [*self._signed(head), (9406, "Y"), (25035, "2")]

    def data_logon(self, head: Head) -> Fields:
        return [*self._signed(head), (25035, "2")]

    def _signed(self, head: Head) -> Fields:
        signed = SOH.join(("A", head.sender, head.target, head.seq, head.sending_time))
        signature = base64.b64encode(self._key.sign(signed.encode("ascii"))).decode()
        return [(95, str(len(signature))), (96, signature), (553, self.venue.username)]

    def header(self, kind: str) -> Fields:
        return [(25000, str(self.venue.receive_window))] if kind not in "0123456" else []

    def more(self, order: Order) -> list[str]:
        return []

    def quantity(self, order: Order) -> list[str]:
        return []

    def replaces(self, order: Order, request: Request) -> bool:
        return request.price == order.price and request.qty < order.qty

    def replace(self, order: Order, request: Request, ts: int) -> str:
        market = order.market
        parts = ["35=XAK", f"11={request.name}", f"41={order.name}", *self._known(order)]
        parts += [f"55={market.symbol}", f"38={market.qty(request.qty)}"]
        return self._body(parts, ts)

    def read(self, message: Message) -> Report | None:
        if message.type == "XAR":
            return self._rejected(message, Kind.replace_rejected, "")
        return super().read(message)

    def liquidity(self, message: Message) -> m.Liquidity:
        return {"Y": m.Liquidity.removed, "N": m.Liquidity.added}.get(message.get(1057), m.Liquidity.unspecified)

    def code(self, message: Message, text: str) -> int:
        own = message.get(25016).removeprefix("-")
        return super().code(message, own or text)

    def knows_not(self, report: Report) -> bool:
        return report.code in (1, UNKNOWN_ORDER)
