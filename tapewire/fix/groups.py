"""Repeating groups: a message's fields as a tree, by the shape the dictionary gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tapewire.errors import FixError
from tapewire.fix.message import Message, Reason, integer

MAX_ENTRIES: Final = 10_000  # of one group; more cannot come within the bound of a message
NO_GROUPS: Final[Mapping[int, Group]] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """The shape of a group: its count field, the field each entry begins with, and all fields an entry may have."""

    count: int
    first: int
    members: frozenset[int]
    """Of one entry, `first` and the counts of nested groups included."""
    required: frozenset[int] = frozenset()
    groups: Mapping[int, Group] = field(default_factory=dict)
    """Nested groups by their count field."""


@dataclass(slots=True)
class Entry:
    """A message, or one entry of a group."""

    fields: dict[int, str]
    groups: dict[int, list[Entry]]

    def get(self, tag: int, default: str = "") -> str:
        return self.fields.get(tag, default)

    def group(self, count: int) -> list[Entry]:
        """The entries of a group; none if it is not there."""
        return self.groups.get(count, [])


def tree(message: Message, groups: Mapping[int, Group]) -> Entry:
    """The message with its groups. `groups`: those of its type, by count field.

    Raises FixError: a tag twice (373=13), an entry that does not begin with its first field (373=15), another number
    of entries than said (373=16).
    """
    if not message.repeats and message.fields.keys().isdisjoint(groups):
        return Entry(message.fields, {})
    pairs = message.pairs()
    entry, at = _entry(pairs, 0, groups, None)
    assert at == len(pairs), "without a group's bound everything is taken"
    return entry


def _entry(
    pairs: list[tuple[int, str]], at: int, groups: Mapping[int, Group], within: Group | None
) -> tuple[Entry, int]:
    """One entry from `at` on, and where it ends."""
    entry = Entry({}, {})
    while at < len(pairs):
        tag, value = pairs[at]
        if within is not None and (tag not in within.members or (tag == within.first and entry.fields)):
            break
        if tag in entry.fields:
            raise FixError(f"tag {tag} appears twice", tag, Reason.TAG_APPEARS_TWICE)
        entry.fields[tag] = value
        at += 1
        if (group := groups.get(tag)) is not None:
            entry.groups[tag], at = _entries(pairs, at, group, value)
    return entry, at


def _entries(pairs: list[tuple[int, str]], at: int, group: Group, count: str) -> tuple[list[Entry], int]:
    expected = integer(count, group.count)
    if not 0 <= expected <= MAX_ENTRIES:
        raise FixError(f"tag {group.count}: {expected} entries", group.count, Reason.VALUE_OUT_OF_RANGE)
    entries: list[Entry] = []
    while at < len(pairs) and pairs[at][0] == group.first:
        entry, at = _entry(pairs, at, group.groups, group)
        entries.append(entry)
    if at < len(pairs) and pairs[at][0] in group.members:
        tag = pairs[at][0]
        raise FixError(
            f"tag {tag} before {group.first}, which each entry of {group.count} begins with",
            tag,
            Reason.GROUP_OUT_OF_ORDER,
        )
    if len(entries) != expected:
        raise FixError(
            f"tag {group.count} says {expected} entries; there are {len(entries)}",
            group.count,
            Reason.GROUP_COUNT_WRONG,
        )
    return entries, at
