"""What is waited for, asked for, held back and answered without the venue: pure parts, time as an argument."""

from __future__ import annotations

from services.gateway.initiator.commands import answer_here, body_of, waits
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.reconciliation import IN_FLIGHT, TRIES, Reconciliation
from services.gateway.initiator.watch import Throttle, Watch
from services.gateway.initiator.words import Kind, Report
from tapewire import messages as m
from tests.unit.services.gateway.initiator.desk import NOW, VENUE, Desk, kinds

S = 10**9


def answer(name: str = "", last: bool = True) -> Report:
    return Report(Kind.unspecified, name=name, answers="tw-q1", last=last)


def test_all_at_once_and_then_what_was_not_told_of() -> None:
    desk = Desk()
    one, two = (desk.enter(desk.new(child)) for child in (1, 2))
    going = Reconciliation("mass", {1, 2}, 5 * S)
    assert going.next(NOW) == 0
    assert going.next(NOW + 1) is None
    going.heard(one, answer("tw-c1"), False)
    assert not going.done
    assert going.next(NOW + 2) == 2
    assert going.next(NOW + 3) is None
    going.heard(two, answer("tw-c2"), False)
    assert going.done


def test_one_by_one_only_so_many_at_a_time_and_again_after_a_while() -> None:
    going = Reconciliation("each", set(range(1, IN_FLIGHT + 11)), 5 * S)
    asked = [going.next(NOW) for _ in range(IN_FLIGHT + 1)]
    assert asked == [*range(1, IN_FLIGHT + 1), None]
    assert going.next(NOW + 5 * S) == 1


def test_after_so_many_questions_it_gives_up() -> None:
    for asks in ("mass", "each"):
        going = Reconciliation(asks, {1}, 5 * S)
        for attempt in range(TRIES):
            assert going.next(NOW + attempt * 5 * S) is not None
            assert not going.given_up
        assert going.next(NOW + TRIES * 5 * S) is None
        assert going.given_up


def test_a_venue_that_knows_no_mass_status_is_asked_one_by_one() -> None:
    going = Reconciliation("mass", {1}, 5 * S)
    assert going.next(NOW) == 0
    going.refused_mass()
    assert going.next(NOW) == 1


def test_an_answer_in_doubt_is_asked_for_again() -> None:
    desk = Desk()
    child = desk.enter(desk.new())
    going = Reconciliation("each", {1}, 5 * S)
    assert going.next(NOW) == 1
    child.doubt = (5, True)
    going.heard(child, answer("tw-c1"), False)
    assert not going.done
    assert going.next(NOW) == 1
    child.doubt = None
    going.heard(child, answer("tw-c1"), False)
    assert going.done


def test_an_order_without_an_answer_is_due_until_it_has_one() -> None:
    desk, watch = Desk(), Watch(5 * S)
    child = desk.enter(desk.new())
    watch.look(child, NOW)
    assert watch.due(NOW + 4 * S) == []
    assert watch.due(NOW + 5 * S) == [1]
    assert watch.due(NOW + 6 * S) == []
    for attempt in range(2, 5):
        assert watch.due(NOW + attempt * 5 * S) == [1]
    assert watch.gave_up(1)
    desk.hear(t35="8", t150="0", t39="0", t17="n", t11="tw-c1", t14=0)
    watch.look(child, NOW)
    assert not watch.gave_up(1)
    assert watch.due(NOW + 100 * S) == []
    watch.suspect(child)
    assert watch.due(NOW) == [1]
    assert watch.clear() == {1}


def test_a_fill_that_the_venue_speaks_of_and_that_did_not_come_is_due() -> None:
    desk, watch = Desk(), Watch(5 * S)
    child = desk.enter(desk.new())
    desk.fill("e2", 10, 50)
    watch.look(child, NOW)
    assert watch.due(NOW + 5 * S) == [1]
    desk.fill("e1", 40, 40)
    watch.look(child, NOW)
    assert watch.due(NOW + 50 * S) == []


