"""Every command: it teaches by an example, speaks JSON or says why not, and stands in docs/cli.md as it is."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tapewire.cli import SERVICES, cli
from tapewire.cli._document import commands
from tapewire.folders import Folders
from tapewire.tape import TapeWriter

ROOT = Path(__file__).resolve().parents[3]
WITHOUT_JSON: dict[tuple[str, ...], str] = {
    ("venue",): "runs a service until SIGTERM; its log is JSON",
    ("sink", "run"): "runs a service until SIGTERM; its log is JSON",
    ("completion",): "prints a script for a shell",
    **{(service,): "is a service; its log is JSON" for service in SERVICES},
}
FOUND = {path: command for path, command, _ in commands() if path}


def test_every_command_takes_json_or_has_a_reason_not_to() -> None:
    without = {
        path
        for path, command in FOUND.items()
        if not isinstance(command, click.Group) and not any("--json" in option.opts for option in command.params)
    }
    assert {path for path in without if path not in WITHOUT_JSON} == set()


def test_every_command_has_an_example_of_itself_in_its_help() -> None:
    lacking = [
        path
        for path, command in FOUND.items()
        if not re.search(rf"^\s*.*{'tapewire'}.* {path[-1]}\b", command.help or "", re.M)
    ]
    assert lacking == []


def test_examples_use_options_that_exist() -> None:
    wrong = []
    for path, command in FOUND.items():
        if command.context_settings.get("ignore_unknown_options"):
            continue  # hands them on to a service
        options = {opt for one in _options_around(path) for opt in (*one.opts, *one.secondary_opts)}
        for line in re.findall(r"^\s*tapewire ([^|\n]*)", (command.help or "").replace("\\\n", " "), re.M):
            wrong += [f"{path}: {word}" for word in re.findall(r"(?<=\s)--[a-z-]+", line) if word not in options]
    assert wrong == []


def _options_around(path: tuple[str, ...]) -> list[click.Parameter]:
    """Of the command, of the groups it is in, and of what is in it."""
    return [
        one
        for at, command in FOUND.items()
        if at[: len(path)] == path or path[: len(at)] == at
        for one in command.params
    ]


def test_every_command_and_option_says_what_it_is() -> None:
    silent = [path for path, command in FOUND.items() if not (command.help or "").strip()]
    assert silent == []


def test_the_document_is_current() -> None:
    """In a process of its own: click remembers a command's help option from the first time it is asked for."""
    done = subprocess.run(
        [sys.executable, "-m", "tapewire.cli._generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folders = Folders(tmp_path / "data")
    folders.prepare(tmp_path / "rings")
    for name in ("orders.0", "md.kraken", "md.binance"):
        with TapeWriter(folders.tape(name), durability="memory"):
            pass
    return folders.data


def complete(shell: str, script: str, data: Path) -> str:
    """What a real shell says: with the completion script in place, and `tapewire` being ours."""
    bin_folder = data.parent / "bin"
    bin_folder.mkdir(exist_ok=True)
    program = bin_folder / "tapewire"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tapewire.cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_tapes(data: Path) -> None:
    script = """
    eval "$(tapewire completion bash)"
    try() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _tapewire_completion tapewire; echo "${COMPREPLY[*]}"
    }
    try tapewire pl
    try tapewire tape ta
    try tapewire plot latency --fr
    try tapewire tape tail --data DATA md.
    """.replace("DATA", str(data))
    assert complete("bash", script, data).splitlines() == ["plot", "tail", "--from", "md.binance md.kraken"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(data: Path) -> None:
    script = 'autoload -U compinit; compinit -u; eval "$(tapewire completion zsh)"; print $_comps[tapewire]'
    assert complete("zsh", script, data).strip() == "_tapewire_completion"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(data: Path) -> None:
    script = 'tapewire completion fish | source; complete -C "tapewire pl"'
    assert complete("fish", script, data).startswith("plot")


@pytest.mark.parametrize(
    ("shell", "marker"), [("zsh", "#compdef tapewire"), ("fish", "complete --no-files --command tapewire")]
)
def test_the_script_of_each_shell_is_of_its_language(shell: str, marker: str) -> None:
    assert marker in CliRunner().invoke(cli, ["completion", shell]).output


def test_completion_of_commands_imports_none_of_them(data: Path) -> None:
    code = (
        "import sys, os\n"
        "os.environ.update(_TAPEWIRE_COMPLETE='bash_complete', COMP_WORDS='tapewire ', COMP_CWORD='1')\n"
        "from tapewire.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith('tapewire.cli.')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "plain,plot" in done.stdout
    assert done.stderr.strip() == "[]"


def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(data: Path) -> None:
    arguments = [sys.executable, "-m", "tapewire.cli", "tape", "check", "--data", str(data), "--json"]
    plain = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT)
    assert plain.stderr == ""
    assert {report["name"] for report in json.loads(plain.stdout)} == {"orders.0", "md.kraken", "md.binance"}
    code = "from tapewire.cli._progress import progress\nwith progress() as tell:\n    tell('md.kraken', 3, 7)\n"
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=slave,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
        cwd=ROOT,
    ) as process:
        os.close(slave)
        shown, ends = b"", time.monotonic() + 20
        while time.monotonic() < ends and b"3/7" not in shown:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    shown += os.read(master, 4096)
                except OSError:  # the other side has ended
                    break
        assert b"md.kraken" in shown
        assert b"3/7" in shown
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(master)
