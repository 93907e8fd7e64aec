"""The version after this one: a copy of the tree whose NewOrder has one more field, built and ready to run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.engine_process import ROOT

COPIED = ("tapewire", "services", "schemas", "include", "setup.py", "pyproject.toml", "README.md", "docs")
BEFORE = "  # Of a post-only order that would cross: take the nearest price that does not, instead of being refused.\n"
FIELD = "  flagged @21 :Bool;\n  # Of the next version; nobody sets it yet.\n"


def make_next_version(folder: Path) -> Path:
    """Takes minutes: everything that knows where NewOrder's fields lie is compiled anew."""
    folder.mkdir(parents=True)
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy2(path, folder / name)
    schema = folder / "schemas" / "orders.capnp"
    text = schema.read_text()
    assert text.count(BEFORE) == 1
    schema.write_text(text.replace(BEFORE, BEFORE + FIELD))
    for command in (["-m", "tapewire.wire.generate"], ["setup.py", "--quiet", "build_ext", "--inplace"]):
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
    has = "from tapewire import messages as m; print(m.__file__, m.NewOrder(flagged=True).flagged)"
    done = subprocess.run([sys.executable, "-c", has], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(folder / "tapewire" / "messages.py"), "True"], done.stdout
    return folder
