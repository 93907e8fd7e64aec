"""The tables of docs/fix.md, out of the rules: what stands between `<!-- table: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tapewire.fix.message import Reason
from tapewire.fix.reasons import REASONS
from tapewire.fix.rules import ADMIN, Rule, Rules, Use

CUSTOM: Final = 5000  # tags from here on are nobody's in the standard
_MARKED: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_VERSIONS: Final = {"": "", "@42": "4.2 only", "@44+": "from 4.4", "@50": "5.0 SP2"}
_WAYS: Final = {"in": "you → us", "out": "us → you", "both": "both"}


def fill(text: str, rules: Rules) -> str:
    """The document with its tables made anew. KeyError: a table of that name is not known."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{_TABLES[found[2]](rules)}\n\n{found[3]}", text)


def _overview(rules: Rules) -> str:
    rows = [f"| `{one.type}` | {one.name} | {_WAYS[one.way]} | {one.doc} |" for one in rules.messages.values()]
    return "\n".join(["| 35 | message | way | |", "|---|---|---|---|", *rows])


def _around(rules: Rules) -> str:
    return _fields(rules, (*rules.header, *rules.trailer))


def _session(rules: Rules) -> str:
    return _messages(rules, lambda one: one.type in ADMIN)


def _application(rules: Rules) -> str:
    return _messages(rules, lambda one: one.type not in ADMIN)


def _messages(rules: Rules, wanted: Callable[[Rule], bool]) -> str:
    parts = []
    for one in rules.messages.values():
        if wanted(one):
            head = f"### `{one.type}` {one.name} ({_WAYS[one.way]})"
            parts.append(f"{head}\n\n{one.doc}\n\n{_fields(rules, one.uses)}\n")
    return "\n".join(parts)


def _fields(rules: Rules, uses: tuple[Use, ...]) -> str:
    return "\n".join(["| tag | field | | meaning |", "|---|---|---|---|", *_rows(rules, uses, "")])


def _rows(rules: Rules, uses: tuple[Use, ...], indent: str) -> list[str]:
    rows = []
    for use in uses:
        field = rules.fields[use.tag]
        notes = ", ".join(filter(None, ("required" if use.required else "", _VERSIONS[use.versions])))
        values = ", ".join(_value(value, *named) for value, named in field.values.items())
        doc = f"{field.doc}: {values}" if values and len(field.values) <= 8 else field.doc
        rows.append(f"| {indent}{use.tag} | {field.name} | {notes} | {doc} |")
        rows += _rows(rules, use.members, indent + "→ ")
    return rows


def _value(value: str, name: str, versions: str) -> str:
    return f"`{value}` {name}" + (f" ({_VERSIONS[versions]})" if versions else "")


def _values(rules: Rules) -> str:
    parts = []
    for field in rules.fields.values():
        if len(field.values) > 8:
            rows = [
                f"| `{value}` | {name} | {_VERSIONS[versions]} |" for value, (name, versions) in field.values.items()
            ]
            parts.append(
                "\n".join([f"### {field.tag} {field.name}\n", "| value | name | |", "|---|---|---|", *rows, ""])
            )
    return "\n".join(parts)


def _own(rules: Rules) -> str:
    rows = [
        f"| {one.tag} | {one.name} | {one.type} | {one.doc} |" for tag, one in rules.fields.items() if tag >= CUSTOM
    ]
    return "\n".join(["| tag | field | type | meaning |", "|---|---|---|---|", *rows])


def _codes(_: Rules) -> str:
    rows = [
        f"| {int(code)} | {code.name} | {one.ord_rej} | {one.cxl_rej} | {one.text} |" for code, one in REASONS.items()
    ]
    return "\n".join(["| 8022 | name | 103 | 102 | 58 |", "|---|---|---|---|---|", *rows])


def _reasons(rules: Rules) -> str:
    sent = {int(reason) for reason in Reason}
    rows = [f"| {value} | {name} |" for value, (name, _) in rules.fields[373].values.items() if int(value) in sent]
    return "\n".join(["| 373 | |", "|---|---|", *rows])


def _changes(rules: Rules) -> str:
    rows = [f"| {version} | {text} |" for version, text in reversed(rules.changes.items())]
    return "\n".join(
        [f"These rules are version {rules.version}.", "", "| version | what changed |", "|---|---|", *rows]
    )


_TABLES: Final[dict[str, Callable[[Rules], str]]] = {
    "overview": _overview,
    "around": _around,
    "session": _session,
    "application": _application,
    "values": _values,
    "own": _own,
    "codes": _codes,
    "reasons": _reasons,
    "changes": _changes,
}
