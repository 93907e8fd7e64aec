"""FIX messages: bytes to fields and back.

    8=FIX.4.4␁9=178␁35=D␁34=2␁ … ␁10=220␁            ␁ is SOH, the byte 1
              └─┬─┘ └──── 178 bytes ────┘└ sum of all bytes before it, modulo 256

Values are text in latin-1, so that any byte comes back as it was. A value may hold `=`, and SOH only where a length
field stands right before it (95 before 96). Tags are numbers without leading zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final
from zlib import adler32

from tapewire.errors import FixError, FixGarbled

SOH: Final = "\x01"
TRAILER: Final = 7  # bytes of "10=220␁"
MAX_TAG: Final = (1 << 31) - 1
DATA_LENGTHS: Final = {
    90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359, 360: 361, 362: 363,
    364: 365, 445: 446, 618: 619, 621: 622, 1184: 1185, 1277: 1278, 1280: 1281, 1282: 1283, 1397: 1398, 1468: 1469,
}  # fmt: skip
"""Length field to the data field that must follow it."""
_DATA_LENGTHS: Final = frozenset(DATA_LENGTHS)
_TAGS: Final = {str(tag): tag for tag in range(1, 10_000)}
_HEAD: Final = re.compile(rb"8=FIX[!-~]{1,9}\x019=([0-9]{1,9})\x0135=")
_CHUNK: Final = 256  # adler32's low half is the sum modulo 65,521: exact up to 256 bytes


class Reason(IntEnum):
    """SessionRejectReason (373)."""

    INVALID_TAG = 0
    REQUIRED_TAG_MISSING = 1
    TAG_NOT_DEFINED_FOR_MESSAGE = 2
    UNDEFINED_TAG = 3
    TAG_WITHOUT_VALUE = 4
    VALUE_OUT_OF_RANGE = 5
    INCORRECT_DATA_FORMAT = 6
    COMP_ID_PROBLEM = 9
    SENDING_TIME_ACCURACY = 10
    INVALID_MSG_TYPE = 11
    TAG_APPEARS_TWICE = 13
    TAG_OUT_OF_ORDER = 14
    GROUP_OUT_OF_ORDER = 15
    GROUP_COUNT_WRONG = 16
    OTHER = 99


class Message:
    """One message as received. `fields` has the first value of each tag; for groups see `groups.py`."""

    __slots__ = ("fields", "raw", "repeats")

    def __init__(self, raw: bytes, fields: dict[int, str], repeats: bool) -> None:
        self.raw, self.fields, self.repeats = raw, fields, repeats

    @property
    def type(self) -> str:
        """MsgType (35)."""
        return self.fields[35]

    @property
    def seq(self) -> int:
        """MsgSeqNum (34). Raises FixError if it is missing or no number."""
        return self.integer(34)

    def __getitem__(self, tag: int) -> str:
        """The value of a tag that must be there. Raises FixError (373=1) if it is not."""
        value = self.fields.get(tag)
        if value is None:
            raise FixError(f"tag {tag} is missing", tag, Reason.REQUIRED_TAG_MISSING)
        return value

    def __contains__(self, tag: int) -> bool:
        return tag in self.fields

    def get(self, tag: int, default: str = "") -> str:
        return self.fields.get(tag, default)

    def integer(self, tag: int) -> int:
        """The value of a tag as an integer of up to 18 digits. Raises FixError (373=1 or 6)."""
        return integer(self[tag], tag)

    def pairs(self) -> list[tuple[int, str]]:
        """All fields in order, 8 and 10 included."""
        return list(_pairs(self.raw.decode("latin-1")))

    def __repr__(self) -> str:
        return f"Message({self.raw.decode('latin-1').replace(SOH, '|')})"


def parse(raw: bytes) -> Message:
    """The message that `raw` is, from `8=` to the SOH behind the checksum.

    Raises FixGarbled if it is none (8, 9, 35 and 10 in their places, length and checksum right), and FixError if a
    field breaks the rules: no number before `=` (373=0), nothing behind it (373=4), data that does not fit its length.
    """
    check_frame(raw)
    return fields_of(raw)


def fields_of(raw: bytes) -> Message:
    """As `parse`, for bytes whose frame was checked already (by `Framer`, or by the session layer)."""
    if b"=\x01" in raw:  # a field without value, or a value that ends in =
        return _fields_slowly(raw)
    tags, parts = _TAGS, raw[:-1].decode("latin-1").split(SOH)
    try:
        fields = {tags[tag]: value for part in parts for tag, value in (part.split("=", 1),)}
    except (ValueError, KeyError):
        return _fields_slowly(raw)
    if len(fields) != len(parts) or not fields.keys().isdisjoint(_DATA_LENGTHS):
        return _fields_slowly(raw)
    return Message(raw, fields, False)


def _fields_slowly(raw: bytes) -> Message:
    """As `fields_of`, for what it leaves aside: data with SOH, tags from 10,000, repeated tags, errors to be named."""
    fields: dict[int, str] = {}
    count = 0
    for tag, value in _pairs(raw.decode("latin-1")):
        fields.setdefault(tag, value)
        count += 1
    return Message(raw, fields, count != len(fields))


def readable(raw: bytes) -> Message:
    """As `fields_of`; of a message with a field that breaks the rules only type and number, whose `pairs()` raise."""
    try:
        return fields_of(raw)
    except FixError:
        text = raw.decode("latin-1")
        found = {tag: text.partition(f"\x01{tag}=")[2].partition(SOH)[0] for tag in (34, 35)}
        return Message(raw, found, True)


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    at, end, data = 0, len(text), (0, 0)
    while at < end:
        equals = text.find("=", at)
        digits = text[at : equals if equals >= 0 else end]
        if not (digits.isascii() and digits.isdigit()) or digits[0] == "0" or len(digits) > 10 or equals < 0:
            raise FixError(f"{digits[:20]!r} is no tag: expected digits and =", 0, Reason.INVALID_TAG)
        tag = int(digits)
        if tag > MAX_TAG:
            raise FixError(f"tag {digits} is above {MAX_TAG}", 0, Reason.INVALID_TAG)
        if data[0] == tag:
            stop = equals + 1 + data[1]
            if text[stop : stop + 1] != SOH:
                raise FixError(f"tag {tag}: not of the length {data[1]} given", tag, Reason.INCORRECT_DATA_FORMAT)
        else:
            stop = text.find(SOH, equals)
        value = text[equals + 1 : stop]
        if not value:
            raise FixError(f"tag {tag} has no value", tag, Reason.TAG_WITHOUT_VALUE)
        data = (DATA_LENGTHS[tag], integer(value, tag)) if tag in DATA_LENGTHS else (0, 0)
        yield tag, value
        at = stop + 1


def check_frame(raw: bytes) -> None:
    """Raises FixGarbled unless 8, 9 and 35 come first, 10 last, and BodyLength and CheckSum are right."""
    head = _HEAD.match(raw)
    if head is None:
        raise FixGarbled("does not begin with 8=FIX…, 9=<length>, 35=")
    body = head.end() - 3
    if int(head[1]) != len(raw) - TRAILER - body:
        raise FixGarbled(f"BodyLength (9) is {int(head[1])}; the body has {len(raw) - TRAILER - body} bytes")
    if raw[-8:] != (trailer := b"\x0110=%03d\x01" % checksum(raw[:-TRAILER])):
        raise FixGarbled(f"ends in {raw[-8:]!r}; the bytes before give {trailer!r} (CheckSum)")


def checksum(data: bytes) -> int:
    """The sum of all bytes modulo 256."""
    if len(data) <= _CHUNK:
        return (adler32(data) - 1) & 0xFF
    total = 0
    for at in range(0, len(data), _CHUNK):
        total += (adler32(data[at : at + _CHUNK]) & 0xFFFF) - 1
    return total & 0xFF


def frame(begin: str, body: str) -> bytes:
    """A message out of its body, `35=…␁…␁` with the last SOH: 8, 9 and 10 are put around it.

    For bodies made by a template, eight times cheaper than field by field. The caller answers for SOH in values.
    """
    data = body.encode("latin-1")
    data = b"8=%b\x019=%d\x01%b" % (begin.encode("ascii"), len(data), data)
    return b"%b10=%03d\x01" % (data, checksum(data))


def build(begin: str, fields: Iterable[tuple[int, object]]) -> bytes:
    """A message out of its fields, 35 first, without 8, 9 and 10. ValueError: a value is empty or holds SOH or more
    than latin-1 has. Data with SOH in it has no place here; ours is base64."""
    parts = [f"{tag}={value}" for tag, value in fields]
    body = SOH.join(parts) + SOH
    if body.count(SOH) != len(parts) or "=\x01" in body:
        _refuse(parts)
    return frame(begin, body)


def _refuse(parts: list[str]) -> None:
    """Names what is wrong; a value that only ends in = is fine."""
    for part in parts:
        tag, _, value = part.partition("=")
        if not value or SOH in value:
            raise ValueError(f"tag {tag}: a value must not be empty or hold SOH")


def printable(text: str) -> str:
    """Text for 58 or any free field: control characters become spaces, what latin-1 lacks becomes `?`; not empty."""
    kept = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text)
    return kept.encode("latin-1", "replace").decode("latin-1") or " "


def integer(value: str, tag: int) -> int:
    """A FIX int of up to 18 digits. Raises FixError (373=6)."""
    digits = value[1:] if value[:1] == "-" else value
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise FixError(f"tag {tag}: {value[:24]!r} is no integer", tag, Reason.INCORRECT_DATA_FORMAT)
    return int(value)
