"""Reports of the past for one drop copy: a second fold of both tapes, until it has caught up with the gateway's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.gateway.copies import DropCopies, place_of
from services.gateway.fold import BATCH, Fold
from services.gateway.happened import Exec
from services.gateway.reports import Reports
from services.gateway.session import Session
from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.tape import TapeReader

STRETCH: Final = 256
"""Records of the orders tape that are read before others have their turn."""


class Replay:
    """Reports behind an ExecID. The beginning, which may take seconds, is made on a thread of its own."""

    def __init__(
        self,
        asked: str,
        session: Session,
        after: tuple[int, int],
        copies: DropCopies,
        reports: Reports,
        begin: Callable[[], Fold],
        own_tape: Path,
        orders_tape: Path,
    ) -> None:
        """`asked`: FromExecID (8016) as it stands in the Logon; `after`: its place. `begin`: a fold that stands before
        it."""
        self.asked, self.session, self._after = asked, session, after
        self._copies, self._reports, self._begin = copies, reports, begin
        self._own_tape, self._orders_tape = own_tape, orders_tape
        self._readers: list[TapeReader] = []
        self._failure: TapeError | None = None
        self._thread = threading.Thread(target=self._prepare, name="replay", daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        try:
            self._fold = self._begin()
            self._readers.append(TapeReader(str(self._own_tape), self._fold.own.seq + 1, limit="written"))
            self._readers.append(TapeReader(str(self._orders_tape), self._fold.at.seq + 1))
            self._fold_own()
        except TapeError as error:
            self._failure = error

    def _fold_own(self) -> None:
        while raws := self._readers[0].poll(BATCH):
            self._fold.fold_own(raws)

    @property
    def is_preparing(self) -> bool:
        """Whether it still folds what lies before."""
        return self._thread.is_alive()

    def step(self, until: int) -> tuple[list[tuple[int, int, str]], bool]:
        """Bodies with the record each reports and its place there, and whether all up to the record `until` is done.
        Raises TapeError, for one if the records are gone."""
        if self.is_preparing:
            return [], False
        if self._failure is not None:
            raise self._failure
        orders, out = self._fold.orders, []
        self._fold_own()
        raws = self._readers[1].poll(min(STRETCH, until - orders.seq)) if orders.seq < until else []
        for raw in raws:
            record = m.decode(raw)
            part = 0
            for one in orders.fold(record):
                if not isinstance(one, Exec) or one.order.account not in self.session.terms.accounts:
                    continue
                place = place_of(one.exec_id, orders.prefix)
                if place is not None and place > self._after:
                    out.append((record.seq, part, self._reports.execution(one, self._copies.client_of(one.order))))
                part += 1
            orders.answered.clear()
        return out, orders.seq >= until

    def close(self) -> None:
        self._thread.join()
        for reader in self._readers:
            reader.close()
