"""The asking side and the cores of the services, in one process: parts, versions, who is asked, what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from services import matcher
from services.engine import Audit
from services.engine.asked import HEAD, PART_BYTES, section_of
from tapewire import messages as m
from tapewire.errors import ServiceAway
from tests.split_world import NOW, SplitMarket

ORDERS = 3000
LIMITS = bytes(m.AccountLimits(account=1))
DEFINITION = bytes(m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=1, status=1))


def order(number: int, price: int = 100) -> bytes:
    return bytes(
        m.NewOrder(account=1, cl_ord_id=number, instrument=1, side=1, ord_type=1, time_in_force=2, price=price, qty=1)
    )


@pytest.fixture
def market(tmp_path: Path) -> SplitMarket:
    made = SplitMarket(tmp_path, split=True)
    made.send(NOW, LIMITS, DEFINITION)
    return made


def test_what_is_longer_than_a_message_goes_in_parts(market: SplitMarket) -> None:
    for first in range(1, ORDERS, 500):
        market.send(NOW, *(order(number, 100 + number % 7) for number in range(first, first + 500)))
    state = market.engine.snapshot().state
    assert len(state) > 2 * PART_BYTES
    for line in market.lines:
        line.kill()  # each gets state or records in parts
    cancels = market.send(NOW + 1, bytes(m.MassCancel(account=1, cl_ord_id=ORDERS + 1)))
    assert sum(isinstance(m.decode(raw), m.OrderCancelled) for raw in cancels) == ORDERS
    assert sum(map(len, cancels)) > 2 * PART_BYTES
    market.send(NOW + 2, order(ORDERS + 2))  # risk is told of them in parts
    assert all(PART_BYTES < line.longest <= PART_BYTES + 256 for line in market.lines)
    audit = Audit(market.tape)
    audit.run()
    assert audit.digest() == market.engine.digest()
    market.close()


def stopped(market: SplitMarket) -> None:
    """Nothing is answered: an engine that is stopped gives its batch up, and the command stays in the ring."""
    seq = market.engine.next_seq
    assert market.producer.write(order(1))
    market.patience = 3
    market.engine.do_work()
    with pytest.raises(ServiceAway):
        market.engine.snapshot()
    market.reopen(split=False, now=NOW)
    assert market.engine.next_seq == seq + 1  # EpochStarted
    market.engine.do_work()
    assert [type(m.decode(raw)) for raw in market.records(seq + 1)] == [m.NewOrder, m.OrderAccepted]
    market.close()


def test_a_service_of_another_version_is_not_asked(market: SplitMarket) -> None:
    line = market.lines[1]
    line.instances.clear()
    line.start("0.9")
    with structlog.testing.capture_logs() as lines:
        stopped(market)
    assert "it is version '0.9', the engine '1.0': both must be of one version" in [one.get("reason") for one in lines]


def test_of_two_instances_that_of_the_right_version_is_asked(market: SplitMarket) -> None:
    line = market.lines[0]
    line.instances.clear()
    line.start("0.9")
    line.start()
    told = [type(m.decode(raw)) for raw in market.send(NOW, order(1))]
    assert told == [m.NewOrder, m.OrderAccepted]
    assert [one.ready for one in line.instances] == [False, True]
    market.close()


def answered(answering: matcher.Answering, ask: m.AskCore, follows: bytes = b"") -> m.CoreAnswered:
    answer = answering.answer(bytes(ask) + follows, 1)
    assert answer is not None
    return m.CoreAnswered.decode(answer[:HEAD])


def test_a_service_whose_rules_are_others_is_found_out(market: SplitMarket) -> None:
    """It is told records whose events are not those that it derives."""
    market.send(NOW, order(1))
    answering = matcher.Answering(9, "1.0")
    base = market.engine.base()
    state, _ = section_of(base.state, 3)
    ask = m.AskCore(session=5, number=1, seq=base.seq, kind=m.AskKind.state, total=len(state))
    assert answered(answering, ask, state).outcome is m.AnswerOutcome.done
    records = market.records(base.seq + 1)
    at = next(i for i, raw in enumerate(records) if isinstance(m.decode(raw), m.OrderAccepted))
    records[at] = bytes(m.decode(records[at]).replace(price=101))
    answer = answered(answering, ask.replace(kind=m.AskKind.records, final=True), b"".join(records))
    assert (answer.outcome, answer.seq) == (m.AnswerOutcome.differs, base.seq + 1 + at)
    assert not answering.ready
    market.close()


def test_whoever_asks_with_an_older_epoch_is_refused_while_a_newer_one_asks() -> None:
    answering = matcher.Answering(9, "1.0")
    ask = m.AskCore(session=5, number=1, epoch=7, kind=m.AskKind.snapshot)
    assert answered(answering, ask).outcome is m.AnswerOutcome.elsewhere
    older = ask.replace(session=4, epoch=6)
    assert answered(answering, older).outcome is m.AnswerOutcome.superseded
    later = answering.answer(bytes(older), 11_000_000_000)
    assert later is not None
    assert m.CoreAnswered.decode(later[:HEAD]).outcome is m.AnswerOutcome.elsewhere


@pytest.mark.parametrize("n", range(0, 144, 8))
def test_bytes_that_are_no_ask_change_nothing(n: int) -> None:
    answering = matcher.Answering(9, "1.0")
    answer = answering.answer(bytes(m.AskCore(kind=m.AskKind.apply))[:n], 1)
    assert answer is not None
    assert m.CoreAnswered.decode(answer[:HEAD]).outcome is m.AnswerOutcome.unreadable
    assert not answering.ready


def test_an_ask_for_another_instance_is_not_answered() -> None:
    assert matcher.Answering(9, "1.0").answer(bytes(m.AskCore(instance=8, kind=m.AskKind.hello)), 1) is None
