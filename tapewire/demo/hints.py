"""The first and last lines of the demo's view: where it runs, and what to try in another terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.text import Text

from tapewire.demo.fitting import AROUND_PANEL

BESIDE = 3  # blanks between a command and what it does


class Head:
    """One line. Of its parts the last leave first; how to end stays."""

    def __init__(self, title: str, parts: Sequence[str], end: str) -> None:
        self.title, self.parts, self.end = title, parts, end

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = list(self.parts)
        while kept and cell_len("   ".join([self.title, *kept, self.end])) > options.max_width:
            kept.pop()
        told = "".join(f"   {part}" for part in kept)
        yield Text.assemble((self.title, "bold"), told, "   ", (self.end, "dim"), no_wrap=True)


class Hints:
    """Commands, and what they do beside them; where that is too long the command alone, on more lines if it must be."""

    def __init__(self, told: dict[str, str], width: int) -> None:
        room = width - AROUND_PANEL
        aligned = max(map(cell_len, told)) + BESIDE
        if any(aligned + cell_len(what) > room for what in told.values()):
            aligned = 0
        self._lines = [line for command, what in told.items() for line in _lines(command, what, aligned, room)]

    @property
    def lines(self) -> int:
        """With the frame."""
        return len(self._lines) + 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Panel(Text("\n".join(self._lines)), title="in another terminal", box=box.ROUNDED)


def _lines(command: str, what: str, aligned: int, room: int) -> list[str]:
    line = (command.ljust(aligned - BESIDE) + " " * BESIDE + what) if aligned else f"{command}{' ' * BESIDE}{what}"
    if cell_len(line) <= room:
        return [line]
    room = max(room, 1)
    return [command[at : at + room] for at in range(0, len(command), room)]
