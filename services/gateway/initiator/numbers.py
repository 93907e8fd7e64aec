"""The session's two numbers, folded from the venue's tape. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tapewire import messages as m

DAY_NS: Final = 86_400 * 10**9


@dataclass(slots=True)
class Numbers:
    next_in: int = 1
    next_out: int = 1
    logged_on: bool = False
    last_ts: int = 0
    """UTC ns of the last message either way."""

    def fold(self, record: m.FixReceived | m.FixSent | m.FixSessionChanged) -> None:
        if isinstance(record, m.FixReceived):
            self.next_in, self.last_ts = record.next_in, record.ts
        elif isinstance(record, m.FixSent):
            self.next_out, self.last_ts = max(self.next_out, record.msg_seq_num + 1), record.ts
        else:
            self.next_in, self.next_out = record.next_in, record.next_out
            self.logged_on = record.state == m.FixSessionState.logged_on

    def rolled_over(self, now: int, rollover: str) -> bool:
        """Whether the time of day at which the venue begins anew has passed since the last message. `now`: UTC ns."""
        if not rollover or not self.last_ts:
            return False
        at = (int(rollover[:2]) * 60 + int(rollover[3:])) * 60 * 10**9
        return (now - at) // DAY_NS > (self.last_ts - at) // DAY_NS
