from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.folders import Folders
from tapewire.histogram import StatsPage


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folders = Folders(tmp_path / "data")
    folders.prepare(tmp_path / "rings")
    with (
        StatsPage.create(folders.stats / "engine.0", ["queue", "answer"], ["commands", "live_orders"]) as engine,
        StatsPage.create(folders.stats / "connector.kraken", ["decode_ns"], ["instruments", "live", "gaps"]) as feed,
    ):
        engine.set("live_orders", 12)
        feed.set("instruments", 4)
        feed.set("live", 3)
        yield folders.data


def test_one_document_for_programs(data: Path) -> None:
    result = CliRunner().invoke(cli, ["top", "--data", str(data), "--json", "--interval", "0.1"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert {"services", "engine", "feeds", "tapes", "rings", "kill_switches", "disk_free_bytes", "ts"} == set(told)
    assert told["services"]["engine.0"]["up"] is True
    assert told["engine"]["0"]["live_orders"] == 12
    assert (told["feeds"]["kraken"]["quality"], told["feeds"]["kraken"]["books_live"]) == ("resync", 3)


def test_without_a_terminal_it_says_what_to_use(data: Path) -> None:
    result = CliRunner().invoke(cli, ["top", "--data", str(data)])
    assert result.exit_code == 2
    assert "--json" in result.output


def test_keys_sort_and_end_it_and_the_terminal_is_as_before(data: Path) -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "40"}
    code = "from tapewire.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "top", "--data", str(data), "--interval", "0.2"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        close_fds=True,
    ) as process:
        screen = b""

        def until(text: bytes) -> None:
            nonlocal screen
            ends = time.monotonic() + 30
            while text not in screen:
                assert time.monotonic() < ends, screen[-2000:]
                if select.select([master], [], [], 0.1)[0]:
                    screen += os.read(master, 65536)

        until(b"services, by name")
        until(b"engine.0")
        os.write(master, b"m")
        until(b"services, by memory")
        os.write(master, b"q")
        until(b"\x1b[?1049l")  # the screen it found is shown again
        assert process.wait(30) == 0
    os.close(master)
    os.close(slave)
