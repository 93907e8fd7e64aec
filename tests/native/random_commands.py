"""A C++ program that puts random commands into a core, built with sanitizers, and what it has to say."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tools.native import SANITIZED, build

FLAGS = {"core_check": ("-D_GLIBCXX_ASSERTIONS",), "matcher_check": ("-DTAPEWIRE_CHECK",)}


def program(name: str) -> Path:
    return build(f"tests/native/{name}.cpp", *FLAGS[name], *SANITIZED)


class RandomCommands:
    """`tests/native/<name>.cpp`: takes a seed and how many commands, and ends with 0 if everything held."""

    def __init__(self, name: str) -> None:
        self._program = program(name)

    def run(self, *arguments: object) -> tuple[int, str]:
        """The exit status, and what was printed."""
        command = [str(self._program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def hold(self, seed: int, commands: int) -> str:
        """Asserts that `commands` of them were taken and everything held; returns what was printed."""
        code, said = self.run(seed, commands)
        assert (code, said.partition(",")[0]) == (0, f"{commands} commands"), said
        return said
