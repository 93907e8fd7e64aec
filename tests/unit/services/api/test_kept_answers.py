"""What became of requests: a start from a snapshot knows what a fold of both tapes from their first records knows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api import recovery
from services.api.__main__ import recall
from services.api.answers import Remembered
from services.api.hub.frames import Requests
from services.api.hub.recalling import Recalling
from services.api.kept_answers import KeptAnswers
from services.api.recovery import Recovery
from tapewire import consumers, logs, snapshots
from tapewire import messages as m
from tapewire.config import load
from tapewire.tape import TapeWriter, cut
from tests.tapes import in_memory_folder

LOG = logs.get("api")
TRADER, OPERATOR = 3, 4
SOURCES = [TRADER, OPERATOR]
MOST = 40


class World:
    """An API's requests and what the engine made of them: records of both tapes, in the order they were written."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.own_path, self.orders_path = folder / "api.0", folder / "orders.0"
        self.pick = random.Random(seed)
        self.own = TapeWriter(str(self.own_path), "api.0", 1 << 20, durability="memory")
        self.orders = TapeWriter(str(self.orders_path), "orders.0", 1 << 20, "disk")
        self.number = 1_000
        self.live: list[int] = []

    def close(self) -> None:
        for one in (self.own, self.orders):
            one.commit()
            one.close()

    def put(self, message: m.Message, **head: int) -> int:
        seq = self.orders.next_seq
        self.orders.append(bytes(message.replace(seq=seq, ts=seq, **head)))
        return seq

    def step(self) -> None:
        """A request and its command, or somebody else's, with the events; some are refused, some never come to it."""
        pick = self.pick
        ours = pick.random() < 0.7
        self.number += pick.randint(1, 9)
        key, account, text = pick.randint(1, 3), pick.randint(1, 2), f"o{pick.randint(1, 60)}"
        if ours:
            received = m.ApiReceived(seq=self.own.next_seq, ts=self.number, cl_ord_id=self.number, key=key, nonce=text)
            self.own.append(bytes(received))
            self.own.commit()
            if pick.random() < 0.1:
                return  # about a parent order
        head = {"ts_event": self.number if ours else 0, "source": TRADER if ours else 1}
        match pick.choice(("new", "new", "cancel", "replace", "mass")):
            case "new":
                fields = {"ord_type": m.OrdType.limit, "price": pick.randint(1, 9), "qty": 5, "order_id": self.number}
                seq = self.put(m.NewOrder(account=account, client_text=text, session=key, **fields), **head)
                if pick.random() < 0.2:
                    self.put(m.OrderRejected(cause=seq, account=account, reason=m.RejectReason.max_notional, value=3))
                else:
                    self.live.append(self.number)
                    self.put(m.OrderAccepted(cause=seq, account=account, order_id=self.number))
                    for _ in range(pick.randint(0, 2)):
                        self.put(m.OrderExecuted(cause=seq, maker_order_id=1, taker_order_id=self.number))
            case "cancel":
                order_id = pick.choice(self.live or [7])
                seq = self.put(m.CancelOrder(account=account, client_text=text, order_id=order_id), **head)
                events = (m.OrderCancelled(order_id=order_id), m.CancelRejected(order_id=order_id))
                self.put(pick.choice(events).replace(cause=seq))
            case "replace":
                order_id = pick.choice(self.live or [7])
                seq = self.put(m.ReplaceOrder(account=account, client_text=text, order_id=order_id, qty=3), **head)
                self.put(m.OrderReplaced(order_id=order_id, cause=seq))
            case _:
                seq = self.put(m.MassCancel(account=account, client_text=text), **head)
                self.put(m.OrderCancelled(order_id=5, cause=seq))
                self.put(m.CommandCompleted(cause=seq, count=1, command=m.MassCancel.TYPE))
        if pick.random() < 0.1:
            self.put(m.BustTrade(match_id=3))
        self.orders.commit()

    def requests(self, every: int) -> Requests:
        return Requests(str(self.own_path), SOURCES, every, MOST, 1 << 60, 0)

    def known(self, kept: bool = True) -> Recovery:
        """What a start knows, from a snapshot or from the first records on."""
        made = Recovery(Remembered(MOST), SOURCES)
        how = KeptAnswers if kept else _Without
        recall(made, how(self.own_path, self.orders_path, LOG), 0, self.orders.next_seq - 1, LOG)
        return made


class _Without(KeptAnswers):
    """Finds no snapshot."""

    def restore(self, *_: object) -> bool:
        return False


def seqs(world: World) -> list[int]:
    return sorted(snapshots.seq_of(path) for path in snapshots.folder(world.own_path).glob("*.snap"))


