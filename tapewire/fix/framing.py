"""Cuts a byte stream into FIX messages, by BodyLength, within bounds."""

from __future__ import annotations

from typing import Final

from tapewire.errors import FixError, FixGarbled
from tapewire.fix.message import TRAILER, Reason, check_frame

HEAD: Final = 28  # bytes within which 8=…␁9=…␁ must have ended
_BEGIN: Final = b"8=FIX"


class Framer:
    """Holds what is left of the stream. `garbled` counts the stretches that were dropped as no message."""

    __slots__ = ("_rest", "_skipping", "garbled", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: of one whole message."""
        self.max_bytes = max_bytes
        self.garbled = 0
        self._rest = b""
        self._skipping = False

    @property
    def waiting(self) -> int:
        """Bytes of an unfinished message; never more than `max_bytes` after a `feed`."""
        return len(self._rest)

    @property
    def rest(self) -> bytes:
        """Those bytes."""
        return self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """The whole messages that end in `data`. What is garbled is dropped up to the next `8=FIX`, and counted.

        Raises FixError if a message says it is longer than `max_bytes`: the stream cannot be followed any further.
        """
        data = self._rest + data if self._rest else data
        found = []
        at, end = 0, len(data)
        while at < end:
            length = self._length(data, at)
            if length == 0:  # the head is not complete
                break
            if length < 0:
                at = self._skip(data, at)
                continue
            if at + length > end:
                break
            message = data[at : at + length]
            try:
                check_frame(message)
            except FixGarbled:
                at = self._skip(data, at)
                continue
            found.append(message)
            self._skipping = False
            at += length
        self._rest = data[at:]
        return found

    def _length(self, data: bytes, at: int) -> int:
        """Bytes of the message that begins at `at`; 0: not known yet; -1: none begins there."""
        head = data[at : at + HEAD]
        if not head.startswith(_BEGIN):
            return 0 if _BEGIN.startswith(head) else -1
        second = head.find(b"\x01") + 1
        body = head.find(b"\x01", second) + 1 if second else 0
        if not body:
            return 0 if len(head) < HEAD else -1
        digits = head[second + 2 : body - 1]
        if head[second : second + 2] != b"9=" or not digits.isdigit():
            return -1
        length = body + int(digits) + TRAILER
        if length > self.max_bytes:
            raise FixError(
                f"a message of {length} bytes; expected at most {self.max_bytes}", 9, Reason.VALUE_OUT_OF_RANGE
            )
        return length

    def _skip(self, data: bytes, at: int) -> int:
        """Where the next message may begin behind `at`; one stretch of garbage is counted once."""
        if not self._skipping:
            self.garbled += 1
            self._skipping = True
        following = data.find(_BEGIN, at + 1)
        if following >= 0:
            return following
        # The stretch may end in the beginning of a message.
        for keep in range(len(_BEGIN) - 1, 0, -1):
            if at + keep < len(data) and data.endswith(_BEGIN[:keep]):
                return len(data) - keep
        return len(data)
