"""A parent from its command to its end, and everything that venues do in between."""

from __future__ import annotations

import pytest

from services.router.core import Core
from services.router.parts import all_parts
from services.router.tape import Replay
from tapewire import messages as m
from tapewire.errors import EngineStopped
from tests.router_parts import MS, PARTS
from tests.router_stepped import START, K, Stepped, names, of

R = m.RejectReason
V = m.VenueState


def test_a_sweep_takes_what_both_venues_show_and_is_filled() -> None:
    s = Stepped()
    events = s.parent(150, limit_price=100)
    assert names(events) == ["RouteDecided", "NewChild", "NewChild", "ParentChanged"]
    assert [(c.child_id, c.venue, c.qty, c.price, c.route) for c in of(events, m.NewChild)] == [
        (1, 1, 100, 100, events[0].seq),
        (2, 2, 50, 100, events[0].seq),
    ]
    assert s.stands() == ("working", 0, 150)
    s.fill(1, 100, live=False, cum_qty=100)
    assert s.stands() == ("working", 100, 50)
    events = s.fill(2, 50, live=False, cum_qty=50)
    assert names(events) == ["ParentChanged", "ParentMeasured"]
    assert s.stands() == ("filled", 150, 0)
    last = of(events, m.ParentChanged)[0]
    assert (last.notional_low, last.last_qty, last.last_price, last.child_id) == (15_000, 50, 100, 2)
    assert {e.cause for e in events} == {events[0].seq - 1}
    assert {e.ts for e in s.all(m.ParentChanged)} == {START}


def test_what_an_ioc_leaves_is_offered_again_and_an_ioc_parent_ends() -> None:
    s = Stepped()
    s.parent(100, limit_price=100)
    s.fill(1, 40, cum_qty=40)
    events = s.report(1, K.expired, False, cum_qty=40)
    assert [(c.venue, c.qty) for c in of(events, m.NewChild)] == [(1, 60)]
    s.parent(100, time_in_force=m.TimeInForce.ioc, limit_price=50)
    assert s.stands(2) == ("cancelled", 0, 0)


def test_a_late_fill_after_a_cancel_counts_and_what_it_exceeds_is_pulled() -> None:
    s = Stepped()
    s.parent(100)
    s.report(1, K.accepted)
    events = s.report(1, K.cancelled, False)
    assert [c.qty for c in of(events, m.NewChild)] == [100]
    s.report(2, K.accepted)
    events = s.fill(1, 30, live=False, cum_qty=30)
    assert names(events) == ["CancelChild", "ParentChanged", "ParentMeasured"]  # an IOC cannot be made smaller
    assert s.stands() == ("working", 30, 100)
    s.fill(2, 100, live=False, cum_qty=100)
    assert s.stands() == ("filled", 130, 0)
    assert s.all(m.ParentChanged)[-1].reason == "venue 1 executed more than was asked for"


def test_a_fill_that_the_venue_has_counted_but_not_reported_stays_reserved() -> None:
    s = Stepped()
    s.parent(10)
    events = s.fill(1, 6, live=False, cum_qty=10)  # the last of two executions came first
    assert of(events, m.NewChild) == []
    assert s.stands() == ("working", 6, 4)
    s.fill(1, 4, live=False, cum_qty=4)
    assert s.stands() == ("filled", 10, 0)


def test_an_execution_told_twice_counts_once() -> None:
    s = Stepped()
    s.parent(10)
    s.fill(1, 4, exec_id="x", cum_qty=4)
    s.fill(1, 4, exec_id="x", cum_qty=4, origin=m.ReportOrigin.resent)
    assert s.stands() == ("working", 4, 6)


def test_a_busted_execution_told_again_stays_busted() -> None:
    s = Stepped()
    s.parent(10)
    s.fill(1, 4, exec_id="x", cum_qty=4)
    s.report(1, K.busted, ref_exec_id="x", last_qty=4, last_price=100, leaves_qty=6)
    s.fill(1, 4, exec_id="x", cum_qty=4, origin=m.ReportOrigin.resent)
    assert s.core.state.parents[1].cum == 0


def test_executions_without_a_name_all_count() -> None:
    s = Stepped()
    s.parent(10)
    s.fill(1, 4, exec_id="", cum_qty=4)
    s.fill(1, 4, exec_id="", cum_qty=8, fee=5, fee_currency="BTC")
    assert s.stands() == ("working", 8, 2)


