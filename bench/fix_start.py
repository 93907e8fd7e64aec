"""How long a FIX gateway takes to know where it stands: from the first records of both tapes, and from a snapshot.

Both tapes are those of a day of orders of one session, each accepted and cancelled, with both reports sent. CPU seconds
of this process: the fold, without the start of the interpreter and of the session layer (about a second).
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.harness import Row
from bench.probes import Probes
from services.gateway.fold import BATCH, Fold, restore
from services.gateway.snapshot import advance
from tapewire import messages as m
from tapewire import snapshots
from tapewire.config import GatewaySession
from tapewire.fix.message import frame
from tapewire.logs import configure
from tapewire.tape import TapeReader, TapeWriter

ORDERS = 1_000_000
SOURCE = 3
TERMS = (GatewaySession(name="acme", number=1, comp_id="ACME", username="acme", accounts=(7,)),)
REPORT = "35=8\x0134={}\x0149=TAPEWIRE\x0152=20261121-12:00:00.000000\x0156=ACME\x01" + "37=0-1\x0111=o1\x01" * 12


def run(probes: Probes) -> Iterable[Row]:
    gc.disable()  # as the gateway does meanwhile
    try:
        yield from _measured(probes, probes.scale(ORDERS))
    finally:
        gc.enable()


def _measured(probes: Probes, count: int) -> Iterable[Row]:
    log = configure("bench")
    with tempfile.TemporaryDirectory(dir=probes.folder) as name:
        own, orders = Path(name) / "fix.bench", Path(name) / "orders.0"
        last = _write(own, orders, count)
        whole, from_first = _timed(lambda: _fold(Fold(TERMS, 0, SOURCE), own, orders, last))
        fold, taking = _timed(lambda: advance(own, orders, TERMS, 0, SOURCE, log, last))
        again, from_snapshot = _timed(lambda: _fold(restore(own, orders, TERMS, 0, SOURCE, log), own, orders, last))
        assert again.state() == fold.state()
        assert len(again.orders.done) == len(whole.orders.done)
        size = next(snapshots.folder(own).glob("*.snap")).stat().st_size
    for metric, value, unit in (
        ("from the first records", from_first, "s"),
        ("from a snapshot at the end", from_snapshot, "s"),
        ("the snapshot, taken beside the gateway: from the first records", taking, "s"),
        ("its size", size / 1e6, "MB"),
    ):
        yield Row(id="start", metric=f"start after {count:,} orders: {metric}", value=value, unit=unit, n=1)


def _timed(work: Callable[[], Fold]) -> tuple[Fold, float]:
    """What it gives, and the CPU seconds it took."""
    started = os.times()
    done = work()
    now = os.times()
    return done, now.user + now.system - started.user - started.system


def _fold(fold: Fold, own: Path, orders: Path, last: int) -> Fold:
    with TapeReader(str(own), fold.own.seq + 1, limit="written") as reader:
        while raws := reader.poll(BATCH):
            fold.fold_own(raws)
    with TapeReader(str(orders), fold.at.seq + 1) as reader:
        while fold.orders.seq < last and (raws := reader.poll(BATCH)):
            for raw in raws:
                fold.orders.fold(m.decode(raw))
            fold.orders.answered.clear()
    return fold


def _write(own_path: Path, orders_path: Path, count: int) -> int:
    """Both tapes; returns the last record of the orders tape."""
    now = time.time_ns()
    with (
        TapeWriter(str(own_path), own_path.name, durability="memory") as own,
        TapeWriter(str(orders_path), orders_path.name, durability="memory") as orders,
    ):
        definition = m.InstrumentDefinition(
            seq=1, instrument=1, ticker="ACME", tick_size=1, lot_size=1, price_exponent=-2
        )
        orders.append(bytes(definition))
        orders.append(bytes(m.CommandCompleted(seq=2, cause=1)))
        for number in range(1, count + 1):
            raw = frame(
                "FIX.4.4",
                f"35=D\x0134={number}\x0149=ACME\x0152=20261121-12:00:00\x0156=TAPEWIRE\x0111=o{number}\x0155=ACME\x0154=1\x01",
            )
            numbers = {"session": 1, "msg_seq_num": number, "next_in": number + 1, "cl_ord_id": number}
            own.append(bytes(m.FixReceived(seq=own.next_seq, ts=now, msg_type="D", raw=raw.decode(), **numbers)))
            seq = orders.next_seq
            given = {"instrument": 1, "order_id": number, "account": 7, "cl_ord_id": number, "price": 1000, "qty": 10}
            text = f"o{number}"
            orders.append(bytes(m.NewOrder(seq=seq, source=SOURCE, session=1, client_text=text, **given)))
            orders.append(bytes(m.OrderAccepted(seq=seq + 1, cause=seq, **given)))
            cancelled = {"instrument": 1, "order_id": number, "account": 7, "cancelled_qty": 10}
            orders.append(bytes(m.OrderCancelled(seq=seq + 2, cause=seq, **cancelled)))
            for part in (1, 2):
                at = 2 * number - 2 + part
                report = frame("FIX.4.4", REPORT.format(at)).decode()
                sent = m.FixSent(
                    seq=own.next_seq, ts=now, session=1, msg_seq_num=at, msg_type="8", orders_seq=seq + part, raw=report
                )
                own.append(bytes(sent))
            if number % 1000 == 0:
                own.commit()
                orders.commit()
        own.commit()
        orders.commit()
        return orders.next_seq - 1
