"""What the sessions of all venues share: a state machine without sockets and without a clock.

                 on_start
                    │ Connect
                    ▼           on_connected              snapshot in step
              (connecting) ───────────────────▶ resync ───────────────────▶ live
                    ▲                             ▲  ▲   gap, checksum, impossible level, crossed too long  │
     on_closed      │ Connect, later each time    │  └─────────── one instrument ─────────────────────────┘
     ───────────────┘                             │
                                            stale (silence), live again at the next frame

Every entry point takes the time and returns a list of actions; what the venue sends can never make one raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random

import msgspec

from tapewire.errors import FixedError, FixError
from tapewire.feed.actions import (
    Action,
    Actions,
    BookDelta,
    BookSnapshot,
    Close,
    Connect,
    InstrumentDefined,
    Quote,
    Wait,
)
from tapewire.feed.book import CROSSED, LIVE, RESYNC, STALE, Level
from tapewire.feed.instrument import CONNECTING, DOWN, LIVE_STATE, RESYNC_STATE, STALE_STATE
from tapewire.feed.limits import Backoff, Limits, jittered
from tapewire.feed.standing import MAX_REASON, MAX_REPEATS, I, Standing
from tapewire.feed.talking import Outbox, Questions

BAD_INPUT = (msgspec.DecodeError, UnicodeError, RecursionError, FixError, FixedError)
"""What decoding can raise on bytes from outside."""


class VenueSession(Standing[I]):
    """Base of the sessions. `random` only spreads retries; a seeded one makes the whole session reproducible."""

    venue = ""

    def __init__(self, instruments: Sequence[I], limits: Limits, random: Random) -> None:
        super().__init__(instruments, limits)
        self.random = random
        self.connected_at = 0
        self._quiet = False
        self._heard = 0
        self._backoff = Backoff(limits.reconnect_first, limits.reconnect_most, random)
        self._outbox = Outbox(limits.send_gap)
        self._questions: Questions[I] = Questions()

    # ── what a venue fills in ────────────────────────────────────────────────────────────────────────────────────

    def address(self, url: str) -> str:
        """What to connect to, given the configured URL."""
        return url

    def _begin(self, now: int) -> list[Action]:
        """The connection is open: subscribe, ask for definitions."""
        raise NotImplementedError

    def _frame(self, data: bytes, now: int) -> Actions:
        """One text frame. May raise BAD_INPUT."""
        raise NotImplementedError

    def _answer(self, kind: str, instrument: I, status: int, body: bytes, now: int) -> list[Action]:
        """The answer to a FetchRest; status 0 means that none came. May raise BAD_INPUT."""
        raise NotImplementedError

    def _recover(self, instrument: I, now: int) -> list[Action]:
        """Start building this instrument's book anew; called again while it does not become live."""
        raise NotImplementedError

    def _forget(self, instrument: I) -> None:
        """The connection is gone: drop what belonged to it."""

    def _tick(self, now: int) -> list[Action]:
        """Rules of the venue that depend on time."""
        return []

    # ── entry points ─────────────────────────────────────────────────────────────────────────────────────────────

    def on_start(self, now: int) -> list[Action]:
        """Once, before anything else."""
        return [self._changed(None, CONNECTING, "starting"), Connect(now)]

    def on_connected(self, now: int) -> list[Action]:
        """The WebSocket is open."""
        self._connected, self._quiet = True, False
        self.connected_at = self._heard = now
        self._bad_count = 0
        self._outbox.begin(now)
        out: list[Action] = []
        for instrument in self.instruments:
            instrument.recoveries = 0
            instrument.recovery_due = now + self.limits.recovery_most
            self._set_state(instrument, RESYNC_STATE, RESYNC, "connected", out)
        out += self._begin(now)
        self._outbox.flush(now, out)
        out.append(Wait(now + self.limits.tick))
        return out

    def on_frame(self, data: bytes, now: int) -> Actions:
        """One whole text message."""
        self._heard = now
        self.counters.messages += 1
        try:
            out = self._frame(data, now)
        except BAD_INPUT as error:
            return self._malformed(data, str(error), now)
        return self._heard_again(out) if self._quiet else out

    def on_rest(self, request_id: int, status: int, body: bytes, now: int) -> list[Action]:
        """The answer to FetchRest(request_id, ...); status 0 and a reason as body when there was none."""
        asked = self._questions.answered(request_id)
        if asked is None:
            return []  # Of a connection that is gone.
        kind, instrument = asked
        out: list[Action] = []
        try:
            out += self._answer(kind, instrument, status, body, now)
        except BAD_INPUT as error:
            self.counters.malformed += 1
            self._retry_later(instrument, now)
            self._say(f"rest.{instrument.index}", f"{kind}: not what was expected: {error}", now, out, instrument)
        self._questions.ask_waiting(out)
        return out

    def on_timer(self, now: int) -> list[Action]:
        """At the latest when the last Wait said; earlier and more often does no harm."""
        if not self._connected:
            return []
        out: list[Action] = []
        limits = self.limits
        silent = now - self._heard
        if silent >= limits.dead:
            return [Close(f"nothing heard for {silent / 1e9:.1f} s")]
        if silent >= limits.stale and not self._quiet:
            self._quiet = True
            for instrument in self.instruments:
                if instrument.state == LIVE_STATE:
                    self._set_state(instrument, STALE_STATE, STALE, f"nothing heard for {silent / 1e9:.1f} s", out)
        for instrument in self.instruments:
            self._watch(instrument, now, out)
        out += self._tick(now)
        self._outbox.flush(now, out)
        out.append(Wait(now + limits.tick))
        return out

    def on_closed(self, now: int, why: str) -> list[Action]:
        """The connection is gone, or could not be opened."""
        if self._connected and now - self.connected_at >= self.limits.settled:
            self._backoff.reset()
        self._connected = False
        self.counters.reconnects += 1
        self._questions.clear()
        out: list[Action] = []
        for instrument in self.instruments:
            instrument.early.clear()
            instrument.book.clear()
            # A new connection repeats nothing by itself: if its first id is lower, the venue has begun anew.
            instrument.repeated_id, instrument.repeats = instrument.last_trade_id, MAX_REPEATS
            self._forget(instrument)
            self._set_state(instrument, DOWN, RESYNC, why, out)
        wait = self._backoff.next()
        if self.state != DOWN:
            out.append(self._changed(None, DOWN, f"{why}; next try in {wait / 1e9:.1f} s"))
        out.append(Connect(now + wait))
        return out

    def on_replaced(self, now: int) -> list[Action]:
        """The connection that a Replace asked for feeds this session from now on, beside the older for a while."""
        self.connected_at = now
        return []

    def snapshot(self, index: int) -> BookSnapshot | None:
        """The book of one instrument as it stands; None while there is nothing to trust."""
        instrument = self.instruments[index - 1]
        if instrument.state not in (LIVE_STATE, STALE_STATE):
            return None
        book = instrument.book
        return BookSnapshot(
            index, book.snapshot(), book.seq, book.quality, instrument.last_event_ns, instrument.last_origin
        )

    def _heard_again(self, out: Actions) -> list[Action]:
        self._quiet = False
        back: list[Action] = []
        for instrument in self.instruments:
            if instrument.state == STALE_STATE:
                self._set_state(instrument, LIVE_STATE, LIVE, "heard again", back)
        return [*back, *out]

    # ── books ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _gap(self, instrument: I, reason: str, now: int) -> list[Action]:
        """Something of this instrument's book was missed: it alone is built anew."""
        instrument.gaps += 1
        self.counters.gaps += 1
        return self._resync(instrument, reason, now)

    def _resync(self, instrument: I, reason: str, now: int) -> list[Action]:
        instrument.resyncs += 1
        self.counters.resyncs += 1
        instrument.book.clear()
        instrument.book.quality = RESYNC
        instrument.state = RESYNC_STATE
        out: list[Action] = [self._changed(instrument, RESYNC_STATE, reason)]
        if self.state != RESYNC_STATE:
            out.append(self._changed(None, RESYNC_STATE, f"{instrument.ticker}: {reason}"[:MAX_REASON]))
        if instrument.recovery_due == 0 or instrument.recoveries == 0:
            out += self._recover_now(instrument, now)
        return out

    def _recover_now(self, instrument: I, now: int) -> list[Action]:
        self._retry_later(instrument, now)
        out = self._recover(instrument, now)
        self._outbox.flush(now, out)
        return out

    def _retry_later(self, instrument: I, now: int) -> None:
        limits = self.limits
        instrument.recovery_due = now + jittered(
            limits.recovery_first, limits.recovery_most, instrument.recoveries, self.random
        )
        instrument.recoveries += 1

    def _watch(self, instrument: I, now: int, out: list[Action]) -> None:
        """What time alone does to an instrument."""
        if instrument.state == RESYNC_STATE:
            if now >= instrument.recovery_due:
                out += self._recover_now(instrument, now)
            return
        if instrument.recovery_due and now >= instrument.recovery_due:
            # It has stayed in step through the wait: the next trouble is a new one.
            instrument.recovery_due = instrument.recoveries = 0
        if instrument.crossed_since and now - instrument.crossed_since >= self.limits.crossed:
            instrument.crossed_since = 0
            out += self._gap(instrument, "the book stayed crossed", now)
        elif instrument.state == LIVE_STATE and now >= instrument.next_snapshot:
            instrument.next_snapshot = now + self.limits.snapshot_every
            snapshot = self.snapshot(instrument.index)
            if snapshot is not None:
                out.append(snapshot)

    def _book_begins(self, instrument: I, now: int, reason: str, out: list[Action]) -> None:
        """The book is in step with the venue: live from here on."""
        instrument.next_snapshot = now + self.limits.snapshot_every
        instrument.crossed_since = 0
        instrument.top = (-1, 0, 0, 0)
        if instrument.recoveries == 0:
            instrument.recovery_due = 0
        self._set_state(instrument, LIVE_STATE, LIVE, reason, out)

    def _publish_book(
        self, instrument: I, levels: list[Level], ts_event: int, origin_seq: int, now: int, out: list[Action]
    ) -> None:
        """One consistent change of the book: a delta, or a snapshot where the book or its window begins anew."""
        book = instrument.book
        if book.crossed():
            if book.quality == LIVE:
                instrument.crossed_since = now
                self._set_state(instrument, LIVE_STATE, CROSSED, "the book is crossed", out)
        elif book.quality == CROSSED:
            instrument.crossed_since = 0
            self._set_state(instrument, LIVE_STATE, LIVE, "no longer crossed", out)
        instrument.last_event_ns = ts_event or instrument.last_event_ns
        instrument.last_origin = origin_seq
        if book.needs_snapshot:
            book.seq += 1
            out.append(BookSnapshot(instrument.index, book.snapshot(), book.seq, book.quality, ts_event, origin_seq))
        elif levels:
            book.seq += 1
            out.append(BookDelta(instrument.index, levels, book.seq, book.quality, ts_event, origin_seq))

    def _publish_top(self, instrument: I, ts_event: int, origin_seq: int, out: list[Action]) -> None:
        """A quote, if the best level of either side is not what was last quoted."""
        book = instrument.book
        top = book.top()
        if top != instrument.top:
            instrument.top = top
            out.append(Quote(instrument.index, *top, book.seq, book.quality, ts_event, origin_seq))

    def _define(self, instrument: I, definition: InstrumentDefined, now: int) -> list[Action]:
        """Takes a definition, then the frames that waited for it. A change of exponents begins the book anew."""
        known = instrument.definition
        if not instrument.define(definition):
            return []
        out: list[Action] = [definition]
        if known is not None and (known.price_exponent, known.qty_exponent) != (
            definition.price_exponent,
            definition.qty_exponent,
        ):
            if instrument.state == RESYNC_STATE:
                instrument.book.clear()  # It is being built already, and no level of it was published.
            else:
                out += self._resync(instrument, "the venue changed the precision", now)
        early, instrument.early = instrument.early, deque(maxlen=instrument.early.maxlen)
        for data, received in early:
            try:
                out += self._frame(data, received)
            except BAD_INPUT as error:
                out += self._malformed(data, str(error), now)
        return out