def test_no_more_than_its_limit_in_any_interval() -> None:
    throttle, sent = Throttle(5, S), []
    for at in range(0, 3 * S, S // 20):
        if throttle.free(at):
            throttle.take(at)
            sent.append(at)
    assert len(sent) == 15
    assert all(sum(begin <= at < begin + S for at in sent) <= 5 for begin in sent)


def test_numbers_begin_anew_once_the_hour_has_passed() -> None:
    day = 86_400 * S
    at_21, at_23 = day * 20_000 + 21 * 3600 * S, day * 20_000 + 23 * 3600 * S
    numbers = Numbers(5, 6, last_ts=at_21)
    assert not numbers.rolled_over(at_21 + S, "22:00")
    assert numbers.rolled_over(at_23, "22:00")
    assert not numbers.rolled_over(at_23, "")
    numbers.last_ts = at_23
    assert not numbers.rolled_over(at_23 + 22 * 3600 * S, "22:00")
    assert numbers.rolled_over(at_23 + 23 * 3600 * S, "22:00")
    assert not Numbers().rolled_over(at_23, "22:00")


def cancel(request: int = 1) -> m.CancelChild:
    return m.CancelChild(child_id=1, venue=VENUE, instrument=7, request=request)


def replace(request: int = 1, price: int = 11_00, qty: int = 90) -> m.ReplaceChild:
    return m.ReplaceChild(child_id=1, venue=VENUE, instrument=7, request=request, price=price, qty=qty)


def test_what_cannot_be_sent_is_answered_here() -> None:
    desk = Desk()
    orders = desk.orders
    assert answer_here(orders, desk.new(), 5, "") is None
    told = answer_here(orders, desk.new(), 5, "too late")
    assert told is not None
    assert (told.kind, told.reason, told.cause, told.live, told.qty) == (Kind.rejected, "too late", 5, False, 100)
    nowhere = answer_here(orders, desk.new(instrument=8), 5, "")
    assert nowhere is not None
    assert "no market" in nowhere.reason
    never = answer_here(orders, cancel(), 6, "")
    assert never is not None
    assert (never.kind, never.child_id, never.live) == (Kind.cancel_rejected, 1, False)
    desk.enter(desk.new())
    assert answer_here(orders, cancel(), 6, "too late") is None  # a cancel is never too late
    assert answer_here(orders, replace(), 6, "") is None
    late = answer_here(orders, replace(), 6, "too late")
    assert late is not None
    assert (late.kind, late.live) == (Kind.replace_rejected, True)
    desk.fill("e1", 90, 90)
    assert answer_here(orders, replace(), 6, "") is not None
    assert answer_here(orders, replace(qty=91), 6, "") is None
    desk.request(replace(qty=95))
    assert answer_here(orders, replace(2, qty=96), 6, "") is not None
    desk.fill("e2", 10, 100, t39="2")
    gone = answer_here(orders, cancel(), 6, "")
    assert gone is not None
    assert (gone.kind, gone.live, gone.cum_qty) == (Kind.cancel_rejected, False, 100)


def test_what_an_answer_given_here_changes() -> None:
    desk = Desk()
    child = desk.enter(desk.new())
    desk.request(cancel())
    assert child.requests
    desk.orders.own(m.VenueReported(child_id=1, kind=Kind.cancel_rejected))
    assert not child.requests
    desk.orders.own(m.VenueReported(child_id=1, kind=Kind.restated, last_qty=40))
    assert (child.cum, child.unexplained) == (40, 40)
    desk.orders.own(m.VenueReported(child_id=1, kind=Kind.cancelled))
    assert not child.live
    desk.orders.own(m.VenueReported(child_id=99, kind=Kind.rejected))
    assert desk.orders.open == set()


def test_a_cancel_waits_for_an_order_that_is_being_entered_anew() -> None:
    desk = Desk("binance")
    child = desk.enter(desk.new())
    assert not waits(desk.orders, cancel(2))
    body = body_of(desk.orders, replace(price=9_00), 102, NOW)
    assert body.startswith("35=F\x0111=tw-q102\x0141=tw-c1\x01")
    desk.request(replace(price=9_00), "F")
    assert waits(desk.orders, cancel(2))
    told = desk.hear(t35="9", t11="tw-q102", t41="tw-c1", t434="1", t25016="-2011")
    assert kinds(told) == ["replace_rejected"]
    assert child.moving is None
    assert not waits(desk.orders, cancel(2))
