"""What the traders see of the market, over a real engine that is stepped by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.simulator.floor import Floor
from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import TapewireError
from tapewire.tape import TapeReader
from tests.unit.services.engine.conftest import Market

Status = m.InstrumentStatus


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    yield market
    market.kill()


def floor_of(market: Market) -> Floor:
    return Floor(OrderClient(market.producer, 1, TapeReader(market.tape, limit="released")), market.tape)


def test_instruments_stand_in_the_status_they_have_now_whatever_they_were_defined_in(market: Market) -> None:
    for number in (1, 2, 3):
        market.send(market.instrument(number, ticker=f"T{number}", status=Status.closed))
    market.send(m.SetInstrumentStatus(instrument=1, status=Status.opening_auction))
    market.send(market.instrument(1, ticker="T1", status=Status.unspecified, collar_bps=100))
    market.send(m.SetInstrumentStatus(instrument=2, status=Status.delisted))
    market.send(market.instrument(3, ticker="T3", status=Status.closed, tick_size=0))  # refused: changes nothing
    floor = floor_of(market)
    assert [(one.ticker, one.status, one.collar_bps) for one in floor.instruments] == [
        ("T1", Status.opening_auction, 100),
        ("T3", Status.closed, 0),
    ]
    floor.close()


def test_what_others_cause_is_seen_and_what_was_before_is_not(market: Market) -> None:
    market.send(market.account(), market.instrument())
    floor = floor_of(market)
    assert floor.poll(256) == []
    market.send(m.SetInstrumentStatus(status=Status.halted))
    seen = [type(record) for record in floor.poll(256)]
    assert seen == [m.SetInstrumentStatus, m.InstrumentStatusChanged, m.CommandCompleted]
    floor.close()


def test_without_an_instrument_there_is_no_floor(market: Market) -> None:
    with pytest.raises(TapewireError, match="no instrument is defined"):
        floor_of(market)
