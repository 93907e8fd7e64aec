"""A FIX venue that misbehaves at random, from a seed: whatever it tells, its truth is that of the tape, and is found.

The venue, its sessions and its clients run without sockets and clock; the engine behind is the real one.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from services.simulator.fix_venue.faults import CHOICES, FAULTS, FaultRequestError
from tapewire.fix.message import Message
from tests.fix_venue_world import Pen, World
from tests.oracle.venue_told import Line, tape_lines

STEPS = 250


class Soak:
    """Two clients who reconnect when they are dropped, and ask for nothing until the end."""

    def __init__(self, folder: Path, dialect: str, seed: int) -> None:
        self.random, self.world = Random(f"fix venue/{seed}"), World(folder, dialect)
        begin = self.world.venue.dialect.rules.begin
        self.pens = [Pen(self.world, "ONE", begin), Pen(self.world, "TWO", begin)]
        self.names: list[list[str]] = [[], []]
        self.struck = 0
        for pen in self.pens:
            pen.logon()

    def step(self) -> None:
        """One thing that a client or the venue does."""
        who = self.random.randrange(2)
        pen, names = self.pens[who], self.names[who]
        if pen.link is None:
            pen.logon()
        kind = self.random.choice(["order"] * 5 + ["cancel"] * 2 + ["amend", "status", "fault", "fault", "time"])
        price, qty = f"{self.random.randint(9990, 10010) / 100:.2f}", self.random.randint(1, 9)
        orig = self.random.choice(names) if names else "nobody"
        if kind == "order":
            names.append(pen.order(self.random.choice([1, 2]), price, qty))
        elif kind == "cancel":
            names.append(pen.cancel(orig))
        elif kind == "amend":
            names.append(pen.amend(orig, qty, price))
        elif kind == "status":
            pen.say("H", (11, orig), (55, "ACME"), (54, 1))
        elif kind == "fault":
            self.fault()
        self.world.run(self.random.choice([5, 5, 20, 300]))
        for one in self.pens:
            one.heard()

    def fault(self) -> None:
        name = self.random.choice(list(FAULTS))
        query: dict[str, object] = {"seconds": 1, "down": 1} if name == "maintenance" else {}
        if name in ("silence", "refuse", "slow"):
            query["seconds"] = 1
        if name in CHOICES:
            query[CHOICES[name][0]] = self.random.choice(CHOICES[name][1])
        if name in ("fill", "late_fill", "correct"):
            query["qty"] = self.random.randint(1, 3)
        try:
            self.world.fault(name, **query)
            self.struck += 1
        except FaultRequestError:
            assert name in ("fill", "bust", "correct"), "the others can always be asked for"

    def settle(self) -> list[list[Message]]:
        """Ends all faults; each client reconnects and asks for all that it was ever sent."""
        self.world.fault("clear")
        self.world.run(6000)
        found = []
        for pen in self.pens:
            pen.heard()
            if pen.link is None:
                pen.logon()
            self.world.run(2000)
            pen.heard()
            messages = pen.ask("2", (7, 1), (16, 0))
            found.append([one for one in messages if one.type == "8"])
        return found

    def never_told(self, resent: list[list[Message]]) -> set[str]:
        """ExecIDs of what happened to clients' orders and is not among what was resent."""
        told = {one[17] for messages in resent for one in messages}
        orders = self.world.venue.orders.orders.values()
        return {report.exec_id for order in orders for report in order.executions} - told


@pytest.mark.parametrize("seed", range(4))
def test_what_is_resent_is_all_that_happened_whatever_went_wrong(tmp_path: Path, seed: int) -> None:
    soak = Soak(tmp_path, "fix44" if seed % 2 else "fix42", seed)
    for _ in range(STEPS):
        soak.step()
    resent = soak.settle()
    venue = soak.world.venue
    assert soak.struck > 20
    assert soak.never_told(resent) == set()
    for number, pen in enumerate(soak.pens, 1):
        mine = [order for order in venue.orders.orders.values() if order.session == number]
        assert len(mine) > 10
        truth = [line for line in tape_lines(soak.world.house.records(), number) if line[1] != "8"]
        for order in mine:
            lines: list[Line] = [line for line in truth if line[0] == str(order.order_id)]
            kept = [(one.exec_type, one.status, str(one.cum), str(one.leaves)) for one in order.executions]
            assert kept == [line[1:5] for line in lines]
            (status,) = pen.ask("H", (11, order.cl_ord_id), (55, "ACME"), (54, 1))
            assert (status[39], status[14], status[151]) == lines[-1][2:5]
    soak.world.close()


def test_a_report_that_nobody_can_ask_for_again_is_found_out(tmp_path: Path) -> None:
    soak = Soak(tmp_path, "fix44", 1)
    name = soak.pens[0].order(1, "99.00", 5)
    soak.world.run()
    order = soak.world.venue.orders.find(1, name)
    assert order is not None
    kept = soak.world.venue.sessions[1].sent
    del kept[max(kept)]
    assert soak.never_told(soak.settle()) == {order.executions[0].exec_id}
    soak.world.close()
