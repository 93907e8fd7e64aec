"""Folds what became of requests beside the API, as a start of it would, and takes snapshots of that: the API's loop is
never held for them. In the process that folds the past (historian.py)."""

from __future__ import annotations

from pathlib import Path

from services.api import recovery
from services.api.answers import Remembered
from services.api.hub.errors import TailLost
from services.api.hub.follower import Follower, record_at
from services.api.hub.frames import Requests
from services.api.hub.past import begins_command
from services.api.kept_answers import KeptAnswers, Taken
from services.api.recovery import Recovery, seq_of
from tapewire.errors import TapeMissing
from tapewire.logs import Logger
from tapewire.tape import TapeReader

BATCH = 2_048


class Recalling:
    def __init__(self, orders: Path, requests: Requests, log: Logger) -> None:
        self._orders, self._own, self._settings, self._log = orders, Path(requests.tape), requests, log
        self._kept = KeptAnswers(self._own, orders, log)
        self._follower: Follower[Recovery] | None = None
        self._own_reader: TapeReader | None = None
        self._last_own = b""
        self._taken: Taken | None = None
        self._saved_at = 0

    def keep_up(self) -> bool:
        """Folds at most BATCH records on, and takes a snapshot if one is due. False: there is nothing more to read.

        Raises TapeError (retention has overtaken us): begin anew.
        """
        try:
            follower = self._follower or self._begin()
            return follower is not None and self._go_on(follower)
        except TailLost as error:
            self._log.error("tape_lost_its_tail", reason=str(error))
            self.close()
            return True

    def close(self) -> None:
        for one in (self._follower, self._own_reader):
            if one is not None:
                one.close()
        self._follower = self._own_reader = self._taken = None

    def _begin(self) -> Follower[Recovery] | None:
        """None: the API has not made its tape yet."""
        try:
            own = TapeReader(self._own, None, limit="written")
        except TapeMissing:
            return None
        settings, made = self._settings, Recovery(Remembered(self._settings.remember), self._settings.sources)
        with TapeReader(self._orders, None) as orders:
            if not self._kept.restore(made, own, orders, orders.positions.released_seq):
                own.seek_time(settings.since)
                orders.seek_time(settings.since)
                made.own_seq, made.at_seq = own.next_seq - 1, orders.next_seq - 1
            last = record_at(orders, made.at_seq)
        self._own_reader, self._last_own = own, self._record(own, made.own_seq)
        self._follower = Follower(self._orders, made, last)
        self._saved_at = made.at_seq
        return self._follower

    def _record(self, own: TapeReader, seq: int) -> bytes:
        """The record `seq`, empty if it is not there any more; the reader then stands behind it."""
        if own.first_seq <= seq <= own.positions.written_seq:
            own.seek_seq(seq)
            return next(iter(own.poll(1)), b"")
        own.seek_seq(seq + 1)
        return b""

    def _go_on(self, follower: Follower[Recovery]) -> bool:
        self._save_if_durable(follower)
        fold, records = follower.views, follower.poll(BATCH)
        self._fold_own(fold)  # what became of these records was asked before
        whole = self._due(fold, records)
        if whole is not None:
            self._fold(follower, records[:whole], at_end=True)
            fold.forget(fold.last_ts - self._settings.remember_ns)
            self._taken = Taken(fold, follower.last, self._last_own)
            self._saved_at = fold.at_seq
            self._save_if_durable(follower)
        self._fold(follower, records[whole or 0 :], at_end=False)
        return len(records) == BATCH

    def _due(self, fold: Recovery, records: list[bytes]) -> int | None:
        """How many of these records go into the next snapshot, up to the end of a command; None: it is not due yet."""
        # Taking one costs as much as there is to remember: so does what lies between two.
        before = self._saved_at + max(self._settings.every, len(fold.remembered))
        if not records or self._taken is not None or seq_of(records[-1]) <= before:
            return None
        whole = next((at for at in reversed(range(len(records))) if begins_command(records[at])), None)
        return whole if whole is not None and seq_of(records[whole]) > before else None

    def _fold(self, follower: Follower[Recovery], records: list[bytes], at_end: bool) -> None:
        follower.views.fold(records, at_end)
        follower.last = records[-1] if records else follower.last

    def _fold_own(self, fold: Recovery) -> None:
        assert self._own_reader is not None
        while raws := self._own_reader.poll(recovery.BATCH):
            fold.fold_own(raws)
            self._last_own = raws[-1]

    def _save_if_durable(self, follower: Follower[Recovery]) -> None:
        """Not before: a tape that loses its tail would lose it, too, and older ones have made way for it."""
        taken = self._taken
        if taken is not None and follower.reader.positions.durable_seq >= taken.seq:
            self._kept.save(taken)
            self._taken = None
