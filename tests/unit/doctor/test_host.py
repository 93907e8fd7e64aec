"""The checks of a host, on trees of files as kernels have them, and on this host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire import adjtimex
from tapewire.cli import cli
from tapewire.doctor import disk, host, limits, time_sync

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


GOOD = {
    f"{CLOCK}/current_clocksource": "tsc",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/isolated": "2-3",
    f"{CPU}/online": "0-3",
    f"{CPU}/cpu0/cpuidle/state3/latency": "133",
    f"{CPU}/cpu0/cpuidle/state3/disable": "1",
    "proc/swaps": "Filename Type Size Used Priority",
    "proc/sys/vm/overcommit_memory": "0",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "proc/sys/kernel/numa_balancing": "0",
}
BAD = {
    f"{CLOCK}/current_clocksource": "hpet",
    f"{CLOCK}/available_clocksource": "tsc hpet acpi_pm",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
    f"{CPU}/isolated": "",
    f"{CPU}/online": "0-3",
    f"{CPU}/cpu0/cpuidle/state3/latency": "133",
    f"{CPU}/cpu0/cpuidle/state3/disable": "0",
    "proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 100 7 -2",
    "proc/sys/vm/overcommit_memory": "2",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
    "proc/sys/kernel/numa_balancing": "1",
    "sys/devices/system/node/node0/x": "",
    "sys/devices/system/node/node1/x": "",
}


def test_a_host_that_is_right_gets_no_advice(tmp_path: Path) -> None:
    found = host.checks(tree(tmp_path, **GOOD))
    assert [(one.check, one.state) for one in found if one.state != "ok"] == []


def test_everything_that_is_wrong_is_said_with_why_and_what_to_change(tmp_path: Path) -> None:
    found = host.checks(tree(tmp_path, **BAD))
    assert [one.state for one in found] == ["advice"] * len(found)
    assert all(one.why and one.change for one in found)
    assert next(one for one in found if one.check == "clock source").change.startswith(f"echo tsc > /{CLOCK}/current")
    assert next(one for one in found if one.check == "swap").found == "1 in use: /dev/sda2"


def test_a_host_that_does_not_say_is_not_judged(tmp_path: Path) -> None:
    assert {one.state for one in host.checks(tmp_path)} == {"ok", "unknown"}


def test_a_disk_is_measured_and_a_folder_in_memory_is_no_disk(tmp_path: Path) -> None:
    found = {one.check: one for one in disk.checks(tmp_path / "not" / "there")}
    assert "fdatasync of 4 KiB: median" in found["disk sync"].found
    assert list(tmp_path.iterdir()) == []
    if Path("/dev/shm").is_dir():
        assert disk.kind(Path("/dev/shm")).state == "problem"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert disk.sync_latency(tmp_path).state == "problem"


def test_the_clocks_own_account_of_itself() -> None:
    assert time_sync.judged(adjtimex.STA_UNSYNC, 16_000_000, 0).state == "problem"
    assert time_sync.judged(0, 500_000, 100).state == "advice"
    assert time_sync.judged(0, 900, 40) == (
        "time sync",
        "ok",
        "synchronised, error at most 900 us, estimated 40 us",
        "",
        "",
    )
    assert len(time_sync.checks()) == 1


def test_memory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert limits.memory_folder(tmp_path / "none").state == "problem"


def test_the_command_says_it_all_and_ends_with_1_if_there_is_a_problem(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path), "--json"])
    found = json.loads(done.output)
    assert {"clock source", "disk sync", "time sync", "open files"} < {one["check"] for one in found}
    assert done.exit_code == any(one["state"] == "problem" for one in found)
    plain = CliRunner().invoke(cli, ["doctor", "--data", str(tmp_path)])
    assert "fdatasync of 4 KiB" in plain.output
