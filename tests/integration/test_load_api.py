"""The load generator against the real API: signed orders at their times, all of them answered."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from tapewire.cli import cli
from tests.api.stack import Stack


def test_orders_by_http_are_taken_and_answered(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        arguments = [
            *("load", "http", "--url", f"http://127.0.0.1:{stack.port}", "--key", "desk"),
            *("--secret-file", str(tmp_path / "desk.secret"), "--ticker", "BTCUSDT", "--account", "1"),
            *("--price", "63000.00", "--qty", "0.00001", "--steps", "50x0.4,100x0.3", "--json"),
        ]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, result.output
        steps = json.loads(result.output)["steps"]
        assert [(one["sent"], one["answered"], one["refused"]) for one in steps] == [(20, 20, 0), (30, 30, 0)]
