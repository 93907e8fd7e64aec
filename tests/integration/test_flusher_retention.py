"""The flusher as a process lets go what [retention] does not keep, also where it writes no archive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 30.0


def test_it_begins_with_what_is_beyond_the_limits_and_says_so(tmp_path: Path) -> None:
    config, cuts = tmp_path / "tapewire.toml", tmp_path / "data" / "tapes" / "orders.0"
    config.write_text(
        f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n[flusher]\narchive = false\n'
        "[retention.cuts]\ndays = 10\n"
    )
    old = time.time_ns() - 30 * 86_400 * 10**9
    for name, when in (("cut-1", old), ("cut-2", time.time_ns())):
        (cuts / name).mkdir(parents=True)
        (cuts / name / "1.seg").write_bytes(b"x" * 5000)
        for path in (cuts / name / "1.seg", cuts / name):
            os.utime(path, ns=(when, when))
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "services.flusher", "--config", str(config)]
        process = subprocess.Popen(command, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while (cuts / "cut-1").exists() or '"retention"' not in (tmp_path / "log").read_text():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert [path.name for path in cuts.glob("*cut-*")] == ["cut-2"]
    assert "cuts orders.0/cut-1" in (tmp_path / "log").read_text()
