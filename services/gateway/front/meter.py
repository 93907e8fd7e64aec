"""Follows the messages of a client that is logged on, so that none is longer than allowed; copies nothing."""

from __future__ import annotations

from typing import Final

from tapewire.fix.message import TRAILER

_BEGIN: Final = b"8=FIX"
HEAD: Final = 28


class Meter:
    """`within(data)` for every stretch of the stream."""

    __slots__ = ("_head", "_max", "_skip", "_stray")

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._skip = 0  # bytes of the message that began before
        self._head = b""  # the beginning of a message whose length has not come yet
        self._stray = 0  # bytes since the last message that belong to none

    def within(self, data: bytes) -> bool:
        """False: a message says it is longer than allowed, or as many bytes came that belong to none."""
        at, end = self._skip, len(data)
        if self._head and at == 0:
            data = self._head + data
            end, self._head = len(data), b""
        while at < end:
            second = data.find(b"\x01", at, at + HEAD) + 1
            body = data.find(b"\x01", second, at + HEAD) + 1 if second else 0
            if not body:
                if end - at < HEAD:
                    self._head = data[at:]
                    self._skip = 0
                    return True
                if not self._lose(data, at, end):
                    return False
                at = self._next(data, at, end)
                continue
            digits = data[second + 2 : body - 1]
            if not (data.startswith(_BEGIN, at) and data.startswith(b"9=", second) and digits.isdigit()):
                if not self._lose(data, at, end):
                    return False
                at = self._next(data, at, end)
                continue
            length = body - at + int(digits) + TRAILER
            if length > self._max:
                return False
            self._stray = 0
            at += length
        self._skip = at - end
        return True

    def _next(self, data: bytes, at: int, end: int) -> int:
        found = data.find(_BEGIN, at + 1)
        return found if found >= 0 else end

    def _lose(self, data: bytes, at: int, end: int) -> bool:
        self._stray += self._next(data, at, end) - at
        return self._stray <= self._max
