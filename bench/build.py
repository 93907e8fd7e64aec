"""Compiles bench/_*.pyx, whose loops measure native code: beside the sources, and not into what users install.

Only those that the named benches import: each takes in the headers of what it measures, and a minute of compiling.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT = re.compile(r"^\s*from bench(?:\.(\w+) import| import (\w+(?:, \w+)*))", re.MULTILINE)


def needed(benches: Iterable[str]) -> list[str]:
    """The compiled modules that these benches, and the probes beside them, import; directly or through others."""
    todo, seen = ["probes", *benches], set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        source = ROOT / "bench" / f"{name}.py"
        if source.exists():
            for one, several in IMPORT.findall(source.read_text()):
                todo += [one] if one else several.split(", ")
    return sorted(name for name in seen if (ROOT / "bench" / f"{name}.pyx").exists())


def build(benches: Iterable[str]) -> None:
    """Compiles what is stale, with the flags of the core itself: what is measured is compiled as what is shipped."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "TAPEWIRE_BENCH": " ".join(needed(benches))}, check=True)