def test_fills_while_a_replace_waits_and_the_greater_quantity_is_reserved() -> None:
    s = Stepped()
    s.parent(100, algorithm=m.Algorithm.iceberg, time_in_force=0, display_qty=5, limit_price=100)
    child = s.core.state.children[1]
    child.time_in_force = m.TimeInForce.day
    s.report(1, K.accepted)
    events = s.replace(qty=60)
    assert [(r.qty, r.price, r.request) for r in of(events, m.ReplaceChild)] == [(60, 100, 1)]
    assert s.stands() == ("working", 0, 100)
    assert of(s.fill(1, 20, cum_qty=20), m.ReplaceChild) == []
    assert s.stands() == ("working", 20, 80)
    s.report(1, K.replaced, qty=60, price=100, cum_qty=20, leaves_qty=40)
    assert s.stands() == ("working", 20, 40)


def test_a_refused_replace_leaves_the_order_as_it_was_and_is_asked_for_again_later() -> None:
    s = Stepped()
    s.parent(100, limit_price=100)
    s.core.state.children[1].time_in_force = m.TimeInForce.day
    s.report(1, K.accepted)
    s.replace(qty=60)
    assert of(s.report(1, K.replace_rejected, reason="busy"), m.ReplaceChild) == []
    assert s.stands() == ("working", 0, 100)
    s.now += 2_000 * MS
    assert [r.qty for r in of(s.book(1), m.ReplaceChild)] == []  # nothing of the parent has happened
    assert [r.qty for r in of(s.replace(qty=60), m.ReplaceChild)] == [60]


def test_a_cancel_refused_as_too_late_waits_for_the_last_report() -> None:
    s = Stepped()
    s.parent(100)
    s.report(1, K.accepted)
    assert names(s.cancel()) == ["CancelChild", "ParentChanged"]
    s.report(1, K.cancel_rejected, False, reason="too late")
    assert s.stands() == ("cancelling", 0, 100)
    s.fill(1, 100, live=False, cum_qty=100)
    assert s.stands() == ("filled", 100, 0)


def test_a_child_is_asked_for_one_thing_at_a_time() -> None:
    s = Stepped()
    s.parent(100)
    assert names(s.cancel()) == ["ParentChanged"]  # the new order has not been answered
    assert names(s.report(1, K.accepted)) == ["CancelChild"]
    assert names(s.report(1, K.cancelled, False)) == ["ParentChanged", "ParentMeasured"]
    assert s.stands() == ("cancelled", 0, 0)


def test_a_bust_makes_a_filled_parent_work_again() -> None:
    s = Stepped()
    s.parent(100, limit_price=100)
    s.fill(1, 100, exec_id="a", live=False, cum_qty=100)
    events = s.report(1, K.busted, False, ref_exec_id="a", last_qty=100, last_price=100)
    assert names(events) == ["RouteDecided", "NewChild", "ParentChanged", "ParentMeasured"]
    changed = of(events, m.ParentChanged)[0]
    assert (changed.state.name, changed.cum_qty, changed.notional_low, changed.last_qty) == ("working", 0, 0, -100)
    assert changed.reason == "an execution was taken back"
    s.report(1, K.busted, False, ref_exec_id="a", last_qty=100, last_price=100)
    assert s.stands() == ("working", 0, 100)


def test_a_bust_after_the_end_is_only_counted() -> None:
    s = Stepped()
    s.parent(100, limit_price=100, end_time=START + 10 * MS)
    s.fill(1, 100, exec_id="a", live=False, cum_qty=100)
    s.now += 20 * MS
    s.report(1, K.busted, False, ref_exec_id="a", last_qty=100, last_price=100)
    assert s.stands() == ("expired", 0, 0)


def test_a_correction_changes_price_and_quantity() -> None:
    s = Stepped()
    s.parent(100, limit_price=100)
    s.fill(1, 60, exec_id="a", cum_qty=60)
    s.report(1, K.corrected, ref_exec_id="a", exec_id="b", last_qty=50, last_price=99, cum_qty=50, leaves_qty=40)
    last = s.all(m.ParentChanged)[-1]
    assert (last.cum_qty, last.open_qty, last.notional_low, last.last_qty) == (
        50,
        50,
        4950,
        -10,
    )  # 40 of the old child, 10 of a new one
    s.report(1, K.corrected, ref_exec_id="b", exec_id="c", last_qty=50, last_price=98, cum_qty=50, leaves_qty=40)
    assert s.all(m.ParentChanged)[-1].notional_low == 4900


def test_a_venue_that_is_down_keeps_what_it_may_still_trade_reserved() -> None:
    s = Stepped()
    s.parent(150, limit_price=100)
    s.report(1, K.accepted)
    s.report(2, K.accepted)
    s.venue(1, V.down)
    assert s.stands() == ("working", 0, 150)
    events = s.report(2, K.cancelled, False)
    assert [(c.venue, c.qty) for c in of(events, m.NewChild)] == [(2, 50)]
    assert of(s.cancel(), m.CancelChild) == []  # 3 was not answered, 1 cannot be reached
    s.venue(1, V.reconciling)
    s.report(1, K.restated, cum_qty=30, leaves_qty=70, last_qty=30, last_price=99, origin=m.ReportOrigin.reconciled)
    assert s.stands() == ("cancelling", 30, 120)
    assert [c.child_id for c in of(s.venue(1, V.ready), m.CancelChild)] == [1]


