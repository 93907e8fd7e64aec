"""The checker itself: a table that is wrong must fail, and say so readably; a market that errs must be found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tapewire import messages as m
from tests.acceptance.markets import Answered, Core, oracle
from tests.acceptance.runner import Difference, check
from tests.acceptance.sentences import Reader, SentenceError
from tests.acceptance.table import Table, TableError, read_table, tables_of_document
from tests.oracle.naive_book import NaiveMatcher

RIGHT = """
    a1: ann buys 10 at 100 | accepted
    b1: bob sells 4 at 100 | accepted
                           | trade 1: 4 at 100, maker a1 (6 left), taker b1 (filled)
    book                   | buy 6 at 100
    bob cancels a1         | rejected: notYourOrder (a1, 0)
"""


def table(text: str) -> Table:
    return read_table("example", 0, "An example", dedent(text).strip("\n").splitlines())


def refused(text: str) -> str:
    with pytest.raises(Difference) as error, oracle() as market:
        check(table(text), market)
    return str(error.value)


def test_a_right_table_passes() -> None:
    with oracle() as market:
        check(table(RIGHT), market)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("trade 1: 4 at 100", "trade 1: 5 at 100"),
        ("a1 (6 left)", "a1 (filled)"),
        ("maker a1", "maker b1"),
        ("buy 6 at 100", "buy 6 at 101"),
        ("buy 6 at 100", "empty"),
        ("notYourOrder", "unknownOrder"),
        ("(a1, 0)", "(b1, 0)"),
        ("(a1, 0)", "(a1, 1)"),
        ("a1: ann buys 10 at 100 | accepted", "a1: ann buys 10 at 100 |"),
        ("b1: bob sells 4 at 100 | accepted", "b1: bob sells 4 at 100 | accepted\n    | accepted"),
        ("a1: ann buys 10 at 100 | accepted", "given a1: ann buys 0 at 100"),
    ],
)
def test_a_table_with_a_wrong_expectation_fails(right: str, wrong: str) -> None:
    assert right in RIGHT
    refused(RIGHT.replace(right, wrong))


def test_the_difference_is_shown_as_the_table_with_the_lines_that_differ() -> None:
    assert refused(RIGHT.replace("a1 (6 left)", "a1 (5 left)")) == dedent(
        """\
        example:0: An example
          - expected, + what the market says
            a1: ann buys 10 at 100                       | accepted
            b1: bob sells 4 at 100                       | accepted
          -                                              | trade 1: 4 at 100, maker a1 (5 left), taker b1 (filled)
          +                                              | trade 1: 4 at 100, maker a1 (6 left), taker b1 (filled)
            book                                         | buy 6 at 100
            bob cancels a1                               | rejected: notYourOrder (a1, 0)"""
    )


class Erring(Core):
    """A market that falsifies what `when` finds."""

    def __init__(self, cls: type[m.Message], **wrong: Any) -> None:
        super().__init__(NaiveMatcher())
        self.cls, self.wrong = cls, wrong

    def send(self, command: m.Message, by_traders: bool = False) -> list[Answered]:
        return [
            (sent, [event.replace(**self.wrong) if isinstance(event, self.cls) else event for event in events])
            for sent, events in super().send(command)
        ]


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (m.OrderAccepted, {"account": 7}),
        (m.OrderAccepted, {"hidden": True}),
        (m.OrderAccepted, {"instrument": 2}),
        (m.OrderExecuted, {"maker_account": 2}),
        (m.OrderExecuted, {"aggressor": m.Side.buy}),
        (m.OrderExecuted, {"match_id": 2}),
        (m.OrderExecuted, {"taker_side": m.Side.buy}),
        (m.CancelRejected, {"order_id": 9}),
        (m.CancelRejected, {"cl_ord_id": 9}),
        (m.CancelRejected, {"ts": 1}),
    ],
)
def test_a_field_that_no_answer_names_must_still_be_right(cls: type[m.Message], wrong: dict[str, Any]) -> None:
    with pytest.raises(Difference, match=r"\+ .* !! "):
        check(table(RIGHT), Erring(cls, **wrong))


def test_a_trade_with_an_order_that_is_not_first_in_its_queue_is_found_out() -> None:
    class Unfair(Core):
        def send(self, command: m.Message, by_traders: bool = False) -> list[Answered]:
            def other(event: m.Message) -> m.Message:
                swap = isinstance(event, m.OrderExecuted)
                return event.replace(maker_order_id=2, maker_account=2) if swap else event

            return [(sent, [other(event) for event in events]) for sent, events in super().send(command)]

    text = """
        given a1: ann buys 10 at 100
        given b1: bob buys 10 at 100
        c1: cid sells 4 at 100 | accepted
                               | trade 1: 4 at 100, maker b1 (6 left), taker c1 (filled)
    """
    with pytest.raises(Difference, match=r"!! the first in the queue is 1, not 2"):
        check(table(text), Unfair(NaiveMatcher()))


def test_a_market_whose_depth_is_not_what_its_events_tell_is_found_out() -> None:
    class Vague(NaiveMatcher):
        def depth(self, instrument: int, side: m.Side, n: int) -> list[tuple[int, int, int]]:
            return [(price, qty + 1, orders) for price, qty, orders in super().depth(instrument, side, n)]

    with pytest.raises(Difference, match=r"!! the events tell of .* depth\(\) of"):
        check(table(RIGHT), Core(Vague()))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("    | accepted", "before the first command"),
        ("book", "cannot fail"),
        ("given book | empty\nbook | empty", "leave them out"),
        ("book | empty\nonly matcher", "first row"),
        ("only nothing\nbook | empty", "first row"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(text: str, complaint: str) -> None:
    with pytest.raises(TableError, match=complaint):
        read_table("example", 0, "An example", text.splitlines())


@pytest.mark.parametrize(
    "sentence",
    ["ann sleeps", "a1: zoe buys 1 at 1", "a1: ann buys 1 at 1, quickly", "ann cancels a9", "book, now", "set ACME up"],
)
def test_a_sentence_outside_the_language_is_an_error_that_names_its_line(sentence: str) -> None:
    with pytest.raises(SentenceError):
        Reader().read(sentence)
    with pytest.raises(TableError, match="example:1"), oracle() as market:
        check(table(f"{sentence} | accepted"), market)


def test_a_block_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    document = tmp_path / "rules.md"
    document.write_text("# Rules\n```market\nbook | empty\n")
    with pytest.raises(TableError, match="does not end"):
        list(tables_of_document(document, "rules.md"))


@pytest.mark.parametrize("end", [str, lambda text: text + "\n# More\n```market\nbook | empty\n```\n"])
def test_blocks_are_named_after_the_heading_above_them(tmp_path: Path, end: Callable[[str], str]) -> None:
    block = "```market\nbook | empty\n```\n"
    (tmp_path / "rules.md").write_text(end(f"# Rules\n## One\n{block}text\n{block}"))
    titles = [table.title for table in tables_of_document(tmp_path / "rules.md", "rules.md")]
    assert titles in (["One", "One 2"], ["One", "One 2", "More"])
