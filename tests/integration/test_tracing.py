"""One order, one trace: a FIX client's order through gateway, engine and monitor, to a collector over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner

from tapewire import config
from tapewire import messages as m
from tapewire.cli import cli
from tapewire.client import OrderClient
from tapewire.nats_server import NatsServer
from tapewire.trace_context import TraceContext
from tapewire.traces import ids
from tests.engine_process import PATIENCE_S, ROOT, EngineProcess
from tests.exported_traces import compare
from tests.fix.processes import skip_reason
from tests.fix.stack import Stack
from tests.otlp_receiver import Got, OtlpReceiver

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Running(Protocol):
    """What a monitor can stand beside."""

    folder: Path
    engine: EngineProcess


@contextmanager
def monitor(stack: Running, url: str, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m services.monitor` beside the stack; ended in order."""
    given = {
        f"TAPEWIRE_MONITOR__{name.upper()}": str(value)
        for name, value in {"otlp_url": url, "metrics_port": 0, **settings}.items()
    }
    log = stack.folder / "monitor.log"
    with log.open("ab") as file:
        command = [sys.executable, "-m", "services.monitor", "--config", str(stack.engine.config)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=file, env={**os.environ, **given})
    try:
        yield process
        assert process.poll() in (None, -signal.SIGKILL), log.read_text()
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def journal(stack: Stack, nats: str) -> Iterator[None]:
    """`python -m services.journal` beside the stack."""
    command = [sys.executable, "-m", "services.journal", "--config", str(stack.engine.config)]
    with (stack.folder / "journal.log").open("ab") as file:
        process = subprocess.Popen(command, cwd=ROOT, stderr=file, env={**os.environ, "TAPEWIRE_NATS__URL": nats})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while '"publishing"' not in (stack.folder / "journal.log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path) as made:
        yield made


def order(name: str, side: int, price: str, qty: int, trace: str = "") -> list[tuple[int, object]]:
    fields = [(11, name), (55, "BTCUSDT"), (54, side), (60, "20261121-12:00:00.000"), (38, qty), (40, 2), (44, price)]
    return [*fields, (8041, trace)] if trace else fields


def by_name(spans: list[Got], trace: str) -> dict[str, Got]:
    return {span.name: span for span in spans if span.trace_id == trace}


def test_an_order_with_a_context_is_one_trace_from_the_socket_to_the_answer(stack: Stack) -> None:
    with OtlpReceiver() as collector, monitor(stack, collector.url, sample=0, rejected="false"):
        maker, taker = stack.client("OTHER-44"), stack.client("ORDERS-44")
        other = TRACE.replace("4bf9", "4bfa")
        maker.send("D", order("m1", 2, "100.00", 5, f"00-{other}-{SPAN}-01"))
        maker.expect("8", where=[(150, "0")])
        taker.send("D", order("t1", 1, "100.00", 3, f"00-{TRACE}-{SPAN}-01"))
        assert taker.expect("8", where=[(150, "0")])[8041] == f"00-{TRACE}-{SPAN}-01"
        taker.send("D", order("t2", 1, "90.00", 3, f"00-{'c' * 32}-{SPAN}-00"))
        taker.expect("8", where=[(150, "0"), (11, "t2")])
        taker.send("F", [(11, "t3"), (41, "t2"), (55, "BTCUSDT"), (54, 1), (60, "20261121-12:00:00.000"),
                         (8041, f"00-{'d' * 32}-{SPAN}-01")])  # fmt: skip
        taker.expect("8", where=[(150, "4")])
        spans = collector.wait(
            lambda all: (
                len(by_name(all, TRACE)) == 4
                and {"order", "fill"} <= set(by_name(all, other))
                and "cancel" in by_name(all, "d" * 32)
            )
        )
        doors = compare(config.load(stack.engine.config))
    assert doors == {"fix carried": 4}
    found = by_name(spans, TRACE)
    root = found["order"]
    assert (root.parent_id, root.service, root.kind, root.error) == (SPAN, "tapewire gateway", 2, "")
    assert {name: span.service for name, span in found.items()} == {
        "order": "tapewire gateway",
        "ring": "tapewire engine",
        "risk, sequence, match": "tapewire engine",
        "ack": "tapewire gateway",
    }
    for name, span in found.items():
        assert root.start <= span.start <= span.end <= root.end, name
        assert name == "order" or span.parent_id == root.span_id
    assert found["ring"].end == found["risk, sequence, match"].start
    assert found["ack"].end == root.end
    at = {key.removeprefix("tapewire."): value for key, value in root.attributes.items()}
    assert (at["cl_ord_id"], at["account"], at["ticker"], at["side"]) == ("t1", 1, "BTCUSDT", "buy")
    assert (at["price"], at["qty"], at["door"], at["operation"], at["answer"]) == ("100.00", "3.000", "fix", "D", "8")
    assert at["order_id"] > 0
    assert [event[0] for event in root.events] == ["order_accepted", "fill", "released"]
    resting = by_name(spans, other)
    assert root.links == [(other, resting["order"].span_id, {"tapewire.relation": "maker"})]
    fill = resting["fill"]
    assert fill.parent_id == resting["order"].span_id
    assert fill.links == [(TRACE, root.span_id, {"tapewire.relation": "taker"})]
    assert fill.attributes["tapewire.leaves_qty"] == "2.000"
    assert not by_name(spans, "c" * 32), "its client had decided that it is not traced"
    assert by_name(spans, "d" * 32)["cancel"].links[0][:2] == ("c" * 32, ids_of(stack, "c" * 32))


def test_with_a_disk_and_a_publisher_every_stage_is_there_and_the_tapes_alone_show_the_same(
    tmp_path: Path, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPEWIRE_ENGINE__DURABILITY", "disk")
    with (
        Stack(tmp_path) as stack,
        OtlpReceiver() as collector,
        journal(stack, nats_server.url),
        monitor(stack, collector.url, sample=1),
    ):
        client = stack.client("ORDERS-44")
        client.send("D", order("t1", 1, "100.00", 3))
        client.expect("8", where=[(150, "0")])
        stages = ["order", "ring", "risk, sequence, match", "durable", "publish", "ack"]
        spans = collector.wait(lambda all: len(all) >= len(stages))
        shown = CliRunner().invoke(cli, ["trace", "t1", "--config", str(stack.engine.config), "--json"])
        drawn = CliRunner().invoke(cli, ["trace", spans[0].trace_id, "--config", str(stack.engine.config)])
    found = by_name(spans, spans[0].trace_id)
    assert sorted(found) == sorted(stages)
    for before, after in pairwise(["ring", "risk, sequence, match", "durable"]):
        assert found[before].end == found[after].start
    assert found["durable"].end <= found["publish"].start
    assert found["publish"].service == "tapewire journal"
    assert [event[0] for event in found["durable"].events] == ["written"]
    assert shown.exit_code == 0, shown.output
    assert {(one["name"], one["start"], one["end"], one["span_id"]) for one in json.loads(shown.output)} == {
        (span.name, span.start, span.end, span.span_id) for span in spans
    }
    assert drawn.exit_code == 0, drawn.output
    lines = drawn.output.splitlines()
    assert lines[0] == f"trace {spans[0].trace_id}"
    assert [name for name in stages if any(f"{name} " in line and "█" in line for line in lines)] == stages


def ids_of(stack: Stack, trace: str) -> str:
    """The root span of the order with this trace, as it follows from where it stands on the tape."""
    from tapewire.tape import TapeReader

    orders = [m.decode(raw) for raw in TapeReader(stack.engine.tape)]
    seq = next(one.seq for one in orders if isinstance(one, m.NewOrder) and one.client_text == "t2")
    return f"{ids.span_id(int(trace, 16), 'order', seq):016x}"


def test_refused_orders_are_always_kept_with_the_numbers_compared(stack: Stack) -> None:
    with OtlpReceiver() as collector, monitor(stack, collector.url, sample=0):
        client = stack.client("ORDERS-44")
        client.send("D", order("a", 1, "100.00", 1))
        client.expect("8", where=[(150, "0")])
        client.send("D", order("b", 1, "1000.00", 1))
        client.expect("8", where=[(150, "8")])
        client.send("D", order("a", 1, "100.00", 1))
        client.expect("8", where=[(150, "8")])
        spans = collector.wait(lambda all: {"order", "refused at the edge"} <= {span.name for span in all})
    roots = {span.name: span for span in spans if not span.parent_id}
    assert set(roots) == {"order", "refused at the edge"}
    refused = roots["order"]
    assert refused.attributes["tapewire.reject.reason"] == "price_band"
    assert refused.attributes["tapewire.reject.value"] == 100000
    assert refused.error.startswith("price_band: value 100000, limit ")
    assert "used today" in roots["refused at the edge"].error or "live order" in roots["refused at the edge"].error
    seq = refused.attributes["tapewire.seq"]
    env = f"t{os.getpid()}"
    assert refused.trace_id == f"{ids.trace_id(env, 'orders.0', refused.attributes['tapewire.epoch'], seq):032x}"


def test_orders_of_a_ring_have_the_trace_they_name_or_one_of_their_own(
    stack: Stack,
) -> None:
    mine = TraceContext(TRACE, SPAN)
    with OrderClient.open(stack.engine.folders.data, producer="traders") as trader:
        trader.new_order(instrument=1, side=m.Side.buy, price=9000, qty=1000, account=2)
        number = trader.new_order(instrument=1, side=m.Side.buy, price=9000, qty=1000, account=2, trace=mine)
        accepted = next(e for e in trader.answers(number) if isinstance(e, m.OrderAccepted) and e.cl_ord_id == number)
        trader.replace(accepted.order_id, 2, 9010, 2000, trace=mine)
        trader.cancel(accepted.order_id, 2, trace=mine)
        list(trader.answers(trader.mass_cancel(2, trace=mine)))
    client = stack.client("ORDERS-44")
    client.send("D", order("plain", 1, "100.00", 3))
    client.expect("8", where=[(150, "0")])
    settings = config.load(stack.engine.config)
    assert compare(settings) == {"ring computed": 1, "ring carried": 4, "fix computed": 1}
    shown = CliRunner().invoke(cli, ["trace", TRACE, "--config", str(stack.engine.config), "--json"])
    assert shown.exit_code == 0, shown.output
    assert {one["name"] for one in json.loads(shown.output)} >= {"order", "replace", "cancel", "mass cancel"}


def test_a_restart_and_a_kill_skip_nothing_and_repeat_nothing_that_was_stored(stack: Stack) -> None:
    sent = 0
    with OtlpReceiver() as collector, OrderClient.open(stack.engine.folders.data, producer="traders") as trader:

        def trade(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                last = trader.new_order(instrument=1, side=m.Side.buy, price=9000, qty=1000, account=2)
                sent += 1
            list(trader.answers(last, PATIENCE_S))

        def orders(spans: list[Got]) -> list[Got]:
            return [span for span in spans if span.name == "order"]

        trade(50)
        with monitor(stack, collector.url, sample=1):
            collector.wait(lambda all: len(orders(all)) == sent)
        trade(50)
        with monitor(stack, collector.url, sample=1) as process:
            collector.wait(lambda all: len(orders(all)) == sent)
            trade(50)
            process.kill()
            process.wait()
            with monitor(stack, collector.url, sample=1):
                collector.wait(lambda all: len({one.span_id for one in orders(all)}) == sent)
        found = orders(list(collector.spans))
        assert len({one.span_id for one in found[:100]}) == 100, "an orderly end repeats nothing"
        assert len({one.trace_id for one in found}) == sent == 150


def test_while_the_collector_is_away_spans_wait_and_nobody_else_notices(stack: Stack) -> None:
    with OrderClient.open(stack.engine.folders.data, producer="traders") as trader, OtlpReceiver() as collector:
        collector.status = 503
        with monitor(stack, collector.url, sample=1):
            for _ in range(20):
                last = trader.new_order(instrument=1, side=m.Side.buy, price=9000, qty=1000, account=2)
            list(trader.answers(last, PATIENCE_S))
            deadline = time.monotonic() + PATIENCE_S
            while not collector.requests:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert not collector.spans
            collector.status = 200
            collector.wait(lambda all: len([one for one in all if one.name == "order"]) == 20)
