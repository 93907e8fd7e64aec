"""`tapewire retain` as a person sees it: what goes, who holds back, within 80 columns; the same as JSON; its status."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tapewire import messages as m
from tapewire.cli import cli
from tapewire.cli.retain import NAMES
from tapewire.consumers import ConsumerPosition
from tapewire.retention import STORES
from tapewire.tape import TapeWriter

DAY_NS = 86_400 * 10**9
LIMITS = """
[retention.tapes]
days = 10
[retention.inputs]
days = 10
[retention.rings]
days = 10
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A tape whose consumer is behind, one without, inputs of a run that is over and of one under way."""
    path = tmp_path / "tapewire.toml"
    path.write_text(f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n{LIMITS}')
    now = time.time_ns()
    for name in ("orders.0", "api.0"):
        folder = tmp_path / "data" / "tapes" / name
        with TapeWriter(folder, name=name, segment_bytes=1 << 16, durability="memory") as tape:
            for seq in range(1, 1001):
                tape.append(bytes(m.OrderAccepted(seq=seq, ts=now - 30 * DAY_NS + seq)))
            tape.commit()
    behind = ConsumerPosition(tmp_path / "data" / "tapes" / "orders.0", "gateway.a-client-with-a-long-name")
    behind.store(17)
    behind.close()
    runs = tmp_path / "data" / "strategies"
    runs.mkdir()
    for name in ("over", "open"):
        (runs / f"{name}.inputs").write_bytes(b"x" * 5000)
        os.utime(runs / f"{name}.inputs", ns=(now - 30 * DAY_NS, now - 30 * DAY_NS))
    return path


def run(*arguments: object, columns: int = 80) -> Result:
    return CliRunner().invoke(cli, ["retain", *map(str, arguments)], env={"COLUMNS": str(columns)})


def asked(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").output)


def test_the_stores_of_the_command_are_those_there_are() -> None:
    assert NAMES == STORES


def test_a_look_shows_what_goes_and_who_holds_back_and_changes_nothing(settings: Path) -> None:
    with (settings.parent / "data" / "strategies" / "open.inputs").open("rb"):
        before = {path: path.stat().st_mtime_ns for path in settings.parent.rglob("*")}
        result = run("--config", settings)
        assert {path: path.stat().st_mtime_ns for path in settings.parent.rglob("*")} == before
    lines = result.output.splitlines()
    assert result.exit_code == 0, result.output
    assert max(map(len, lines)) <= 80
    text = " ".join(result.output.split())
    assert lines[0].split() == ["store", "holds", "MB", "goes", "MB"]
    assert "goes api.0: records before" in text
    assert "held orders.0: by consumer gateway.a-client-with-a-long-name has come to record 17 only" in text
    assert "goes over: older than 10 days" in text
    assert f"held open: by process {os.getpid()}: has it open" in text
    assert "archive 0.0 0.0 keeps all: no [retention.archive]" in text
    assert lines[-1].startswith("2 pieces, ")
    assert lines[-1].endswith("would go; `tapewire retain --apply` removes them")


def test_json_says_the_same(settings: Path) -> None:
    told = asked("tapes", "--config", settings)
    assert (told["applied"], told["clock"], told["removed"], told["stayed"]) == (False, "", [], [])
    (store,) = told["stores"]
    assert (store["store"], store["limited"], store["failed"]) == ("tapes", True, "")
    assert [one["name"] for one in store["going"]] == ["api.0"]
    assert [(one["name"], one["goes"]) for one in store["held"]] == [("orders.0", False)]
    assert store["bytes"] > store["going_bytes"] > 0


def test_apply_removes_what_a_look_named_and_the_next_look_is_empty(settings: Path) -> None:
    planned = [one["name"] for store in asked("--config", settings)["stores"] for one in store["going"]]
    removed = asked("--apply", "--config", settings)
    assert [one["name"] for one in removed["removed"]] == planned == ["api.0", "open", "over"]
    last = run("--config", settings).output.splitlines()[-1]
    assert last == "0 pieces, 0.0 MB would go"
    again = run("--apply", "--config", settings)
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "0 pieces, 0.0 MB removed")


def test_what_cannot_be_looked_at_is_said_and_ends_with_status_1(settings: Path) -> None:
    damaged = settings.parent / "data" / "retention"
    damaged.mkdir()
    (damaged / "clock").write_text("{")
    result = run("--config", settings)
    assert result.exit_code == 1
    assert "what the last run knew of the clock cannot be read" in " ".join(result.output.split())


def test_a_clock_that_ran_ahead_is_said_and_may_be_trusted(settings: Path) -> None:
    assert run("inputs", "--apply", "--config", settings).exit_code == 0
    kept = settings.parent / "data" / "retention" / "clock"
    state = json.loads(kept.read_text())
    state["believed"]["wall_ns"] -= 40 * DAY_NS
    kept.write_text(json.dumps(state))
    text = " ".join(run("tapes", "--config", settings).output.split())
    assert "clock the clock is 40.0 days ahead of what has surely passed since the last run." in text
    assert "goes api.0" not in text
    assert "goes api.0" in " ".join(run("tapes", "--clock-is-right", "--config", settings).output.split())
