"""What a bare machine is told when something is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "check_host.sh"
NEEDED = ("bash", "uname", "python3", "c++", "g++", "head", "printf", "as", "ld", "cc1plus", "collect2")


def run(folder: Path, without: tuple[str, ...] = (), **stand_ins: str) -> subprocess.CompletedProcess[str]:
    """Runs the check with only these programs on PATH, some of them missing, some replaced by a script."""
    scripts = {name.replace("_", "+"): text for name, text in stand_ins.items()}
    # Not a link: a launcher that looks at its own name would find itself here.
    scripts.setdefault("python3", f'exec {Path(sys.base_prefix) / "bin" / "python3"} "$@"')
    if "python3" in without:
        del scripts["python3"]
    for name, text in scripts.items():
        # "x": what is there already may be a link, and writing through it would replace a program of this machine.
        with (folder / name).open("x") as script:
            script.write(f"#!{shutil.which('bash')}\n{text}\n")
        (folder / name).chmod(0o755)
    for name in NEEDED:
        if name not in without and name not in scripts and (found := shutil.which(name)):
            (folder / name).symlink_to(found)
    command = [str(shutil.which("bash")), str(SCRIPT)]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


def test_a_machine_with_everything_passes_in_silence() -> None:
    done = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("without", "stand_ins", "says"),
    [
        (("python3",), {}, "python3 not found"),
        (("c++", "g++"), {}, "no C++ compiler found"),
        ((), {"python3": "exit 1"}, "needs CPython 3.11 to 3.13"),
        (("c++",), {"c__": "exit 1"}, "does not take -std=c++20"),
        ((), {"uname": "echo Darwin"}, "needs Linux"),
    ],
)
def test_what_is_missing_is_named_with_what_to_install(
    tmp_path: Path, without: tuple[str, ...], stand_ins: dict[str, str], says: str
) -> None:
    done = run(tmp_path, without, **stand_ins)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("tapewire: ")


def test_any_name_of_a_compiler_will_do(tmp_path: Path) -> None:
    done = run(tmp_path, ("c++",), g__="exit 0")
    assert (done.returncode, done.stderr) == (0, "")
