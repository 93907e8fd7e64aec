"""What several commands ask for in the same words."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tapewire.config import Config

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
FILE = "tapewire.config"
"""Where a context's meta holds the file of --config."""


class Instant(click.ParamType[int]):
    """A time as people write it (tapewire/times.py), as UTC ns."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from tapewire.errors import TimeError
        from tapewire.times import parse

        if isinstance(value, int):
            return value
        try:
            return parse(value, time.time_ns())
        except TimeError as error:
            self.fail(str(error), param, ctx)


class Moment(Instant):
    """A time, or one to come: +5m, +1h30m."""

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str) and value.startswith("+"):
            now = time.time_ns()
            return 2 * now - super().convert(f"-{value[1:]}", param, ctx)
        return super().convert(value, param, ctx)


def complete_tapes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The tapes of the data folder that is named, or set; none if there is no such folder."""
    from tapewire.errors import TapewireError
    from tapewire.folders import Folders

    try:
        data = ctx.params.get("data") or _of_the_settings(ctx, param, None)
    except TapewireError:  # a file of settings that does not hold is said when a command runs
        return []
    names = sorted(path.parent.name for path in Folders(Path(data)).tapes.glob("*/control"))
    return [name for name in names if name.startswith(incomplete)]


def settings(ctx: click.Context | None = None) -> Config:
    """Those of the file that the command, or a group it is in, was given by --config, else as always."""
    from tapewire.config import load

    return load((ctx or click.get_current_context()).meta.get(FILE))


def _remember(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None:
        ctx.meta[FILE] = value
    return value


def _of_the_settings(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path:
    return value or settings(ctx).data


config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=_remember,
    help="The TOML file; else TAPEWIRE_CONFIG.",
)
file_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    expose_value=False,
    is_eager=True,
    callback=_remember,
    help="The TOML file; else TAPEWIRE_CONFIG.",
)
"""The same, for a command that asks `settings()`."""


def data_option(command: Decorated) -> Decorated:
    """--data, and --config for whoever names the file of settings instead."""
    which = click.option(
        "--data",
        type=click.Path(path_type=Path),
        callback=_of_the_settings,
        help="The data folder. Default: that of the settings.",
    )
    return which(file_option(command))


json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")
