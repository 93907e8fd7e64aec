"""Reads `dictionaries/rules.toml`, and writes a QuickFIX dictionary for each version of FIX out of it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

FOLDER: Final = Path(__file__).with_name("dictionaries")
ADMIN: Final = frozenset("012345A")
_ORDER: Final = ("42", "44", "50")
_TOKEN: Final = re.compile(r"\[(\d+)(!?)(@\d+\+?)?:|(\d+)(!?)(@\d+\+?)?|(\])")


class File(NamedTuple):
    """One dictionary: which version it is of, its root element, and what it holds."""

    name: str
    version: str
    root: str
    admin: bool
    application: bool


FILES: Final = (
    File("FIX42", "42", "type='FIX' major='4' minor='2' servicepack='0'", True, True),
    File("FIX44", "44", "type='FIX' major='4' minor='4' servicepack='0'", True, True),
    File("FIXT11", "50", "type='FIXT' major='1' minor='1' servicepack='0'", True, False),
    File("FIX50SP2", "50", "type='FIX' major='5' minor='0' servicepack='2'", False, True),
)


@dataclass(frozen=True, slots=True)
class Use:
    """A field's place in a message or group; `members` are those of a group."""

    tag: int
    required: bool
    versions: str
    """"": all; else as in the file: @42, @44+."""
    members: tuple[Use, ...] = ()

    def is_in(self, version: str) -> bool:
        return _is_in(self.versions, version)


@dataclass(frozen=True, slots=True)
class Field:
    tag: int
    name: str
    type: str
    doc: str
    values: dict[str, tuple[str, str]]
    """Value to its name and the versions it is in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A message."""

    type: str
    name: str
    way: str
    """in (client to us), out, both."""
    doc: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    version: str
    changes: dict[str, str]
    """What changed with each version; the last one is `version`."""
    header: tuple[Use, ...]
    trailer: tuple[Use, ...]
    fields: dict[int, Field]
    messages: dict[str, Rule]


def read(path: Path = FOLDER / "rules.toml") -> Rules:
    """The rules. Raises ValueError if they do not hold together: it is our own file."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    fields = {}
    for number, text in data["fields"].items():
        head, doc = text.split(": ", 1)
        name, kind = head.split()
        values = {key: _versioned(value) for key, value in data["values"].get(number, {}).items()}
        fields[int(number)] = Field(int(number), name, kind, doc, values)
    messages = {
        kind: Rule(kind, one["name"], one["way"], one["doc"], uses(one["fields"]))
        for kind, one in data["messages"].items()
    }
    if list(data["changes"])[-1] != data["version"]:
        raise ValueError(f"{path}: version {data['version']} is not the last one in [changes]")
    rules = Rules(data["version"], data["changes"], uses(data["header"]), uses(data["trailer"]), fields, messages)
    used = _used((*rules.header, *rules.trailer, *(use for one in messages.values() for use in one.uses)))
    if used != set(fields):
        raise ValueError(f"{path}: fields not defined, or defined and not used: {sorted(used ^ set(fields))}")
    return rules


def uses(text: str) -> tuple[Use, ...]:
    """`11! [453@44+: 448! 447] 55` as uses. ValueError: it is not of that form."""
    stack: list[tuple[list[Use], str, str, str]] = []
    now: list[Use] = []
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text!r}: not understood from {text[at:][:20]!r} on")
        count, count_required, count_versions, tag, required, versions, closing = found.groups()
        if count:
            stack.append((now, count, count_required, count_versions or ""))
            now = []
        elif closing:
            members, (now, count, count_required, count_versions) = tuple(now), stack.pop()
            now.append(Use(int(count), bool(count_required), count_versions, members))
        else:
            now.append(Use(int(tag), bool(required), versions or ""))
        at = found.end()
    if stack:
        raise ValueError(f"{text!r}: a group is not closed")
    return tuple(now)


def xml(rules: Rules, file: File) -> str:
    """One dictionary in QuickFIX's form."""
    empty = not file.admin
    chosen = [one for one in rules.messages.values() if (one.type in ADMIN and file.admin) or _is_app(one.type, file)]
    header, trailer = (() if empty else rules.header), (() if empty else rules.trailer)
    lines = [
        f"<!-- Rules of engagement {rules.version}; made from rules.toml by tapewire.fix.generate: change that. -->",
        f"<fix {file.root}>",
        *_block("header", "", header, rules, file.version, 1),
        " <messages>",
    ]
    for one in chosen:
        category = "admin" if one.type in ADMIN else "app"
        attributes = f" name='{one.name}' msgtype='{one.type}' msgcat='{category}'"
        lines += _block("message", attributes, one.uses, rules, file.version, 2)
    lines += [" </messages>", *_block("trailer", "", trailer, rules, file.version, 1), " <components/>", " <fields>"]
    used = _used((*header, *trailer, *(use for one in chosen for use in one.uses)), file.version)
    for tag in sorted(used):
        lines += _field(rules.fields[tag], chosen, file.version)
    return "\n".join([*lines, " </fields>", "</fix>", ""])


def _field(field: Field, chosen: list[Rule], version: str) -> list[str]:
    values = {value: name for value, (name, versions) in field.values.items() if _is_in(versions, version)}
    if field.tag == 35:
        values = {one.type: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one.name).upper() for one in chosen}
    head = f"  <field number='{field.tag}' name='{field.name}' type='{field.type}'"
    if not values or field.tag == 35:  # FIXT and application messages are in two files: 35 is checked by message
        return [f"{head}/>"]
    lines = [f"   <value enum='{value}' description={quoteattr(name)}/>" for value, name in values.items()]
    return [f"{head}>", *lines, "  </field>"]


def _block(
    element: str, attributes: str, members: tuple[Use, ...], rules: Rules, version: str, depth: int
) -> list[str]:
    indent = " " * depth
    inner = []
    for use in members:
        if not use.is_in(version):
            continue
        name, required = rules.fields[use.tag].name, "Y" if use.required else "N"
        if use.members:
            group = f" name='{name}' required='{required}'"
            inner += _block("group", group, use.members, rules, version, depth + 1)
        else:
            inner.append(f"{indent} <field name='{name}' required='{required}'/>")
    if not inner:
        return [f"{indent}<{element}{attributes}/>"]
    return [f"{indent}<{element}{attributes}>", *inner, f"{indent}</{element}>"]


def _used(members: tuple[Use, ...], version: str = "") -> set[int]:
    found = set()
    for use in members:
        if not version or use.is_in(version):
            found |= {use.tag} | _used(use.members, version)
    return found


def _is_app(kind: str, file: File) -> bool:
    return file.application and kind not in ADMIN


def _versioned(text: str) -> tuple[str, str]:
    name, at, versions = text.partition("@")
    return name, at + versions


def _is_in(versions: str, version: str) -> bool:
    if not versions:
        return True
    first = versions[1:3]
    return version == first or (versions.endswith("+") and _ORDER.index(version) > _ORDER.index(first))
