"""A bar on stderr while something long runs. Only people see it: where stderr is no terminal, there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[str, int, int], None]
"""What is being worked on, how much of it is done, how much there is."""


@contextmanager
def progress(unit: str = "records") -> Iterator[Told]:
    """Gives a function to tell how far it is; tells nothing where nobody would see it, and imports nothing then."""
    if not sys.stderr.isatty():
        yield _nobody
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield tell


def _nobody(what: str, done: int, total: int) -> None:
    """Nobody watches."""
