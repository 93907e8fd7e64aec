"""What a venue says of an order gives the same executions and the same CumQty, in whatever order and however often."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.initiator.words import Told
from tapewire import messages as m
from tests.unit.services.gateway.initiator.desk import VENUE, Desk, Kind

QTY = 1000
Fields = dict[str, object]


@dataclass
class History:
    """What a well-behaved venue said of one order, in its order, and what is true at the end."""

    reports: list[Fields] = field(default_factory=list)
    executions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By ExecID: price and quantity, as they stand."""

    @property
    def cum(self) -> int:
        return sum(qty for _, qty in self.executions.values())


def message(at: int, **fields: object) -> Fields:
    stamp = f"20261121-12:{at // 60:02d}:{at % 60:02d}"
    return {
        "t35": "8",
        "t11": "tw-c1",
        "t37": "V1",
        "t39": "1",
        "t38": QTY,
        "t54": "1",
        "t55": "ACM",
        "t60": stamp,
        **fields,
    }


@st.composite
def histories(draw: st.DrawFn, amended: bool = True) -> History:
    history, names = History(), {}
    at = 0
    history.reports.append(message(0, t150="0", t39="0", t17="new", t14=0, t151=QTY))
    for number in range(draw(st.integers(1, 6))):
        at += 1
        qty, price = draw(st.integers(1, 100)), draw(st.integers(1, 5000))
        exec_id = f"e{number}"
        history.executions[exec_id] = (price, qty)
        names[exec_id] = exec_id
        text = f"{price // 100}.{price % 100:02d}"
        history.reports.append(
            message(at, t150="F", t17=exec_id, t31=text, t32=qty, t14=history.cum, t151=QTY - history.cum)
        )
        if not amended:
            continue
        for change in range(draw(st.integers(0, 3))):
            at += 1
            which = draw(st.sampled_from(sorted(names)))
            if which not in history.executions:
                continue
            ref = draw(st.sampled_from([which, names[which]]))
            if draw(st.booleans()):
                qty, price = draw(st.integers(1, 100)), draw(st.integers(1, 5000))
                history.executions[which] = (price, qty)
                own = f"g{number}.{change}"
                text = f"{price // 100}.{price % 100:02d}"
                history.reports.append(message(at, t150="G", t17=own, t19=ref, t31=text, t32=qty, t14=history.cum))
                names[which] = own
            else:
                del history.executions[which]
                history.reports.append(message(at, t150="H", t17=f"h{number}.{change}", t19=ref, t14=history.cum))
    return history


def told_of(reports: list[Fields], desk: Desk) -> list[Told]:
    desk.enter(desk.new(qty=QTY))
    return [one for report in reports for one in desk.hear(**report)]


def summed(told: list[Told]) -> tuple[int, dict[str, tuple[int, int]]]:
    """CumQty and executions as somebody has them who only hears what is told."""
    cum, found = 0, {}
    for one in told:
        if one.kind == Kind.executed:
            assert one.exec_id not in found
            found[one.exec_id] = (one.last_price, one.last_qty)
            cum += one.last_qty
        elif one.kind == Kind.busted:
            cum -= found.pop(one.ref_exec_id)[1]
        elif one.kind == Kind.corrected:
            cum += one.last_qty - found[one.ref_exec_id][1]
            found[one.ref_exec_id] = (one.last_price, one.last_qty)
        elif one.kind == Kind.restated:
            cum += one.last_qty
        assert one.cum_qty == cum
        assert one.leaves_qty >= 0
    return cum, found


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(0, 2**32), st.integers(0, 20))
def test_any_order_and_repetition_gives_the_same(history: History, seed: int, repeats: int) -> None:
    shuffled, rng = list(history.reports), random.Random(seed)
    shuffled += [rng.choice(history.reports) | {"t97": "Y"} for _ in range(repeats)]
    rng.shuffle(shuffled)
    assert summed(told_of(shuffled, Desk())) == (history.cum, history.executions)


