"""Time on the tape: what falls due happens by a command of the engine's own."""

from __future__ import annotations

import threading
import time

import pytest

from services.engine import Audit, Engine
from tapewire import messages as m
from tapewire.ring import Doorbell
from tests.unit.services.engine.conftest import NOW, Market

MS = 1_000_000
GTD = m.TimeInForce.gtd
SLEPT_S = 20.0
"""An engine that is not woken by what is due comes back later than this."""


def said(records: list[m.Message]) -> list[str]:
    return [type(record).__name__ for record in records]


def test_an_order_expires_when_its_time_has_come_and_not_before(market: Market) -> None:
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=NOW + 5 * MS))
    market.engine.set_time(NOW + 5 * MS - 1)
    assert market.send() == []
    market.engine.set_time(NOW + 5 * MS)
    clock, cancelled, completed = market.send()
    assert isinstance(clock, m.AdvanceClock)
    assert isinstance(cancelled, m.OrderCancelled)
    assert isinstance(completed, m.CommandCompleted)
    assert (clock.up_to, clock.ts, clock.source, clock.origin_seq, clock.decision) == (NOW + 5 * MS, clock.ts, 0, 0, 0)
    assert (cancelled.reason, cancelled.cause, cancelled.source) == (m.CancelReason.expired, clock.seq, 0)
    assert completed.command == m.MessageType.advance_clock
    assert market.send() == []


def test_time_goes_before_the_commands_that_came_with_it(market: Market) -> None:
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=NOW + MS))
    market.engine.set_time(NOW + 2 * MS)
    records = market.send(market.order(2, 100, 5, account=2))
    assert said(records) == ["AdvanceClock", "OrderCancelled", "CommandCompleted", "NewOrder", "OrderAccepted"]


def test_the_clock_advances_in_steps_of_a_millisecond_at_least(market: Market) -> None:
    """However many orders expire, each at a time of its own."""
    market.send(*[market.order(1, 90, 1, time_in_force=GTD, expire_time=NOW + MS + i * 1000) for i in range(100)])
    records = list[m.Message]()
    for elapsed in range(MS, 3 * MS, 10_000):
        market.engine.set_time(NOW + elapsed)
        records += market.send()
    assert said(records).count("AdvanceClock") == 2
    assert said(records).count("OrderCancelled") == 100


def test_a_clock_set_back_does_not_hold_time_up(market: Market) -> None:
    """Time on the tape never runs backwards: what was due by its last record is due."""
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=NOW + MS))
    market.engine.set_time(NOW + 2 * MS)
    market.producer.write(bytes(market.order(1, 90, 5)))
    market.engine.set_time(NOW - 10**9)
    assert said(market.send()) == ["NewOrder", "OrderAccepted"]
    market.engine.set_time(NOW + MS)
    assert said(market.send())[:1] == ["AdvanceClock"]


def test_what_fell_due_while_the_engine_was_away_happens_at_its_start(market: Market) -> None:
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=NOW + MS))
    market.reopen(NOW + 10 * MS)
    assert said(market.send()) == ["AdvanceClock", "OrderCancelled", "CommandCompleted"]
    assert Audit(market.tape).run() == market.engine.next_seq - 1


def test_an_engine_without_producers_keeps_the_time(market: Market) -> None:
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=NOW + MS))
    market.kill()
    engine = Engine(market.tape, segment_bytes=1 << 16, now=NOW + MS)
    assert engine.do_work() == 1
    assert engine.live_orders == 0
    engine.abandon()
    market.open()


@pytest.mark.parametrize("idle", ["futex", "yield", "spin"])
def test_an_idle_engine_wakes_for_what_falls_due(market: Market, idle: str) -> None:
    """It sleeps for as long as it is let, and nobody rings: but not beyond the next thing that is due."""
    market.kill()
    bell = market.folder / "bell"
    market.options["doorbell"] = bell
    now = time.time_ns()
    due = now + 60 * MS
    market.open(now)  # taken by a clock that stands: however late this goes on, the order is live by then
    market.send(market.order(1, 100, 5, time_in_force=GTD, expire_time=due))
    market.kill()
    market.open(now=None)
    with Doorbell(bell):
        running = threading.Thread(target=market.engine.run, args=(2 * SLEPT_S, idle))
        running.start()
        deadline = time.monotonic() + SLEPT_S
        while said(market.records()).count("AdvanceClock") == 0 and time.monotonic() < deadline:
            time.sleep(0.005)
        market.engine.stop()
        running.join()
    (clock,) = [record for record in market.records() if isinstance(record, m.AdvanceClock)]
    assert due <= clock.up_to < due + SLEPT_S * 1000 * MS


def test_a_pause_of_a_price_band_begins_and_ends_by_the_clock(market: Market) -> None:
    bands = {"dynamic_band_bps": 500, "limit_state_ms": 2, "pause_ms": 3}
    market.send(market.instrument(status=0, **bands))
    market.send(market.order(2, 100, 5, account=2), market.order(1, 100, 5))  # last: 100, the band 95 to 105
    assert "LimitStateChanged" in said(market.send(market.order(1, 105, 5)))
    statuses = list[tuple[int, int]]()
    for elapsed in range(8):
        market.engine.set_time(NOW + elapsed * MS)
        changed = [r for r in market.send() if isinstance(r, m.InstrumentStatusChanged)]
        statuses += [(elapsed, change.status) for change in changed]
    assert statuses[:2] == [(2, m.InstrumentStatus.halt_auction), (5, m.InstrumentStatus.trading)]
