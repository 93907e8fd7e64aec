"""The units, by systemd's own judgement where it is on the machine, and against the services there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNITS = ROOT / "deploy" / "systemd"
MOST_EXPOSED = 20  # tenths; systemd calls below 2.0 "OK"
NOT_DEPLOYED = {"simulator"}
"""For demos and tests."""


def units() -> list[Path]:
    return sorted(UNITS.glob("*.service"))


def analyze(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze on this machine")
    return subprocess.run(
        [tool, *map(str, arguments)],
        cwd=cwd,
        env={"SYSTEMD_UNIT_PATH": f"{cwd}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units beside each other, with programs that are there."""
    for path in UNITS.iterdir():
        if path.suffix in (".service", ".target", ".slice"):
            (tmp_path / path.name).write_text(path.read_text().replace("/opt/tapewire/bin", f"{ROOT}/.venv/bin"))
    return tmp_path


def test_systemd_finds_nothing_wrong_with_them(installed: Path) -> None:
    done = analyze(
        "verify", *sorted(path.name for path in installed.iterdir() if path.suffix != ".slice"), cwd=installed
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("unit", units(), ids=lambda path: path.name)
def test_no_service_can_reach_more_of_the_system_than_it_needs(unit: Path, installed: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", unit.name, cwd=installed)
    assert done.returncode == 0, done.stdout[-400:]


def test_every_service_that_is_deployed_has_a_unit() -> None:
    services = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")} - NOT_DEPLOYED
    covered = {re.match(r"tapewire-([a-z]+)", unit.name)[1] for unit in units()}  # type: ignore[index]
    assert services <= covered


@pytest.mark.parametrize("unit", units(), ids=lambda path: path.name)
def test_no_unit_holds_a_secret_or_runs_as_root(unit: Path) -> None:
    text = unit.read_text()
    assert re.search(r"^User=tapewire$", text, re.M)
    assert not re.search(r"(?i)(password|secret|token)\s*=", text)
