"""Compiles a single C++ program of the repository (a bench, a check) where and when it is needed, into build/native."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "native"
FOLDERS = ("include", "tapewire", "services", "tests")
"""Where headers lie."""
COMMON = (
    "-std=c++20",
    "-fno-plt",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-missing-field-initializers",
    "-I.",
)
RELEASE = ("-O3", "-g0")
"""What the extension modules are compiled with, in setup.py."""
SANITIZED = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""With as much of the symbols as a trace of calls needs: all of them take the compiler half as long again."""


class CompileError(RuntimeError):
    """The compiler refused; the message holds what it said."""


def build(source: str, *flags: str, link: Sequence[str] = ()) -> Path:
    """The program made from `source` (a path from the root of the repository), compiled anew if any header changed.

    `link`: what the linker is given behind it.
    """
    headers = sorted(
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*.h*") if path.suffix in (".h", ".hpp")
    )
    digest = hashlib.sha256(" ".join([*flags, *link]).encode())
    for path in (ROOT / source, *headers):
        digest.update(path.read_bytes())
    program = OUT / f"{Path(source).stem}-{digest.hexdigest()[:16]}"
    if program.exists():
        return program
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob(f"{Path(source).stem}-*"):
        old.unlink()
    part = program.with_suffix(f".{os.getpid()}")
    command = [os.environ.get("CXX", "c++"), *COMMON, *flags, "-o", str(part), source, *link]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{' '.join(command)} failed in {ROOT}:\n{done.stderr}")
    part.rename(program)
    return program


def side_by_side(builds: Sequence[Callable[[], Path]]) -> list[Path]:
    """What they make, in order; as many at a time as there are cores. Raises CompileError."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda build: build(), builds))


def book_library() -> Path:
    """libtapewire_book.so, as `make abi` makes it, compiled anew if its sources changed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--silent", "abi"], cwd=ROOT, env=inherited, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CompileError(f"make abi failed in {ROOT}:\n{done.stdout}{done.stderr}")
    return ROOT / done.stdout.strip()
