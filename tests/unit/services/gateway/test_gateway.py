"""A gateway between real tapes and a real ring; the test is the session layer, and the clock is stepped."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from services.gateway.fold import Fold
from services.gateway.gateway import Gateway
from services.gateway.hours import is_open, opened_at
from services.gateway.syncer import Syncer
from services.gateway.tape import GatewayTape
from tapewire import messages as m
from tapewire.config import GatewaySession
from tapewire.errors import TapeError
from tapewire.fix.message import frame
from tapewire.logs import configure
from tapewire.ring import RingConsumer, RingProducer, create_ring
from tapewire.tape import TapeReader, TapeWriter
from tapewire.testing.disk import lose_power
from tapewire.times import NS

DAY = 86_400 * NS
NOON = 20_000 * DAY + 12 * 3600 * NS
HOURS = "07:00-16:30"
TERMS = (
    GatewaySession(name="day", number=1, comp_id="DAY", username="-", accounts=(1,), hours=HOURS),
    GatewaySession(name="always", number=2, comp_id="ALWAYS", username="-", accounts=(1,), messages=2, interval=1.0),
)
State = m.FixSessionState


class World:
    """A gateway and what its session layer was told. Sending says at once what goes out, as the real one does."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder, self.now, self.durable = folder, NOON, durable
        self.ring = folder / "ring"
        create_ring(str(self.ring), 1 << 16)
        self.sent: list[tuple[int, int, str]] = []
        """Session, number, body."""
        self.told: list[tuple[object, ...]] = []
        self.start()

    def start(self) -> None:
        path = self.folder / "fix.test"
        self.writer = TapeWriter(str(path), "fix.test", durability="memory", helper=False)
        fold = Fold(TERMS, 0, 3)
        with TapeReader(str(path), limit="written") as reader:
            fold.fold_own(list(reader))
        tape = GatewayTape(self.writer, lambda: self.now, durable=self.durable)
        self.producer = RingProducer(str(self.ring))
        log = configure("test")
        self.gateway = Gateway(fold.sessions, fold.orders, tape, self.producer, 0, "test", log, clock=lambda: self.now)
        self.gateway.keep_hours(self.now)
        self.gateway.outbox.sender = self

    def end(self) -> None:
        """As a killed process does."""
        self.producer.close()
        self.writer.abandon()

    # The session layer.

    def send(self, session: int, bodies: Sequence[str]) -> None:
        number = self.gateway.sessions.by_number[session].next_out
        messages = [
            (seq, body[3 : body.index("\x01")], f"8=FIX.4.4\x01{body}10=000\x01")
            for seq, body in enumerate(bodies, number)
        ]
        self.gateway.sending(session, messages)
        self.sent += [(session, seq, body) for seq, body in enumerate(bodies, number)]
        if self.durable:
            assert self.writer.positions.durable_seq == self.writer.next_seq - 1, "it would be on the socket by now"

    def log_out(self, session: int, reason: str) -> None:
        self.told.append(("log out", session, reason))

    def allow_logon(self, session: int) -> None:
        self.told.append(("allow", session))

    def restore(self, session: int, next_in: int, next_out: int) -> None:
        self.told.append(("restore", session, next_in, next_out))

    def logon(self, session: int) -> None:
        one = self.gateway.sessions.by_number[session]
        raw = frame("FIX.4.4", f"35=A\x0134={one.next_in}\x0149=X\x0152=20261121-12:00:00\x0156=Y\x01")
        self.gateway.logging_on(session, raw, one.next_in, False)
        self.gateway.logged_on(session)

    def leave(self, session: int) -> None:
        one = self.gateway.sessions.by_number[session]
        self.gateway.logged_out(session, one.next_in, one.next_out)

    # And the world around.

    def at(self, text: str, day: int = 0) -> None:
        """Steps the clock and lets the gateway look at it."""
        self.now = 20_000 * DAY + day * DAY + (int(text[:2]) * 60 + int(text[3:])) * 60 * NS
        self.gateway.tick()
        self.gateway.outbox.drain()

    def report(self, session: int, orders_seq: int) -> None:
        self.gateway.outbox.add(session, f"35=8\x0117={orders_seq}\x01", orders_seq)
        self.gateway.outbox.drain()

    def idle(self) -> bool:
        return self.gateway.outbox.is_idle

    def numbers(self, session: int) -> tuple[int, int]:
        one = self.gateway.sessions.by_number[session]
        return one.next_in, one.next_out

    def tape(self) -> list[m.Message]:
        return [m.decode(raw) for raw in TapeReader(str(self.folder / "fix.test"), limit="written")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize(
    ("hours", "minute", "found"),
    [
        ("07:00-16:30", 7 * 60, (True, 7 * 60)),
        ("07:00-16:30", 16 * 60 + 30, (False, 7 * 60)),
        ("07:00-16:30", 6 * 60 + 59, (False, 7 * 60 - 1440)),
        ("22:00-06:00", 1 * 60, (True, 22 * 60 - 1440)),
        ("22:00-06:00", 6 * 60, (False, 22 * 60 - 1440)),
        ("22:00-06:00", 23 * 60, (True, 22 * 60)),
    ],
)
def test_hours_say_when_it_is_open_and_since_when(hours: str, minute: int, found: tuple[bool, int]) -> None:
    day, now = 20_000 * DAY, 20_000 * DAY + minute * 60 * NS
    assert (is_open(hours, now), (opened_at(hours, now) - day) // (60 * NS)) == found
    assert (is_open("", now), opened_at("", now)) == (True, 0)


def test_at_closing_time_who_is_on_is_logged_out_once(world: World) -> None:
    world.logon(1)
    world.logon(2)
    world.at("16:29")
    assert world.told == []
    world.at("16:30")
    world.at("16:31")
    assert world.told == [("log out", 1, "this session is open 07:00-16:30 UTC")]


def test_numbers_begin_at_1_with_each_opening_and_not_within_a_day(world: World) -> None:
    world.logon(1)
    world.report(1, 10)
    world.leave(1)
    world.at("16:00")
    assert world.numbers(1) == (2, 2)
    world.at("03:00", day=1)
    assert world.numbers(1) == (2, 2)
    world.at("07:00", day=1)
    assert world.numbers(1) == (1, 1)
    assert world.told[-1] == ("restore", 1, 1, 1)
    world.at("09:00", day=1)
    assert world.numbers(2) == (1, 1)
    resets = [one for one in world.tape() if isinstance(one, m.FixSessionChanged) and one.state == State.reset]
    assert [(one.session, one.ts) for one in resets] == [(1, NOON), (1, 20_001 * DAY + 7 * 3600 * NS)]


def test_a_restart_does_not_begin_numbers_anew_unless_an_opening_was_missed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.logon(1)
    world.report(1, 10)
    world.leave(1)
    world.end()
    world.at("13:00")
    world.start()
    assert world.numbers(1) == (2, 2)
    world.end()
    world.now = 20_001 * DAY + 8 * 3600 * NS
    world.start()
    assert world.numbers(1) == (1, 1)
    world.end()


def test_what_happens_while_it_is_closed_is_told_under_the_new_numbers(world: World) -> None:
    world.logon(1)
    world.leave(1)
    world.at("17:00")
    world.report(1, 10)
    world.report(2, 10)
    assert world.sent == [(2, 1, "35=8\x0117=10\x01")]
    assert not world.idle(), "no snapshot may stand behind what is not reported"
    world.at("07:00", day=1)
    assert world.sent[1:] == [(1, 1, "35=8\x0117=10\x01")]
    assert world.idle()
    assert world.gateway.sessions.by_number[1].reported == (10, 0)


def test_who_was_logged_out_may_come_back_until_the_gateway_ends(world: World) -> None:
    world.logon(2)
    for at in range(2, 40):
        raw = frame("FIX.4.4", f"35=H\x0134={at}\x0149=X\x0152=20261121-12:00:00\x0156=Y\x0155=A\x0154=1\x0111=x\x01")
        world.gateway.received(2, raw)
    world.gateway.tick()
    assert world.told == [("log out", 2, "far too many messages; see XLQ for your limits")]
    world.leave(2)
    world.gateway.tick()
    assert world.told[1:] == [("allow", 2)]
    world.logon(2)
    world.gateway.ending = True
    world.leave(2)
    world.gateway.tick()
    assert len(world.told) == 2


def test_reports_of_records_that_the_orders_tape_lost_are_made_of_those_that_took_their_numbers(world: World) -> None:
    world.logon(2)
    for seq in (5, 9):
        world.report(2, seq)
    world.now += NS
    later = m.EpochStarted(seq=8, epoch=2, ts=world.now)
    world.gateway.fold([bytes(later)])
    assert world.gateway.sessions.by_number[2].reported == (7, 1 << 16)
    again = Fold(TERMS, 0, 3)
    again.fold_own([bytes(one) for one in world.tape()])
    assert again.sessions.by_number[2].reported == (7, 1 << 16)
    world.now += NS
    world.report(2, 9)
    world.gateway.fold([bytes(later)])
    assert world.gateway.sessions.by_number[2].reported == (9, 0), "reported after that epoch began"


def mass_cancel(number: int) -> bytes:
    return frame("FIX.4.4", f"35=q\x0134={number}\x0149=X\x0152=20261121-12:00:00\x0156=Y\x0111=q{number}\x01530=7\x01")


@pytest.mark.parametrize("seed", range(5))
def test_with_durability_disk_a_power_loss_takes_nothing_that_left(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, durable=True)
    syncer = Syncer(world.gateway)
    consumer = RingConsumer(str(world.ring))
    world.logon(1)
    for number in (2, 3):
        world.gateway.received(1, mass_cancel(number))
    assert consumer.poll() == []
    assert syncer.step() == 2
    taken = [m.MassCancel.decode(raw).cl_ord_id for raw in consumer.poll()]
    for number in (4, 5):
        world.gateway.received(1, mass_cancel(number))
    for seq in (10, 11, 12):
        for session in (1, 2):
            world.gateway.outbox.add(session, f"35=8\x0117={seq}\x01", seq)
    world.gateway.outbox.drain()
    assert [number for session, number, _ in world.sent if session == 1] == [1, 2, 3]
    world.gateway.received(1, mass_cancel(6))
    world.end()
    lose_power(tmp_path / "fix.test", random.Random(seed))
    after = Fold(TERMS, 0, 3)
    world.start()
    after.fold_own([bytes(one) for one in world.tape()])
    assert set(taken) <= set(after.sessions.commands)
    assert taken == [1, 2]
    assert [after.sessions.by_number[number].next_out for number in (1, 2)] == [4, 4]
    assert [after.sessions.by_number[number].reported for number in (1, 2)] == [(12, 0), (12, 0)]
    world.end()
    consumer.close()


def test_a_message_that_fails_is_in_the_log_with_its_trace(world: World) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    lines = structlog.testing.CapturingLogger()
    world.gateway.log = structlog.wrap_logger(
        lines,
        processors=[structlog.contextvars.merge_contextvars],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    world.logon(1)
    lines.calls.clear()
    world.writer.close()  # as a disk that refuses
    body = f"35=D\x0134=2\x0149=DAY\x0152=20261121-12:00:00\x0156=Y\x0111=a\x0155=X\x018041=00-{trace}-{span}-01\x01"
    with pytest.raises(TapeError):
        world.gateway.received(1, frame("FIX.4.4", body))
    (line,) = (one.kwargs for one in lines.calls)
    assert (line["event"], line["session"], line["seq"]) == ("message_failed", "day", 2)
    assert (line["trace_id"], line["span_id"]) == (trace, span)
