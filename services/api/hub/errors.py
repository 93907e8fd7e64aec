"""Why the time machine did not show a past seq."""

from __future__ import annotations

from tapewire.errors import TapeError, TapewireError


class PastError(TapewireError):
    """The past cannot be shown as asked."""


class TooOld(PastError, LookupError):
    """Removed by retention; `oldest` is the oldest seq that can be asked for."""

    def __init__(self, seq: int, oldest: int) -> None:
        super().__init__(f"record {seq} is older than what the tape still has. Ask for record {oldest} or a later one")
        self.seq, self.oldest = seq, oldest


class BeyondEnd(PastError, LookupError):
    """Not on the tape yet; `newest` is the last that is."""

    def __init__(self, seq: int, newest: int) -> None:
        super().__init__(f"record {seq} is not on the tape yet. Its last is {newest}")
        self.seq, self.newest = seq, newest


class Superseded(PastError):
    """The same client has asked for another seq since."""


class Busy(PastError):
    """Too many clients wait for the past. Ask again in a second."""


class TailLost(TapeError):
    """The tape lost its tail, or was replaced: records that were folded are no longer there. Fold anew."""
