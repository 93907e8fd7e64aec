"""ClOrdIDs: made of the router's numbers, and back. Three forms.

plain    tw-c15  tw-r7  tw-q203          child, request, our own question; `tw` is the venue's id_prefix
uuid     74770000-0000-4000-80c0-00000000000f     the same three in a UUID of version 4's shape
rising   1000000000417                    prefix and the seq on the router's tape, twelve places: numbers that only rise
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple
from zlib import crc32

Form = Literal["plain", "uuid", "rising"]
What = Literal["c", "r", "q"]
_PLAIN: Final = re.compile(r"([A-Za-z0-9]{1,6})-([crq])([1-9][0-9]{0,18})")
_UUID: Final = re.compile(r"([0-9a-f]{8})-0000-4000-80([0-2])0-([0-9a-f]{12})")
_KINDS: Final[tuple[What, ...]] = ("c", "r", "q")
_PLACES: Final = 12


class Named(NamedTuple):
    what: str
    """c, r, q; of a rising one s: the number is the seq of the command on the router's tape."""
    number: int


class Names:
    def __init__(self, form: Form, prefix: str) -> None:
        self.form, self.prefix = form, prefix
        self._mark = f"{crc32(prefix.encode()):08x}"

    def make(self, what: What, number: int, seq: int) -> str:
        """`number`: of the child, request or question; `seq`: of its command on the router's tape."""
        if self.form == "plain":
            return f"{self.prefix}-{what}{number}"
        if self.form == "uuid":
            return f"{self._mark}-0000-4000-80{_KINDS.index(what)}0-{number:012x}"
        return f"{self.prefix}{seq:0{_PLACES}d}"

    def read(self, text: str) -> Named | None:
        """None: not one of ours."""
        if self.form == "rising":
            rest = text[len(self.prefix) :]
            ours = text.startswith(self.prefix) and len(rest) == _PLACES and rest.isascii() and rest.isdigit()
            return Named("s", int(rest)) if ours else None
        if self.form == "plain":
            if (found := _PLAIN.fullmatch(text)) is None or found[1] != self.prefix:
                return None
            return Named(found[2], int(found[3]))
        if (found := _UUID.fullmatch(text.lower())) is None or found[1] != self._mark:
            return None
        return Named(_KINDS[int(found[2])], int(found[3], 16))
