"""A drop copy beside order entry: each execution once whoever tells it, what differs recorded, and nothing cancelled
where it has told everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.initiator.dialects.base import Dialect
from services.gateway.initiator.drop_copy import DropCopy
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.session_layer import OutwardSender
from services.gateway.session import field_of
from tapewire import messages as m
from tapewire.fix.message import build
from tapewire.tape import TapeWriter
from tests.unit.services.gateway.initiator.desk import dialect_of
from tests.unit.services.gateway.initiator.test_session import Layer, World

DELAY_S = 2
ORIGINS = m.ReportOrigin


class Beside(World):
    """A Binance with order entry and drop copy; `copied` is what `hear` is, by the drop copy."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "binance")

    def copy_of(self, dialect: Dialect) -> tuple[DropCopy, OutwardSender] | None:
        self.copy_layer = Layer()
        self.copy = DropCopy(self.session, dialect_of("binance", comp_id="TAPEDC"), Numbers(), DELAY_S * 10**9)
        self.copy_layer.session = self.copy
        return self.copy, self.copy_layer

    def copied(self, **fields: object) -> None:
        pairs = {int(key[1:]): value for key, value in fields.items()}
        head = [(35, pairs.pop(35, "8")), (34, self.copy.numbers.next_in), (49, "SPOT"), (52, "20261121-12:00:00")]
        self.copy.received(build("FIX.4.4", [*head, *pairs.items()]))

    def copy_fill(self, exec_id: str, qty: int, cum: int, price: str = "10.00") -> None:
        self.copied(t150="F", t39="1", t17=exec_id, t11="tw-c1", t37="V1", t31=price, t32=qty, t14=cum)

    def answer_test(self) -> None:
        asked = field_of("\x01" + self.copy_layer.sent[-1], 112)
        self.copy.administered(build("FIX.4.4", [(35, "0"), (34, self.copy.numbers.next_in), (112, asked)]), 9)

    def begin(self) -> None:
        """Both sessions for a while, and one order that stands."""
        self.copy_layer.connect()
        self.work(10)
        self.ready()
        self.new()
        self.work()
        self.accept()

    def differences(self) -> list[tuple[int, int, int, int, str]]:
        found = [one for one in map(m.decode, self.raws()) if isinstance(one, m.VenueDiffered)]
        return [(one.price, one.qty, one.other_price, one.other_qty, one.exec_id) for one in found]

    def state(self) -> tuple[str, str]:
        last = [one for one in map(m.decode, self.raws()) if isinstance(one, m.VenueChanged)][-1]
        return m.VenueState(last.state).name, last.reason


