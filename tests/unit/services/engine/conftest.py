"""An engine on real files in a temporary folder, with one producer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.engine import Engine, InboundRing
from tapewire import messages as m
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader

NOW = 1_700_000_000_000_000_000


class Market:
    """One engine, one producer, and everything its tape says."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.tape, self.ring = folder, folder / "orders.0", folder / "ring"
        self.cl_ord_id = 0
        self.options = {"segment_bytes": 1 << 16, "ring_bytes": 1 << 16, **options}
        self.open()

    def open(self, now: int | None = NOW) -> None:
        self.engine = Engine(self.tape, [InboundRing(self.ring, 1, "operator")], now=now, **self.options)
        self.producer = RingProducer(self.ring)

    def kill(self) -> None:
        self.engine.abandon()
        self.producer.close()

    def reopen(self, now: int = NOW) -> None:
        self.kill()
        self.open(now)

    def send(self, *commands: m.Message | bytes) -> list[m.Message]:
        """Sends commands, lets the engine work, returns the records that came of it: commands and events."""
        first = self.engine.next_seq
        for command in commands:
            assert self.producer.write(bytes(command))
        while self.engine.do_work():
            pass
        return self.records(first)

    def records(self, first: int = 1) -> list[m.Message]:
        with TapeReader(self.tape, first, "released") as reader:
            return [m.decode(raw) for raw in reader]

    def account(self, account: int = 1, **limits: int) -> m.AccountLimits:
        return m.AccountLimits(account=account, **limits)

    def instrument(self, instrument: int = 1, **fields: object) -> m.InstrumentDefinition:
        ticker = "X" if instrument == 1 else f"X{instrument}"
        given = {"ticker": ticker, "tick_size": 1, "lot_size": 1, "status": 1, **fields}
        return m.InstrumentDefinition(instrument=instrument, **given)

    def order(self, side: int, price: int, qty: int, **fields: object) -> m.NewOrder:
        self.cl_ord_id += 1
        given = {
            "account": 1,
            "instrument": 1,
            "ord_type": 1,
            "time_in_force": 2,
            "cl_ord_id": self.cl_ord_id,
            **fields,
        }
        return m.NewOrder(side=side, price=price, qty=qty, **given)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    market.send(market.account(), market.account(2), market.instrument())
    yield market
    market.kill()
