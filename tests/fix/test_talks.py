"""What is said in `talks/*.txt`, word for word: whole messages in and out, in every version of FIX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.fix.rules import Use, read
from tests.fix.exchanges import DOCUMENT
from tests.fix.paper_venue import PaperVenue

FOLDER = Path(__file__).with_name("talks")
LINE = re.compile(r"(\d|operator|refused|lost)([<>]) (.*)")
Talk = list[tuple[str, list[str]]]
"""Each line that is said, and what is answered."""


def talks(version: str) -> Iterator[tuple[str, Talk]]:
    """By title."""
    name = "fix42" if version == "FIX.4.2" else "fix44"
    _, *sections = (FOLDER / f"{name}.txt").read_text("utf-8").split("\n== ")
    for section in sections:
        title, *lines = section.splitlines()
        talk: Talk = []
        for line in filter(None, lines):
            found = LINE.fullmatch(line)
            assert found is not None, line
            if found[2] == "<":
                talk[-1][1].append(f"{found[1]}: {found[3]}")
            else:
                talk.append((line, []))
        yield title, talk


def said(venue: PaperVenue, line: str) -> list[str]:
    """What is answered to a line that is not of a session that is about to be refused."""
    who, text = line.split("> ", 1)
    if who == "operator":
        name, *fields = text.split()
        return venue.sequence(operators(name, dict(field.split("=") for field in fields)))
    if who == "refused":
        reason, value, limit = text.split()
        venue.refusal = (m.RejectReason[reason], int(value), int(limit))
        return []
    return venue.lose(int(text)) if who == "lost" else venue.send(text, int(who))


def operators(name: str, fields: dict[str, str]) -> m.Message:
    """A command of the operator's out of its text."""
    enums = {"status": m.InstrumentStatus, "reason": m.StatusReason, "taker_side": m.Side}
    texts = {"ticker"}
    values = {
        key: enums[key][value] if key in enums else value if key in texts else int(value)
        for key, value in fields.items()
    }
    made: m.Message = getattr(m, name)(**values)
    return made


CASES = [
    pytest.param(version, talk, id=f"{version}-{title}")
    for version in ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
    for title, talk in talks(version)
]


@pytest.mark.parametrize(("version", "talk"), CASES)
def test_what_is_sent_is_answered_so(version: str, talk: Talk) -> None:
    venue = PaperVenue(version)
    for line, expected in talk:
        assert said(venue, line) == expected, line


ELSEWHERE = {"A": {141, 383, 464, 554, 8015, 8016}, "5": {1409}, "r": {8023, 8024}}
"""Fields that the tests of the front, of sessions and of refusals (test_reports.py) are about."""


def test_every_field_of_the_rules_is_in_a_talk_or_in_an_example_of_the_document() -> None:
    seen: dict[str, set[int]] = {}
    lines = [line.partition(" ")[2] for path in FOLDER.glob("*.txt") for line in path.read_text("utf-8").splitlines()]
    lines += [line[2:] for line in DOCUMENT.read_text("utf-8").splitlines() if line[:4] in ("> 8=", "< 8=")]
    for line in lines:
        fields = dict(part.partition("=")[::2] for part in line.split("|") if part[:1].isdigit())
        seen.setdefault(fields.get("35", ""), set()).update(map(int, fields))
    for kind, rule in read().messages.items():
        missing = set(tags(rule.uses)) - seen[kind] - ELSEWHERE.get(kind, set())
        assert not missing, f"{kind} {rule.name}: no test has {sorted(missing)}"


def tags(uses: Iterable[Use]) -> Iterator[int]:
    for use in uses:
        yield use.tag
        yield from tags(use.members)


def write(version: str, source: str) -> str:
    """The talks of a file with their answers as they are now: for a new talk, to be read before it is kept."""
    out, venue = [], PaperVenue(version)
    for line in (FOLDER / source).read_text("utf-8").splitlines():
        if line.startswith("== "):
            venue = PaperVenue(version)
        found = LINE.fullmatch(line)
        if found is None or found[2] == ">":
            out.append(line)
        if found is not None and found[2] == ">":
            out += [answer.replace(": ", "< ", 1) for answer in said(venue, line)]
    return "\n".join(out) + "\n"
