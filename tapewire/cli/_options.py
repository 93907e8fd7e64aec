"""What several commands ask for in the same words."""

from __future__ import annotations

import time
from pathlib import Path

import click


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


def _of_the_settings(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path:
    from tapewire.config import load

    return value or load().data


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    callback=_of_the_settings,
    help="The data folder. Default: that of the settings.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")
