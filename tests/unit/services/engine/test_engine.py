"""The engine's sequencing, answers, recovery, and what it does with bad input."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from services.engine import Audit, Engine
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import EngineStopped, TapeFenced
from tapewire.house import HouseMarket
from tapewire.tape import TapeReader, TapeWriter
from tests.unit.services.engine.conftest import NOW, Market

R = m.RejectReason


def said(records: list[m.Message]) -> list[str]:
    return [type(record).__name__ for record in records]


def test_a_command_its_answer_and_its_match_stand_on_the_tape_in_order(market: Market) -> None:
    records = market.send(market.order(1, 100, 5), market.order(2, 100, 3, account=2))
    assert said(records) == ["NewOrder", "OrderAccepted", "NewOrder", "OrderAccepted", "OrderExecuted"]
    first, accepted, second, _, executed = records
    assert [r.seq for r in records] == list(range(first.seq, first.seq + 5))
    assert [r.cause for r in records] == [0, first.seq, 0, second.seq, second.seq]
    assert isinstance(accepted, m.OrderAccepted)
    assert isinstance(executed, m.OrderExecuted)
    assert (accepted.order_id, accepted.cl_ord_id, accepted.qty) == (1, 1, 5)
    assert (executed.maker_order_id, executed.taker_order_id, executed.price, executed.qty) == (1, 2, 100, 3)
    assert (executed.maker_leaves_qty, executed.taker_leaves_qty) == (2, 0)


def test_an_event_carries_the_times_and_the_origin_of_its_command(market: Market) -> None:
    command, event = market.send(market.order(1, 100, 5, ts_event=7, ts_recv=8))
    stamps = ("ts", "ts_event", "ts_recv", "origin_seq", "source", "instrument")
    assert [getattr(command, name) for name in stamps] == [getattr(event, name) for name in stamps]
    assert (command.ts, command.ts_event, command.ts_recv, command.source) == (NOW, 7, 8, 1)


def test_time_on_the_tape_never_runs_backwards(market: Market) -> None:
    market.engine.set_time(NOW - 1_000)
    assert [record.ts for record in market.send(market.order(1, 100, 5))] == [NOW, NOW]


def test_a_refused_command_stands_on_the_tape_with_its_decision_and_the_numbers_compared(market: Market) -> None:
    market.send(market.account(max_order_qty=10))
    command, event = market.send(market.order(1, 100, 11))
    assert isinstance(command, m.NewOrder)
    assert isinstance(event, m.OrderRejected)
    assert (command.decision, command.order_id) == (R.max_order_qty, 0)
    assert (event.reason, event.value, event.limit, event.cl_ord_id) == (R.max_order_qty, 11, 10, 1)


def test_what_only_the_engine_may_say_is_not_taken_from_the_client(market: Market) -> None:
    command, event = market.send(market.order(1, 100, 5, order_id=77, decision=R.off_tick, seq=9, cause=3, source=60))
    assert isinstance(command, m.NewOrder)
    assert isinstance(event, m.OrderAccepted)
    assert (command.order_id, command.decision, command.cause, command.source) == (1, R.unspecified, 0, 1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": 9}, R.unknown_instrument),
        ({"account": 9}, R.unknown_account),
        ({"price": 0}, R.invalid_price),
        ({"price": -5}, R.invalid_price),
        ({"price": 2**62}, R.invalid_price),
        ({"qty": 0}, R.invalid_qty),
        ({"qty": -1}, R.invalid_qty),
        ({"cl_ord_id": 0}, R.stale_cl_ord_id),
        ({"side": 7}, R.invalid_field),
        ({"ord_type": 9}, R.invalid_field),
    ],
)
def test_impossible_orders_are_rejected_by_name(market: Market, fields: dict[str, int], reason: R) -> None:
    _, event = market.send(market.order(**{"side": 1, "price": 100, "qty": 5, **fields}))
    assert isinstance(event, m.OrderRejected)
    assert event.reason == reason


def test_a_duplicate_clordid_is_rejected_and_says_the_last_one(market: Market) -> None:
    market.send(market.order(1, 100, 5, cl_ord_id=10))
    _, event = market.send(market.order(1, 100, 5, cl_ord_id=10))
    assert isinstance(event, m.OrderRejected)
    assert (event.reason, event.value, event.limit) == (R.stale_cl_ord_id, 10, 10)


def test_cancelling_a_dead_order_is_answered(market: Market) -> None:
    _, event = market.send(m.CancelOrder(account=1, order_id=99, cl_ord_id=50))
    assert isinstance(event, m.CancelRejected)
    assert (event.reason, event.order_id) == (R.unknown_order, 99)


def test_a_market_order_gets_the_collar_as_its_protection_price(market: Market) -> None:
    market.send(market.instrument(reference_price=100, collar_bps=500))
    market.send(market.order(2, 104, 1, account=2), market.order(2, 106, 1, account=2))
    command, *events = market.send(market.order(1, 0, 2, ord_type=2, time_in_force=3))
    assert isinstance(command, m.NewOrder)
    assert command.price == 105
    assert said(events) == ["OrderAccepted", "OrderExecuted", "OrderCancelled"]


@pytest.mark.parametrize(
    ("raw", "reason", "kind"),
    [
        (b"", m.RefusalReason.malformed, 0),
        (b"x" * 80, m.RefusalReason.malformed, 0),
        (b"\0" * 5000, m.RefusalReason.too_long, 0),
        (bytes(m.Trade(price=1)), m.RefusalReason.not_a_command, 1),
        (bytes(m.OrderAccepted(order_id=1)), m.RefusalReason.not_a_command, 11),
    ],
)
def test_what_is_no_command_is_recorded_with_where_it_lay_and_harms_nothing(
    market: Market, raw: bytes, reason: m.RefusalReason, kind: int
) -> None:
    refused, *rest = market.send(raw, market.order(1, 100, 5))
    assert isinstance(refused, m.InputRefused)
    assert (refused.reason, refused.length, refused.source, refused.type_found) == (reason, len(raw), 1, kind)
    assert refused.origin_seq > 0
    assert said(rest) == ["NewOrder", "OrderAccepted"]


def test_a_command_in_another_layout_of_cap_n_proto_is_taken(market: Market) -> None:
    import capnp

    schema = capnp.load(str(Path(__file__).parents[4] / "schemas" / "orders.capnp"))
    theirs = schema.NewOrder.new_message(
        clOrdId=5, price=100, qty=5, account=1, side="buy", ordType="limit", timeInForce="gtc", clientText="ABC-1"
    )
    theirs.header.type, theirs.header.instrument = "newOrder", 1
    command, event = market.send(theirs.to_bytes())
    assert isinstance(command, m.NewOrder)
    assert command.client_text == "ABC-1"
    assert isinstance(event, m.OrderAccepted)


def test_recovery_gives_the_same_state_with_and_without_a_snapshot(market: Market) -> None:
    for price in range(90, 110):
        market.send(market.order(1 + price % 2, price, 5, account=1 + price % 2))
    before = market.engine.snapshot()
    snapshots.save(market.tape, before)
    market.send(market.order(1, 95, 5))
    market.reopen()
    assert (market.engine.recovery.snapshot_seq, market.engine.recovery.records) == (before.seq, 2)
    with_snapshot = market.engine.digest()
    assert Audit(market.tape).run() == market.engine.next_seq - 1
    whole = Audit(market.tape)
    whole.run()
    assert whole.digest() == with_snapshot


def test_a_damaged_snapshot_is_passed_over_and_named(market: Market) -> None:
    path = snapshots.save(market.tape, market.engine.snapshot())
    path.write_bytes(path.read_bytes()[:-1])
    market.reopen()
    assert market.engine.recovery.snapshot_seq == 0
    assert str(path) in market.engine.recovery.refused_snapshots[0]


def test_events_that_a_crash_cut_off_are_appended_on_recovery(market: Market) -> None:
    records = market.send(market.order(1, 100, 5), market.order(2, 100, 5, account=2))
    digest = market.engine.digest()
    market.kill()
    raws = [bytes(r) for r in market.records()]
    cut = market.folder / "cut" / "orders.0"
    cut.parent.mkdir()
    with TapeWriter(cut, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many(raws[:-1])  # the execution is missing
        writer.commit()
    engine = Engine(cut, now=NOW)
    assert engine.recovery.missing_events == 1
    with TapeReader(cut, records[-1].seq, "released") as reader:
        assert reader.poll(1) == [bytes(records[-1])]
    assert digest != engine.digest()  # the epoch is a record, too
    engine.close()
    market.open()


def test_a_tape_whose_event_was_changed_is_refused_by_record(market: Market, tmp_path: Path) -> None:
    """Checksums hold, so only replay can tell."""
    market.send(market.order(1, 100, 5))
    *before, event = market.records()
    assert isinstance(event, m.OrderAccepted)
    forged = tmp_path / "forged" / "orders.0"
    forged.parent.mkdir()
    with TapeWriter(forged, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many([*map(bytes, before), bytes(event.replace(qty=6))])
        writer.commit()
    with pytest.raises(EngineStopped, match=rf"record {event.seq} does not replay: the event derived"):
        Engine(forged, now=NOW)
    report = verify_tape(forged)
    assert not report.ok
    assert f"record {event.seq} does not replay" in report.problems[0]
    assert json.dumps(report.to_dict())


def test_verify_reports_a_snapshot_whose_digest_differs(market: Market) -> None:
    before = market.engine.snapshot()
    records = market.send(market.order(1, 100, 5))
    snapshots.save(market.tape, snapshots.Snapshot(records[-1].seq, before.state))
    report = verify_tape(market.tape)
    assert [p for p in report.problems if "digest" in p]


def test_a_record_found_again_in_its_ring_is_not_taken_twice(market: Market) -> None:
    market.producer.write(bytes(market.order(1, 100, 5)))
    market.engine.drain(), market.engine.write(), market.engine.sync()
    market.reopen()  # killed after the sync, before the rings were released
    while market.engine.do_work():
        pass
    assert said(market.records()).count("NewOrder") == 1
    assert market.engine.counters["skipped"] > 0


def test_a_ring_that_was_lost_begins_anew_without_hiding_commands(market: Market) -> None:
    market.send(market.order(1, 100, 5))
    market.kill()
    market.ring.unlink()
    market.open()
    assert said(market.send(market.order(1, 100, 5))) == ["NewOrder", "OrderAccepted"]


def test_a_second_engine_on_the_same_tape_is_refused(market: Market) -> None:
    with pytest.raises(TapeFenced):
        Engine(market.tape)


def test_the_kill_switch_cancels_and_refuses_and_is_released(market: Market) -> None:
    market.send(market.order(1, 100, 5))
    records = market.send(m.KillSwitch(engaged=True, cancel_open=True), market.order(1, 100, 5))
    assert said(records) == ["KillSwitch", "OrderCancelled", "CommandCompleted", "NewOrder", "OrderRejected"]
    assert said(market.send(m.KillSwitch(engaged=False), market.order(1, 100, 5)))[-1] == "OrderAccepted"


def test_a_closed_engine_says_so(market: Market) -> None:
    market.engine.close()
    with pytest.raises(EngineStopped, match="was closed"):
        market.engine.do_work()


def test_a_slice_ends_in_time_however_busy_the_rings_are(market: Market) -> None:
    """Snapshots and counters are taken between slices: a market that never rests must not go without."""
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            market.producer.write(b"")

    market.options |= {"segment_bytes": 1 << 24, "max_batch": 1}
    market.kill()
    market.open(now=None)
    flooding = threading.Thread(target=flood)
    flooding.start()
    began = time.monotonic()
    killer = threading.Timer(60.0, market.engine.stop)
    killer.start()
    try:
        market.engine.run(0.05)
        took = time.monotonic() - began
    finally:
        stop.set()
        killer.cancel()
        flooding.join()
    assert market.engine.counters["refused_inputs"] > 0
    assert took < 30.0


def test_times_no_clock_gives_are_carried_and_break_nothing(market: Market, tmp_path: Path) -> None:
    market.options["stats"] = tmp_path / "stats"
    market.reopen()
    sent = [market.order(1, 100, 5, ts_event=when, ts_recv=when) for when in (-(2**63), -1, 2**63 - 1)]
    records = market.send(*sent)
    assert [(r.ts_event, r.ts_recv, r.ts) for r in records[::2]] == [(s.ts_event, s.ts_recv, NOW) for s in sent]


def test_stopping_a_closed_engine_changes_nothing(market: Market) -> None:
    """A second SIGTERM may come at any time."""
    market.engine.close()
    market.engine.stop()


@pytest.mark.parametrize("ticker", [b"\xff" * 20, b"A B", b"A\nB", "Ä".encode()])
def test_a_ticker_that_is_not_printable_ascii_is_refused_and_reaches_no_subscriber(
    market: Market, ticker: bytes
) -> None:
    raw = bytes(market.instrument(2, ticker="?" * len(ticker))).replace(b"?" * len(ticker), ticker)
    _, event = market.send(raw)
    assert isinstance(event, m.OrderRejected)
    assert event.reason == R.invalid_field
    house = HouseMarket("demo")
    for record in market.records():
        house.fold(bytes(record))
    house.settle()
    assert house.tickers == ["X"]


@pytest.mark.parametrize(
    "fields",
    [
        {"min_price": 2**60},
        {"tick_size": 100, "max_price": 50, "reference_price": 40, "collar_bps": 100},
        {"tick_size": 100, "min_price": 110, "max_price": 190},
    ],
)
def test_terms_no_order_can_meet_are_refused_by_risk_and_change_nothing(market: Market, fields: dict[str, int]) -> None:
    command, event = market.send(market.instrument(2, **fields))
    assert isinstance(command, m.InstrumentDefinition)
    assert isinstance(event, m.OrderRejected)
    assert (command.decision, event.reason) == (R.invalid_price, R.invalid_price)


def test_a_notional_that_cannot_be_known_is_not_taken_for_small(market: Market) -> None:
    """No collar, no trade yet, no reference: nothing says what a market order would cost."""
    market.send(market.account(max_notional=1_000), market.order(2, 100, 50, account=2))
    _, event = market.send(market.order(1, 0, 50, ord_type=2, time_in_force=3))
    assert isinstance(event, m.OrderRejected)
    assert (event.reason, event.value, event.limit) == (R.max_notional, 0, 1_000)


@pytest.mark.parametrize("idle", ["futex", "yield", "spin"])
def test_an_engine_without_a_doorbell_runs_however_it_idles(market: Market, idle: str) -> None:
    market.producer.write(bytes(market.order(1, 100, 5)))
    market.engine.run(0.02, idle)
    assert said(market.records())[-1] == "OrderAccepted"
