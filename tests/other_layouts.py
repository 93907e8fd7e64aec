"""Messages as other versions of the schemas lay them out: sections that are longer or shorter by whole words.

A slow reader and writer of what our messages are, word by word as Cap'n Proto describes it; our codec has no part.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tapewire import messages as m
from tapewire.tape import TapeReader, TapeWriter
from tests.oracle.naive_tape import HEAD, HEADER_FRAME, crc32c
from tests.tapes import segments

WORD = 8


@dataclass(frozen=True)
class Elements:
    """A list of structs that have data only: their words."""

    words: int
    rows: tuple[tuple[int, ...], ...]


Pointed = bytes | Elements | None
"""What a pointer leads to: a text with its NUL, a list, or nothing."""


@dataclass(frozen=True)
class Tree:
    """A message without its layout: words of the header, words of the data, what its pointers hold."""

    header: tuple[int, ...]
    data: tuple[int, ...]
    pointers: tuple[Pointed, ...]
    rooms: tuple[int, ...] = field(compare=False)
    """Bytes that a text occupies at least."""

    def value(self) -> tuple[object, ...]:
        """Equal if the messages say the same: zeros and empty pointers at the end of a section count for nothing."""
        return (
            _trimmed(self.header, 0),
            _trimmed(self.data, 0),
            _trimmed(tuple(_value(one) for one in self.pointers), None),
        )

    def grown(self, data: tuple[int, ...] = (), pointers: tuple[Pointed, ...] = (), room: int = 8) -> Tree:
        """As a version has it that appended so many fields to it."""
        rooms = self.rooms + tuple(room for _ in pointers)
        return replace(self, data=self.data + data, pointers=self.pointers + pointers, rooms=rooms)

    def shrunk(self, data: int, pointers: int) -> Tree:
        """As a version has it that did not have the last so many words and pointers yet; what is set there stays."""
        kept, texts = list(self.data), list(self.pointers)
        while data and kept and not kept[-1]:
            kept.pop()
            data -= 1
        while pointers and texts and _value(texts[-1]) is None:
            texts.pop()
            pointers -= 1
        return replace(self, data=tuple(kept), pointers=tuple(texts), rooms=self.rooms[: len(texts)])


def _trimmed(values: tuple[object, ...], empty: object) -> tuple[object, ...]:
    end = len(values)
    while end and values[end - 1] == empty:
        end -= 1
    return values[:end]


def _value(pointed: Pointed) -> object:
    if isinstance(pointed, Elements):
        return tuple(_trimmed(row, 0) for row in pointed.rows) or None
    return pointed if pointed and pointed != b"\0" else None


def read(raw: bytes) -> Tree:
    """The tree of a message of one segment whose first pointer is its header."""
    words = [int.from_bytes(raw[at : at + WORD], "little") for at in range(WORD, len(raw), WORD)]

    def struct(at: int) -> tuple[int, int, int]:
        pointer = words[at]
        start = at + 1 + _signed(pointer & 0xFFFFFFFF) // 4
        return start, pointer >> 32 & 0xFFFF, pointer >> 48

    start, data, pointers = struct(0)
    head, header_words, none = struct(start + data)
    assert not none
    found: list[Pointed] = []
    starts: list[int] = []
    for at in range(start + data + 1, start + data + pointers):
        pointer = words[at]
        target = at + 1 + _signed(pointer & 0xFFFFFFFF) // 4
        starts.append(target if pointer else 0)
        if not pointer:
            found.append(None)
        elif pointer >> 32 & 7 == 2:
            found.append(raw[WORD * (target + 1) :][: pointer >> 35])
        else:
            count, stride = (words[target] & 0xFFFFFFFF) >> 2, words[target] >> 32 & 0xFFFF
            rows = (words[target + 1 + stride * i : target + 1 + stride * (i + 1)] for i in range(count))
            found.append(Elements(stride, tuple(tuple(row) for row in rows)))
    ends = [min((other for other in (*starts, len(words)) if other > one), default=0) for one in starts]
    rooms = tuple(WORD * (end - one) if one else 0 for one, end in zip(starts, ends, strict=True))
    return Tree(tuple(words[head : head + header_words]), tuple(words[start : start + data]), tuple(found), rooms)


def _signed(half: int) -> int:
    return half - (1 << 32) if half >> 31 else half


def write(tree: Tree) -> bytes:
    """The message in one segment: header, data, pointers, and what they lead to in their order."""
    count = 1 + len(tree.pointers)
    body = [len(tree.header) << 2 | len(tree.data) << 32 | count << 48, *tree.header, *tree.data]
    at = len(body)
    body += [0] * count
    body[at] = (-at * 4) & 0xFFFFFFFF | len(tree.header) << 32
    for place, (one, room) in enumerate(zip(tree.pointers, tree.rooms, strict=True), start=at + 1):
        if one is None:
            continue
        offset = (len(body) - place - 1) * 4 | 1
        if isinstance(one, Elements):
            body[place] = offset | (7 | one.words * len(one.rows) << 3) << 32
            body += [len(one.rows) << 2 | one.words << 32, *(word for row in one.rows for word in row)]
        else:
            body[place] = offset | (2 | len(one) << 3) << 32
            padded = one + bytes(-len(one) % WORD + max(room - len(one) - (-len(one) % WORD), 0))
            body += [int.from_bytes(padded[i : i + WORD], "little") for i in range(0, len(padded), WORD)]
    return (len(body) << 32).to_bytes(WORD, "little") + b"".join(word.to_bytes(WORD, "little") for word in body)


def lists_grown(tree: Tree, words: tuple[int, ...]) -> Tree:
    """The elements of its list have so many words more."""

    def grown(one: Pointed) -> Pointed:
        if not isinstance(one, Elements):
            return one
        return Elements(one.words + len(words), tuple(row + words for row in one.rows))

    return replace(tree, pointers=tuple(grown(one) for one in tree.pointers))


def other_version(raw: bytes, pick: random.Random) -> bytes:
    """The same message as some older or newer version writes it."""
    tree = read(raw)
    if pick.random() < 0.5:
        tree = tree.shrunk(pick.randrange(4), pick.randrange(2))
    else:
        empty: tuple[Pointed, ...] = (b"\0", None, Elements(2, ()))
        texts = tuple(pick.choice(empty) for _ in range(pick.randrange(3)))
        tree = tree.grown((0,) * pick.randrange(4), texts, room=pick.choice((8, 40)))
    return write(tree)


def rewrite_tape(source: Path, target: Path, change: Callable[[int, bytes], bytes]) -> None:
    """The tape of one segment that a writer wrote for whom record `seq` is `change(seq, raw)`."""
    (original,) = segments(source)
    before = original.read_bytes()
    target.mkdir(parents=True)
    room, at, seq = bytearray(before[:HEADER_FRAME]), HEADER_FRAME, 0
    with TapeReader(source, 1, "written") as reader:
        for seq, raw in enumerate(reader, start=1):
            length, _, kind, flags, index = HEAD.unpack_from(before, at)
            assert length == len(raw)
            at += HEAD.size + length
            anew = change(seq, raw)
            rest = HEAD.pack(len(anew), 0, kind, flags, index)[8:] + anew
            size = len(anew).to_bytes(4, "little")
            room += size + crc32c(size + rest).to_bytes(4, "little") + rest
    assert len(room) <= len(before), f"{seq} records need {len(room)} bytes, the segment has {len(before)}"
    (target / original.name).write_bytes(room + bytes(len(before) - len(room)))
    TapeWriter(target, name=source.name).close()


def known(cls: type[m.Message]) -> Tree:
    """An empty message: how many words and pointers this version knows."""
    return read(bytes(cls()))
