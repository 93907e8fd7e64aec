"""How far each source was taken, folded from the router's tape: what makes every input be taken exactly once."""

from __future__ import annotations

from tapewire import messages as m

_COMMANDS = (m.NewParent, m.ReplaceParent, m.CancelParent, m.KillSwitch, m.InputRefused)


class Positions:
    def __init__(self) -> None:
        self.rings: dict[int, int] = {}
        """By client: the position in its ring just past the last command taken."""
        self.tapes: dict[int, tuple[int, int]] = {}
        """By venue: the last record of its tape that was taken, and how many reports it gave."""

    def fold(self, record: m.Message) -> None:
        if record.cause or not record.origin_seq:
            return
        if isinstance(record, _COMMANDS):
            self.rings[record.source] = record.origin_seq
        elif isinstance(record, m.VenueReported):
            seq, count = self.tapes.get(record.source, (0, 0))
            self.tapes[record.source] = (record.origin_seq, count + 1 if seq == record.origin_seq else 1)
        elif isinstance(record, m.VenueChanged) and record.origin_seq > self.tapes.get(record.source, (0, 0))[0]:
            self.tapes[record.source] = (record.origin_seq, 0)
