"""Who may send what: by role, and by account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engine import Audit, Engine, InboundRing
from tapewire import messages as m
from tapewire.ring import RingProducer
from tapewire.tape import TapeReader
from tests.sections import sections
from tests.unit.services.engine.conftest import NOW

R, T = m.RejectReason, m.MessageType
OPERATOR, TRADER, BOUND = 1, 2, 3
OPERATORS_COMMANDS: list[m.Message] = [
    m.AccountLimits(account=1),
    m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=1),
    m.KillSwitch(account=2, engaged=True),
    m.SetInstrumentStatus(instrument=1, status=m.InstrumentStatus.halted),
    m.BustTrade(instrument=1, match_id=1, maker_account=1, taker_account=2, taker_side=1, price=1, qty=1),
    m.CorrectTrade(
        instrument=1, match_id=1, maker_account=1, taker_account=2, taker_side=1, price=1, qty=1, new_price=1, new_qty=1
    ),
]


class Hall:
    """One engine that listens to an operator, a trader, and a trader bound to the accounts 7 and 3."""

    def __init__(self, folder: Path) -> None:
        self.tape = folder / "orders.0"
        self.rings = [
            InboundRing(folder / "operator", OPERATOR, "operator"),
            InboundRing(folder / "trader", TRADER),
            InboundRing(folder / "bound", BOUND, "trader", (7, 3)),
        ]
        self.cl_ord_id = 0
        self.open()
        limits = [m.AccountLimits(account=account) for account in (1, 3, 7)]
        definition = m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=1, status=1)
        self.send(OPERATOR, *limits, definition)

    def open(self) -> None:
        self.engine = Engine(self.tape, self.rings, segment_bytes=1 << 16, ring_bytes=1 << 16, now=NOW)
        self.producers = {ring.source: RingProducer(ring.path) for ring in self.rings}

    def close(self) -> None:
        self.engine.abandon()
        for producer in self.producers.values():
            producer.close()

    def send(self, source: int, *commands: m.Message) -> list[m.Message]:
        first = self.engine.next_seq
        for command in commands:
            assert self.producers[source].write(bytes(command))
        while self.engine.do_work():
            pass
        with TapeReader(self.tape, first, "released") as reader:
            return [m.decode(raw) for raw in reader]

    def trading(self, account: int) -> list[m.Message]:
        """One of each command a trader may send."""
        self.cl_ord_id += 4
        order = {"instrument": 1, "side": 1, "ord_type": 1, "time_in_force": 2, "price": 100, "qty": 5}
        return [
            m.NewOrder(account=account, cl_ord_id=self.cl_ord_id, **order),
            m.ReplaceOrder(account=account, cl_ord_id=self.cl_ord_id + 1, order_id=1, price=100, qty=4),
            m.CancelOrder(account=account, cl_ord_id=self.cl_ord_id + 2, order_id=1),
            m.MassCancel(account=account, cl_ord_id=self.cl_ord_id + 3),
        ]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path)
    yield hall
    hall.close()


def reasons(records: list[m.Message]) -> list[m.RejectReason]:
    return [r.reason for r in records if isinstance(r, m.OrderRejected | m.CancelRejected)]


@pytest.mark.parametrize("command", OPERATORS_COMMANDS, ids=lambda c: type(c).__name__)
def test_an_operators_command_is_refused_to_anybody_else_and_changes_nothing(hall: Hall, command: m.Message) -> None:
    before = sections(hall.engine.snapshot().state)
    for source in (TRADER, BOUND):
        sequenced, answer = hall.send(source, command)
        assert sequenced.decision == R.not_permitted  # type: ignore[attr-defined]
        assert isinstance(answer, m.OrderRejected)
        assert (answer.reason, answer.order_id) == (R.not_permitted, 0)
        assert (answer.value, answer.limit) == (type(command)().type, source)  # type: ignore[attr-defined]
    after = sections(hall.engine.snapshot().state)
    assert after._replace(sequencer=b"") == before._replace(sequencer=b"")
    *_, last = hall.send(OPERATOR, command)
    assert R.not_permitted not in reasons([last])


def test_nobody_but_the_engine_advances_the_clock(hall: Hall) -> None:
    for source in (OPERATOR, TRADER, BOUND):
        _, answer = hall.send(source, m.AdvanceClock(up_to=NOW))
        assert isinstance(answer, m.OrderRejected)
        assert (answer.reason, answer.value, answer.limit) == (R.not_permitted, T.advance_clock, source)


@pytest.mark.parametrize("source", [OPERATOR, TRADER])
def test_traders_and_operators_trade_for_every_account(hall: Hall, source: int) -> None:
    records = hall.send(source, *hall.trading(1))
    assert [type(r).__name__ for r in records if r.cause] == [
        *("OrderAccepted", "OrderReplaced", "OrderCancelled", "CommandCompleted")
    ]


def test_a_trader_who_is_bound_to_accounts_trades_for_those_only(hall: Hall) -> None:
    for account in (3, 7):
        assert reasons(hall.send(BOUND, *hall.trading(account))[:2]) == []
    for account in (1, 0, 4, 2**20):
        records = hall.send(BOUND, *hall.trading(account))
        answers = [r for r in records if r.cause]
        assert [type(r).__name__ for r in answers] == ["OrderRejected", *["CancelRejected"] * 3]
        assert reasons(answers) == [R.not_permitted] * 4
        assert [a.value for a in answers] == [T.new_order, T.replace_order, T.cancel_order, T.mass_cancel]  # type: ignore[attr-defined]


def resting(account: int, cl_ord_id: int, session: int) -> m.NewOrder:
    return m.NewOrder(
        instrument=1,
        account=account,
        cl_ord_id=cl_ord_id,
        session=session,
        side=m.Side.buy,
        ord_type=m.OrdType.limit,
        time_in_force=m.TimeInForce.gtc,
        price=100,
        qty=5,
    )


def test_a_session_is_its_producers_own_and_is_cancelled_by_no_other(hall: Hall) -> None:
    hall.send(TRADER, resting(1, 101, session=9))
    hall.send(BOUND, resting(3, 102, session=9))
    command, cancelled, done = hall.send(TRADER, m.MassCancel(cl_ord_id=103, session=9))
    assert isinstance(command, m.MassCancel)
    assert (command.session >> 16, command.session & 0xFFFF) == (TRADER, 9)
    assert isinstance(cancelled, m.OrderCancelled)
    assert isinstance(done, m.CommandCompleted)
    assert (cancelled.account, done.count) == (1, 1)
    # The operator names a session as it stands on the tape.
    _, cancelled, done = hall.send(OPERATOR, m.MassCancel(cl_ord_id=104, session=BOUND << 16 | 9))
    assert (cancelled.account, done.count) == (3, 1)  # type: ignore[attr-defined]


def test_a_producer_cannot_name_the_session_of_another(hall: Hall) -> None:
    for command in (resting(1, 201, session=BOUND << 16 | 9), m.MassCancel(cl_ord_id=202, session=BOUND << 16 | 9)):
        sequenced, answer = hall.send(TRADER, command)
        assert sequenced.decision == R.not_permitted  # type: ignore[attr-defined]
        assert reasons([answer]) == [R.not_permitted]


def test_what_was_not_permitted_is_no_matter_of_replay(hall: Hall) -> None:
    """The tape does not say who may send what: the decision stands on the command."""
    hall.send(TRADER, *OPERATORS_COMMANDS)
    hall.send(BOUND, *hall.trading(1))
    digest = hall.engine.digest()
    audit = Audit(hall.tape)
    assert audit.run() == hall.engine.next_seq - 1
    assert (audit.redecided[0], audit.digest()) == (0, digest)
    hall.close()
    hall.rings = [InboundRing(ring.path, ring.source, "operator") for ring in hall.rings]
    hall.open()
    assert hall.engine.recovery.redecided == 0
