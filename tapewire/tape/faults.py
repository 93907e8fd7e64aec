"""The exception for what a compiled host of a tape (the engine) reports as text, as tape.hpp words it."""

from __future__ import annotations

import re
from typing import NoReturn

from tapewire.errors import TapeDamaged, TapeError, TapeFenced, TapeFull, TapeGone, TapeMissing

_DAMAGED = re.compile(r"(.*): damaged at byte (\d+) \(record (\d+)\): (.*)", re.DOTALL)
_KINDS = (
    (": another writer has this tape open", TapeFenced),
    (": no tape here", TapeMissing),
    (" was removed by retention", TapeGone),
    (": No space left on device", TapeFull),
    (": File too large", TapeFull),
    (": Disk quota exceeded", TapeFull),
)


def raise_tape_error(text: str) -> NoReturn:
    if found := _DAMAGED.fullmatch(text):
        raise TapeDamaged(found[1], int(found[2]), int(found[3]), found[4])
    raise next((kind for words, kind in _KINDS if words in text), TapeError)(text)
