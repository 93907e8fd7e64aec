"""A real engine, killed with SIGKILL again and again under the load of a real client: what it acknowledged stays so."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.engine import Audit
from services.engine.operator import Operator
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.tape import TapeReader
from tests.engine_process import PATIENCE_S, EngineProcess, order

KILLS = 15
LEAST = 150  # commands between two kills: recovery is to begin from snapshots, on a machine that is busy as well
ANSWERS = (m.OrderAccepted, m.OrderRejected, m.OrderReplaced, m.OrderCancelled, m.CancelRejected, m.CommandCompleted)
COMMANDS = (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel)
S = m.InstrumentStatus


class Load:
    """A client that trades with itself, and keeps everything it was told."""

    def __init__(self, client: OrderClient, tape: Path, seed: int) -> None:
        self.client, self.pick = client, random.Random(seed)
        self.released = TapeReader(tape, 1, "released")
        self.sent: list[int] = []
        self.answered: Counter[int] = Counter()
        self.acknowledged: dict[int, bytes] = {}
        self.live: list[tuple[int, int]] = []

    def step(self) -> None:
        try:
            for _ in range(self.pick.randint(1, 40)):
                self.sent.append(self.command())
        except RingFull:
            time.sleep(0.002)
        self.listen()

    def command(self) -> int:
        pick, account = self.pick, self.pick.choice((1, 2))
        chance = pick.random()
        if self.live and chance < 0.2:
            return self.client.cancel(*pick.choice(self.live))
        if self.live and chance < 0.35:
            return self.client.replace(*pick.choice(self.live), pick.randint(90, 110), pick.randint(1, 9))
        if chance > 0.99:
            return self.client.mass_cancel(account)
        side, price, qty = pick.choice((m.Side.buy, m.Side.sell)), pick.randint(95, 105), pick.randint(0, 9)
        common: dict[str, Any] = {"instrument": 1, "side": side, "qty": qty, "account": account}
        if chance > 0.9:
            return self.client.new_order(**common, ord_type=m.OrdType.stop, stop_px=price)
        if chance > 0.8:
            soon = time.time_ns() + pick.randint(1, 300) * 1_000_000
            return self.client.new_order(**common, price=price, time_in_force=m.TimeInForce.gtd, expire_time=soon)
        return order(self.client, side, price, qty, account)

    def listen(self) -> None:
        for event in self.client.poll(10_000):
            # A remainder that the venue cancelled names no command.
            one_of_many = isinstance(event, m.OrderCancelled) and event.reason == m.CancelReason.mass_cancel
            if isinstance(event, ANSWERS) and event.cl_ord_id and not one_of_many:
                self.answered[event.cl_ord_id] += 1
            if isinstance(event, m.OrderAccepted):
                self.live = [*self.live[-50:], (event.order_id, event.account)]
        while batch := self.released.poll(10_000):
            self.acknowledged.update((m.decode(raw).seq, raw) for raw in batch)

    def until_answered(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.answered) < len(self.sent):
            assert time.monotonic() < deadline, f"{len(self.answered)} of {len(self.sent)} are answered"
            self.client.wait(0.05)
            self.listen()


@pytest.mark.parametrize("seed", [7])
def test_killed_under_load_it_answers_every_command_once_and_never_otherwise(tmp_path: Path, seed: int) -> None:
    process, pick = EngineProcess(tmp_path, engine="snapshot_every = 2000\nmax_batch = 64"), random.Random(seed)
    try:
        process.start()
        load = Load(process.client(), process.tape, seed)
        for _ in range(KILLS):
            until, least = time.monotonic() + pick.uniform(0.02, 0.2), len(load.sent) + LEAST
            latest = until + PATIENCE_S
            while time.monotonic() < until or len(load.sent) < least:
                assert time.monotonic() < latest, process.log.read_text()
                load.step()
            process.kill()
            load.step()  # nobody listens
            recovered = process.start()
            with Operator(process.folders.data) as operator:
                operator.set_status(1, pick.choice((S.trading, S.trading, S.halt_auction, S.halted)))
            audit = Audit(process.tape)
            audit.run(int(recovered["next_seq"]) - 1)
            assert audit.digest() == recovered["digest"]
        with Operator(process.folders.data) as operator:
            operator.set_status(1, S.trading)
        load.until_answered()
        load.client.close()
        assert process.end() == 0, process.log.read_text()
    finally:
        process.close()
    assert load.answered == Counter(load.sent)
    records = list(TapeReader(process.tape, 1, "written"))
    assert len(load.acknowledged) > KILLS * 50
    assert {seq: records[seq - 1] for seq in load.acknowledged} == load.acknowledged
    taken = [r.cl_ord_id for r in map(m.decode, records) if isinstance(r, COMMANDS)]
    assert taken == load.sent
    seen = {type(m.decode(raw)) for raw in records}
    assert {m.OrderExecuted, m.OrderTriggered, m.AdvanceClock, m.InstrumentStatusChanged} <= seen
    report = verify_tape(process.tape)
    assert (report.ok, report.problems, report.redecided) == (True, [], 0)
    # The test itself is tested: every kill was one, and recovery began from snapshots, too.
    found = process.lines("recovered")
    assert sum(line["epoch"] for line in found) == sum(range(1, KILLS + 2))
    assert sum(line["snapshot"] > 0 for line in found) > 0
