"""The acceptance scenarios of a FIX acceptor against our session layer in certification mode."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_process import ROOT
from tests.fix.processes import skip_reason
from tests.fix.scenarios import Disagrees, play
from tests.recorded_captures import FOLDER
from tools.services.ports import free_port

DATA = FOLDER / "fix"
SCENARIOS = DATA / "quickfix_acceptance"
pytestmark = [
    pytest.mark.slow,  # processes of QuickFIX, not yet steady where the machine is busy
    pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-"),
    pytest.mark.skipif(not SCENARIOS.is_dir(), reason="no recorded scenarios here"),
]
SLOW = {"4a_NoDataSentDuringHeartBtInt", "6_SendTestRequest"}
"""They wait for heartbeats."""


@pytest.fixture(scope="module", params=["FIX.4.2", "FIX.4.4"])
def acceptor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The folder of scenarios, and the port of an acceptor for them."""
    version: str = request.param
    short, port = version.replace(".", ""), free_port()
    folder = tmp_path_factory.mktemp(short)
    (folder / f"{short}.xml").write_bytes(gzip.decompress((DATA / "dictionaries" / f"{short}.xml.gz").read_bytes()))
    command = [sys.executable, "-m", "tests.fix.echo_acceptor", str(port), version, f"TW{short[3:]}", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield SCENARIOS / short.lower(), port
        process.kill()


def test_the_scenarios_pass(acceptor: tuple[Path, int]) -> None:
    folder, port = acceptor
    run(sorted(path for path in folder.glob("*.def") if path.stem not in SLOW), port)


@pytest.mark.slow
def test_the_scenarios_that_wait_pass(acceptor: tuple[Path, int]) -> None:
    folder, port = acceptor
    run([path for path in sorted(folder.glob("*.def")) if path.stem in SLOW], port)


def run(paths: list[Path], port: int) -> None:
    failed = {}
    for path in paths:
        try:
            play(path, port)
        except Disagrees as error:
            failed[path.stem] = str(error)
    assert failed == {}, f"{len(paths) - len(failed)} of {len(paths)} pass"
