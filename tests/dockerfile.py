"""A Dockerfile read and carried out without Docker: its own commands, its paths moved below one folder.

All stages share that folder, so a copy between stages is right only if it leads where it came from, which is checked.
What the base image gives (an interpreter, a shell, coreutils) is the machine's.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

KEYWORDS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "LABEL", "RUN", "SHELL", "STOPSIGNAL"}
KEYWORDS |= {"USER", "WORKDIR"}


@dataclass(frozen=True)
class Step:
    word: str
    rest: str


@dataclass
class Stage:
    name: str
    base: str
    steps: list[Step] = field(default_factory=list)

    def last(self, word: str) -> str:
        return next(step.rest for step in reversed(self.steps) if step.word == word)

    def all(self, word: str) -> list[str]:
        return [step.rest for step in self.steps if step.word == word]

    def command(self, word: str) -> list[str]:
        """ENTRYPOINT or CMD, in the form of a list: no shell stands between the engine's signals and the service."""
        found: list[str] = json.loads(self.last(word))
        return found


def read(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first stage with their defaults, and the stages. Raises ValueError for what it lacks."""
    text = re.sub(r"^[ \t]*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word not in KEYWORDS:
            raise ValueError(f"{path}: {word!r} is not an instruction known here")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(name, base))
        elif stages:
            stages[-1].steps.append(Step(word, rest.strip()))
        else:
            name, _, value = rest.partition("=")
            arguments[name] = value
    return arguments, stages


def pairs(text: str) -> dict[str, str]:
    """What ENV or LABEL set."""
    return dict(one.split("=", 1) for one in shlex.split(text))


class Ignored:
    """A .dockerignore: the last line that fits decides, by paths relative to the context."""

    def __init__(self, path: Path) -> None:
        lines = (line.strip() for line in path.read_text().splitlines())
        self.lines = [line for line in lines if line and not line.startswith("#")]

    def __contains__(self, name: str) -> bool:
        ignored = False
        for line in self.lines:
            pattern = line.removeprefix("!").strip("/")
            if any(self._fits(pattern, part) for part in _with_parents(name)):
                ignored = not line.startswith("!")
        return ignored

    @staticmethod
    def _fits(pattern: str, name: str) -> bool:
        if pattern.startswith("**/"):
            return fnmatch.fnmatchcase(name.rpartition("/")[2], pattern.removeprefix("**/"))
        return pattern.count("/") == name.count("/") and fnmatch.fnmatchcase(name, pattern)


def _with_parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


class Build:
    """Carries the stages out below `root`; `moved` are the folders of the image that are meant."""

    def __init__(self, root: Path, context: Path, files: list[str], moved: tuple[str, ...], path: str) -> None:
        """`files`: what the context holds, relative to it; `path`: where the base image's programs are."""
        self.root, self.context, self.files, self.moved = root, context, files, moved
        self.environment = {"PATH": path, "HOME": os.environ["HOME"]}
        self.environment |= {
            key: value for key, value in os.environ.items() if key.lower().startswith(("pip_", "npm_"))
        }
        self.directory = "/"

    def moved_text(self, text: str) -> str:
        """With each of the image's folders, where a word begins with it, below `root`."""
        names = "|".join(map(re.escape, self.moved))
        return re.sub(rf"(?<![\w.$/-])({names})(?=[/\s:\"']|$)", lambda found: f"{self.root}{found[1]}", text)

    def run(self, stage: Stage, *, most_seconds: float) -> None:
        """Raises AssertionError with what a command said."""
        for step in stage.steps:
            if step.word == "WORKDIR":
                self.directory = step.rest
                Path(self.moved_text(step.rest)).mkdir(parents=True, exist_ok=True)
            elif step.word == "ENV":
                for key, value in pairs(step.rest).items():
                    self.environment[key] = value if key == "PATH" else self.moved_text(value)
            elif step.word == "COPY":
                self._copy(shlex.split(step.rest))
            elif step.word == "RUN":
                self._run(step.rest, most_seconds)

    def _run(self, command: str, most_seconds: float) -> None:
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", self.moved_text(command)],
            cwd=self.moved_text(self.directory),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=most_seconds,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"

    def _copy(self, words: list[str]) -> None:
        options = [word for word in words if word.startswith("--")]
        *sources, target = (word for word in words if not word.startswith("--"))
        if any(option.startswith("--from=") for option in options):
            assert sources == [target], f"COPY {words}: leads elsewhere, and the stages share one folder here"
            return
        inside = Path(self.moved_text(self.directory)) / target
        for source in sources:
            found = [name for name in self.files if name == source or name.startswith(f"{source}/")]
            assert found, f"COPY {source}: there is no such thing in the context"
            for name in found:
                if name == source:
                    to = inside / Path(source).name if target.endswith("/") else inside
                else:
                    to = inside / name.removeprefix(f"{source}/")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.context / name, to)
