"""Shell completion: a script for bash, zsh or fish."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TAPEWIRE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script by which SHELL completes commands, options and names of tapes.

    \b
    eval "$(tapewire completion bash)"                              in ~/.bashrc
    eval "$(tapewire completion zsh)"                               in ~/.zshrc
    tapewire completion fish > ~/.config/fish/completions/tapewire.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    group = click.get_current_context().find_root().command
    # The script alone: click's own source() would start bash to look at its version.
    complete = found(group, {}, "tapewire", VARIABLE)
    click.echo(complete.source_template % complete.source_vars())
