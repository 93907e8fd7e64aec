"""Independent clients of the simulated FIX venues: logons written from the venues' descriptions, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import ssl
import time
import uuid
from dataclasses import dataclass
from typing import Self

from tapewire.fix.client import FixClient, Login
from tapewire.fix.message import SOH, Message
from tests.engine_process import PATIENCE_S

BINANCE_KEY = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u")[-32:]
"""The private key of the example in Binance's documentation."""
COINBASE_SECRET = b"a secret of thirty-two bytes ..."
KRAKEN_SECRET = b"a secret that is sixty-four bytes long, as the venue's own are ."
SIDES = {"buy": 1, "sell": 2}


@dataclass(frozen=True, slots=True)
class BinanceLogin(Login):
    def proof(self, sent: str, seq: int) -> list[tuple[int, object]]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        text = SOH.join(("A", self.sender, self.target, str(seq), sent))
        signature = base64.b64encode(Ed25519PrivateKey.from_private_bytes(self.secret).sign(text.encode())).decode()
        return [(95, len(signature)), (96, signature), (141, "Y"), (553, self.username), (25035, 2)]


@dataclass(frozen=True, slots=True)
class CoinbaseLogin(Login):
    def proof(self, sent: str, seq: int) -> list[tuple[int, object]]:
        text = SOH.join((sent, "A", str(seq), self.sender, self.target, "passphrase"))
        signature = base64.b64encode(hmac.digest(self.secret, text.encode(), "sha256")).decode()
        return [(553, self.username), (554, "passphrase"), (95, len(signature)), (96, signature)]


@dataclass(frozen=True, slots=True)
class KrakenLogin(Login):
    def proof(self, sent: str, seq: int) -> list[tuple[int, object]]:
        nonce = str(time.time_ns() // 1_000_000)
        text = f"35=A\x0134={seq}\x0149={self.sender}\x0156={self.target}\x01553={self.username}\x01{nonce}"
        digest = hmac.digest(self.secret, hashlib.sha256(text.encode()).digest(), "sha512")
        return [(553, self.username), (554, base64.b64encode(digest).decode()), (5025, nonce)]


LOGINS = {
    "fix44": Login("CLIENT", "BROKER", "client", "password", b"password"),
    "fix42": Login("CLIENT", "BROKER", "client", "password", b"password", "FIX.4.2"),
    "binance": BinanceLogin("CLIENT", "SPOT", "client", "ed25519", BINANCE_KEY),
    "coinbase": CoinbaseLogin("client", "Coinbase", "client", "hmac", COINBASE_SECRET, "FIXT.1.1"),
    "kraken": KrakenLogin("CLIENT", "KRAKEN-TRD", "client", "hmac", KRAKEN_SECRET),
}
SYMBOLS = {"fix44": "ACME", "fix42": "ACME", "binance": "BTCUSDT", "coinbase": "BTC-USD", "kraken": "BTC/USD"}
PRICES = {"fix44": "99.00", "fix42": "99.00"}
QUANTITIES = {"fix44": "10", "fix42": "10"}


class Trader:
    """One client of a venue, and all that it was told of orders."""

    def __init__(self, port: int, dialect: str, tls: ssl.SSLContext | None = None) -> None:
        self.dialect, self.symbol = dialect, SYMBOLS[dialect]
        self.price, self.qty = PRICES.get(dialect, "63000.00"), QUANTITIES.get(dialect, "0.01000")
        self.fix = FixClient("localhost" if tls else "127.0.0.1", port, LOGINS[dialect], tls, timeout=PATIENCE_S)
        self._ids = itertools.count(time.time_ns() // 1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.fix.close()

    def logon(self, *, reset: bool = False) -> Message:
        answer = self.fix.logon(reset=reset)
        assert answer.type == "A", answer
        return answer

    def again(self) -> Message:
        """Logs on after the connection was lost; a venue that begins its numbers anew is followed."""
        self.fix.close()
        if self.dialect in ("binance", "coinbase"):
            self.fix.next_in = self.fix.next_out = 1
        return self.logon()

    def name(self) -> str:
        """A ClOrdID as the venue takes it."""
        return str(uuid.uuid4()) if self.dialect == "coinbase" else str(next(self._ids))

    def order(self, side: str = "buy", price: str = "", qty: str = "", **more: object) -> str:
        """A limit order; returns its ClOrdID. `more`: t59="3" and such."""
        name = self.name()
        fields = {11: name, 55: self.symbol, 54: SIDES[side], 38: qty or self.qty, 40: 2, 44: price or self.price}
        given = {int(tag[1:]): value for tag, value in more.items()}
        self.fix.send("D", {59: 1, 60: stamp(), **fields, **given}.items())
        return name

    def cancel(self, orig: str) -> str:
        name = self.name()
        self.fix.send("F", [(11, name), (41, orig), (55, self.symbol), (54, 1), (60, stamp())])
        return name

    def amend(self, orig: str, qty: str, price: str = "") -> str:
        name = self.name()
        fields = [(11, name), (41, orig), (55, self.symbol), (54, 1), (38, qty), (40, 2), (60, stamp())]
        self.fix.send("G", [*fields, *([(44, price)] if price else [])])
        return name

    def status(self, name: str) -> Message:
        self.fix.send("H", [(11, name), (55, self.symbol), (54, 1)])
        return self.told("8", "j")

    def told(self, *kinds: str, timeout: float | None = None, **where: object) -> Message:
        """The next report, or another message of these types; `t150="F"` asks for a value."""
        wanted = [(int(tag[1:]), value) for tag, value in where.items()]
        return self.fix.expect(*(kinds or ("8",)), timeout=timeout, where=wanted)

    def rest(self, **more: str) -> str:
        """An order that rests in the book; its ClOrdID."""
        name = self.order(**more)
        self.told(t150="0", t11=name)
        return name

    def quiet(self, seconds: float) -> list[str]:
        """The types of messages that come within this time."""
        return [message.type for message in self.fix.messages(seconds)]


def stamp() -> str:
    return time.strftime("%Y%m%d-%H:%M:%S.000", time.gmtime())
