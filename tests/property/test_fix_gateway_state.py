"""A gateway that goes on from a snapshot stands where one does that folds both tapes from their first records."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.fold import Fold, restore
from services.gateway.snapshot import advance, consumer_of, register
from services.gateway.state import StateError, decode, encode
from tapewire import consumers, snapshots
from tapewire import messages as m
from tapewire.config.gateway import GatewaySession
from tapewire.logs import Logger, configure
from tapewire.tape import TapeReader, TapeWriter
from tests.oracle.naive_market import NaiveMarket

DAY_NS = 86_400 * 10**9
TERMS = tuple(
    GatewaySession(name=name, number=number, comp_id=name.upper(), username=name, kind=kind, accounts=(1, 2))  # type: ignore[arg-type]
    for number, (name, kind) in enumerate(
        (("a", "orders"), ("b", "orders"), ("c", "drop-copy"), ("d", "market-data")), 1
    )
)
State = m.FixSessionState
ASIDE = (m.EpochStarted, m.InputRefused)
NEVER = 10**9


class History:
    """Both tapes of a random day, in the order in which they were written: `own` before the commands they become."""

    def __init__(self, seed: int, steps: int) -> None:
        self._random = random.Random(f"gateway/{seed}")
        self.own: list[bytes] = []
        self.orders: list[bytes] = []
        self.cuts: list[tuple[int, int]] = []
        """Places between two commands: records of each tape up to there."""
        self._next = {one.number: [1, 1] for one in TERMS}
        self._open: list[tuple[int, int]] = []
        self._ts = 20_000 * DAY_NS
        market, ids = NaiveMarket(seed), set[int]()
        for _ in range(steps):
            market.step()
        begun = left_out = 0
        for end in market.ends:
            records = [m.decode(raw) for raw in market.records[begun:end]]
            begun = end
            command = next((one for one in records if not one.cause and m.MessageType.epoch_started != one.TYPE), None)
            # The flow uses an OrderID twice now and then; the engine never does.
            if isinstance(command, m.NewOrder) and any(isinstance(one, m.OrderRejected) for one in records):
                records = [
                    one.replace(order_id=NEVER + one.seq) if getattr(one, "order_id", 0) else one for one in records
                ]
            elif isinstance(command, m.NewOrder):
                if command.order_id in ids:
                    left_out += len(records)
                    continue
                ids.add(command.order_id)
            for _ in range(self._random.choice((0, 0, 1, 3))):
                self._something()
            if command is not None and hasattr(command, "cl_ord_id"):
                self._request(command.cl_ord_id, f"o{command.cl_ord_id}")
            # Reports may be on the gateway's tape before the fold at hand has come to what they report.
            records = [one.replace(seq=one.seq - left_out, cause=max(one.cause - left_out, 0)) for one in records]
            self.orders += [bytes(one) for one in records]
            self.cuts.append((len(self.own), len(self.orders)))
            for one in records:
                if self._random.random() < 0.5:
                    self._sent(self._random.choice((1, 2, 3)), "8", orders_seq=one.seq)

    def _put(self, kind: type[m.Message], **fields: object) -> int:
        self._ts += self._random.choice((0, 1_000, 10**9, DAY_NS // 7))
        self.own.append(bytes(kind(seq=len(self.own) + 1, ts=self._ts, **fields)))
        return len(self.own)

    def _received(self, session: int, kind: str, text: str, cl_ord_id: int = 0) -> int:
        numbers = self._next[session]
        numbers[0] += 1
        more = self._random.choice(("", "453=1\x01448=P\x01447=D\x01452=3\x01", "528=A\x01"))
        head = f"8=FIX.4.4\x0135={kind}\x0134={numbers[0] - 1}\x01369={numbers[1] // 2}\x01"
        raw = f"{head}11={text or 0}\x017=2\x01{more}10=000\x01"
        given = {"msg_seq_num": numbers[0] - 1, "next_in": numbers[0], "cl_ord_id": cl_ord_id, "msg_type": kind}
        return self._put(m.FixReceived, session=session, raw=raw, **given)

    def _request(self, number: int, text: str) -> None:
        session = self._random.choice((1, 2))
        if self._random.random() < 0.8:
            self._received(session, "D", text, number)
        else:
            received = self._received(session, "F", text)
            self._put(m.FixSubmitted, session=session, cl_ord_id=number, received=received)

    def _sent(self, session: int, kind: str, orders_seq: int = 0, answers: int = 0) -> None:
        numbers = self._next[session]
        numbers[1] += 1
        given = {"msg_seq_num": numbers[1] - 1, "msg_type": kind, "orders_seq": orders_seq, "answers": answers}
        self._put(m.FixSent, session=session, raw="8=x", part=self._random.choice((0, 1)), **given)

    def _changed(self, session: int, state: m.FixSessionState) -> None:
        next_in, next_out = self._next[session]
        self._put(m.FixSessionChanged, session=session, state=state, next_in=next_in, next_out=next_out, orders_seq=3)

    def _something(self) -> None:
        session = self._random.choice(TERMS).number
        match self._random.choice(["logon", "admin", "ask", "answer", "sent", "changed", "reset", "stranger"]):
            case "logon":
                self._received(session, "A", "")
            case "admin":
                self._received(session, self._random.choice("0125"), "")
            case "ask":
                self._open.append((session, self._received(session, self._random.choice(("H", "AF", "q")), "s")))
            case "answer" if self._open:
                asked, received = self._open.pop()
                self._sent(asked, "8", answers=received)
            case "sent":
                for _ in range(self._random.choice((1, 200))):
                    self._sent(session, self._random.choice("80j"))
            case "changed":
                state = self._random.choice((State.known, State.logged_on, State.logged_out))
                at = self._next[session]
                self._put(
                    m.FixSessionChanged, session=session, state=state, next_in=at[0], next_out=at[1], orders_seq=3
                )
            case "reset":
                self._next[session] = [1, 1]
                self._changed(session, State.reset)
            case "stranger":
                self._put(m.FixReceived, session=99, msg_seq_num=1, next_in=2, msg_type="D", raw="8=x")
            case _:
                pass


def fresh() -> Fold:
    return Fold(TERMS, 0, 0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 150), cut=st.floats(0, 1), later=st.integers(0, 50))
def test_a_fold_goes_on_from_its_state_as_if_it_never_stopped(seed: int, steps: int, cut: float, later: int) -> None:
    history = History(seed, steps)
    own, at = history.cuts[min(int(cut * len(history.cuts)), len(history.cuts) - 1)]
    own = min(own + later, len(history.own))
    whole, first = fresh(), fresh()
    whole.fold_own(history.own)
    whole.fold_orders(history.orders)
    first.fold_own(history.own[:own])
    first.fold_orders(history.orders[:at])
    kept = first.state()
    second = Fold.restored(kept, TERMS, 0, 0)
    assert second.state() == kept
    assert (second.own.seq, second.at.seq) == (own, m.decode(history.orders[at - 1]).seq if at else 0)
    second.fold_own(history.own[own:])
    second.fold_orders(history.orders[at:])
    assert second.state() == whole.state()
    assert second.sessions.by_number == whole.sessions.by_number
    assert {name: order.order_id for name, order in second.orders.by_text.items()} == {
        name: order.order_id for name, order in whole.orders.by_text.items()
    }
    live = {session: count for session, count in whole.orders.live_by_session.items() if count}
    assert {session: count for session, count in second.orders.live_by_session.items() if count} == live


def write(path: Path, records: list[bytes], last: bytes = b"") -> None:
    with TapeWriter(str(path), path.name, durability="memory", segment_bytes=1 << 16) as writer:
        for raw in records[writer.next_seq - 1 :]:
            writer.append(bytes(m.decode(raw).replace(seq=writer.next_seq)))
            writer.commit()


@pytest.fixture
def log() -> Logger:
    return configure("test")


def tapes(folder: Path, seed: int = 7) -> tuple[Path, Path, History]:
    """Both tapes of a history, by now without a snapshot."""
    history = History(seed, 60)
    # Orders tapes begin with the writer's own record of its epoch.
    own, orders = folder / "fix.gateway", folder / "orders.0"
    write(own, history.own)
    write(orders, history.orders)
    return own, orders, history


def last(tape: Path) -> int:
    with TapeReader(str(tape)) as reader:
        return reader.positions.released_seq


def all_of(tape: Path) -> list[bytes]:
    return list(TapeReader(str(tape), limit="written"))


def test_a_start_goes_on_from_the_newest_snapshot_that_fits(tmp_path: Path, log: Logger) -> None:
    own, orders, _ = tapes(tmp_path)
    register(own, orders)
    assert consumers.positions(own) == {consumer_of(own): 0}
    taken = advance(own, orders, TERMS, 0, 0, log, last(orders))
    found = restore(own, orders, TERMS, 0, 0, log)
    assert (found.own, found.at) == (taken.own, taken.at)
    assert found.state() == taken.state()
    assert restore(own, orders, TERMS, 0, 5, log).own.seq == 0, "of another producer"
    assert restore(own, orders, TERMS, 0, 0, log, not_beyond=3).own.seq == 0
    path = snapshots.folder(own) / f"{taken.own.seq:020d}.snap"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert restore(own, orders, TERMS, 0, 0, log).own.seq == 0, "a damaged one"


def test_a_snapshot_of_records_that_were_lost_is_passed_over(tmp_path: Path, log: Logger) -> None:
    own, orders, _ = tapes(tmp_path)
    advance(own, orders, TERMS, 0, 0, log, last(orders))
    other = tmp_path / "other"
    records = all_of(orders)
    write(other, [*records[:-1], bytes(m.AdvanceClock(up_to=1))])  # the last number again, for another record
    assert restore(own, other, TERMS, 0, 0, log).own.seq == 0
    shorter = tmp_path / "shorter"
    write(shorter, records[:-1])
    assert restore(own, shorter, TERMS, 0, 0, log).own.seq == 0
    cut = tmp_path / "fix.cut"
    write(cut, all_of(own)[:-1])
    snapshots.folder(own).rename(snapshots.folder(cut))
    assert restore(cut, orders, TERMS, 0, 0, log).own.seq == 0


def test_what_a_client_may_still_ask_for_is_kept(tmp_path: Path, log: Logger) -> None:
    own, orders = tmp_path / "fix.gateway", tmp_path / "orders.0"
    write(orders, [bytes(m.AdvanceClock(up_to=1))] * 5)
    sent = [bytes(m.FixSent(session=1, msg_seq_num=number, msg_type="8", raw="8=x")) for number in range(1, 301)]
    write(own, sent)
    register(own, orders)
    advance(own, orders, TERMS, 0, 0, log, last(orders))
    assert (consumers.positions(own), consumers.positions(orders)) == ({consumer_of(own): 0}, {consumer_of(own): 4})
    asked = "8=FIX.4.4\x0135=2\x017=200\x0116=0\x01"
    write(own, [*sent, bytes(m.FixReceived(session=1, msg_seq_num=1, next_in=2, msg_type="2", raw=asked))])
    advance(own, orders, TERMS, 0, 0, log, last(orders))
    (held,) = consumers.positions(own).values()
    assert 200 - 64 <= held < 200


def test_a_session_that_comes_back_into_the_configuration_goes_on(log: Logger) -> None:
    history = History(3, 40)
    fold = fresh()
    fold.fold_own(history.own)
    fold.fold_orders(history.orders)
    without = Fold.restored(fold.state(), TERMS[1:], 0, 0)
    assert set(without.sessions.by_number) == {2, 3, 4}
    back = Fold.restored(without.state(), TERMS, 0, 0)
    assert back.sessions.by_number == fold.sessions.by_number
    without.fold_own([bytes(m.FixReceived(seq=9_999, session=1, msg_type="0", raw="8=x", next_in=9))])
    with pytest.raises(StateError, match=r"sessions \[1\] were left out"):
        Fold.restored(without.state(), TERMS, 0, 0)


@pytest.mark.parametrize("raw", [b"", b"TWGATE00" + bytes(100), b"TWGATE01" + bytes(100)])
def test_what_is_no_state_is_refused(raw: bytes) -> None:
    fold = fresh()
    with pytest.raises(StateError):
        decode(raw, fold.sessions, fold.orders)
    assert encode(fold.sessions, fold.orders, b"", fold.own, fold.at)[:8] == b"TWGATE01"
