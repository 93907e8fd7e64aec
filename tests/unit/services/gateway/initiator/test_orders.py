"""What becomes of orders when a venue says strange things in strange orders."""

from __future__ import annotations

import pytest

from services.gateway.initiator.words import VenueError
from tapewire import messages as m
from tests.unit.services.gateway.initiator.desk import VENUE, Desk, Kind, kinds


def replace(request: int, price: int, qty: int) -> m.ReplaceChild:
    return m.ReplaceChild(child_id=1, venue=VENUE, instrument=7, request=request, price=price, qty=qty)


def cancel(request: int) -> m.CancelChild:
    return m.CancelChild(child_id=1, venue=VENUE, instrument=7, request=request)


@pytest.fixture
def desk() -> Desk:
    found = Desk()
    found.enter(found.new())
    return found


def behind(desk: Desk) -> bool:
    return desk.orders.children[1].behind


def accept(desk: Desk, **more: object) -> list[str]:
    fields: dict[str, object] = {"t35": "8", "t150": "0", "t39": "0", "t17": "n", "t11": "tw-c1", "t37": "V1"}
    return kinds(desk.hear(**(fields | {"t14": 0, "t151": 100, "t38": 100, "t44": "10.00"} | more)))


def test_an_order_is_pending_accepted_filled(desk: Desk) -> None:
    assert kinds(desk.hear(t35="8", t150="A", t39="A", t17="p", t11="tw-c1", t37="V1")) == ["pending"]
    assert accept(desk) == ["accepted"]
    (told,) = desk.fill("e1", 40, 40, t12="0.05", t479="USD", t851="2")
    assert (told.kind, told.last_qty, told.last_price, told.cum_qty, told.leaves_qty) == (
        Kind.executed,
        40,
        1000,
        40,
        60,
    )
    assert (told.fee, told.fee_exponent, told.fee_currency, told.liquidity) == (5, -2, "USD", m.Liquidity.removed)
    assert told.live
    (last,) = desk.fill("e2", 60, 100, t39="2", t151=0)
    assert (last.live, last.cum_qty, last.leaves_qty) == (False, 100, 0)
    assert desk.orders.open == set()


def test_a_fill_before_its_acknowledgement_says_as_much(desk: Desk) -> None:
    assert kinds(desk.fill("e1", 40, 40)) == ["executed"]
    assert accept(desk) == []
    assert desk.orders.children[1].acknowledged


def test_nothing_is_told_twice_however_it_is_repeated(desk: Desk) -> None:
    accept(desk)
    desk.fill("e1", 40, 40)
    assert desk.fill("e1", 40, 40, t43="Y") == desk.fill("e1", 40, 40, t97="Y") == desk.fill("e1", 40, 40) == []
    assert accept(desk, t43="Y") == []
    (told,) = desk.fill("e2", 10, 50, t97="Y")
    assert told.origin == m.ReportOrigin.resent


def test_a_late_fill_after_the_cancel_counts(desk: Desk) -> None:
    accept(desk)
    desk.request(cancel(1))
    ended: dict[str, object] = {"t35": "8", "t150": "4", "t39": "4", "t17": "x", "t11": "tw-r1", "t41": "tw-c1"}
    assert kinds(desk.hear(**ended, t14=40, t151=0)) == ["cancelled"]
    assert behind(desk)
    (told,) = desk.fill("e1", 40, 40, t39="4", t151=0)
    assert (told.kind, told.live, told.cum_qty, told.leaves_qty) == (Kind.executed, False, 40, 0)
    assert not behind(desk)
    assert desk.hear(**ended, t14=40, t151=0) == []


def test_an_older_status_after_a_newer_one_changes_nothing(desk: Desk) -> None:
    accept(desk)
    desk.fill("e1", 40, 40)
    stale: dict[str, object] = {"t35": "8", "t150": "I", "t39": "0", "t17": "0", "t11": "tw-c1", "t37": "V1"}
    assert desk.hear(**stale, t14=0, t151=100, t38=100) == []
    assert desk.orders.children[1].cum == 40
    assert kinds(desk.hear(**stale, t14=0, t151=100, t38=100)) == ["restated"]  # it insists
    assert desk.orders.children[1].cum == 0


def test_busts_and_corrections_find_their_execution_in_any_order(desk: Desk) -> None:
    accept(desk)
    correct: dict[str, object] = {"t35": "8", "t150": "G", "t39": "1", "t11": "tw-c1", "t37": "V1"}
    assert desk.hear(**correct, t17="g1", t19="e1", t31="9.00", t32=30, t60="20261121-12:00:01") == []
    told = desk.fill("e1", 40, 40)
    assert kinds(told) == ["executed", "corrected"]
    assert (told[1].last_price, told[1].last_qty, told[1].cum_qty, told[1].ref_exec_id) == (900, 30, 30, "e1")
    assert kinds(desk.hear(**correct | {"t150": "H"}, t17="h1", t19="g1")) == ["busted"]
    assert desk.orders.children[1].cum == 0
    assert desk.hear(**correct | {"t150": "H"}, t17="h2", t19="e1") == []
    assert desk.hear(**correct, t17="g2", t19="e1", t31="9.00", t32=90, t60="20261121-12:00:02") == []


