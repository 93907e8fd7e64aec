"""What the hub and the process that folds the past say to each other, over its standard input and output.

u32 length, little endian | msgpack of Ask or Cancel to it, of Answer from it
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

LENGTH = struct.Struct("<I")
MAX_FRAME = 64 << 20
HELLO = 0
"""Id of the first answer, to no question: the process is there."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    id: int
    seq: int
    accounts: list[int] | None


class Cancel(msgspec.Struct, frozen=True, tag=True):
    id: int


class Answer(msgspec.Struct, frozen=True):
    id: int
    body: bytes = b""
    """AsOf as JSON."""
    error: Literal["", "too_old", "beyond_end", "superseded", "failed"] = ""
    limit: int = 0
    """The oldest or newest seq that can be asked for."""
    text: str = ""


class Requests(msgspec.Struct, frozen=True):
    """The API whose requests' outcomes are kept."""

    tape: str
    """Its own, where they stand."""
    sources: list[int]
    """Of its rings."""
    every: int
    """Records of the orders tape between two snapshots."""
    remember: int
    remember_ns: int
    since: int
    """From when on tapes are read where there is no snapshot, UTC ns."""


class Settings(msgspec.Struct, frozen=True):
    """The process's one argument, as JSON."""

    tape: str
    env: str
    producers: dict[int, str]
    feeds: list[str]
    every: int
    pictures: int
    pictures_bytes: int
    requests: Requests | None = None


Question = Ask | Cancel
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers = msgspec.msgpack.Decoder(Answer)
_encoder = msgspec.msgpack.Encoder()


def frame(message: Ask | Cancel | Answer) -> bytes:
    raw = _encoder.encode(message)
    return LENGTH.pack(len(raw)) + raw


def question(raw: bytes) -> Question:
    return _questions.decode(raw)


def answer(raw: bytes) -> Answer:
    return _answers.decode(raw)
