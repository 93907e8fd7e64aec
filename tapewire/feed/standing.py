"""How a feed and its instruments stand, and what is said of it: states, reasons, ids that do not follow on.

Every session is one; what a venue's frames do to its books is in session.py and the venue's own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from tapewire.feed.actions import Action, Close, FeedChanged
from tapewire.feed.book import LIVE, RESYNC, STALE
from tapewire.feed.counters import Counters, shown
from tapewire.feed.instrument import CONNECTING, LIVE_STATE, RESYNC_STATE, STALE_STATE, Instrument
from tapewire.feed.limits import Limits

MAX_REPEATS = 100
MAX_REASON = 400
"""Characters of a reason; what a venue sent is quoted no longer than that."""

I = TypeVar("I", bound=Instrument)  # noqa: E741


class Standing(Generic[I]):
    """The states of one feed, its counters, and when something was last said."""

    def __init__(self, instruments: Sequence[I], limits: Limits) -> None:
        self.instruments = tuple(instruments)
        self.by_ticker = {instrument.ticker: instrument for instrument in instruments}
        self.limits = limits
        self.counters = Counters()
        self.state = CONNECTING
        self._connected = False
        self._bad_count = self._bad_since = 0
        self._said: dict[str, int] = {}

    # ── states and reasons ───────────────────────────────────────────────────────────────────────────────────────

    def _changed(self, instrument: I | None, state: int, reason: str) -> FeedChanged:
        if instrument is None:
            self.state = state
            counters = self.counters
            quality = {LIVE_STATE: LIVE, STALE_STATE: STALE}.get(state, RESYNC)
            return FeedChanged(
                instrument=0,
                state=state,
                quality=quality,
                gaps=counters.gaps,
                resyncs=counters.resyncs,
                reason=reason[:MAX_REASON],
            )
        return FeedChanged(
            instrument=instrument.index,
            state=state,
            quality=instrument.book.quality,
            gaps=instrument.gaps,
            resyncs=instrument.resyncs,
            reason=reason[:MAX_REASON],
        )

    def _set_state(self, instrument: I, state: int, quality: int, reason: str, out: list[Action]) -> None:
        """Moves one instrument and, if that follows, the feed; says so only if something changed."""
        if instrument.state == state and instrument.book.quality == quality:
            return
        instrument.state, instrument.book.quality = state, quality
        out.append(self._changed(instrument, state, reason))
        if not self._connected:
            return
        feed = self._feed_state()
        if feed != self.state:
            out.append(self._changed(None, feed, reason))

    def _feed_state(self) -> int:
        states = {instrument.state for instrument in self.instruments}
        if RESYNC_STATE in states:
            return RESYNC_STATE
        if STALE_STATE in states:
            return STALE_STATE
        return LIVE_STATE if LIVE_STATE in states else RESYNC_STATE

    def _say(self, kind: str, reason: str, now: int, out: list[Action], instrument: I | None = None) -> None:
        """Reports something that changes no state, at most once in `say_every` per kind."""
        last = self._said.get(kind)
        if last is not None and now - last < self.limits.say_every:
            return
        self._said[kind] = now
        out.append(self._changed(instrument, self.state if instrument is None else instrument.state, reason))

    def _malformed(self, data: bytes, error: str, now: int) -> list[Action]:
        self.counters.malformed += 1
        if now - self._bad_since > self.limits.malformed_within:
            self._bad_count, self._bad_since = 0, now
        self._bad_count += 1
        out: list[Action] = []
        self._say("malformed", f"malformed frame, {self.counters.malformed} so far: {error}: {shown(data)}", now, out)
        if self._bad_count >= self.limits.malformed:
            out.append(Close(f"{self._bad_count} malformed frames: {error}"[:MAX_REASON]))
        return out

    def _unknown(self, what: str, now: int) -> list[Action]:
        """A message of a kind this session does not know: counted, reported, left aside."""
        self.counters.unknown += 1
        out: list[Action] = []
        self._say("unknown", f"unknown message, {self.counters.unknown} so far: {what[:60]}", now, out)
        return out

    def _impossible(self, instrument: I, what: str, now: int) -> list[Action]:
        """A price or quantity that cannot be: the update is dropped."""
        self.counters.impossible += 1
        out: list[Action] = []
        self._say(f"impossible.{instrument.index}", f"impossible {what}: dropped", now, out, instrument)
        return out

    # ── ids of trades and updates ────────────────────────────────────────────────────────────────────────────────

    def _is_new(self, instrument: I, trade_id: int, now: int, out: list[Action]) -> bool:
        """Takes the id of a trade; False: it was published before.

        Ids are contiguous where a venue has them. A hole is counted and said; the book does not depend on it.
        """
        last = instrument.last_trade_id
        if trade_id <= last:
            if not self._repeated(instrument, last):
                return False
        elif last and trade_id != last + 1:
            self._trades_missed(instrument, trade_id - last - 1, now, out)
        instrument.last_trade_id = trade_id
        return True

    def _trades_missed(self, instrument: I, count: int, now: int, out: list[Action]) -> None:
        self.counters.missed_trades += count
        self._say(f"missed.{instrument.index}", f"{count} trades missed", now, out, instrument)

    def _repeated(self, instrument: I, last_id: int) -> bool:
        """Counts an id that is not above the last one. True when so many came in a row that the last must be wrong.

        Repeats are normal while two connections overlap; a damaged id must not silence an instrument for ever.
        """
        self.counters.duplicates += 1
        if instrument.repeated_id != last_id:
            instrument.repeated_id, instrument.repeats = last_id, 0
        instrument.repeats += 1
        return instrument.repeats > MAX_REPEATS