@settings(max_examples=100, deadline=None)
@given(histories(amended=False), st.integers(0, 2**32), st.data())
def test_an_answer_about_all_of_it_changes_nothing_in_the_end(history: History, seed: int, data: st.DataObject) -> None:
    """Executions that were missed are restated by an answer, and taken back when they come after all."""
    shuffled = list(history.reports)
    random.Random(seed).shuffle(shuffled)
    answer = message(3000, t150="I", t17="0", t14=history.cum, t151=QTY - history.cum, t790="tw-q9")
    at = data.draw(st.integers(0, len(shuffled)))
    told = told_of([*shuffled[:at], answer, *shuffled[at:]], Desk())
    assert summed(told) == (history.cum, history.executions)
    assert told[-1].cum_qty == history.cum


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_what_was_missed_is_restated_to_what_is_true(history: History, data: st.DataObject) -> None:
    """Whatever part of it was heard: asked until it has said so twice, the venue's CumQty is ours."""
    heard = [report for report in history.reports if data.draw(st.booleans())]
    desk = Desk()
    told = told_of(heard, desk)
    answer = message(3000, t150="I", t17="0", t14=history.cum, t151=QTY - history.cum, t790="tw-q9")
    told += desk.hear(**answer) + desk.hear(**answer)
    assert summed(told)[0] == history.cum
    assert desk.orders.children[1].doubt is None


def test_the_sum_notices_an_execution_that_comes_twice() -> None:
    """The checker itself."""
    desk = Desk()
    told = told_of([message(1, t150="F", t17="e", t31="1.00", t32=5, t14=5)], desk)
    try:
        summed(told + told)
    except AssertionError:
        return
    raise AssertionError("told twice, and nobody noticed")


class Twice:
    """An order at Binance, amended by cancel and new order, filled, and told of by order entry; a drop copy is to tell
    the same later."""

    def __init__(self) -> None:
        self.desk = Desk("binance")
        self.child = self.desk.enter(self.desk.new(qty=QTY))
        self.said: list[Fields] = []
        self.told: list[Told] = []
        self.at = self.amendments = self.executed = self.cum = 0
        self.name, self.order_id = "tw-c1", "V0"
        self.hear(t150="0", t39="0", t14=0, t151=QTY)

    def hear(self, **fields: object) -> None:
        """By order entry, and later by the drop copy."""
        self.at += 1
        entered = {"t11": self.name, "t37": self.order_id, "t17": f"x{self.at}"}
        self.said.append(message(self.at, **(entered | fields)))
        self.told += self.desk.hear(**self.said[-1])

    def fill(self, qty: int) -> None:
        self.cum += qty
        self.executed += qty
        self.hear(t150="F", t31="10.00", t32=qty, t14=self.cum, t151=QTY)

    def amend(self) -> None:
        """Its two halves, and the answers of order entry."""
        self.amendments += 1
        command = m.ReplaceChild(
            child_id=1, venue=VENUE, instrument=7, request=self.amendments, price=11_00, qty=QTY * 10 * self.amendments
        )
        self.desk.request(command, "F")
        self.hear(t150="4", t39="4", t11=f"tw-q{self.desk.seq}", t41=self.name, t14=self.cum)
        self.name, self.order_id, self.cum = f"tw-r{self.amendments}", f"V{self.amendments}", 0
        self.desk.orders.reentered(self.name)
        self.hear(t150="0", t39="0", t14=0, t38=command.qty - self.executed, t44="11.00")

    def state(self) -> tuple[object, ...]:
        child = self.desk.orders.children[1]
        return child.live, child.cum, child.qty, child.name, child.order_id, child.closed, sorted(child.executions)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["fill", "amend", "copy", "copy", "again"]), min_size=1, max_size=30),
    st.integers(0, 2**32),
)
def test_a_drop_copy_that_lags_behind_changes_nothing(steps: list[str], seed: int) -> None:
    """However far behind it is, and however often it repeats itself: the order stands as order entry told it, and every
    execution is told once."""
    rng, order, copied = random.Random(seed), Twice(), 0
    for what in [*steps, *["copy"] * len(steps)]:
        if what == "fill":
            order.fill(rng.randrange(1, 20))
        elif what == "amend":
            order.amend()
        elif what == "copy" and copied < len(order.said):
            before = order.state()
            assert order.desk.hear(**order.said[copied]) == []
            assert order.state() == before
            copied += 1
        elif what == "again" and copied:
            assert order.desk.hear(**order.said[rng.randrange(copied)]) == []
    assert sum(one.last_qty for one in order.told if one.kind == Kind.executed) == order.executed
    assert order.state()[:2] == (True, order.executed)
