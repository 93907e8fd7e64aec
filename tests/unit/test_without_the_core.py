"""What is pure Python imports where the compiled core is not: on another system, or before it is built."""

from __future__ import annotations

import subprocess
import sys

PURE = (
    *("tapewire.errors", "tapewire.fixed", "tapewire.folders", "tapewire.interfaces", "tapewire.subjects"),
    *("tapewire.clock", "tapewire.snapshots", "tapewire.times", "tapewire.transports", "tapewire.wire.schema"),
    *("tapewire.fix", "tapewire.doctor", "tapewire.plot", "tapewire.replication", "tapewire.traces.ids"),
    *("services.monitor.alerts", "services.monitor.dashboards", "services.simulator.venue"),
)
WITHOUT = """
import importlib, sys
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

class NoCore:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("tapewire", "services"):
            found = PathFinder.find_spec(name, path)
            if found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES)):
                raise ModuleNotFoundError(f"{name} is compiled", name=name)

sys.meta_path.insert(0, NoCore)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, timeout=60)


def test_pure_parts_import_without_the_compiled_core() -> None:
    done = python(f"for name in {PURE}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_the_command_and_its_help_need_no_core() -> None:
    done = python("sys.argv = ['tapewire', '--help']; from tapewire.cli import main; main()")
    assert done.returncode == 0, done.stderr
    assert "Settings come from one TOML file" in done.stdout


def test_the_core_was_away() -> None:
    assert "tapewire.ring._ring is compiled" in python("import tapewire.ring").stderr
