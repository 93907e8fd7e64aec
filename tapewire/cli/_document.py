"""docs/cli.md from the commands' own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from tapewire.cli import SERVICES, cli

WIDTH = 100
Path = tuple[str, ...]
HEAD = """\
# Commands

Made from `tapewire ... --help` by `make generate`. Every command that tells something takes `--json`; what it tells
goes to standard output, progress and errors to standard error, and bars are only drawn where that is a terminal. Exit
status 0: done; 1: an error or a refusal, said in one line (`tapewire --debug ...` shows the traceback); 2: wrong usage.

    tapewire completion bash      # a script: commands, options and names of tapes complete; zsh and fish, too
"""


def commands() -> Iterator[tuple[Path, click.Command, click.Context]]:
    """Every command and group but the services, which have a README each; in the order of the help."""
    yield from _walk(cli, (), _context(cli, "tapewire", None))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        parent=parent,
        info_name=name,
        max_content_width=WIDTH,
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )


def _walk(
    command: click.Command, path: Path, context: click.Context
) -> Iterator[tuple[Path, click.Command, click.Context]]:
    yield path, command, context
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        sub = command.get_command(context, name)
        if sub is None or (not path and name in SERVICES and not isinstance(sub, click.Group)):
            continue
        yield from _walk(sub, (*path, name), _context(sub, name, context))


def document() -> str:
    parts = [HEAD]
    for path, command, context in commands():
        heading = "#" * min(4, 2 + max(0, len(path) - 1))
        name = " ".join(("tapewire", *path))
        text = "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
        parts.append(f"{heading} {name}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)
