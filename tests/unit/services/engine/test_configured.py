"""What the configuration asks of the market, and what is said when the engine refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from services.engine import InboundRing, configured
from services.engine.producers import inbound_rings
from tapewire import logs
from tapewire import messages as m
from tapewire.config import Account, Instrument, Producer
from tapewire.errors import ConfigError
from tapewire.folders import Folders
from tapewire.ring import create_ring, ring_state
from tests.unit.services.engine.conftest import Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    yield market
    market.kill()


def instrument(ticker: str, **fields: Any) -> Instrument:
    given: dict[str, Any] = {"price_exponent": -2, "qty_exponent": 0, "tick_size": 1, "lot_size": 1, **fields}
    return Instrument(ticker=ticker, **given)


def pending(market: Market, instruments: list[Instrument], accounts: list[Account]) -> list[m.Message]:
    return list(configured.pending(instruments, accounts, market.engine.definitions()))


def test_a_new_market_gets_accounts_then_instruments_with_dense_ids(market: Market) -> None:
    asked = pending(market, [instrument("A"), instrument("B")], [Account(account=7)])
    assert [type(c).__name__ for c in asked] == ["AccountLimits", "InstrumentDefinition", "InstrumentDefinition"]
    assert [(c.instrument, c.ticker) for c in asked if isinstance(c, m.InstrumentDefinition)] == [(1, "A"), (2, "B")]


def test_what_the_tape_says_already_is_not_asked_again(market: Market) -> None:
    config = ([instrument("A"), instrument("B")], [Account(account=7, max_order_qty=5)])
    market.send(*pending(market, *config))
    assert pending(market, *config) == []


def test_an_instrument_keeps_its_id_wherever_it_stands_and_new_ones_follow(market: Market) -> None:
    market.send(*pending(market, [instrument("A"), instrument("B")], []))
    asked = pending(market, [instrument("C"), instrument("B"), instrument("A", collar_bps=50)], [])
    found = [(c.instrument, c.ticker) for c in asked if isinstance(c, m.InstrumentDefinition)]
    assert found == [(3, "C"), (1, "A")]


def test_limits_that_were_refused_do_not_count_as_said(market: Market) -> None:
    wanted = Account(account=7, max_order_qty=5)
    market.send(wanted.limits())
    market.send(m.AccountLimits(account=7, max_position=-1))
    assert pending(market, [], [wanted]) == []


def test_a_refusal_of_what_the_configuration_asks_is_said_with_its_numbers(market: Market) -> None:
    market.send(market.account(), *pending(market, [instrument("A")], []), market.order(1, 100, 5))
    market.send(market.instrument(1, tick_size=7, status=0))  # refused before this start
    with structlog.testing.capture_logs() as lines:
        market.producer.write_many([bytes(c) for c in pending(market, [instrument("A", tick_size=2)], [])])
        refusals = configured.Refusals(market.tape, 1, market.ring, logs.get("engine"))
        until = market.producer.tail
        refusals.report(until)
        while market.engine.do_work():
            pass
        refusals.report(until)
        refusals.report(until)
    (line,) = lines
    assert (line["reason"], line["instrument"], line["value"], line["limit"]) == ("instrument_exists", 1, 2, 1)


def test_more_commands_than_the_ring_holds_are_fed_as_the_engine_takes_them(market: Market) -> None:
    wanted = [bytes(c) for c in pending(market, [instrument(f"T{n}") for n in range(500)], [])]
    feed = configured.Feed(market.producer, wanted)
    rounds = 0
    while feed.until is None:
        feed.step()
        rounds += 1
        while market.engine.do_work():
            pass
    assert rounds > 1
    assert feed.until == ring_state(market.ring).head
    assert len(market.engine.definitions().instruments) == 500


def test_rings_are_numbered_by_the_place_of_their_producer(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    listed = [Producer(name="desk", role="operator"), Producer(name="fix", accounts=(7, 3))]
    assert inbound_rings(folders, 3, listed) == [
        InboundRing(tmp_path / "rings" / "orders.3.1.desk", 1, "operator"),
        InboundRing(tmp_path / "rings" / "orders.3.2.fix", 2, "trader", (7, 3)),
    ]


def named(*names: str) -> list[Producer]:
    return [Producer(name=name) for name in names]


@pytest.mark.parametrize("producers", [("traders", "operator"), ("operator",), ("operator", "fix", "traders")])
def test_producers_that_changed_places_or_are_gone_are_refused(tmp_path: Path, producers: tuple[str, ...]) -> None:
    folders = Folders(tmp_path)
    folders.prepare(tmp_path / "rings")
    for ring in inbound_rings(folders, 0, named("operator", "traders")):
        create_ring(ring.path, 4096)
    folders.doorbell(0).touch()
    assert len(inbound_rings(folders, 0, named("operator", "traders", "fix"))) == 3
    assert len(inbound_rings(folders, 1, named(*producers))) == len(producers)
    with pytest.raises(ConfigError, match=r"orders\.0\.\d\.\w+ is the ring of '\w+', number \d"):
        inbound_rings(folders, 0, named(*producers))


def test_a_producer_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="each name once"):
        inbound_rings(Folders(tmp_path), 0, named("operator", "fix", "fix"))