@pytest.fixture
def world(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


@pytest.mark.parametrize("first", ["order entry", "drop copy"])
def test_an_execution_counts_once_whoever_tells_it_first(world: Beside, first: str) -> None:
    world.begin()
    both = [world.fill, world.copy_fill]
    for tell in both if first == "order entry" else reversed(both):
        tell("e1", 40, 40)
        world.work(0.5)
    world.copy_fill("e1", 40, 40)
    world.work(60)
    executed = world.told()[-1]
    assert world.kinds() == ["accepted", "executed"]
    assert (executed.last_qty, executed.cum_qty, executed.live) == (40, 40, True)
    assert executed.origin == (ORIGINS.live if first == "order entry" else ORIGINS.drop_copy)
    assert world.differences() == []
    before = world.raws()
    world.restart()
    assert world.told()[-1] == executed
    assert world.session.orders.children[1].cum == 40
    ends = [m.decode(raw) for raw in world.raws()[len(before) :]]
    assert [(one.session, one.reason) for one in ends if isinstance(one, m.FixSessionChanged)] == [
        (1, "the session's process ended"),
        (2, "the session's process ended"),
    ]


def test_an_execution_told_otherwise_changes_nothing_and_is_recorded_once(world: Beside) -> None:
    world.begin()
    world.fill("e1", 40, 40)
    for _ in range(2):
        world.copy_fill("e1", 50, 50, "10.01")
    world.work()
    assert world.kinds() == ["accepted", "executed"]
    assert world.differences() == [(10_00, 40, 10_01, 50, "e1")]
    world.restart()
    assert world.differences() == [(10_00, 40, 10_01, 50, "e1")]
    assert world.session.orders.children[1].cum == 40


@pytest.mark.parametrize("teller", ["order entry", "drop copy"])
def test_an_execution_that_only_one_of_both_tells_is_recorded(world: Beside, teller: str) -> None:
    world.begin()
    (world.fill if teller == "order entry" else world.copy_fill)("e1", 40, 40)
    world.work(6)
    assert world.differences() == []
    world.work(2)
    assert world.differences() == [(10_00, 40, 0, 0, "e1")]
    world.copy_fill("e1", 40, 40)
    world.fill("e1", 40, 40)
    world.work(20)
    assert len(world.differences()) == 1
    assert world.session.orders.children[1].cum == 40


def test_orders_of_others_are_recorded_and_nobodys(world: Beside) -> None:
    world.begin()
    for tell in (world.copied, world.hear):
        tell(t150="F", t39="1", t17="x1", t11="by-hand", t37="V9", t55="ACM", t54="2", t31="10.00", t32=7, t14=7)
    foreign = [one for one in world.told() if not one.child_id]
    assert [(one.kind, one.last_qty, one.order_id) for one in foreign] == [(m.VenueReportKind.executed, 7, "V9")]
    assert world.session.orders.children[1].cum == 0


def test_what_it_was_there_for_need_not_be_cancelled(world: Beside) -> None:
    """Order entry is lost in the middle of a fill. The drop copy tells it, proves that it is up to date, and the order
    goes on standing."""
    world.begin()
    world.layer.lose()
    world.work(1)
    world.copy_fill("e1", 40, 40)
    world.layer.connect()
    world.work(1.5)
    assert world.state()[0] == "reconciling"
    assert not world.bodies("F")
    world.work(1)
    assert world.copy_layer.sent[-1].startswith("35=1\x01")
    world.answer_test()
    world.work()
    assert world.session.ready
    assert world.state() == ("ready", "open orders that the drop copy has followed: 1")
    assert not world.bodies("F")
    assert (world.kinds(), world.session.orders.open) == (["accepted", "executed"], {1})
    world.restart()
    assert world.session.orders.children[1].cum == 40


def test_an_order_that_ended_meanwhile_is_known_to_the_last_fill(world: Beside) -> None:
    """Without a drop copy nobody could have said what it filled."""
    world.begin()
    world.layer.lose()
    world.copied(t150="F", t39="2", t17="e1", t11="tw-c1", t37="V1", t31="9.99", t32=100, t14=100, t151=0)
    world.layer.connect()
    world.work(3)
    assert world.session.ready
    assert not world.bodies("F")
    last = world.told()[-1]
    assert (last.last_price, last.last_qty, last.live) == (9_99, 100, False)


@pytest.mark.parametrize(
    "how", ["it is lost", "it does not answer", "it came too late", "it was away meanwhile", "a cancel was on its way"]
)
def test_what_it_cannot_vouch_for_is_asked_as_before(world: Beside, how: str) -> None:
    world.begin()
    if how == "a cancel was on its way":
        world.cancel()
        world.work()
    if how == "it came too late":
        world.copy_layer.lose()
        world.copy_layer.connect()
    asked = len(world.bodies("F"))
    world.layer.lose()
    if how == "it was away meanwhile":
        world.copy_layer.lose()
        world.work(1)
        world.copy_layer.connect()
        world.work(30)
    world.layer.connect()
    world.work(3)
    if how == "it is lost":
        world.copy_layer.lose()
    world.work(10)
    assert len(world.bodies("F")) > asked
    assert not world.session.ready


def test_what_a_drop_copy_tells_late_of_an_amendments_first_half_ends_nothing(world: Beside) -> None:
    world.begin()
    world.replace(11_00, 120)
    world.work()
    name = field_of("\x01" + world.bodies("F")[-1], 11)
    cancelled = {"t150": "4", "t39": "4", "t17": "x", "t11": name, "t41": "tw-c1", "t37": "V1", "t14": 0}
    world.hear(**cancelled)
    world.work()
    for late in (False, True):
        if late:
            world.hear(t150="0", t39="0", t17="n", t11="tw-r1", t37="V2", t38=120, t44="11.00", t14=0)
        world.copied(t150="0", t39="0", t17="n1", t11="tw-c1", t37="V1", t14=0)
        world.copied(**cancelled)
    world.copied(t150="0", t39="0", t17="n", t11="tw-r1", t37="V2", t38=120, t44="11.00", t14=0)
    assert world.kinds() == ["accepted", "replaced"]
    child = world.session.orders.children[1]
    assert (child.live, child.order_id, child.name, child.qty) == (True, "V2", "tw-r1", 120)
    world.restart()
    assert world.session.orders.open == {1}


def test_a_refusal_of_the_drop_copy_is_not_one_of_an_order(world: Beside) -> None:
    world.begin()
    number = next(n for n in range(1, 20) if world.session.orders.what_was(str(n)))
    world.copy.administered(build("FIX.4.4", [(35, "3"), (34, 2), (45, number), (372, "D"), (58, "no")]), 3)
    assert world.kinds() == ["accepted"]


def test_a_gap_where_nothing_is_sent_again_ends_the_session(world: Beside) -> None:
    world.begin()
    world.copy.sending("35=2\x0134=5\x01", 5, "2")
    world.work()
    assert not world.copy.on
    left = [one.reason for one in map(m.decode, world.raws()) if isinstance(one, m.FixSessionChanged) and one.reason]
    assert "sends none again" in left[-1]
    world.session.sending("35=2\x0134=9\x01", 9, "2")
    world.work()
    assert world.state()[0] == "down"


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_beginning_of_a_tape_can_be_gone_on_from(tmp_path: Path, every: int) -> None:
    """As if the process had been killed after each of its records; by default after each fourth."""
    world = Beside(tmp_path)
    world.begin()
    world.copy_fill("e1", 40, 40)
    world.fill("e1", 41, 41)
    world.work(1)
    world.copied(t150="F", t39="1", t17="x1", t11="by-hand", t37="V9", t55="ACM", t31="10.00", t32=7, t14=7)
    world.layer.lose()
    world.copy_fill("e2", 10, 50)
    world.layer.connect()
    world.work(3)
    world.answer_test()
    world.work()
    world.fill("e3", 10, 60)
    world.work(9)
    whole, expected = world.raws(), (world.kinds(), world.differences())
    assert expected == (["accepted", "executed", "executed", "executed", "executed"], [
        (10_00, 40, 10_00, 41, "e1"), (10_00, 10, 0, 0, "e3"),
    ])  # fmt: skip
    world.close()
    for end in range(1, len(whole), every):
        folder = tmp_path / f"cut{end}"
        folder.mkdir()
        (folder / "router.0").symlink_to(tmp_path / "router.0")
        with TapeWriter(str(folder / "venue.out"), "venue.out", durability="memory") as writer:
            for raw in whole[:end]:
                writer.append(raw)
            writer.commit()
        world.folder = folder
        world.start()
        kinds, differences = world.kinds(), world.differences()
        assert (kinds, differences) == (expected[0][: len(kinds)], expected[1][: len(differences)])
        received = [m.decode(raw) for raw in whole[:end] if isinstance(m.decode(raw), m.FixReceived)]
        assert len(world.told()) == sum(
            isinstance(one, m.VenueReported) for one in map(m.decode, whole)
            if isinstance(one, m.VenueReported) and one.received in {record.seq for record in received}
        )  # fmt: skip
        world.restart()
        assert (world.kinds(), world.differences()) == (kinds, differences)
        world.close()
