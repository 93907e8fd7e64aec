"""Orders at a venue without a venue: commands in, messages in, what is told."""

from __future__ import annotations

import base64
from typing import Any

from services.gateway.initiator import dialects
from services.gateway.initiator.child import Child
from services.gateway.initiator.dialects.base import Dialect, Secrets
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.words import Command, Told
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.fix.message import build, parse

Kind = m.VenueReportKind
BUY, SELL = m.Side.buy, m.Side.sell
NOW = 1_763_740_800 * 10**9
VENUE = 3
BINANCE_KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
SECRETS = {
    "broker": Secrets("open sesame"),
    "binance": Secrets(BINANCE_KEY),
    "coinbase": Secrets(base64.b64encode(b"coinbase's secret").decode(), "a passphrase"),
    "kraken": Secrets(base64.b64encode(b"kraken's secret").decode()),
}


def dialect_of(name: str, **more: Any) -> Dialect:
    keys: dict[str, Any] = {"name": "out", "number": VENUE, "dialect": name, "username": "key"}
    if name == "broker":
        keys["target_comp_id"] = "BROKER"
    if name == "kraken":
        keys["id_prefix"] = "1"
    return dialects.make(Venue(**(keys | more)), SECRETS[name])


class Desk:
    def __init__(self, dialect: str = "broker", **more: Any) -> None:
        self.dialect = dialect_of(dialect, **more)
        self.orders = Orders(self.dialect)
        self.seq = 100
        self.orders.define(m.InstrumentDefinition(instrument=7, ticker="ACME", price_exponent=-2, qty_exponent=0))
        self.orders.define(m.MarketDefinition(instrument=7, venue=VENUE, ticker="ACME", symbol="ACM"))

    def new(self, child: int = 1, side: m.Side = BUY, qty: int = 100, price: int = 10_00, **more: Any) -> m.NewChild:
        fields = {"ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.gtc, "venue": VENUE, "instrument": 7}
        return m.NewChild(child_id=child, side=side, qty=qty, price=price, ticker="ACME", **(fields | more))

    def enter(self, command: m.NewChild) -> Child:
        self.seq += 1
        self.orders.entered(command, self.seq)
        return self.orders.children[command.child_id]

    def request(self, command: m.ReplaceChild | m.CancelChild, kind: str = "") -> None:
        self.seq += 1
        kind = kind or ("G" if isinstance(command, m.ReplaceChild) else "F")
        self.orders.requested(command, self.seq, kind)

    def name_of(self, command: Command) -> str:
        what = ("c", command.child_id) if isinstance(command, m.NewChild) else ("r", command.request)
        return self.dialect.names.make(what[0], what[1], self.seq)  # type: ignore[arg-type]

    def hear(self, **fields: object) -> list[Told]:
        """A message of the venue: `t35="8", t150="0"`."""
        pairs = {int(key[1:]): value for key, value in fields.items() if value is not None}
        head = [(35, pairs.pop(35)), (34, 2), (49, "BROKER"), (52, "20261121-12:00:00"), (56, "TAPEWIRE")]
        report = self.dialect.read(parse(build(self.dialect.version, [*head, *pairs.items()])))
        said = [] if report is None else self.orders.take(report)
        return [one for one in said if isinstance(one, Told)]

    def fill(self, exec_id: str, qty: int, cum: int, name: str = "tw-c1", **more: object) -> list[Told]:
        fields: dict[str, object] = {"t35": "8", "t150": "F", "t39": "1", "t17": exec_id, "t11": name, "t37": "V1"}
        fields |= {"t31": "10.00", "t32": qty, "t14": cum, "t38": 100, "t151": 100 - cum, "t55": "ACM", "t54": "1"}
        return self.hear(**(fields | more))


def kinds(told: list[Told]) -> list[str]:
    return [Kind(one.kind).name for one in told]