def test_an_order_that_the_venue_does_not_know_is_given_out_anew() -> None:
    s = Stepped()
    s.parent(50)
    s.venue(1, V.down)
    s.venue(1, V.reconciling)
    events = s.report(1, K.unknown, False, origin=m.ReportOrigin.reconciled)
    assert [(c.child_id, c.venue, c.qty) for c in of(events, m.NewChild)] == [(2, 2, 50)]


def test_an_order_that_is_not_ours_is_of_no_consequence() -> None:
    s = Stepped()
    assert s.take(m.VenueReported(source=1, venue=1, child_id=77, kind=K.executed, last_qty=5, live=True)) == []
    assert s.take(m.VenueReported(source=1, venue=1, child_id=0, kind=K.restated, live=True)) == []


def test_nothing_is_routed_while_no_venue_can_take_it_and_it_is_once_one_can() -> None:
    s = Stepped()
    s.venue(1, V.down)
    s.venue(2, V.down)
    assert names(s.parent(50)) == ["RouteDecided", "ParentChanged"]
    assert s.stands() == ("suspended", 0, 0)
    assert s.book(1) == []
    s.now += 200 * MS
    assert s.book(1) == []  # the same again is not told
    s.now += 200 * MS
    assert names(s.venue(2, V.ready)) == ["RouteDecided", "NewChild", "ParentChanged"]
    assert s.stands() == ("working", 0, 50)


def test_refusals_are_followed_by_longer_and_longer_pauses_and_an_end() -> None:
    s = Stepped()
    s.parent(50)
    for _ in range(100):
        live = [c for c in s.core.state.children.values() if c.live]
        if live:
            s.report(live[0].child_id, K.rejected, False, reason="no")
        elif not s.core.idle:
            s.clock()
    assert s.stands() == ("cancelled", 0, 0)
    assert s.all(m.ParentChanged)[-1].reason == "21 children refused in a row: no"
    assert len(s.all(m.NewChild)) == 21
    assert s.now - START > 60_000 * MS


def test_a_refusal_of_what_was_to_rest_does_not_keep_a_slice_from_taking() -> None:
    """The pauses after refusals grow beyond a slice, and its end is when it takes."""
    s = Stepped(all_parts())
    end = START + 20_000 * MS
    s.parent(40, algorithm=m.Algorithm.twap, time_in_force=0, interval=2_000 * MS, end_time=end, limit_price=101)
    while not s.core.idle:
        live = [child for child in s.core.state.children.values() if child.live]
        for child in live:
            if child.resting:
                s.report(child.child_id, K.rejected, False, reason="post only, and it would trade")
            else:
                s.fill(child.child_id, child.qty, live=False)
        if not live:
            s.clock()
    assert s.stands() == ("filled", 40, 0)
    assert [child.qty for child in s.all(m.NewChild) if child.time_in_force == m.TimeInForce.ioc] == [4] * 10


def test_a_twap_gives_out_its_slices_when_they_are_due() -> None:
    s = Stepped()
    s.parent(100, algorithm=m.Algorithm.twap, time_in_force=0, interval=10 * MS, end_time=START + 100 * MS)
    slices = []
    while s.core.due() < START + 100 * MS:
        s.clock()
        slices += [(s.now - START, e.qty) for e in of(s.last, m.NewChild)]
    assert slices == [(10 * MS, 25), (20 * MS, 25), (30 * MS, 25)]
    assert [e.number for e in s.all(m.SliceScheduled)] == [1, 2, 3, 4]
    s.clock()
    assert s.stands() == ("cancelling", 0, 100)
    for child in range(1, 5):
        s.report(child, K.accepted)
        s.report(child, K.cancelled, False)
    assert s.stands() == ("expired", 0, 0)


def test_a_parent_waits_for_its_start() -> None:
    s = Stepped()
    assert names(s.parent(100, start_time=START + 5 * MS)) == ["ParentChanged"]
    assert (s.stands(), s.core.due()) == (("waiting", 0, 0), START + 5 * MS)
    assert names(s.clock()) == ["RouteDecided", "NewChild", "ParentChanged"]


