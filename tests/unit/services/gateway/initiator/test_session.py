"""A session to a venue with its tapes, its agent and its recovery; the session layer is a scripted one."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.initiator.agent import VenueAgent
from services.gateway.initiator.dialects.base import Dialect
from services.gateway.initiator.drop_copy import DropCopy
from services.gateway.initiator.numbers import Numbers
from services.gateway.initiator.orders import Orders
from services.gateway.initiator.recovery import Commands, recover
from services.gateway.initiator.session import VenueSession
from services.gateway.initiator.session_layer import OutwardSender
from services.gateway.initiator.tape import VenueTape
from services.gateway.initiator.words import VenueError
from services.gateway.session import field_of
from tapewire import messages as m
from tapewire.fix.message import build, frame
from tapewire.logs import get
from tapewire.tape import TapeReader, TapeWriter
from tests.unit.services.gateway.initiator.desk import NOW, VENUE, Kind, dialect_of

S = 10**9


class Layer:
    """Numbers messages, and lets the session write each before it counts as sent."""

    def __init__(self) -> None:
        self.session: VenueSession | DropCopy | None = None
        self.sent: list[str] = []
        self.connected = False
        self.reason = ""

    def connect(self) -> None:
        assert self.session is not None
        self.connected = True
        _, number = self.session.logging_on(self.session.dialect.resets)
        self._out(number, "35=A\x01554=open sesame\x01")
        raw = build("FIX.4.4", [(35, "A"), (34, 1), (49, "BROKER"), (52, "20261121-12:00:00"), (56, "T"), (98, 0)])
        self.session.administered(raw, 2)
        self.session.logged_on()

    def lose(self) -> None:
        assert self.session is not None
        self.connected = False
        self.session.logged_out()

    def _out(self, number: int, body: str) -> None:
        assert self.session is not None
        kind = body[3 : body.index("\x01")]
        raw = frame("FIX.4.4", f"35={kind}\x0134={number}\x0149=T\x0156=BROKER\x01{body.partition(chr(1))[2]}")
        self.session.sending(raw.decode("latin-1"), number, kind)
        self.sent.append(body)

    def send(self, body: str) -> None:
        assert self.session is not None
        if self.connected:
            self._out(self.session.numbers.next_out, body)

    def log_out(self, reason: str) -> None:
        self.reason = reason
        self.lose()

    def allow_logon(self) -> None:
        self.reason = ""


class World:
    """Tapes in a folder, a clock that stands until it is moved; `restart` is what a kill and a start do."""

    def __init__(self, folder: Path, dialect: str = "broker", **keys: object) -> None:
        self.folder, self.now, self.keys, self.name = folder, NOW, keys, dialect
        self.counters: dict[str, int] = {}
        self.router = TapeWriter(str(folder / "router.0"), "router.0", durability="memory")
        self.write(m.InstrumentDefinition, instrument=7, ticker="ACME", price_exponent=-2, qty_exponent=0)
        self.write(m.MarketDefinition, instrument=7, venue=VENUE, ticker="ACME", symbol="ACM")
        self.writer: TapeWriter | None = None
        self.start()

    def start(self) -> None:
        dialect = dialect_of(self.name, **self.keys)
        orders, self.layer = Orders(dialect), Layer()
        self.writer = TapeWriter(str(self.folder / "venue.out"), "venue.out", durability="memory")
        tape = VenueTape(self.writer, VENUE, "out", lambda: self.now)
        self.session = VenueSession(dialect, orders, Numbers(), tape, lambda: self.now, get("test"))
        commands = Commands(TapeReader(str(self.folder / "router.0"), limit="written"), orders)
        copy = self.copy_of(dialect)
        recover(iter(self.raws()), self.session, commands, copy[0].numbers if copy else None)
        self.layer.session = self.session
        self.agent = VenueAgent(self.session, commands, self.layer, get("test"), self.counters.__setitem__, copy)
        self.agent.interrupted()

    def copy_of(self, dialect: Dialect) -> tuple[DropCopy, OutwardSender] | None:
        """The drop copy and what sends for it; there is none."""
        return None

    def restart(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        self.agent.close()

    def raws(self) -> list[bytes]:
        with TapeReader(str(self.folder / "venue.out"), limit="written") as reader:
            return list(reader)

    def write(self, kind: type[m.Message], **fields: object) -> None:
        self.router.append(bytes(kind(seq=self.router.next_seq, ts=self.now, **fields)))
        self.router.commit()

    def new(self, child: int = 1, qty: int = 100) -> None:
        fields = {"venue": VENUE, "instrument": 7, "ticker": "ACME", "ord_type": m.OrdType.limit, "price": 10_00}
        self.write(m.NewChild, child_id=child, side=m.Side.buy, qty=qty, time_in_force=m.TimeInForce.gtc, **fields)

    def replace(self, price: int, qty: int, request: int = 1) -> None:
        self.write(m.ReplaceChild, child_id=1, venue=VENUE, instrument=7, request=request, price=price, qty=qty)

    def cancel(self, child: int = 1, request: int = 1) -> None:
        self.write(m.CancelChild, child_id=child, venue=VENUE, instrument=7, request=request)

    def work(self, seconds: float = 0.0) -> None:
        self.now += int(seconds * S)
        for _ in range(10):
            self.agent.do_work()

    def hear(self, **fields: object) -> None:
        pairs = {int(key[1:]): value for key, value in fields.items()}
        head = [(35, pairs.pop(35, "8")), (34, self.session.numbers.next_in), (49, "BROKER"), (52, "20261121-12:00:00")]
        self.session.received(build("FIX.4.4", [*head, *pairs.items()]))

    def accept(self, child: int = 1) -> None:
        self.hear(t150="0", t39="0", t17=f"n{child}", t11=f"tw-c{child}", t37=f"V{child}", t14=0)

    def fill(self, exec_id: str, qty: int, cum: int) -> None:
        self.hear(t150="F", t39="1", t17=exec_id, t11="tw-c1", t37="V1", t31="10.00", t32=qty, t14=cum)

    def ready(self) -> None:
        """Connected, and nothing open."""
        self.layer.connect()
        self.work()
        if self.session.dialect.asks == "mass":
            asked = field_of("\x01" + self.layer.sent[-1], 584)
            self.hear(t150="I", t39="8", t17="0", t37="NONE", t584=asked, t912="Y")
        assert self.session.ready

    def told(self) -> list[m.VenueReported]:
        return [one for one in map(m.decode, self.raws()) if isinstance(one, m.VenueReported)]

    def kinds(self) -> list[str]:
        return [Kind(one.kind).name for one in self.told()]

    def bodies(self, kind: str) -> list[str]:
        return [body for body in self.layer.sent if body.startswith(f"35={kind}\x01")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_orders_wait_until_the_venue_is_ready_and_go_once(world: World) -> None:
    world.new()
    world.work()
    assert not world.layer.sent
    world.ready()
    world.work()
    assert len(world.bodies("D")) == 1
    world.restart()
    world.layer.connect()
    world.work()
    assert not world.bodies("D")
    assert world.session.orders.open == {1}
    assert world.counters["open"] == 1


def test_no_secret_is_on_the_tape(world: World) -> None:
    world.ready()
    assert not any(b"open sesame" in raw for raw in world.raws())


def test_an_order_too_old_is_refused_a_cancel_never(world: World) -> None:
    world.ready()
    world.new()
    world.work()
    world.accept()
    world.layer.lose()
    world.new(2)
    world.cancel(1)
    world.replace(9_00, 50, 2)
    world.work(6)
    assert world.kinds() == ["accepted", "rejected", "replace_rejected"]
    assert world.told()[1].cause == 4
    world.restart()
    world.layer.connect()
    world.work()
    asked = field_of("\x01" + world.layer.sent[-1], 584)
    world.hear(t150="I", t39="0", t17="0", t11="tw-c1", t37="V1", t38=100, t14=0, t584=asked, t912="Y")
    world.work()
    assert [field_of(body, 41) for body in world.bodies("F")] == ["tw-c1"]
    assert not world.bodies("D")


def test_what_was_received_and_not_told_is_told_at_the_start(world: World) -> None:
    world.ready()
    world.new()
    world.work()
    raw = build("FIX.4.4", [(35, "8"), (34, 3), (150, "0"), (39, "0"), (17, "n"), (11, "tw-c1"), (37, "V1"), (14, 0)])
    world.session.tape.received(3, 4, "8", raw.decode("latin-1"), world.now)
    world.restart()
    assert world.kinds() == ["accepted"]
    world.restart()
    assert world.kinds() == ["accepted"]
    assert world.session.numbers.next_in == 4


def test_a_tape_that_does_not_follow_is_refused(world: World) -> None:
    world.ready()
    world.new()
    world.work()
    raw = build("FIX.4.4", [(35, "8"), (34, 3), (150, "0"), (39, "0"), (17, "n"), (11, "tw-c1"), (37, "V1"), (14, 0)])
    seq = world.session.tape.received(3, 4, "8", raw.decode("latin-1"), world.now)
    child = world.session.orders.children[1]
    world.session.tape.reported([child.told(Kind.executed, last_qty=5)], seq)
    world.close()
    with pytest.raises(VenueError, match="does not follow"):
        world.start()


def test_a_router_tape_that_lost_its_end_is_noticed(world: World, tmp_path: Path) -> None:
    world.ready()
    world.new()
    world.work()
    world.close()
    world.router.close()
    (tmp_path / "router.0").rename(tmp_path / "old")
    world.router = TapeWriter(str(tmp_path / "router.0"), "router.0", durability="memory")
    with pytest.raises(VenueError, match="none of its commands"):
        world.start()


def test_an_unanswered_order_is_asked_for_and_then_the_session_begins_again(world: World) -> None:
    world.ready()
    world.new()
    world.work()
    for asked in range(1, 4):
        world.work(5)
        assert len(world.bodies("H")) == asked
    world.work(5)
    assert "is not answered" in world.layer.reason or not world.session.on
    changed = [one for one in map(m.decode, world.raws()) if isinstance(one, m.VenueChanged)]
    assert changed[-1].state == m.VenueState.down
    assert "tw-c1" in changed[-1].reason


def test_after_the_venues_rollover_both_numbers_begin_at_one(tmp_path: Path) -> None:
    world = World(tmp_path, rollover="22:00")
    world.ready()
    world.layer.lose()
    assert world.session.logging_on(False) == (world.session.numbers.next_in, world.session.numbers.next_out)
    assert world.session.numbers.next_out > 1
    world.work(86_400)
    assert world.session.logging_on(False) == (1, 1)
    world.restart()
    assert (world.session.numbers.next_in, world.session.numbers.next_out) == (1, 1)


def test_a_redefined_market_is_written_as_it_is_now(world: World) -> None:
    world.ready()
    world.write(m.InstrumentDefinition, instrument=7, ticker="ACME", price_exponent=-2, qty_exponent=0, tick_size=5)
    world.write(m.MarketDefinition, instrument=7, venue=VENUE, ticker="ACME", symbol="ACM.N")
    world.write(m.MarketDefinition, instrument=7, venue=VENUE + 1, ticker="ACME", symbol="ELSEWHERE")
    world.new()
    world.work()
    assert "\x0155=ACM.N\x01" in world.bodies("D")[0]
    assert world.session.orders.markets.keys() == {"ACM.N"}


def test_it_keeps_within_the_limit_and_shows_what_waits(tmp_path: Path) -> None:
    world = World(tmp_path, messages=2, interval=1.0, max_waiting=4)
    world.ready()
    for child in range(1, 11):
        world.new(child)
    world.work()
    sent = len(world.bodies("D"))
    assert sent <= 2
    assert world.counters["waiting"] == 4
    assert world.counters["throttled"] > 0
    for _ in range(10):
        world.work(1)
    assert [field_of(body, 11) for body in world.bodies("D")][:4] == ["tw-c1", "tw-c2", "tw-c3", "tw-c4"]
    assert len(world.bodies("D")) + world.kinds().count("rejected") == 10


def test_a_request_that_was_lost_with_the_connection_is_refused(world: World) -> None:
    world.ready()
    world.new()
    world.work()
    world.accept()
    world.cancel()
    world.work()
    world.layer.lose()
    world.layer.connect()
    world.work()
    asked = field_of("\x01" + world.layer.sent[-1], 584)
    world.hear(t150="I", t39="0", t17="0", t11="tw-c1", t37="V1", t38=100, t14=0, t584=asked, t912="Y")
    assert world.kinds() == ["accepted", "cancel_rejected"]
    assert world.session.ready
    world.restart()
    assert world.kinds() == ["accepted", "cancel_rejected"]
    assert not world.session.orders.children[1].requests


def test_binance_amends_in_two_steps_and_is_killed_between_them(tmp_path: Path) -> None:
    world = World(tmp_path, "binance")
    world.ready()
    world.new()
    world.work()
    world.accept()
    world.replace(11_00, 120)
    world.work()
    name = field_of("\x01" + world.bodies("F")[-1], 11)
    world.hear(t150="4", t39="4", t17="x", t11=name, t41="tw-c1", t37="V1", t14=40)
    world.work()
    assert "\x0138=80\x01" in world.bodies("D")[-1]
    world.restart()
    assert world.session.orders.children[1].entering == "tw-r1"
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", "binance")
    other.ready()
    other.new()
    other.work()
    other.accept()
    other.replace(11_00, 120)
    other.work()
    other.hear(t150="4", t39="4", t17="x", t11=name, t41="tw-c1", t37="V1", t14=40)
    other.restart()
    assert other.kinds() == ["accepted", "cancelled"]
    assert not other.session.orders.open


def test_where_nothing_can_be_asked_the_venues_sum_is_believed_after_a_while(tmp_path: Path) -> None:
    world = World(tmp_path, "binance")
    world.ready()
    world.new()
    world.work()
    world.accept()
    world.fill("e2", 10, 50)
    world.work(4)
    assert world.kinds() == ["accepted", "executed"]
    world.work(2)
    assert world.kinds() == ["accepted", "executed", "restated"]
    assert (world.told()[-1].last_qty, world.told()[-1].last_price, world.told()[-1].cum_qty) == (40, 0, 50)
    world.fill("e1", 40, 40)
    assert world.kinds()[3:] == ["restated", "executed"]
    assert world.told()[-1].cum_qty == 50
    world.restart()
    assert world.session.orders.children[1].cum == 50


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_beginning_of_a_tape_can_be_gone_on_from(tmp_path: Path, every: int) -> None:
    """As if the process had been killed after each of its records; by default after each fourth."""
    world = World(tmp_path)
    world.ready()
    world.new()
    world.work()
    world.accept()
    world.replace(11_00, 120)
    world.work()
    world.hear(t150="5", t39="0", t17="r", t11="tw-r1", t41="tw-c1", t37="V1", t38=120, t44="11.00", t14=0)
    world.fill("e1", 40, 40)
    world.cancel(request=2)
    world.work()
    world.hear(t150="4", t39="4", t17="x", t11="tw-r2", t41="tw-r1", t37="V1", t14=40)
    world.layer.lose()
    whole, expected = world.raws(), world.kinds()
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
        told = world.kinds()
        assert told == expected[: len(told)]
        world.restart()
        assert world.kinds() == told
        world.close()