@given(st.integers(0, 1 << 32), st.integers(100, 300), st.integers(10, 60))
@settings(max_examples=15, deadline=None)
def test_a_start_from_a_snapshot_knows_what_one_from_the_first_records_knows(seed: int, steps: int, every: int) -> None:
    with in_memory_folder() as folder:
        world = World(folder, seed)
        recalling = Recalling(world.orders_path, world.requests(every), LOG)
        for number in range(steps):
            world.step()
            if number % 17 == 0:
                recalling.keep_up()
            if number % 71 == 0:
                # The process that takes them is killed, and another one goes on.
                recalling.close()
                recalling = Recalling(world.orders_path, world.requests(every), LOG)
        recalling.keep_up()
        recalling.close()
        assert 0 < len(seqs(world)) <= snapshots.KEEP
        one, other = world.known(), world.known(kept=False)
        assert one.kept() == other.kept()
        assert len(one.remembered) > MOST // 2
        # What they make of what comes is the same, too.
        assert one._answers._current is other._answers._current is None
        world.close()


def test_one_command_at_a_time_or_all_at_once_snapshots_are_taken(tmp_path: Path) -> None:
    world = World(tmp_path, 5)
    slow = Recalling(world.orders_path, world.requests(10), LOG)
    for _ in range(60):
        world.step()
        slow.keep_up()
    slow.keep_up()
    slow.close()
    taken = seqs(world)
    assert taken[-1] >= world.own.next_seq - 30
    for path in snapshots.folder(world.own_path).iterdir():
        path.unlink()
    at_once = Recalling(world.orders_path, world.requests(10), LOG)
    at_once.keep_up()
    at_once.close()
    assert len(seqs(world)) == 1
    world.close()


def test_retention_leaves_what_a_start_reads_and_no_more(tmp_path: Path) -> None:
    world = World(tmp_path, 1)
    recalling = Recalling(world.orders_path, world.requests(50), LOG)
    for _ in range(400):
        world.step()
        recalling.keep_up()
    oldest = seqs(world)[0]
    assert consumers.positions(world.own_path) == {"api.0.restart": oldest}
    held = consumers.positions(world.orders_path)["api.0.restart"]
    assert 0 < held < world.orders.next_seq - 100
    assert not consumers.reads("api.0.restart")
    recalling.close()
    world.close()


@pytest.mark.parametrize("harm", ["torn", "version", "sources", "other record"])
def test_one_that_does_not_hold_is_passed_over_for_an_older_one(tmp_path: Path, harm: str) -> None:
    world = World(tmp_path, 2)
    recalling = Recalling(world.orders_path, world.requests(50), LOG)
    for _ in range(300):
        world.step()
        recalling.keep_up()
    recalling.close()
    newest = snapshots.folder(world.own_path) / f"{seqs(world)[-1]:020d}.snap"
    state = snapshots.load(newest).state
    if harm == "torn":
        newest.write_bytes(newest.read_bytes()[:-1])
    else:
        at = {"version": 73, "sources": 75, "other record": 20}[harm]
        state = state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :]
        snapshots.save(world.own_path, snapshots.Snapshot(seqs(world)[-1], state))
    with structlog.testing.capture_logs() as said:
        made = Recovery(Remembered(MOST), SOURCES)
        recall(made, KeptAnswers(world.own_path, world.orders_path, LOG), 0, world.orders.next_seq - 1, LOG)
    assert said[0]["event"] == "snapshot_passed_over"
    assert 0 < said[1]["snapshot"] < world.orders.next_seq
    assert made.kept() == world.known(kept=False).kept()
    world.close()


def test_what_was_kept_of_records_that_a_tape_lost_is_not_used(tmp_path: Path) -> None:
    world = World(tmp_path, 3)
    recalling = Recalling(world.orders_path, world.requests(50), LOG)
    for _ in range(200):
        world.step()
        recalling.keep_up()
    recalling.close()
    world.close()
    before = seqs(world)
    last = world.orders.next_seq - 1
    cut(world.orders_path, last // 2, tmp_path / "backup")
    world.orders = TapeWriter(str(world.orders_path), "orders.0", 1 << 20, "disk")
    while world.orders.next_seq <= last:
        world.put(m.AdvanceClock())
    world.orders.commit()
    world.own = recovery.open_tape(world.own_path, 1 << 20)
    assert seqs(world) == before
    assert world.known().kept() == world.known(kept=False).kept()
    world.close()


def test_a_setting_says_how_often() -> None:
    assert load(None, {"TAPEWIRE_API__SNAPSHOT_EVERY": "5000"}).api.snapshot_every == 5000