def test_what_an_answer_adds_is_restated_and_explained_by_the_execution_that_comes_late(desk: Desk) -> None:
    accept(desk)
    answer: dict[str, object] = {"t35": "8", "t150": "I", "t39": "1", "t17": "0", "t11": "tw-c1", "t37": "V1"}
    (told,) = desk.hear(**answer, t14=40, t151=60, t38=100, t44="10.00", t790="tw-q9")
    assert (told.kind, told.last_qty, told.last_price, told.cum_qty) == (Kind.restated, 40, 0, 40)
    assert told.origin == m.ReportOrigin.reconciled
    back, fill = desk.fill("e1", 40, 40, t43="Y")
    assert (back.kind, back.last_qty, back.cum_qty) == (Kind.restated, -40, 0)
    assert (fill.kind, fill.last_qty, fill.last_price, fill.cum_qty) == (Kind.executed, 40, 1000, 40)
    assert kinds(desk.fill("e2", 10, 50)) == ["executed"]


def test_an_amendment_moves_price_quantity_and_name(desk: Desk) -> None:
    accept(desk)
    desk.request(replace(1, 11_00, 120))
    fields: dict[str, object] = {
        "t35": "8",
        "t150": "5",
        "t39": "0",
        "t17": "r",
        "t11": "tw-r1",
        "t41": "tw-c1",
        "t37": "V1",
    }
    (told,) = desk.hear(**fields, t38=120, t44="11.00", t14=0, t151=120)
    assert (told.kind, told.price, told.qty, told.leaves_qty) == (Kind.replaced, 1100, 120, 120)
    assert desk.orders.children[1].name == "tw-r1"
    assert desk.hear(**fields, t38=120, t44="11.00", t14=0, t151=120) == []
    assert kinds(desk.fill("e1", 5, 5, name="tw-r1")) == ["executed"]
    desk.request(cancel(2))
    rejected = desk.hear(t35="9", t11="tw-r2", t41="tw-r1", t37="V1", t39="1", t434="1", t102="0", t58="too late")
    assert [(one.kind, one.code, one.reason, one.live) for one in rejected] == [
        (Kind.cancel_rejected, 0, "too late", True)
    ]


def test_two_amendments_answered_the_wrong_way_round_end_with_the_later(desk: Desk) -> None:
    accept(desk)
    desk.request(replace(1, 11_00, 100))
    desk.request(replace(2, 12_00, 100))
    assert kinds(desk.hear(t35="8", t150="5", t39="0", t17="b", t11="tw-r2", t41="tw-r1", t44="12.00")) == ["replaced"]
    assert desk.hear(t35="8", t150="5", t39="0", t17="a", t11="tw-r1", t41="tw-c1", t44="11.00") == []
    assert desk.orders.children[1].price == 12_00


@pytest.mark.parametrize(("kind", "expected"), [("D", "rejected"), ("F", "cancel_rejected"), ("G", "replace_rejected")])
@pytest.mark.parametrize("how", ["3", "j"])
def test_a_message_refused_as_a_whole_is_found_by_its_number(desk: Desk, kind: str, expected: str, how: str) -> None:
    name = "tw-c1"
    if kind != "D":
        accept(desk)
        name = "tw-r1"
        desk.request(cancel(1) if kind == "F" else replace(1, 11_00, 100))
    desk.orders.sent(5, kind, name)
    (told,) = desk.hear(
        t35=how, t45=5, t372=kind, t58="no", t373="5" if how == "3" else None, t380="0" if how == "j" else None
    )
    assert (Kind(told.kind).name, told.reason) == (expected, "no")
    assert told.live == (kind != "D")


def test_a_refused_question_leaves_the_order_as_it_is(desk: Desk) -> None:
    accept(desk)
    desk.orders.sent(5, "H", "tw-c1")
    assert desk.hear(t35="j", t45=5, t372="H", t380="4", t58="not now") == []
    assert desk.orders.children[1].live
    assert kinds(desk.hear(t35="j", t45=5, t372="H", t380="1", t58="unknown id")) == ["unknown"]


