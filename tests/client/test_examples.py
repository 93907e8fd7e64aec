"""The examples of order entry over the bus, against a running platform."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tapewire import messages as m
from tests.client.stack import BusStack
from tests.engine_process import ROOT

EXAMPLE = "examples/enter_order_by_bus.py"


def run(stack: BusStack, *arguments: str) -> str:
    command = [sys.executable, EXAMPLE, stack.env, *arguments, stack.nats.url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=90).stdout.strip()


def test_an_order_can_be_entered_without_our_library(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        assert "201: orderAccepted" in run(stack, "1", "1", "buy", "3", "9900")
        assert "422: orderRejected" in run(stack, "77", "1", "buy", "3", "9900")
        records = stack.records()
        order = next(record for record in records if isinstance(record, m.NewOrder) and record.account == 1)
        assert (order.qty, order.price, order.side, len(order.client_text)) == (3, 9900, m.Side.buy, 32)
        resting = [record for record in records if isinstance(record, m.OrderAccepted)]
        assert [record.account for record in resting] == [1]


def test_that_takes_twenty_lines() -> None:
    tree = ast.parse((ROOT / EXAMPLE).read_text())
    code = {line for node in ast.walk(tree) if isinstance(node, ast.stmt) for line in [getattr(node, "lineno", 0)]}
    assert len(code) - 1 <= 20  # without the docstring


def test_the_library_s_example_enters_follows_and_cancels(tmp_path: Path) -> None:
    with BusStack(tmp_path) as stack:
        command = [sys.executable, "examples/connect.py", stack.nats.url, stack.env, "1", "ACME"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr
        assert "accepted" in done.stdout
        assert "cancelled" in done.stdout
