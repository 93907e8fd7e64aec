"""What a client adds up from its ExecutionReports is where its orders stand, over random markets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.happened import Exec
from services.gateway.orders import Orders
from services.gateway.reports import Reports
from tapewire import messages as m
from tapewire.fix.dictionary import load
from tapewire.fix.message import fields_of, frame
from tests.oracle.naive_market import NaiveMarket


@dataclass
class Known:
    """An order as a client knows it that believes what it adds up, not what it is told."""

    status: str = ""
    qty: str = "0"
    leaves: str = "0"
    cum: str = "0"
    fills: dict[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    """By ExecID: price and quantity, as they stand after busts and corrections."""
    amended: bool = False
    """Whether any was busted or corrected: CumQty is then less than what the order has traded."""


class Client:
    """Folds reports, each of which the dictionary must allow."""

    def __init__(self, version: str = "FIX.4.4") -> None:
        self.dictionary = load(version)
        self.orders: dict[str, Known] = {}
        self.exec_ids: set[str] = set()

    def take(self, raw: bytes) -> None:
        message = fields_of(raw)
        self.dictionary.check(message)
        f = message.fields
        assert f[17] not in self.exec_ids, f"ExecID {f[17]} came twice"
        self.exec_ids.add(f[17])
        one = self.orders.setdefault(f[37], Known())
        one.status, one.qty, one.leaves, one.cum = f[39], f[38], f[151], f[14]
        if f[150] == "F":
            one.fills[f[17]] = Fraction(f[31]), Fraction(f[32])
        elif f[150] in ("G", "H"):
            assert f[19] in one.fills, "what is amended was a fill"
            one.fills[f[19]] = (Fraction(f[31]), Fraction(f[32])) if f[150] == "G" else (Fraction(0), Fraction(0))
            one.amended = True
        cum = sum(qty for _, qty in one.fills.values())
        assert cum == Fraction(f[14]), "CumQty is the sum of the fills"
        assert f[6] == average(one.fills.values(), cum), "AvgPx is exact"
        if f[39] in ("2", "4", "8", "C"):
            assert Fraction(f[151]) == 0, "nothing is left of an order that is done"
        else:
            assert Fraction(f[151]) > 0
            assert one.amended or Fraction(f[38]) == cum + Fraction(f[151]), "OrderQty = CumQty + LeavesQty"


def average(fills: Iterable[tuple[Fraction, Fraction]], cum: Fraction | int) -> str:
    """Rounded half up at the sixth place, of prices with two; zeros at the end beyond those are left out."""
    if not cum:
        return "0"
    exact = sum(price * qty for price, qty in fills) / cum
    digits = str(int(exact * 10**6 + Fraction(1, 2))).zfill(7)
    whole, kept, more = digits[:-6], digits[-6:-4], digits[-4:].rstrip("0")
    return f"{whole}.{kept}{more}"


def headed(body: str) -> str:
    """With what the session layer puts before a body."""
    return body.replace("35=8\x01", "35=8\x0134=1\x0149=A\x0152=20261121-12:00:00\x0156=B\x01", 1)


def told(market: NaiveMarket, version: str) -> tuple[Orders, list[bytes]]:
    """Every report of the market's day, whoever it goes to, and the fold behind them."""
    orders, reports, out = Orders(0, 0), Reports(version, 0), []
    ids, again = set[int](), 0
    for raw in market.records:
        record = m.decode(raw)
        record = record.replace(ts=max(record.ts, 0))  # the flow has clocks of before 1677
        if isinstance(record, m.NewOrder):
            record = record.replace(expire_time=max(record.expire_time, 0))
            # The flow uses an OrderID twice now and then; the engine, which gives them, never does.
            again = record.seq if record.order_id in ids else 0
        elif isinstance(record, m.OrderAccepted):
            ids.add(record.order_id)
        if again and again in (record.seq, record.cause):
            continue
        happened = [one for one in orders.fold(record) if isinstance(one, Exec)]
        out += [frame(version, headed(reports.execution(one))) for one in happened]
    return orders, out


def played(seed: int, steps: int) -> NaiveMarket:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 250))
def test_what_clients_add_up_is_where_the_orders_stand(seed: int, steps: int) -> None:
    market = played(seed, steps)
    orders, out = told(market, "FIX.4.4")
    client = Client()
    for raw in out:
        client.take(raw)
    live = {one.id: (one.leaves, one.qty) for one in market.matcher.live}
    assert {order_id: (one.leaves, one.qty) for order_id, one in orders.live.items()} == live
    for order_id, one in orders.live.items():
        known, i = client.orders[f"0-{order_id}"], one.instrument
        assert i is not None
        assert (known.leaves, known.qty, known.cum) == (i.qty(one.leaves), i.qty(one.qty), i.qty(one.cum))
        assert known.status == ("1" if one.cum else "0")
    stands = {order_id for order_id, one in client.orders.items() if one.status in ("0", "1")}
    assert stands == {f"0-{order_id}" for order_id in live}


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_fix_42_says_the_same_in_its_own_words(seed: int) -> None:
    market = played(seed, 100)
    new, old = (told(market, version)[1] for version in ("FIX.4.4", "FIX.4.2"))
    for one, other in zip(new, old, strict=True):
        f, g = fields_of(one).fields, fields_of(other).fields
        load("FIX.4.2").check(fields_of(other))
        same = (37, 11, 17, 14, 151, 6, 38, 54, 55, 32, 31, 19, 103, 378)
        assert [f.get(tag) for tag in same] == [g.get(tag) for tag in same]
        assert g[20] == {"H": "1", "G": "2"}.get(f[150], "0")
        assert g[150] not in "FGHLI"


def test_the_flow_of_these_tests_has_every_kind_of_report() -> None:
    kinds: set[str] = set()
    for seed in range(40):
        kinds |= {fields_of(raw).fields[150] for raw in told(played(seed, 250), "FIX.4.4")[1]}
    assert kinds == set("045CDFGHL8")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_long_day(seed: int) -> None:
    market = played(seed, 5000)
    orders, out = told(market, "FIX.4.4")
    client = Client()
    for raw in out:
        client.take(raw)
    assert set(orders.live) == {one.id for one in market.matcher.live}
