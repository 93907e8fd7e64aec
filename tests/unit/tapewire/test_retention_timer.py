"""`tapewire retain --apply --every`: again and again, healthy while it works, ended by SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire import logs
from tapewire.cli import cli
from tapewire.config import Config, Keep, Retention, load
from tapewire.health import ask_socket
from tapewire.retention.timer import RETRY_S, Timer

SETTINGS = """
data = "{folder}/data"
rings = "{folder}/rings"
[retention.cuts]
days = 10
"""
LONG_AGO = 1_000_000_000


def cut(tapes: Path, name: str) -> Path:
    """A folder as `tapewire tape cut` leaves it, older than is kept."""
    folder = tapes / "orders.0" / name
    folder.mkdir(parents=True)
    (folder / "0.seg").write_bytes(b"x")
    for path in (folder / "0.seg", folder):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_removes_what_comes_meanwhile_until_it_is_told_to_end(tmp_path: Path) -> None:
    (tmp_path / "tapewire.toml").write_text(SETTINGS.format(folder=tmp_path))
    config = load(tmp_path / "tapewire.toml")
    first = cut(tmp_path / "data" / "tapes", "cut-1000000000")
    arguments = ["retain", "cuts", "--apply", "--every", "1", "--config", str(tmp_path / "tapewire.toml")]
    with subprocess.Popen([sys.executable, "-m", "tapewire.cli", *arguments], stderr=subprocess.PIPE) as process:
        try:
            until(lambda: not first.exists())
            second = cut(tmp_path / "data" / "tapes", "cut-1000000001")
            until(lambda: not second.exists())
            answer = ask_socket(config.folders.health / "retain")
            assert (answer.ok, answer.state) == (True, "ready")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_after_a_failure_it_is_not_ready_and_tries_again_sooner(tmp_path: Path) -> None:
    config = Config(data=tmp_path, rings=tmp_path, retention=Retention(cuts=Keep(days=10)))
    timer = Timer(config, ["cuts"], 86_400.0, logs.configure("retain"))
    broken = tmp_path / "tapes" / "orders.0" / ".gone-cut-1"
    broken.parent.mkdir(parents=True)
    broken.write_text("a file in the place of a folder that a run before had named as gone")
    assert timer.run() == RETRY_S
    [why] = timer._reasons()
    assert ".gone-cut-1" in why
    broken.unlink()
    assert timer.run() == 86_400.0
    assert timer._reasons() == ()


@pytest.mark.parametrize("others", [[], ["--apply", "--json"]])
def test_it_stays_only_to_remove(others: list[str]) -> None:
    done = CliRunner().invoke(cli, ["retain", "--every", "60", *others])
    assert done.exit_code == 2
    assert "expected --apply" in done.output
