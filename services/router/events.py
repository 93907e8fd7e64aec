"""What follows from one input, numbered behind it, as messages for the tape."""

from __future__ import annotations

from tapewire import messages as m


class Events:
    """Collects the events of the input that is being applied."""

    def __init__(self) -> None:
        self.made: list[m.Message] = []
        self._cause = self._ts = self._next = 0

    def begin(self, seq: int, ts: int) -> None:
        """`seq`, `ts`: of the input; the events are numbered on from it and carry its time."""
        self.made = []
        self._cause, self._ts, self._next = seq, ts, seq + 1

    def add(self, kind: type[m.Message], instrument: int, source: int = 0, **fields: object) -> m.Message:
        header = {"seq": self._next, "cause": self._cause, "ts": self._ts}
        made = kind(**header, instrument=instrument, source=source, **fields)
        self.made.append(made)
        self._next += 1
        return made

    @property
    def now(self) -> int:
        return self._ts