def test_amending_down_and_the_price_limit_reaches_the_children() -> None:
    s = Stepped()
    s.parent(150, limit_price=100)
    for child in (1, 2):
        s.core.state.children[child].time_in_force = m.TimeInForce.day
        s.report(child, K.accepted)
    events = s.replace(qty=80)
    assert [(type(e).__name__, e.child_id) for e in of(events, m.CancelChild)] == [("CancelChild", 2)]
    assert [(e.child_id, e.qty) for e in of(events, m.ReplaceChild)] == [(1, 80)]
    s.report(1, K.replaced, qty=80, leaves_qty=80)
    s.report(2, K.cancelled, False)
    assert s.stands() == ("working", 0, 80)
    assert [(e.child_id, e.price) for e in of(s.replace(limit_price=99), m.ReplaceChild)] == [(1, 99)]


def test_kill_pulls_everything_and_takes_nothing_until_it_is_released() -> None:
    s = Stepped()
    s.parent(100)
    s.report(1, K.accepted)
    assert names(s.kill()) == ["CancelChild", "ParentChanged"]
    assert s.all(m.ParentChanged)[-1].reason == "kill switch: test"
    s.report(1, K.cancelled, False)
    assert s.stands() == ("cancelled", 0, 0)
    assert [r.reason for r in of(s.parent(10), m.ParentRefused)] == [R.kill_switch]
    s.kill(engaged=False)
    assert "NewChild" in names(s.parent(10))


def test_kill_without_cancelling_stops_new_children_only() -> None:
    s = Stepped()
    s.parent(100)
    s.report(1, K.accepted)
    assert s.kill(cancel_open=False) == []
    assert of(s.report(1, K.cancelled, False), m.NewChild) == []
    assert [c.qty for c in of(s.kill(engaged=False), m.NewChild)] == [100]


def test_the_collar_and_the_share_of_the_market_bound_what_is_taken() -> None:
    s = Stepped(collar_bps=100)
    s.book(2, ask=103)
    assert [(c.venue, c.qty) for c in of(s.parent(150), m.NewChild)] == [(1, 100)]
    s.parent(100, max_participation=1000)
    assert s.stands(2) == ("working", 0, 0)
    s.take(m.Trade(source=1, instrument=1, ticker="ACME", price=100, qty=300))
    assert [c.qty for c in of(s.replace(2, qty=101), m.NewChild)] == [30]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"source": 9}, (R.not_permitted, m.MessageType.new_parent, 9)),
        ({"source": 3}, (R.not_permitted, m.MessageType.new_parent, 3)),
        ({"account": 5}, (R.unknown_account, 5, 0)),
        ({"cl_ord_id": 1}, (R.stale_cl_ord_id, 1, 1)),
        ({"instrument": 2}, (R.unknown_instrument, 2, 0)),
        ({"side": 0}, (R.invalid_field, 0, 0)),
        ({"limit_price": 3, "tick": 2}, (R.off_tick, 3, 2)),
        ({"qty": 0}, (R.invalid_qty, 0, 1)),
        ({"qty": (1 << 50) + 1}, (R.invalid_qty, (1 << 50) + 1, 1)),
        ({"limit_price": -1}, (R.invalid_price, -1, 0)),
        ({"source": 3, "account": 2, "qty": 101}, (R.max_order_qty, 101, 100)),
        ({"source": 3, "account": 2, "limit_price": 200, "qty": 60}, (R.max_notional, 12_000, 10_000)),
    ],
)
def test_what_is_refused_and_the_numbers_compared(fields: dict[str, int], expected: tuple[int, int, int]) -> None:
    s = Stepped()
    s.parent(1)
    if tick := fields.pop("tick", 0):
        s.take(m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=tick, lot_size=1))
    refused = of(s.parent(**fields), m.ParentRefused)[0]
    assert (refused.reason, refused.value, refused.limit) == expected
    assert s.core.state.next_parent == 2


def test_open_notional_counts_over_all_parents_of_an_account() -> None:
    s = Stepped()
    s.parent(90, source=3, account=2, limit_price=100)
    refused = of(s.parent(40, source=3, account=2, limit_price=100), m.ParentRefused)[0]
    assert (refused.reason, refused.value, refused.limit) == (R.max_notional, 13_000, 12_000)


def test_replay_gives_the_same_records_and_a_changed_one_stops_it() -> None:
    s = Stepped()
    s.parent(150, limit_price=100)
    s.fill(1, 100, live=False, cum_qty=100)
    replay = Replay(Core(PARTS))
    for raw in s.kept.raws:
        replay.feed(raw)
    assert (replay.inputs, replay.events) == (9, 6)
    other = Replay(Core(PARTS))
    changed = [bytes(m.decode(r).replace(qty=99)) if m.type_of(r) == m.NewChild.TYPE else r for r in s.kept.raws]
    with pytest.raises(EngineStopped, match="qty: 99, expected 100"):
        list(map(other.feed, changed))
