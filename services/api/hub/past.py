"""Views as of any past record: the nearest picture below, then the records behind it.

Follows the tape by itself, to take a picture every PICTURE_EVERY records, between two commands. The fold asked for last
is kept: whoever drags a slider forward asks for what lies close behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.api.hub.errors import BeyondEnd, Superseded, TailLost, TooOld
from services.api.hub.follower import Follower, record_at
from services.api.hub.pictures import Pictures
from tapewire import messages as m
from tapewire.house import ASIDE
from tapewire.logs import Logger
from tapewire.tape import TapeReader
from tapewire.views import Views

PICTURE_EVERY = 20_000
LOOK_AHEAD = 16  # records that belong to no command, at most so many in a row
BATCH = 2_048  # records between two looks at whether the question still stands
Cancelled = Callable[[], bool]


class Past:
    def __init__(self, tape: Path, env: str, log: Logger, pictures: Pictures, every: int = PICTURE_EVERY) -> None:
        """Raises TapeMissing."""
        self._tape, self._env, self._log, self._pictures, self._every = tape, env, log, pictures, every
        self._reader = TapeReader(tape, from_seq=None)
        self._tip: Follower[Views] | None = None
        self._shown: Follower[Views] | None = None
        self._taken: tuple[int, bytes, bytes] | None = None
        """A picture that waits for its records to be durable."""
        self._last_picture = 0

    def keep_up(self) -> bool:
        """Folds at most BATCH records on and takes a picture if one is due. False: there is nothing more to read.

        Raises TapeError (retention has overtaken us), EngineStopped: begin anew.
        """
        try:
            if self._tip is None:
                self._tip = self._begin(self._reader.positions.released_seq, lean=False)
                self._last_picture = self._tip.views.at_seq
            return self._go_on(self._tip)
        except TailLost as error:
            self._forget(error)
            return True

    def at(self, seq: int, cancelled: Cancelled) -> Views:
        """All that stood right after record `seq`, but for done orders and the log of fills, of which it may have less;
        good until the next call.

        Raises TooOld, BeyondEnd, Superseded (once `cancelled` says so), TapeError.
        """
        try:
            return self._at(seq, cancelled)
        except TailLost as error:
            self._forget(error)
            return self._at(seq, cancelled)

    def close(self) -> None:
        self._drop()
        self._reader.close()

    def _at(self, seq: int, cancelled: Cancelled) -> Views:
        if seq > (newest := self._reader.positions.released_seq):
            raise BeyondEnd(seq, newest)
        oldest = self._pictures.oldest(self._reader.first_seq)
        if seq < max(oldest, 1) or not oldest:
            raise TooOld(seq, oldest or newest)
        shown = self._shown
        if shown is None or not self._best_base(shown.views.at_seq, seq):
            self._let_go()
            shown = self._shown = self._begin(seq, lean=True)
        while (left := seq - shown.views.at_seq) > 0:
            if cancelled():
                raise Superseded(f"record {seq}: the same client has asked for another since")
            records = shown.poll(min(BATCH, left))
            if not records:
                raise BeyondEnd(seq, shown.views.at_seq)
            for raw in records:
                shown.views.fold(raw)
            shown.last = records[-1]
        if self._whole(seq):
            shown.views.settle()
        return shown.views

    def _whole(self, seq: int) -> bool:
        """Whether record `seq` is the last of its command, as far as is known: books then show what that changed."""
        for following in range(seq + 1, seq + 1 + LOOK_AHEAD):
            raw = record_at(self._reader, following)
            if not raw:
                return True  # the released end
            if m.type_of(raw) not in ASIDE:
                return begins_command(raw)
        return False

    def _best_base(self, standing: int, seq: int) -> bool:
        """Whether no picture lies closer below `seq` than the fold that stands at `standing`."""
        return standing <= seq and not any(standing < one <= seq for one in self._pictures.seqs())

    def _begin(self, seq: int, lean: bool) -> Follower[Views]:
        """A fold at or below `seq`. Raises TapeGone if there is neither a picture nor the tape's beginning."""
        found = self._pictures.nearest(self._reader, seq, lean)
        views, last = found or (Views(self._env), b"")
        views.quiet = True
        return Follower(self._tape, views, last)

    def _go_on(self, tip: Follower[Views]) -> bool:
        self._save_if_durable()
        views, records = tip.views, tip.poll(BATCH)
        for raw in records:
            due = views.at_seq - self._last_picture >= self._every and self._taken is None
            if due and tip.last and begins_command(raw):
                views.settle()
                self._taken = (views.at_seq, tip.last, views.state())
                self._last_picture = views.at_seq
                self._save_if_durable()
            views.fold(raw)
            tip.last = raw
        return len(records) == BATCH

    def _save_if_durable(self) -> None:
        """Not before: a tape that loses its tail would lose the picture, too, and older ones have made way for it."""
        taken = self._taken
        if taken is not None and self._reader.positions.durable_seq >= taken[0]:
            self._pictures.save(*taken, self._reader.first_seq)
            self._taken = None

    def _forget(self, error: TailLost) -> None:
        """What was folded is not on the tape any more."""
        self._log.error("tape_lost_its_tail", reason=str(error))
        self._drop()
        self._pictures.forget_beyond(self._reader.positions.released_seq)

    def _drop(self) -> None:
        self._let_go()
        if self._tip is not None:
            self._tip.close()
        self._tip = self._taken = None

    def _let_go(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None


def begins_command(raw: bytes) -> bool:
    """Whether all that came before this record is whole."""
    return m.type_of(raw) not in ASIDE and not m.decode(raw).cause


def begin(tape: Path, env: str, log: Logger) -> Follower[Views]:
    """The newest fold that a picture gives, or an empty one; for whoever follows the tape live. Raises TapeError."""
    with TapeReader(tape, from_seq=None) as reader:
        found = Pictures(tape, env, log).nearest(reader, reader.positions.released_seq)
        views, last = found or (Views(env), b"")
        return Follower(tape, views, last or record_at(reader, views.at_seq))
