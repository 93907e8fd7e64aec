"""The gateway is killed while clients trade: what they end with is what the tape says, once each."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.tape import GatewayTape
from tapewire import messages as m
from tapewire.fix.auth import front_token
from tapewire.fix.message import fields_of, frame
from tapewire.tape import TapeReader, TapeWriter
from tests.engine_process import PATIENCE_S
from tests.fix.processes import Client, Exchange, order, skip_reason
from tests.fix.scenarios import Wire, filled

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path, gateway="snapshot_every = 500")
    try:
        made.start()
        yield made
    finally:
        made.close()


def positions_on_tape(tape: Path) -> dict[int, int]:
    """By account: what its executions sum up to."""
    found: dict[int, int] = {1: 0, 2: 0}
    for raw in TapeReader(str(tape), limit="written"):
        record = m.decode(raw)
        if isinstance(record, m.OrderExecuted):
            sign = 1 if record.taker_side == m.Side.buy else -1
            found[record.taker_account] += sign * record.qty
            found[record.maker_account] -= sign * record.qty
    return found


def position(client: Client) -> int:
    fills = [message for message in client.messages if message.get(150) == "F"]
    return sum(int(fill[32]) * (1 if fill[54] == "1" else -1) for fill in fills)


def open_names(client: Client, names: list[str]) -> list[str]:
    """Orders that have not ended, as far as the client knows."""
    ended = {message[11] for message in client.messages if message.get(39) in ("2", "4", "8")}
    return [name for name in names if name not in ended]


def check(client: Client, names: list[str]) -> None:
    ids = [message[17] for message in client.messages if message[35] == "8"]
    assert len(ids) == len(set(ids)), "an ExecID came twice"
    taken = [message[11] for message in client.messages if message.get(150) == "0"]
    assert taken == names, "each order is taken once, in the order it was sent"
    cum: dict[str, int] = {}
    for message in client.messages:
        if message.get(150) == "F":
            cum[message[11]] = cum.get(message[11], 0) + int(message[32])
            assert int(message[14]) == cum[message[11]], "a fill is missing or came twice"


def trade(exchange: Exchange, kills: int, seed: int) -> tuple[Client, Client]:
    rng = random.Random(seed)
    alice, bob = exchange.client("ALICE"), exchange.client("BOB")
    alice.wait_for("logon")
    bob.wait_for("logon")
    names: dict[Client, list[str]] = {alice: [], bob: []}
    for round_ in range(kills + 1):
        killed_at = time.monotonic() + rng.uniform(0.05, 0.4)
        while time.monotonic() < killed_at:
            for client, side in ((alice, "1"), (bob, "2")):
                name = f"{round_}-{len(names[client])}"
                names[client].append(name)
                client.send(order(name, side, "100.00", rng.randint(1, 20)))
            time.sleep(rng.choice((0, 0.001, 0.01)))
        if round_ < kills:
            exchange.end_gateway()
            exchange.start_gateway()
            for client in names:
                client.wait_for("logon", round_ + 2)
    # What is left on one side of the book goes with one order of the other client.
    deadline = time.monotonic() + PATIENCE_S
    last = 0.0
    while any(open_names(client, names[client]) for client in names):
        for client in (alice, bob):
            while client.poll():
                pass
        if time.monotonic() - last > 1.0:
            last = time.monotonic()
            for client, side, price in ((alice, "1", "100.00"), (bob, "2", "100.00")):
                name = f"end-{len(names[client])}"
                names[client].append(name)
                client.send(order(name, side, price, 10_000).replace("59=1", "59=3"))
        assert time.monotonic() < deadline, [open_names(client, names[client])[:9] for client in names]
        time.sleep(0.01)
    for client in (alice, bob):
        check(client, names[client])
    assert {1: position(alice), 2: position(bob)} == positions_on_tape(exchange.engine.tape)
    assert position(alice) == -position(bob) != 0
    assert not exchange.says("snapshot_passed_over")
    return alice, bob


def test_a_gateway_that_is_killed_loses_nothing_and_repeats_nothing(exchange: Exchange) -> None:
    trade(exchange, kills=1, seed=4)


def test_records_that_are_made_durable_in_groups_come_as_they_should(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path, durability="disk")
    try:
        exchange.start()
        alice, _ = trade(exchange, kills=1, seed=5)
        for at in range(200):
            alice.send(order(f"g{at}", "1", "10.00", more="453=1|448=DESK|447=D|452=24|"))
        for at in range(200):
            alice.next(t150="0", t11=f"g{at}", t448="DESK")
        # By the kill; what is sent while that is being answered may be asked for once more.
        assert [one[35] for one in alice.admin].count("2") <= 2, "no number was missing but by the kill"
    finally:
        exchange.close()


def test_ten_kills(exchange: Exchange) -> None:
    trade(exchange, kills=10, seed=11)
    assert exchange.says("snapshot_taken"), "the starts have folded from the first record each time"


def test_reports_of_a_gateway_that_was_killed_reach_a_client_that_was_away(exchange: Exchange) -> None:
    alice, bob = exchange.client("ALICE"), exchange.client("BOB")
    alice.wait_for("logon")
    bob.wait_for("logon")
    alice.send(order("a1", "1", "100.00"))
    placed = alice.next(t150="0", t11="a1")
    alice.close()
    for at in range(3):
        bob.send(order(f"b{at}", "2", "100.00", 2, "453=1|448=DESK|447=D|452=24|"))
        bob.next(t150="0")
        bob.next(t150="F", t39="2", t448="DESK")
    exchange.end_gateway()
    exchange.start_gateway()
    back = exchange.client("ALICE")
    while len(fills := [message for message in back.messages if message[150] == "F"]) < 3:
        assert back.poll(PATIENCE_S), "a report is missing"
    told = [(fill[37], fill[11], fill[14], fill[43]) for fill in fills]
    assert told == [(placed[37], "a1", cum, "Y") for cum in ("2", "4", "6")]


def test_what_is_asked_for_from_a_session_message_on_comes_all_the_same(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    try:
        exchange.engine.start()
        tape = exchange.engine.folders.tape("fix.gateway")
        report = frame("FIX.4.4", "35=8\x0134=3\x0149=TAPEWIRE\x0152=20261121-12:00:00.000000\x0156=ALICE\x0111=a\x01")
        with TapeWriter(str(tape), tape.name, durability="memory") as writer:
            own = GatewayTape(writer, time.time_ns)
            own.changed(1, m.FixSessionState.known, 1, 1)
            for seq, kind, raw in ((1, "A", ""), (2, "0", ""), (3, "8", report.decode()), (4, "0", "")):
                own.sent(1, seq, 0, 0, 0, kind, raw)
        exchange.start_gateway()
        wire = Wire(exchange.port)
        token = front_token(exchange.token)
        head = "49=ALICE\x0152=<TIME>\x0156=TAPEWIRE"
        logon = f"8=FIX.4.4\x0135=A\x0134=1\x01{head}\x0195={len(token)}\x0196={token}\x0198=0\x01108=30\x01"
        wire.socket.sendall(filled(logon))
        assert "\x0135=A\x0134=5\x01" in wire.message()
        wire.socket.sendall(filled(f"8=FIX.4.4\x0135=2\x0134=2\x01{head}\x017=2\x0116=0\x01"))
        came = [fields_of(wire.message().encode()).fields for _ in range(3)]
        wire.socket.close()
        assert [(one[35], one[34], one[43], one.get(36)) for one in came] == [
            ("4", "2", "Y", "3"),
            ("8", "3", "Y", None),
            ("4", "4", "Y", "6"),
        ]
        assert came[1][122].startswith("20261121-12:00:00")
    finally:
        exchange.close()
