"""The bytes in docs/fix.md are what the gateway says today, but for times and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.fix.dictionary import load
from tests.fix.exchanges import DOCUMENT, MARKED, comparable, made
from tests.fix.processes import skip_reason


def shown() -> str:
    found = MARKED.search(DOCUMENT.read_text("utf-8"))
    assert found is not None
    return found[0].removeprefix(found[1]).removesuffix(found[2])


def test_every_message_of_the_rules_is_in_an_example() -> None:
    text = shown()
    assert [kind for kind in load("FIX.4.4").messages if f"|35={kind}|" not in text] == []
    assert "|554=" not in text
    assert "96=***" in text


@pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
@pytest.mark.slow  # a shutdown takes its time
def test_the_examples_are_what_the_gateway_says(tmp_path: Path) -> None:
    assert comparable(made(tmp_path).markdown()) == comparable(shown())
