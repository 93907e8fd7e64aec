"""Coinbase Exchange, order entry: FIXT.1.1 with FIX.5.0SP2, HMAC logons.

Written from the venue's page on FIX 5.0 order entry: D, F, G, H in; 8, 9, j, 3 out. Every logon has MsgSeqNum 1 and
begins the numbers anew in both directions; there is no resend of order entry messages: H finds what was missed.
ClOrdIDs are UUIDs. HeartBtInt above 300 counts as 300. There is no mass cancel by q (only batches, U4 and U6, which are
not simulated), and no mass status.

Not known from that page, and chosen here: how far 52 may be off (five minutes, as the venue's 4.2 had it); that orders
are cancelled on disconnect where 8013 says nothing (S, as open connectors have it); what a trade carries beside 31 and
32 (1003 and 1057, as its 4.2 had it); the numbers of 102 and 103. Fees (136) are not simulated.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import Final

from services.simulator.fix_venue.dialect import Dialect, one_of
from services.simulator.fix_venue.session import Rules
from services.simulator.fix_venue.terms import Client, Enter, Refused, Report
from tapewire import messages as m
from tapewire.fix.message import SOH, Message
from tapewire.fix.timestamps import to_ns

CLOCK_NS: Final = 300 * 10**9
MAX_HEARTBEAT: Final = 300
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MILLIS: Final = re.compile(r"[0-9]{8}-[0-9:]{8}\.[0-9]{3}")
SELF_TRADE: Final = {
    "D": m.SelfTrade.decrement_and_cancel,
    "O": m.SelfTrade.cancel_oldest,
    "N": m.SelfTrade.cancel_newest,
    "B": m.SelfTrade.cancel_both,
}


class Coinbase(Dialect):
    name = "coinbase"
    comp_id = "Coinbase"
    instruments = ("BTC-USD:0.01:0.00000001:64000", "ETH-USD:0.01:0.00000001:2600")
    lots = 10_000_000
    requests = frozenset({"D", "F", "G", "H"})
    times = frozenset({"1", "3", "4", "6"})
    default_time = "1"
    post_only = "A"
    rules = Rules("FIXT.1.1", resends=False, restarts=True, heartbeat=(1, MAX_HEARTBEAT), caps_heartbeat=True)
    message_limit = (100, 1)

    def example_client(self) -> Client:
        secret = base64.b64encode(b"a secret of thirty-two bytes ...")
        return Client("client", account=1, session=1, username="client", password="passphrase", secret=secret)

    def check_logon(self, logon: Message, client: Client, now: int) -> str:
        """The client's CompID is its API key; `secret` is base64, as the venue gives it out."""
        if logon[34] != "1" or logon[1137] != "9":
            return "MsgSeqNum (34) must be 1, and DefaultApplVerID (1137) 9"
        if not MILLIS.fullmatch(logon[52]) or abs(now - to_ns(logon[52])) > CLOCK_NS:
            return "SendingTime (52) must have three places and be within five minutes"
        text = SOH.join((logon[52], logon[35], logon[34], logon[49], logon[56], logon[554]))
        proof = base64.b64encode(hmac.digest(base64.b64decode(client.secret), text.encode(), "sha256")).decode()
        good = hmac.compare_digest(proof.encode(), logon[96].encode("latin-1"))
        if not good or logon[553] != client.username or logon[554] != client.password:
            return "invalid signature"
        if logon.get(8013, "S") not in ("S", "Y", "N"):
            return "CancelOrdersOnDisconnect (8013) must be S, Y or N"
        return ""

    def logon_answer(self, logon: Message) -> str:
        return "1137=9\x01"

    def cancels_on_disconnect(self, logon: Message) -> bool:
        return logon.get(8013, "S") != "N"

    def enter(self, message: Message) -> Enter:
        if not UUID.fullmatch(message[11]):
            raise Refused("ClOrdID (11) must be a UUID", 99, tag=11)
        return super().enter(message)

    def self_trade(self, message: Message) -> m.SelfTrade:
        return one_of(message, 7928, SELF_TRADE, SELF_TRADE) if 7928 in message else SELF_TRADE["D"]

    def liquidity(self, r: Report) -> list[tuple[int, object]]:
        return [(1003, r.match_id), (1057, "N" if r.maker else "Y")]
