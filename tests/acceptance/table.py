"""The tables of docs/matching.md and tests/acceptance/*.market: rows of commands and the answers they must get.

    a1: ann buys 10 at 100      | accepted
    b1: bob sells 4 at 100      | accepted
                                | trade 1: 4 at 100, maker a1 (6 left), taker b1 (filled)
    book                        | buy 6 at 100

A row whose left side is empty goes on with the answers of the one above. `given` before a command: its answers are not
compared, but it must not be refused. `#` begins a remark. `only matcher` or `only engine` as the first row says that
the rule is one of that part alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GIVEN = "given "
ONLY = "only "
PARTS = ("matcher", "engine")


class TableError(Exception):
    """A table that cannot be read: where, and what was expected there."""


@dataclass
class Row:
    line: int
    command: str
    expected: list[str] = field(default_factory=list)
    given: bool = False


@dataclass
class Table:
    source: str
    line: int
    title: str
    rows: list[Row] = field(default_factory=list)
    only: str = ""

    @property
    def id(self) -> str:
        return f"{Path(self.source).stem}-{self.line}-{re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-')}"

    def where(self, row: Row | None = None) -> str:
        return f"{self.source}:{row.line if row else self.line}"


def words(text: str) -> str:
    """The text with single blanks."""
    return " ".join(text.split())


def read_table(source: str, line: int, title: str, lines: list[str]) -> Table:
    table = Table(source, line, title)
    for number, text in enumerate(lines, start=line + 1):
        command, bar, answer = (words(part) for part in text.partition("|"))
        if command.startswith("#") or not (command or bar):
            continue
        if command.startswith(ONLY):
            table.only = command.removeprefix(ONLY)
            if table.rows or table.only not in PARTS:
                raise TableError(f"{source}:{number}: `only` stands in the first row and names one of {PARTS}")
            continue
        if command:
            given = command.startswith(GIVEN)
            table.rows.append(Row(number, command.removeprefix(GIVEN), given=given))
        elif not table.rows:
            raise TableError(f"{source}:{number}: an answer before the first command")
        if answer:
            if table.rows[-1].given:
                raise TableError(f"{source}:{number}: answers of a `given` row are not compared: leave them out")
            table.rows[-1].expected.append(answer)
    if not any(row.expected for row in table.rows):
        raise TableError(f"{source}:{line}: a table that expects nothing cannot fail")
    return table


def tables_of_document(path: Path, name: str) -> Iterator[Table]:
    """The ```market blocks of a Markdown file, each named after the heading above it."""
    heading, start, held, count = "", 0, list[str](), 0
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if start:
            if line.strip() == "```":
                count += 1
                yield read_table(name, start, heading if count == 1 else f"{heading} {count}", held)
                start, held = 0, []
            else:
                held.append(line)
        elif line.startswith("#"):
            heading, count = line.lstrip("# "), 0
        elif line.strip() == "```market":
            start = number
    if start:
        raise TableError(f"{name}:{start}: this block does not end")


def tables_of_file(path: Path, name: str) -> Iterator[Table]:
    """The tables of a .market file, each begun by a line `== what it shows`."""
    title, start, held = "", 0, list[str]()
    for number, line in enumerate([*path.read_text().splitlines(), "== end"], start=1):
        if line.startswith("== "):
            if start:
                yield read_table(name, start, title, held)
            title, start, held = line[3:].strip(), number, []
        elif start:
            held.append(line)
        elif line.strip() and not line.startswith("#"):
            raise TableError(f"{name}:{number}: a row before the first `== title`")
