"""Tables side by side on a terminal of any width: what does not fit is left out whole, in a written order.

A figure that is cut is a wrong figure. So no cell is ever shortened: where a row of panels is too wide, its columns
leave one after the other, those of the highest `leaves` first, until the rest fits; where that is not enough, the
last panel leaves and its room is the others'. Widths only grow, so that no column comes and goes with the length of a
price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

AROUND_COLUMN = 2  # a blank on either side
AROUND_PANEL = 4  # a frame and a blank on either side


@dataclass(frozen=True)
class Column:
    """`leaves`: 0 stays; of the others the highest goes first."""

    title: str
    leaves: int = 0
    right: bool = False


@dataclass
class Fitted:
    """A table whose columns are known before its rows; `name` is by whom its widths are remembered."""

    name: str
    columns: Sequence[Column]
    rows: list[list[Text]] = field(default_factory=list)

    def add(self, *cells: str | Text) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.name}: {len(cells)} cells for {len(self.columns)} columns")
        self.rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def natural(self) -> dict[str, int]:
        """The places each column needs, by its title."""
        return {
            column.title: max([cell_len(column.title), *(row[at].cell_len for row in self.rows)])
            for at, column in enumerate(self.columns)
        }

    def drawn(self, without: set[str]) -> Table:
        table = Table(box=None, padding=(0, 1), expand=True, header_style="dim")
        kept = [at for at, column in enumerate(self.columns) if column.title not in without]
        for at in kept:
            column = self.columns[at]
            table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*(row[at] for at in kept))
        return table


@dataclass
class Block:
    """Tables below one another in one panel."""

    title: str
    tables: Sequence[Fitted]


class Widths:
    """The widest that each column has been so far."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], int] = {}

    def learn(self, table: Fitted) -> None:
        for title, width in table.natural().items():
            self._of[table.name, title] = max(width, self._of.get((table.name, title), 0))

    def of(self, table: Fitted, without: set[tuple[str, str]]) -> int:
        """The places of a table, with the frame of its panel."""
        shown = [c.title for c in table.columns if (table.name, c.title) not in without]
        return sum(self._of[table.name, title] + AROUND_COLUMN for title in shown) + AROUND_PANEL


def left_out(blocks: Sequence[Block], widths: Widths, room: int) -> tuple[list[Block], set[tuple[str, str]]]:
    """The blocks that stay beside one another in `room` places, and the columns (table, title) that leave them.

    Where not even the columns that stay have room, the last block leaves and the others begin anew.
    """
    for kept in (list(blocks[:count]) for count in range(len(blocks), 0, -1)):
        without = set[tuple[str, str]]()
        while sum(_width(block, widths, without) for block in kept) > room:
            leaving = [
                (column.leaves, table.name, column.title)
                for block in kept
                for table in block.tables
                if widths.of(table, without) == _width(block, widths, without)  # no other makes its panel as wide
                for column in table.columns
                if column.leaves and (table.name, column.title) not in without
            ]
            if not leaving:
                break
            without.add(max(leaving)[1:])
        else:
            return kept, without
    return [], set()


def _width(block: Block, widths: Widths, without: set[tuple[str, str]]) -> int:
    return max(widths.of(table, without) for table in block.tables)


class Row:
    """Blocks side by side; what room is left over is shared by what they need."""

    def __init__(self, blocks: Sequence[Block], widths: Widths) -> None:
        self.blocks, self.widths = blocks, widths
        for block in blocks:
            for table in block.tables:
                widths.learn(table)

    @property
    def lines(self) -> int:
        """What the longest block needs: its frame, and of each table the head and the rows."""
        return 2 + max(sum(1 + len(table.rows) for table in block.tables) for block in self.blocks)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept, without = left_out(self.blocks, self.widths, options.max_width)
        if not kept:
            yield Text("too narrow to show a figure whole", style="yellow")
            return
        needs = [_width(block, self.widths, without) for block in kept]
        spare, given = options.max_width - sum(needs), 0
        beside = Table.grid(expand=True)
        for at, need in enumerate(needs, start=1):
            share = spare * sum(needs[:at]) // sum(needs)
            beside.add_column(width=need + share - given)
            given = share
        height = options.height or self.lines
        beside.add_row(*(_panel(block, without, height) for block in kept))
        yield beside


def _panel(block: Block, without: set[tuple[str, str]], height: int) -> Panel:
    drawn = (table.drawn({title for name, title in without if name == table.name}) for table in block.tables)
    return Panel(Group(*drawn), title=block.title, box=box.ROUNDED, height=height)
