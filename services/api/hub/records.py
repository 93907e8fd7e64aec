"""Records of the orders tape as people read them."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

from services.api import platform
from services.api.hub.render import terms
from tapewire import messages as m
from tapewire.render import PRICES, QTYS, TRACE, trace_of
from tapewire.tape import TapeReader
from tapewire.views import Views

SCANNED = 200_000  # records looked at for one page
_BATCH = 4_096
_SAFE = 1 << 53  # integers that JSON readers keep exactly
_HEAD = frozenset(m.KillSwitch.FIELDS) - {"account", "engaged", "cancel_open", "decision", "reason"}


def record(views: Views, raw: bytes) -> platform.TapeRecord:
    """Prices and quantities at the exponents of its instrument; what is 0, false, empty or unspecified is left out."""
    r = m.decode(raw)
    of = terms(views, r.instrument)
    fields: dict[str, object] = {}
    if r.instrument:
        fields["ticker"] = of.ticker
    if r.source:
        fields["source"] = r.source
    for name in type(r).FIELDS:
        value = getattr(r, name)
        if name in _HEAD or name in TRACE or not value:
            continue
        if name in PRICES:
            fields[name] = of.price(value)
        elif name in QTYS:
            fields[name] = of.qty(value)
        elif isinstance(value, IntEnum):
            fields[name] = value.name
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SAFE:
            fields[name] = str(value)
        else:
            fields[name] = value
    if trace := trace_of(r):
        fields["trace_id"] = trace
    return platform.TapeRecord(r.seq, str(r.ts), m.MessageType(r.TYPE).name, r.cause, fields)


class Records:
    """Reads pages off the tape; called on a thread, one call at a time each with a reader of its own."""

    def __init__(self, tape: Path) -> None:
        self._tape = tape

    def read(self, after: int, limit: int, types: frozenset[str]) -> tuple[list[bytes], int]:
        """The next records behind `after`, and where to go on (0: at the end). Raises TapeError."""
        wanted = {kind.value for kind in m.MessageType if kind.name in types}
        found: list[bytes] = []
        with TapeReader(self._tape, from_seq=None) as reader:
            seq, end = max(after, 0), reader.positions.released_seq
            if seq >= end:
                return [], 0
            reader.seek_seq(seq + 1)
            scanned = 0
            while len(found) < limit and scanned < SCANNED:
                records = reader.poll(min(_BATCH, limit if not wanted else _BATCH))
                if not records:
                    break
                for raw in records:
                    seq += 1
                    scanned += 1
                    if not wanted or m.type_of(raw) in wanted:
                        found.append(raw)
                        if len(found) == limit:
                            break
        return found, seq if seq < end else 0
