"""The version after this one: a copy of the tree in which a command and an event of the orders tape are a word longer,
built and ready to run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engine_process import ROOT

VERSION = "0.2.0"
COPIED = ("tapewire", "services", "schemas", "include", "setup.py", "pyproject.toml", "README.md", "docs")
BUILT = "TAPEWIRE_TEST_NEXT_VERSION"
"""Names a folder where it was built before, so that it is not built again."""
CHANGES = {
    "schemas/orders.capnp": (
        (
            "as the API gives it. Else it follows from trace id and seq.\n",
            "  traderId @25 :UInt64;\n  # Of the next version: who entered it; only carried.\n",
        ),
        (
            "or for the closing auction. OrderTriggered says when it is.\n",
            "  traderId @16 :UInt64;\n  # As in NewOrder.\n",
        ),
    ),
    "services/matcher/matching.hpp": (("    e->session = c.session;\n", "    e->trader_id = c.trader_id;\n"),),
}
"""What comes behind what, by file."""
METADATA = f"Metadata-Version: 2.1\nName: tapewire\nVersion: {VERSION}\n"
HAS = """
from importlib.metadata import version
from tapewire import messages as m
print(m.__file__, m.NewOrder(trader_id=7).trader_id, len(m.NewOrder()), len(m.OrderAccepted()), version("tapewire"))
"""


def make_next_version(folder: Path) -> Path:
    """Takes minutes: everything that knows where these fields lie is compiled anew."""
    if built := os.environ.get(BUILT):
        return check(Path(built))
    copy_tree(folder)
    for name, changes in CHANGES.items():
        path = folder / name
        text = path.read_text()
        for before, more in changes:
            assert text.count(before) == 1, (name, before)
            text = text.replace(before, before + more)
        path.write_text(text)
    for command in (["-m", "tapewire.wire.generate"], ["setup.py", "--quiet", "build_ext", "--inplace"]):
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
    return check(folder)


def copy_tree(folder: Path) -> Path:
    """The program as it is, at another place and under the next number."""
    folder.mkdir(parents=True)
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy2(path, folder / name)
    information = folder / f"tapewire-{VERSION}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(METADATA)
    return folder


def check(tree: Path) -> Path:
    from tapewire import messages as m

    done = subprocess.run([sys.executable, "-c", HAS], cwd=tree, capture_output=True, text=True, check=True)
    longer = [str(len(bytes(kind())) + 8) for kind in (m.NewOrder, m.OrderAccepted)]
    assert done.stdout.split() == [str(tree / "tapewire" / "messages.py"), "7", *longer, VERSION], done.stdout
    return tree
