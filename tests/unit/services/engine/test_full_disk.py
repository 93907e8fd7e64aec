"""A disk that has no room for the next segment: commands wait in their rings, and go on when there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewire import messages as m
from tests.unit.services.engine.conftest import Market

SEGMENT_BYTES = 1 << 17
ORDERS = 4_000


@contextmanager
def no_room_for_a_segment() -> Iterator[None]:
    """No file of this process may grow to the length of a segment, as on a full disk; what is there can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT_BYTES - 4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["disk", "memory"])
def market(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Market]:
    market = Market(tmp_path, durability=request.param, segment_bytes=SEGMENT_BYTES, ring_bytes=1 << 20, max_batch=4096)
    market.send(market.account(), market.instrument())
    yield market
    market.kill()


def said_to_be_blocked(market: Market) -> bool:
    return market.engine.blocked


def accepted(market: Market) -> list[int]:
    return [r.cl_ord_id for r in market.records() if isinstance(r, m.OrderAccepted)]


def test_one_batch_larger_than_what_is_left_waits_for_room_and_is_then_answered_whole(market: Market) -> None:
    sent = [market.order(1, 100, 5) for _ in range(ORDERS)]
    with no_room_for_a_segment():
        assert market.producer.write_many([bytes(order) for order in sent]) == ORDERS
        while market.engine.do_work():
            pass
        held = accepted(market)
        assert held == [order.cl_ord_id for order in sent[: len(held)]]
        assert 0 < len(held) < ORDERS
        assert said_to_be_blocked(market)
    market.engine.run(0.5)
    assert not said_to_be_blocked(market)
    assert accepted(market) == [order.cl_ord_id for order in sent]


def test_an_engine_started_on_a_full_disk_holds_commands_back_too(market: Market) -> None:
    sent = [market.order(1, 100, 5) for _ in range(ORDERS)]
    with no_room_for_a_segment():
        market.producer.write_many([bytes(order) for order in sent])
        while market.engine.do_work():
            pass
        market.reopen()
        market.engine.run(0.15)
        assert said_to_be_blocked(market)
    market.engine.run(0.5)
    assert accepted(market) == [order.cl_ord_id for order in sent]
