"""Records of a tape as records of a topic, and what a topic's tail says of the position. Pure.

key       the instrument's number as text; empty where no instrument is meant
value     the record's bytes as on the tape; null: records behind `seq` are taken back
headers   seq, type (`orderAccepted`), schema (key in the topic of schemas), epoch (how often the topic was taken
          back, from 1); all text
          traceparent: to which trace it belongs (contexts.py)
          position: on the last record of each batch, JSON of _Stored
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import msgspec

from services.flusher.sinks.kafka.contexts import Contexts
from services.flusher.sinks.target import Mark, Position
from tapewire import messages as m
from tapewire.bus import schemas
from tapewire.errors import TargetError
from tapewire.tape import crc32c

FORMAT: Final = 1
TAKEN_BACK: Final = b"takenBack"
Headers = list[tuple[str, bytes]]
_SEQ_CAUSE_TS = struct.Struct("<QQq")
_TYPE_INSTRUMENT = struct.Struct("<HHI")
_HEAD_AT, _TYPE_AT = 16, 64
_NS_PER_MS = 1_000_000


class Consumed(Protocol):
    """A record as the client gives it."""

    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class _Stored(msgspec.Struct, frozen=True):
    format: int
    begin: int
    seq: int
    marks: tuple[tuple[int, int], ...]


class Row(NamedTuple):
    timestamp: int
    """Of the sequencer, UTC ms."""
    key: bytes
    value: bytes | None
    headers: Headers


class Tail(NamedTuple):
    """What a topic's last records say."""

    position: Position
    epoch: int


def camel(name: str) -> str:
    """An enumerant as the schemas spell it."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


TYPES: Final = {int(kind): camel(kind.name).encode() for kind in m.MessageType}
SCHEMA_ID: Final = sha256(schemas.files()[schemas.LAYOUT]).hexdigest()[:16]
"""Of the layout of all messages: equal ids decode alike."""


def rows(records: Iterable[bytes], epoch: int, position: Position, contexts: Contexts) -> list[Row]:
    """A batch as the topic takes it; `position` is the one after it, `contexts` are of its tape."""
    schema, era = ("schema", SCHEMA_ID.encode()), ("epoch", b"%d" % epoch)
    made, context_of = list[Row](), contexts.of
    for raw in records:
        seq, cause, ts = _SEQ_CAUSE_TS.unpack_from(raw, _HEAD_AT)
        kind, _, instrument = _TYPE_INSTRUMENT.unpack_from(raw, _TYPE_AT)
        # A type that this build does not know yet goes by its number: the bytes are right all the same.
        headers: Headers = [("seq", b"%d" % seq), ("type", TYPES.get(kind) or b"%d" % kind), schema, era]
        if (context := context_of(raw, seq, cause, kind)) is not None:
            headers.append(context)
        made.append(Row(max(0, ts // _NS_PER_MS), b"%d" % instrument if instrument else b"", raw, headers))
    made[-1].headers.append(("position", stored(position)))
    return made


def taken_back(position: Position, epoch: int, timestamp: int) -> Row:
    """What tells readers that the records behind `position.seq` are no more."""
    headers: Headers = [
        ("seq", b"%d" % position.seq),
        ("type", TAKEN_BACK),
        ("epoch", b"%d" % epoch),
        ("position", stored(position)),
    ]
    return Row(timestamp, b"", None, headers)


def stored(position: Position) -> bytes:
    return msgspec.json.encode(_Stored(FORMAT, position.begin, position.seq, position.marks))


def tail_of(records: Sequence[Consumed], where: str) -> Tail | None:
    """What the newest of them say; None if none of them has a position. Raises TargetError: it is another's."""
    for at in range(len(records) - 1, -1, -1):
        headers = _headers(records[at], where)
        if (text := headers.get("position")) is not None:
            return _forward(_position(text, where), records[at + 1 :], headers, where)
    return None


def first_of(record: Consumed, where: str) -> int:
    """The seq of a record."""
    return int(_headers(record, where)["seq"])


def begun(records: Sequence[Consumed], where: str) -> Tail:
    """As `tail_of`, of all a topic has where nothing has a position: its first batch was torn."""
    headers = _headers(records[0], where)
    seq = int(headers["seq"])
    first = Mark(seq, crc32c(records[0].value or b""))
    return _forward(Position(seq, (first,), seq), records[1:], headers, where)


def _forward(position: Position, torn: Sequence[Consumed], headers: dict[str, bytes], where: str) -> Tail:
    """With the records behind it, of a batch that was torn."""
    if torn:
        last = torn[-1]
        headers = _headers(last, where)
        if not position.marks:
            position = position.moved(Mark(first_of(torn[0], where), crc32c(torn[0].value or b"")))
        if (seq := int(headers["seq"])) > position.seq:
            position = position.moved(Mark(seq, crc32c(last.value or b"")))
    return Tail(position, int(headers["epoch"]))


def _headers(record: Consumed, where: str) -> dict[str, bytes]:
    headers = dict(record.headers)
    if not {"seq", "epoch"} <= headers.keys():
        raise TargetError(
            f"{where}: the record at offset {record.offset} was not put there by this sink: it has no header seq and "
            f"epoch. Give the sink a prefix of its own, or delete the topic: it is filled from the tape"
        )
    return headers


def _position(text: bytes, where: str) -> Position:
    try:
        found = msgspec.json.decode(text, type=_Stored, strict=True)
    except msgspec.MsgspecError as error:
        raise TargetError(f"{where}: the position in the topic cannot be read: {error}") from None
    if found.format > FORMAT:
        raise TargetError(
            f"{where}: the topic was written by a newer one: its format is {found.format}, and this one knows "
            f"{FORMAT}. Run the newer one, or give this one a prefix of its own"
        )
    return Position(found.seq, tuple(Mark(*mark) for mark in found.marks), found.begin)
