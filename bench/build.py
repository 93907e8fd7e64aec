"""Compiles bench/_*.pyx, whose loops measure native code: beside the sources, and not into what users install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build() -> None:
    """Compiles what is stale, with the flags of the core itself: what is measured is compiled as what is shipped."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "TAPEWIRE_BENCH": "1"}, check=True)
