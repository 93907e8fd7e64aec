"""`make wheels`: a wheel for every CPython 3.11 to 3.13 on this machine, for any Linux with glibc 2.28, into dist/.

No container is needed: zig, which comes as a wheel itself, compiles against an older glibc and brings its
own C++ library. auditwheel proves it, and then each wheel is installed beside nothing else and tried.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
GLIBC = "2.28"
WORK = ROOT / "build" / "wheels"
BUILD_NEEDS = ("setuptools", "cython")
TRIED = (
    "import importlib, pkgutil, tapewire, services\n"
    "for package in (tapewire, services):\n"
    "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
    "        if found.name.rpartition('.')[2].startswith('_') and not found.name.endswith('__main__'):\n"
    "            importlib.import_module(found.name)\n"
)


def pythons() -> dict[str, Path]:
    """The interpreters that are here, by version: on PATH, or among pyenv's."""
    found: dict[str, Path] = {}
    for version in VERSIONS:
        on_path = shutil.which(f"python{version}")
        installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
        for path in (*([Path(on_path)] if on_path else []), *installed):
            if _says(path) == version:
                found[version] = path
                break
    return found


def _says(python: Path) -> str:
    """Its version, if it can compile for itself: pyenv leaves names on PATH that lead nowhere."""
    code = (
        "import os, sys, sysconfig; h = os.path.join(sysconfig.get_paths()['include'], 'Python.h');"
        "print('%d.%d' % sys.version_info[:2] if os.path.exists(h) else '')"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def locked(names: tuple[str, ...]) -> str:
    """The lines of requirements.lock that pin these, hashes and all."""
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text())
    return "\n".join(block for block in blocks if block.partition("==")[0] in names) + "\n"


def compilers(tools: Path) -> dict[str, str]:
    """zig as a C++ compiler for an older glibc, as distutils takes one."""
    target = f"{platform.machine()}-linux-gnu.{GLIBC}"
    found = {}
    for name, word in (("CC", "cc"), ("CXX", "c++")):
        script = WORK / f"zig-{word}"
        script.write_text(f'#!/bin/sh\nexec "{tools}" -m ziglang {word} -target {target} "$@"\n')
        script.chmod(0o755)
        found[name] = str(script)
    return found | {"LDSHARED": f"{found['CXX']} -shared", "LDCXXSHARED": f"{found['CXX']} -shared"}


def build(version: str, python: Path, uv: Path, tools: Path) -> Path:
    """One wheel, in dist/."""
    venv, raw = WORK / version, WORK / f"raw-{version}"
    shutil.rmtree(raw, ignore_errors=True)
    needs = WORK / "build.lock"
    needs.write_text(locked(BUILD_NEEDS))
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", python, venv])
    _run([uv, "pip", "install", "--quiet", "--python", venv / "bin/python", "--require-hashes", "-r", needs])
    command = [uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", venv / "bin/python", "-o", raw]
    _run([*command, _sources()], {**os.environ, **compilers(tools)})
    (wheel,) = raw.glob("*.whl")
    plat = f"manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
    on_path = os.environ | {"PATH": f"{tools.parent}{os.pathsep}{os.environ['PATH']}"}
    _run([tools.parent / "auditwheel", "repair", "--strip", "--plat", plat, "-w", ROOT / "dist", wheel], on_path)
    (made,) = (ROOT / "dist").glob(f"*-cp{version.replace('.', '')}-*{plat}*.whl")
    return made


def _sources() -> Path:
    """What git knows, in a folder of its own: nothing that was built for another Python is in the way."""
    folder = WORK / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    packed = [name for name in listed.stdout.decode().split("\0") if name and not name.startswith(("tests/", "docs/"))]
    for name in packed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def check(version: str, python: Path, uv: Path, wheel: Path) -> None:
    """Installed with its locked dependencies where there is nothing else, it imports all of itself."""
    venv = WORK / f"try-{version}"
    shutil.rmtree(venv, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", python, venv])
    needs = ROOT / "requirements.lock"
    _run([uv, "pip", "install", "--quiet", "--python", venv / "bin/python", "--require-hashes", "-r", needs])
    _run([uv, "pip", "install", "--quiet", "--python", venv / "bin/python", "--no-deps", wheel])
    _run([venv / "bin/python", "-I", "-c", TRIED], cwd=WORK)
    _run([venv / "bin/tapewire", "--version"], cwd=WORK)


def _run(command: list[object], environ: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", choices=VERSIONS, help="only this one; may be repeated")
    parser.add_argument("--needs", action="store_true", help="print what a build needs, as lines of a lock, and end")
    given = parser.parse_args(arguments)
    if given.needs:
        print(locked(BUILD_NEEDS), end="")
        return
    asked = given.python
    found = {version: path for version, path in pythons().items() if not asked or version in asked}
    for version in asked or VERSIONS:
        if version not in found:
            print(
                f"CPython {version}: not on this machine (python{version} with its headers); no wheel", file=sys.stderr
            )
    if not found:
        sys.exit("no wheel was built")
    WORK.mkdir(parents=True, exist_ok=True)
    uv, tools = ROOT / ".venv/bin/uv", WORK / "tools/bin/python"
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, WORK / "tools"])
    locks = ROOT / "tools" / "wheels.lock"
    _run([uv, "pip", "install", "--quiet", "--python", tools, "--require-hashes", "-r", locks])
    for version, python in found.items():
        wheel = build(version, python, uv, tools)
        check(version, python, uv, wheel)
        print(f"{wheel.relative_to(ROOT)}  {wheel.stat().st_size >> 10} KiB, installed and tried on {python}")


if __name__ == "__main__":
    main(sys.argv[1:])
