"""Our own gateway is a broker like any other: orders of a session that is killed again and again add up to its tape."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.fix.auth import hash_password
from tapewire.tape import TapeReader
from tests.engine_process import PATIENCE_S, ROOT
from tests.fix.processes import Exchange, order, skip_reason
from tests.fix.venue_process import Desk, adds_up
from tools.services.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
BUY, SELL = m.Side.buy, m.Side.sell
SESSIONS = """port = {port}
[[gateway.sessions]]
name = "router"
number = 1
comp_id = "ROUTER"
username = "router"
auth = "password"
password_hash = "{password}"
accounts = [1]
[[gateway.sessions]]
name = "bob"
number = 2
comp_id = "BOB"
username = "bob"
auth = "ed25519"
public_key = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
accounts = [2]
"""


class House:
    """Engine, gateway, front."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        sessions = SESSIONS.format(port=self.port, password=hash_password("open sesame"))
        self.exchange = Exchange(folder, sessions=sessions)
        self.exchange.start()
        with (folder / "front.log").open("ab") as log:
            command = [sys.executable, "-m", "services.gateway.front", "--config", str(self.exchange.engine.config)]
            self.front = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def executed(self) -> dict[str, int]:
        """Quantity by the ClOrdID under which an order was entered, from the engine's tape."""
        entered: dict[int, str] = {}  # by seq of the command
        names: dict[int, str] = {}
        found: dict[str, int] = {}
        for raw in TapeReader(str(self.exchange.engine.tape), limit="written"):
            record = m.decode(raw)
            if isinstance(record, m.NewOrder):
                entered[record.seq] = record.client_text
            elif isinstance(record, m.OrderAccepted):
                names[record.order_id] = entered[record.cause]
            elif isinstance(record, m.OrderExecuted):
                for number in (record.maker_order_id, record.taker_order_id):
                    found[names[number]] = found.get(names[number], 0) + record.qty
        return found

    def close(self) -> None:
        self.front.kill()
        self.front.wait()
        self.exchange.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "house").mkdir()
    made = House(tmp_path / "house")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def desk(tmp_path: Path, house: House) -> Iterator[Desk]:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    keys = 'tls = false\ncomp_id = "ROUTER"\ntarget_comp_id = "TAPEWIRE"\nusername = "router"\nmax_wait = 30.0\n'
    made = Desk(tmp_path / "desk", f'{keys}secret_file = "{secret}"')
    made.start(house.port)
    try:
        made.wait_ready()
        yield made
    finally:
        made.close()


def test_killed_at_random_moments_it_ends_with_what_the_engine_has(house: House, desk: Desk) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    bob = house.exchange.client("BOB")
    bob.wait_for("logon")
    children: list[int] = []
    for turn in range(6):
        for _ in range(8):
            children.append(desk.new(BUY, rng.randrange(1, 20), rng.randrange(90_00, 100_00)))
            if rng.random() < 0.3:
                desk.cancel(rng.choice(children))
            if rng.random() < 0.3:
                desk.replace(rng.choice(children), rng.randrange(90_00, 100_00), rng.randrange(10, 30))
            bob.send(order(f"b{turn}.{len(children)}", "2", "90.00", rng.randrange(1, 15)).replace("59=1", "59=3"))
            time.sleep(rng.random() * 0.02)
        time.sleep(rng.random() * 0.3)
        desk.end()
        bob.send(order(f"c{turn}", "2", "90.00", rng.randrange(1, 15)).replace("59=1", "59=3"))
        desk.start(house.port)
    desk.wait_ready()

    def settled() -> bool:
        open_ = {one.child_id: one.live for one in desk.reports() if one.child_id}
        mine = {child: qty for child, qty in adds_up(desk.reports()).items() if qty}
        true = {int(n.split("-c")[1]): qty for n, qty in house.executed().items() if n.startswith("tw-c")}
        return set(open_) == set(children) and mine == true

    desk.until(settled, f"seed {seed}")
    names = [raw.split("\x0111=")[1].split("\x01")[0] for kind in "DFG" for raw in desk.sent(kind)]
    assert len(names) == len(set(names))  # nothing went twice


def test_a_gateway_that_is_killed_is_found_again(house: House, desk: Desk) -> None:
    child = desk.new(BUY, 10, 95_00)
    desk.wait_for(child, "accepted")
    house.exchange.end_gateway()
    desk.until(lambda: desk.states()[-1] == "down")
    waiting = desk.new(BUY, 5, 95_00)
    desk.cancel(child)
    house.exchange.start_gateway()
    desk.wait_ready(2)
    desk.wait_for(child, "cancelled")
    desk.wait_for(waiting, "accepted")
    assert desk.process is not None
    desk.process.terminate()
    assert desk.process.wait(PATIENCE_S) == 0
    assert desk.states()[-1] == "down"


def test_an_order_that_waited_too_long_is_not_sent(house: House, desk: Desk) -> None:
    desk.end()
    desk.settings = desk.settings.replace("max_wait = 30.0", "max_wait = 0.2")
    house.exchange.end_gateway()
    child = desk.new(BUY, 10, 95_00)
    desk.start(house.port)
    desk.wait_for(child, "rejected")
    (told,) = desk.reports(child)
    assert "no session" in told.reason
    assert told.cause > 0
    house.exchange.start_gateway()
    desk.wait_ready(2)
    assert not desk.sent("D")
