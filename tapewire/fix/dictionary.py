"""The published dictionaries (`dictionaries/*.xml`, QuickFIX form): which fields a message has, and checking one by it.

FIX44 = load("FIX.4.4")        FIX44.check(parse(raw))       FIX44.messages["D"].groups[453]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tapewire.errors import FixError
from tapewire.fix.groups import Entry, Group, tree
from tapewire.fix.message import Message, Reason, integer
from tapewire.fix.timestamps import to_ns

FOLDER: Final = Path(__file__).with_name("dictionaries")
FILES: Final = {
    "FIX.4.2": ("FIX42.xml",),
    "FIX.4.4": ("FIX44.xml",),
    "FIXT.1.1": ("FIXT11.xml", "FIX50SP2.xml"),
}
"""BeginString to the files of its dictionary: for FIXT the session's, then the application's."""
_DECIMAL: Final = re.compile(r"-?\d{1,19}(\.\d{0,18})?|-?\.\d{1,18}")
_INTEGERS: Final = frozenset({"INT", "SEQNUM", "LENGTH", "NUMINGROUP"})
_DECIMALS: Final = frozenset({"PRICE", "QTY", "AMT", "FLOAT", "PERCENTAGE"})


@dataclass(frozen=True, slots=True)
class Field:
    tag: int
    name: str
    type: str
    values: Mapping[str, str]
    """Allowed value to its name; empty: any of the type."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a message of one type has. `members` and `required` without those of its groups' entries."""

    type: str
    name: str
    members: frozenset[int]
    required: tuple[int, ...]
    groups: Mapping[int, Group]


@dataclass(frozen=True, slots=True)
class Dictionary:
    begin: str
    fields: Mapping[int, Field]
    messages: Mapping[str, Shape]
    """By MsgType; header and trailer are part of each."""

    def entry(self, message: Message) -> Entry:
        """The message with its groups as a tree. Raises FixError: an unknown type, a wrong group."""
        shape = self.messages.get(message.type)
        if shape is None:
            raise FixError(f"MsgType {message.type[:20]!r} is not in the dictionary", 35, Reason.INVALID_MSG_TYPE)
        return tree(message, shape.groups)

    def check(self, message: Message) -> Entry:
        """The message as a tree, if the dictionary allows it. Raises FixError naming the first thing it does not."""
        entry = self.entry(message)
        shape = self.messages[message.type]
        self._check(entry, shape.members, shape.required, shape.groups, shape.name)
        return entry

    def _check(
        self,
        entry: Entry,
        members: frozenset[int],
        required: tuple[int, ...] | frozenset[int],
        groups: Mapping[int, Group],
        where: str,
    ) -> None:
        for tag, value in entry.fields.items():
            if tag not in self.fields:
                raise FixError(f"tag {tag} is not in the dictionary", tag, Reason.UNDEFINED_TAG)
            if tag not in members:
                raise FixError(
                    f"tag {tag} ({self.fields[tag].name}) is not in {where}", tag, Reason.TAG_NOT_DEFINED_FOR_MESSAGE
                )
            _check_value(self.fields[tag], value)
        for tag in required:
            if tag not in entry.fields:
                name = self.fields[tag].name
                raise FixError(f"tag {tag} ({name}) is missing in {where}", tag, Reason.REQUIRED_TAG_MISSING)
        for count, entries in entry.groups.items():
            group = groups[count]
            for one in entries:
                name = f"{where}, group {self.fields[count].name}"
                self._check(one, group.members, group.required, group.groups, name)


@cache
def load(begin: str) -> Dictionary:
    """The dictionary of a BeginString: FIX.4.2, FIX.4.4 or FIXT.1.1 (with 5.0 SP2). KeyError: there is no other."""
    roots = [ElementTree.parse(FOLDER / name).getroot() for name in FILES[begin]]
    fields = {field.tag: field for root in roots for field in map(_field, root.iterfind("fields/field"))}
    tags = {field.name: field.tag for field in fields.values()}
    around = [*roots[0].iterfind("header"), *roots[0].iterfind("trailer")]
    messages = {}
    for root in roots:
        for element in root.iterfind("messages/message"):
            parts = [_members(part, tags) for part in (*around, element)]
            kind = element.attrib["msgtype"]
            messages[kind] = Shape(
                type=kind,
                name=element.attrib["name"],
                members=frozenset().union(*(members for members, _, _ in parts)),
                required=tuple(tag for _, required, _ in parts for tag in required),
                groups={count: group for _, _, groups in parts for count, group in groups.items()},
            )
    return Dictionary(begin, fields, messages)


def _field(element: ElementTree.Element) -> Field:
    values = {value.attrib["enum"]: value.attrib["description"] for value in element.iterfind("value")}
    return Field(int(element.attrib["number"]), element.attrib["name"], element.attrib["type"], values)


def _members(
    element: ElementTree.Element, tags: Mapping[str, int]
) -> tuple[frozenset[int], list[int], dict[int, Group]]:
    """Fields, required ones and groups right under an element."""
    members, required, groups = [], [], {}
    for child in element:
        tag = tags[child.attrib["name"]]
        members.append(tag)
        if child.attrib["required"] == "Y":
            required.append(tag)
        if child.tag == "group":
            inner, needed, nested = _members(child, tags)
            groups[tag] = Group(tag, tags[child[0].attrib["name"]], inner, frozenset(needed), nested)
    return frozenset(members), required, groups


def _check_value(field: Field, value: str) -> None:
    check = _CHECKS.get(field.type)
    if check is not None:
        check(value, field.tag)
    if field.values:
        chosen = value.split(" ") if field.type == "MULTIPLEVALUESTRING" else [value]
        for one in chosen:
            if one not in field.values:
                raise FixError(
                    f"tag {field.tag} ({field.name}): {one[:24]!r}; expected one of {', '.join(field.values)}",
                    field.tag,
                    Reason.VALUE_OUT_OF_RANGE,
                )


def _char(value: str, tag: int) -> None:
    if len(value) != 1:
        raise FixError(f"tag {tag}: {value[:24]!r} is not one character", tag, Reason.INCORRECT_DATA_FORMAT)


def _boolean(value: str, tag: int) -> None:
    if value not in ("Y", "N"):
        raise FixError(f"tag {tag}: {value[:24]!r} is neither Y nor N", tag, Reason.INCORRECT_DATA_FORMAT)


def is_decimal(value: str) -> bool:
    """Whether a price or quantity may be written so."""
    return value.isascii() and _DECIMAL.fullmatch(value) is not None


def _decimal(value: str, tag: int) -> None:
    if not is_decimal(value):
        raise FixError(f"tag {tag}: {value[:24]!r} is no decimal number", tag, Reason.INCORRECT_DATA_FORMAT)


_CHECKS: Final[dict[str, Callable[[str, int], object]]] = {
    "CHAR": _char,
    "BOOLEAN": _boolean,
    "UTCTIMESTAMP": to_ns,
    **dict.fromkeys(_INTEGERS, integer),
    **dict.fromkeys(_DECIMALS, _decimal),
}