def test_an_unknown_order_is_dead_until_the_venue_says_otherwise(desk: Desk) -> None:
    (told,) = desk.hear(t35="8", t150="I", t39="8", t17="0", t11="tw-c1", t37="NONE", t790="tw-q4")
    assert (told.kind, told.live, told.origin) == (Kind.unknown, False, m.ReportOrigin.reconciled)
    assert accept(desk) == ["accepted"]
    assert desk.orders.open == {1}


def test_orders_that_are_not_ours_are_recorded_once(desk: Desk) -> None:
    (told,) = desk.fill("e9", 5, 5, name="somebody", t37="V9")
    assert (told.child_id, told.kind, told.last_qty, told.instrument) == (0, Kind.executed, 5, 7)
    assert desk.fill("e9", 5, 5, name="somebody", t37="V9") == []
    (told,) = desk.fill("e8", 5, 5, name="somebody", t37="V9", t55="XYZ")
    assert (told.instrument, told.last_qty) == (0, 0)
    assert "XYZ" in told.reason


def test_a_restatement_of_the_venue_is_told(desk: Desk) -> None:
    accept(desk)
    fields: dict[str, object] = {
        "t35": "8",
        "t150": "D",
        "t39": "0",
        "t11": "tw-c1",
        "t37": "V1",
        "t60": "20261121-12:00:05",
    }
    (told,) = desk.hear(**fields, t17="d", t38=80, t14=0, t151=80, t44="10.00", t378="3")
    assert (told.kind, told.qty, told.leaves_qty, told.last_qty) == (Kind.restated, 80, 80, 0)
    older = fields | {"t60": "20261121-12:00:04"}
    assert desk.hear(**older, t17="c", t38=90, t14=0, t151=90) == []


def test_what_cannot_be_taken_exactly_stops_the_session_or_has_no_price(desk: Desk) -> None:
    accept(desk)
    with pytest.raises(VenueError, match=r"quantity of 1\.5"):
        desk.fill("e1", 0, 0, t32="1.5")
    with pytest.raises(VenueError, match="without ExecID"):
        desk.fill("e1", 5, 5, t17=None)
    (told,) = desk.fill("e1", 5, 5, t31="10.001")
    assert (told.last_price, told.last_qty) == (0, 5)
    assert "10.001" in told.reason


class TestBinanceAmendments:
    """Where another price is a cancel, and a new order for what its answer says is left."""

    def begin(self) -> Desk:
        desk = Desk("binance")
        desk.enter(desk.new())
        accept(desk)
        desk.request(replace(1, 11_00, 120), "F")
        return desk

    def cancelled(self, desk: Desk, cum: int) -> list[str]:
        return kinds(
            desk.hear(t35="8", t150="4", t39="4", t17="x", t11="tw-q101", t41="tw-c1", t37="V1", t14=cum, t151=0)
        )

    def test_the_second_order_is_for_what_is_left(self) -> None:
        from services.gateway.initiator.commands import second_leg

        desk = self.begin()
        assert self.cancelled(desk, 40) == []
        child = desk.orders.children[1]
        assert (child.between, child.live) == (True, True)
        body = second_leg(child, desk.dialect, 0)
        assert "\x0138=80\x01" in body
        assert "\x0111=tw-r1\x01" in body
        assert "\x0144=11.00\x01" in body
        desk.orders.reentered("tw-r1")
        assert kinds(desk.fill("e1", 40, 40)) == ["executed"]  # of the first order, late
        (told,) = desk.hear(t35="8", t150="0", t39="0", t17="n2", t11="tw-r1", t37="V2", t38=80, t44="11.00", t14=0)
        assert (told.kind, told.price, told.qty, told.cum_qty, told.leaves_qty) == (Kind.replaced, 1100, 120, 40, 80)
        (told,) = desk.fill("e2", 80, 80, name="tw-r1", t37="V2", t39="2", t38=80)
        assert (told.cum_qty, told.live) == (120, False)

    def test_filled_before_the_cancel_it_is_refused(self) -> None:
        desk = self.begin()
        told = desk.hear(t35="9", t11="tw-q101", t41="tw-c1", t434="1", t25016="-2011", t58="Unknown order sent.")
        assert kinds(told) == ["replace_rejected"]
        assert told[0].code == 2011

    def test_filled_beyond_the_new_quantity_it_ends(self) -> None:
        desk = Desk("binance")
        desk.enter(desk.new())
        desk.request(replace(1, 11_00, 30), "F")
        assert self.cancelled(desk, 40) == ["cancelled"]

    def test_a_refused_second_order_ends_it(self) -> None:
        desk = self.begin()
        self.cancelled(desk, 0)
        desk.orders.reentered("tw-r1")
        told = desk.hear(t35="8", t150="8", t39="8", t11="tw-r1", t103="99", t25016="-2010", t58="insufficient balance")
        assert kinds(told) == ["replace_rejected", "cancelled"]
        assert not told[-1].live
