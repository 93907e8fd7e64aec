"""Follows the messages of a client that is logged on, cut exactly as the session layer will cut them.

    8=…␁9=<length>␁ <length bytes> 10=…␁
    │              │              └ the first ␁10= from there on ends the message, wherever it is
    └ any 8=       └ the first ␁9= behind it

Whatever is not cut off yet the session layer keeps, without a bound of its own, and looks through again with every
piece that comes. So nothing may remain open for longer than the largest message is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_TRAILER: Final = 7  # 10=xxx and its SOH
_MOST_DIGITS: Final = 9
_NUMBER_DIGITS: Final = 18


class Passed(NamedTuple):
    """A message that has come to its end."""

    number: int
    """MsgSeqNum, the highest if there are several; 0: none that is a number."""
    size: int
    """Bytes."""


class Meter:
    """`follow(data)` for every stretch of the stream."""

    __slots__ = ("_max", "_rest", "_stray")

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._rest = b""  # what has come of the message that is not at its end
        self._stray = 0  # bytes since the last message that belong to none

    def follow(self, data: bytes) -> list[Passed] | None:
        """The messages that end in `data`. None: one is longer than allowed, as many bytes came that belong to none, or
        the length of one is no number, so that nobody can say where the next begins."""
        data = self._rest + data if self._rest else data
        at, end, passed = 0, len(data), []
        while (begin := data.find(b"8=", at)) >= 0:
            self._stray += begin - at
            if self._stray > self._max:
                return None
            at = begin
            length = self._length(data, at)
            if length < 0:
                return None
            if length == 0:
                break
            passed.append(Passed(_number(data, at, at + length), length))
            self._stray = 0
            at += length
        else:
            last = end - 1 if data.endswith(b"8") else end  # perhaps the first half of 8=
            self._stray += max(last - at, 0)
            at = max(last, at)
        self._rest = data[at:]
        return passed if self._stray + len(self._rest) <= self._max else None

    def _length(self, data: bytes, at: int) -> int:
        """Bytes of the message that begins at `at`; 0: its end has not come; -1: it cannot be followed."""
        nine = data.find(b"\x019=", at)
        body = data.find(b"\x01", nine + 3) + 1 if nine >= 0 else 0
        if not body:
            return 0
        digits = data[nine + 3 : body - 1]
        if not digits.isdigit() or len(digits) > _MOST_DIGITS:
            return -1
        behind = body + int(digits)
        if behind + _TRAILER - at > self._max:
            return -1
        ten = data.find(b"\x0110=", behind - 1)
        end = data.find(b"\x01", ten + 4) + 1 if ten >= 0 else 0
        return -1 if end - at > self._max else end - at if end else 0


def _number(data: bytes, at: int, end: int) -> int:
    highest = 0
    while (at := data.find(b"\x0134=", at, end)) >= 0:
        at += 4
        digits = data[at : data.find(b"\x01", at, end)]
        if digits.isdigit():
            highest = max(highest, int(digits[:_NUMBER_DIGITS]))
    return highest
