"""The Python face: whole events, batches, snapshots, and what it says about bytes that are not messages."""

from __future__ import annotations

import pytest

from services.matcher import MAX_LIVE_ORDERS, Matcher, split
from tapewire import messages as m
from tapewire.errors import WireError
from tests.oracle.order_flow import Flow
from tests.unit.services.matcher.market import BUY, SELL, Market

HEADER = {"ts": 1000, "ts_event": 900, "ts_recv": 950, "origin_seq": 4096, "source": 7}


def order(seq: int, id: int, side: m.Side, qty: int, price: int, **terms: object) -> bytes:
    given: dict[str, object] = {"seq": seq, "order_id": id, "cl_ord_id": 100 + id, "account": id, "instrument": 1}
    given |= {"side": side, "qty": qty, "price": price, "ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.day}
    return bytes(m.NewOrder(**HEADER | given | terms))


def test_events_carry_the_times_and_origin_of_their_command_and_are_numbered_after_it() -> None:
    market = Market()
    market.matcher.apply(order(10, 1, SELL, 30, 100))
    accepted, executed, cancelled = (
        m.decode(e) for e in market.matcher.apply(order(20, 2, BUY, 50, 105, time_in_force=m.TimeInForce.ioc))
    )
    header = HEADER | {"cause": 20, "instrument": 1}
    assert accepted == m.OrderAccepted(
        **header, seq=21, order_id=2, cl_ord_id=102, price=105, qty=50, account=2, side=BUY,
        ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.ioc,
    )  # fmt: skip
    assert executed == m.OrderExecuted(
        **header, seq=22, match_id=1, maker_order_id=1, taker_order_id=2, price=100, qty=30, maker_leaves_qty=0,
        taker_leaves_qty=20, maker_account=1, taker_account=2, aggressor=BUY, taker_side=BUY,
    )  # fmt: skip
    assert cancelled == m.OrderCancelled(
        **header, seq=23, order_id=2, price=105, cancelled_qty=20, cum_qty=30, account=2, side=BUY,
        reason=m.CancelReason.immediate_or_cancel,
    )  # fmt: skip


def test_events_of_a_command_without_an_instrument_name_the_order_s() -> None:
    market = Market()
    market.matcher.apply(order(10, 1, SELL, 30, 100))
    replace = m.ReplaceOrder(**HEADER, seq=11, order_id=1, cl_ord_id=8, account=1, qty=20, price=105)
    cancel = m.CancelOrder(**HEADER, seq=12, order_id=1, cl_ord_id=9, account=1)
    assert [m.decode(e) for e in market.matcher.apply(bytes(replace)) + market.matcher.apply(bytes(cancel))] == [
        m.OrderReplaced(
            **HEADER, seq=12, cause=11, instrument=1, order_id=1, cl_ord_id=8, price=105, qty=20, leaves_qty=20,
            old_price=100, old_leaves_qty=30, account=1, side=SELL,
        ),
        m.OrderCancelled(
            **HEADER, seq=13, cause=12, instrument=1, order_id=1, cl_ord_id=9, price=105, cancelled_qty=20, account=1,
            side=SELL, reason=m.CancelReason.requested,
        ),
    ]  # fmt: skip


def test_a_batch_gives_the_same_events_as_single_calls() -> None:
    flow = Flow(seed=5)
    commands = flow.definitions() + flow.commands(700)
    one, listed, joined = Matcher(), Matcher(), Matcher()
    single = [event for command in commands for event in one.apply(command)]
    assert split(listed.apply_batch(commands)) == single
    assert split(joined.apply_batch(b"".join(commands))) == single
    assert one.digest() == listed.digest() == joined.digest()
    assert one.apply_batch([]) == one.apply_batch(b"") == b""


def test_a_batch_with_a_malformed_command_is_refused_whole() -> None:
    matcher = Matcher()
    before = matcher.digest()
    good = order(10, 1, SELL, 30, 100)
    with pytest.raises(WireError, match=r"command 1: not a flat message: shorter than it says.*Nothing was applied"):
        matcher.apply_batch([good, good[:-8]])
    with pytest.raises(WireError, match=r"command 1: .*\(5 bytes\)"):
        matcher.apply_batch(good + b"12345")
    with pytest.raises(TypeError, match="command 1 is a str: expected bytes"):
        matcher.apply_batch([good, "x"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="expected a list of bytes, or bytes"):
        matcher.apply_batch(bytearray(good))  # type: ignore[arg-type]
    assert matcher.digest() == before


@pytest.mark.parametrize("broken", [b"", b"\0" * 7, b"\0" * 136, order(1, 1, SELL, 1, 1)[:-8]])
def test_bytes_that_are_no_message_are_refused(broken: bytes) -> None:
    with pytest.raises(WireError, match="command: not a flat message"):
        Matcher().apply(broken)


@pytest.mark.parametrize("broken", [b"1234567", order(1, 1, SELL, 1, 1)[:-8], b"\0\0\0\0\xff\xff\xff\xff"])
def test_splitting_what_ends_amiss_says_so(broken: bytes) -> None:
    with pytest.raises(WireError, match=r"message 0: \d+ bytes are left of it"):
        split(broken)


def test_best_and_depth_show_prices_quantities_and_orders() -> None:
    market = Market()
    market.order(BUY, 10, 100)
    market.order(BUY, 20, 100)
    market.order(BUY, 30, 95)
    assert market.matcher.best(1) == (100, 30, 0, 0)
    assert market.matcher.depth(1, BUY, 1) == [(100, 30, 2)]
    assert market.matcher.depth(1, SELL, 5) == []
    with pytest.raises(KeyError, match="instrument 2 is not defined"):
        market.matcher.best(2)
    with pytest.raises(KeyError, match="instrument 2 is not defined"):
        market.matcher.depth(2, BUY, 1)
    with pytest.raises(KeyError, match="instrument 2 is not defined"):
        market.matcher.status(2)
    with pytest.raises(ValueError, match=r"expected Side\.buy or Side\.sell"):
        market.matcher.depth(1, m.Side.unspecified, 1)


def test_the_counters_tell_what_comes_next() -> None:
    market = Market()
    market.order(BUY, 10, 100)
    market.order(SELL, 10, 100)
    matcher = market.matcher
    assert isinstance(matcher, Matcher)
    assert (matcher.last_order_id, matcher.next_match_id, matcher.live_orders, matcher.live_levels) == (2, 2, 0, 0)


@pytest.mark.parametrize("room", [0, MAX_LIVE_ORDERS + 1])
def test_the_room_for_orders_has_bounds(room: int) -> None:
    with pytest.raises(ValueError, match="max_live_orders"):
        Matcher(room)


def test_equal_states_have_equal_digests_whatever_led_to_them() -> None:
    one, other = Market(), Market()
    one.order(BUY, 10, 100)
    one.order(BUY, 10, 95)
    other.order(BUY, 30, 9000)
    other.order(BUY, 20, 95)
    for i in range(100):  # moves the window about
        other.replace(1, 30, 1000 + 80 * i)
    other.replace(2, 10, 95)
    other.replace(1, 10, 100)
    assert one.matcher.snapshot() == other.matcher.snapshot()
    other.order(BUY, 10, 100)
    other.cancel(3)
    assert one.matcher.digest() != other.matcher.digest()  # the ids it has seen are part of the state


def test_a_restored_matcher_goes_on_as_the_first_would() -> None:
    flow = Flow(seed=11, spread=60)
    first = Matcher()
    first.apply_batch(flow.definitions() + flow.commands(3000))
    second = Matcher.restore(first.snapshot())
    more = flow.commands(3000)
    assert first.apply_batch(more) == second.apply_batch(more)
    assert first.digest() == second.digest()


def test_it_says_what_is_due_next_and_how_many_events_there_can_be() -> None:
    market = Market()
    matcher = market.matcher
    assert isinstance(matcher, Matcher)
    assert matcher.next_due() == 0
    market.order(BUY, 10, 100, time_in_force=m.TimeInForce.gtd, expire_time=5000)
    market.set_status(m.InstrumentStatus.halted, resume_time=4000)
    assert matcher.next_due() == 4000
    for _ in range(50):
        market.order(SELL, 10, 100)
    assert matcher.most_events() > len(market.send(m.MassCancel()))
