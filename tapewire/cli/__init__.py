"""The command `tapewire`: a group whose subcommands are loaded only when called.

A subcommand is a module `tapewire/cli/<name>.py` (no `_` in front) with a click command in the attribute `command`; the
first line of its docstring is its line in `tapewire --help`. A service is run as `python -m services.<name>` would be.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from tapewire.advice import advised
from tapewire.errors import TapewireError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SERVICES = {
    "connector": "market data of one venue, onto the bus and its ring",
    "engine": "risk, journal and matcher of one shard",
    "risk": "risk of any number of shards, for engines of topology split",
    "matcher": "the matcher of any number of shards, for engines of topology split",
    "gateway": "FIX sessions of clients: orders in, reports and market data out",
    "api": "HTTP and WebSocket clients, and the dashboard in the browser",
    "router": "parent orders: algorithms, smart order routing, children at venues",
    "flusher": "market data from the rings onto tapes and into columnar files",
    "journal": "the orders tape republished on the bus",
    "monitor": "traces and metrics of the whole platform",
    "replica": "tapes carried to other hosts, and taken over by them",
    "simulator": "venues that speak the real protocols, for demos and tests",
}

EPILOG = """\b
First steps:
  tapewire demo                          run the whole platform on this machine
  tapewire sub 'demo.*.trade.*'          watch its messages, decoded
  tapewire tape tail orders.0            the tape of the house market, live
  tapewire top                           all services: CPU, latency, feeds, lag, live
  tapewire config show                   what is set, and where each value came from

\b
Settings come from one TOML file (--config, TAPEWIRE_CONFIG or ./tapewire.toml) and the
environment: TAPEWIRE_ENGINE__MAX_BATCH=64 sets engine.max_batch. TAPEWIRE_LOG=debug logs more.
"""


class Commands(click.Group):
    """Finds subcommands by file name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
        return sorted({*(name.replace("_", "-") for name in found), *SERVICES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("-", "_")
        if (Path(__file__).parent / f"{name}.py").exists():
            command: click.Command = importlib.import_module(f"tapewire.cli.{name}").command
            return command
        return _service(cmd_name) if cmd_name in SERVICES else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and first lines, without importing any command."""
        from click.shell_completion import CompletionItem

        found = super(click.Group, self).shell_complete(ctx, incomplete)
        lines = {name: SERVICES.get(name) or _first_line(name) for name in self.list_commands(ctx)}
        return [
            *found,
            *(CompletionItem(name, help=line) for name, line in lines.items() if name.startswith(incomplete)),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = [name for name in self.list_commands(ctx) if name not in SERVICES]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(name)) for name in names])
        with formatter.section("Services (each takes --help)"):
            formatter.write_dl(sorted(SERVICES.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _where_it_stands(error) from None
        except TapewireError as error:
            if ctx.params["debug"]:
                raise
            click.echo(f"tapewire: {advised(error)}", err=True)
            ctx.exit(1)


def _where_it_stands(error: click.NoSuchOption) -> click.NoSuchOption:
    """`operator halt --data X`: the option is there, one word earlier."""
    context = error.ctx.parent if error.ctx else None
    while context is not None:
        if any(error.option_name in option.opts for option in context.command.params):
            told = f"{error.message} It is one of `{context.command_path}` and stands right behind that."
            return click.NoSuchOption(error.option_name, told, ctx=error.ctx)
        context = context.parent
    return error


def _first_line(name: str) -> str:
    """A command's line in the help, read without importing it: importing all would take a second."""
    source = (Path(__file__).parent / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return text.partition("\n")[0].rstrip(".")


def _service(name: str) -> click.Command:
    """A command that hands all its arguments, --help too, to the service of that name."""

    def run(args: tuple[str, ...]) -> None:
        if importlib.util.find_spec(f"services.{name}") is None:
            raise TapewireError(f"the service {name} is not installed here: there is no services/{name}")
        if click.get_current_context().find_root().params["debug"]:
            os.environ["TAPEWIRE_DEBUG"] = "1"
        sys.argv = [f"tapewire {name}", *args]
        runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["args"], nargs=-1, type=click.UNPROCESSED)],
        help=SERVICES[name],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tapewire", prog_name="tapewire")
@click.option("--debug", is_flag=True, envvar="TAPEWIRE_DEBUG", help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Tapewire: an event-sourced trading platform. One tape owns the order of events; all else is a fold over it."""


def main() -> NoReturn:
    """The entry point of the console script."""
    cli(prog_name="tapewire")
    raise AssertionError("click exits by itself")
