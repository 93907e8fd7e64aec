"""Runs a table on a market and compares every answer; a difference is shown as the table with the lines that differ."""

from __future__ import annotations

from typing import Any

from tapewire import messages as m
from tests.acceptance.answers import Teller, numbers
from tests.acceptance.markets import AMarket
from tests.acceptance.sentences import INSTRUMENTS, Reader, SentenceError, Time, Tried, View
from tests.acceptance.table import Row, Table, TableError

WIDTH = 44


class Difference(AssertionError):
    """The market did something else than the table says."""


class Run:
    def __init__(self, market: AMarket) -> None:
        self.market = market
        self.reader = Reader()
        self.teller = Teller(self.reader)

    def row(self, row: Row) -> list[str]:
        name, sentence = self.reader.read(row.command)
        if isinstance(sentence, View):
            return self.teller.view(sentence)
        if isinstance(sentence, Time):
            answered = self.market.time(sentence.ts)
        elif isinstance(sentence, Tried):
            answered = self.market.send(sentence.command, by_traders=True)
        else:
            answered = self.market.send(sentence)
        told = []
        for command, events in answered:
            if isinstance(command, m.NewOrder) and name:
                self.reader.orders[name] = command.order_id
            told += [self.teller.tell(command, event) for event in events]
            self.teller.book.end_of_command()
            if isinstance(command, m.InstrumentDefinition) and not any("rejected" in text for text in told):
                self.reader.definitions[command.instrument] = command
        for instrument in INSTRUMENTS.values():
            if odd := self.market.agrees(self.teller.book, instrument):
                told.append(f"!! {odd}")
        return told


def check(table: Table, market: AMarket) -> None:
    """Raises Difference, with the table and a line for each answer that is not the expected one."""
    run = Run(market)
    lines, differs = list[str](), False
    try:
        if not table.rows[0].command.startswith("define ACME"):
            run.row(Row(table.line, "define ACME: tick 1"))
        for row in table.rows:
            actual = run.row(row)
            expected = [numbers(answer, run.reader.orders) for answer in row.expected]
            if row.given:
                same = not any("rejected" in text or "!!" in text for text in actual)
                expected = ["(anything but a refusal)"]
            else:
                same = actual == expected
            differs |= not same
            lines += shown(row, row.expected) if same else difference(row, expected, actual)
    except SentenceError as error:
        raise TableError(f"{table.where(row)}: {row.command!r}: {error}") from error
    if differs:
        text = "\n".join(lines)
        raise Difference(f"{table.where()}: {table.title}\n  - expected, + what the market says\n{text}")


def shown(row: Row, answers: list[str]) -> list[str]:
    commands = [row.command, *[""] * (len(answers) - 1)]
    return [f"    {left:{WIDTH}} | {right}" for left, right in zip(commands, answers or [""], strict=True)]


def difference(row: Row, expected: list[str], actual: list[str]) -> list[str]:
    """Answers in common as they are, then those that were expected, those that came, and the common end."""
    begin = 0
    while begin < min(len(expected), len(actual)) and expected[begin] == actual[begin]:
        begin += 1
    end = 0
    while end < min(len(expected), len(actual)) - begin and expected[-1 - end] == actual[-1 - end]:
        end += 1
    parts: list[tuple[str, str]] = [(" ", text) for text in actual[:begin]]
    parts += [("-", text) for text in expected[begin : len(expected) - end]]
    parts += [("+", text) for text in actual[begin : len(actual) - end]]
    parts += [(" ", text) for text in actual[len(actual) - end :]]
    commands: list[Any] = [row.command, *[""] * (len(parts) - 1)]
    return [f"  {mark} {left:{WIDTH}} | {right}" for left, (mark, right) in zip(commands, parts, strict=True)]
