"""UTCTimestamp of FIX (52, 60, 122): 20261121-14:42:36.123456, to UTC ns and back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from tapewire.errors import FixError
from tapewire.fix.message import Reason

NS: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST: Final = (1 << 63) - 1  # ns: a time is a signed 64-bit number everywhere


class Stamp:
    """Writes times; the text of the second is kept, as most times fall into the one before."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def micros(self, ns: int) -> str:
        """UTC ns as text with six places: what we send."""
        second, rest = divmod(ns, NS)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{rest // 1000:06d}"

    def millis(self, ns: int) -> str:
        """UTC ns as text with three places, for FIX 4.2, which knows no more."""
        return self.micros(ns)[:-3]


def to_ns(text: str, tag: int = 52) -> int:
    """UTC ns of a UTCTimestamp with 0 to 9 places. A leap second is the second after. Raises FixError (373=6, and 5
    for a time that 64 bits do not hold)."""
    whole, dot, fraction = text.partition(".")
    shape = len(whole) == 17 and whole[8] == "-" and whole[11] == ":" == whole[14]
    digits = whole[:8] + whole[9:11] + whole[12:14] + whole[15:]
    if shape and digits.isascii() and digits.isdigit() and bool(dot) == bool(fraction) and len(fraction) <= 9:
        leap = digits[12:] == "60"
        if not fraction or (fraction.isascii() and fraction.isdigit()):
            try:
                moment = datetime(
                    int(digits[:4]), int(digits[4:6]), int(digits[6:8]), int(digits[8:10]), int(digits[10:12]),
                    59 if leap else int(digits[12:]), tzinfo=UTC,
                )  # fmt: skip
            except ValueError:
                pass
            else:
                since = moment - _EPOCH
                ns = (since.days * 86_400 + since.seconds + leap) * NS + int(fraction.ljust(9, "0") or "0")
                if abs(ns) > _FARTHEST:
                    raise FixError(
                        f"tag {tag}: {text} is out of range; expected a year from 1678 to 2261",
                        tag,
                        Reason.VALUE_OUT_OF_RANGE,
                    )
                return ns
    raise FixError(
        f"tag {tag}: {text[:40]!r} is no UTC time; expected 20261121-14:42:36 with up to nine places",
        tag,
        Reason.INCORRECT_DATA_FORMAT,
    )
