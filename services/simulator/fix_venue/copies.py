"""Drop-copy sessions: the reports of all orders of an account, told a second time and later. Pure.

Order desk ──Report──▶ teller ──▶ order-entry session of the client
                 └────▶ copies ──delay──▶ a teller of its own ──▶ every drop-copy session of the account

Each side misbehaves by itself: a fault names a client (order entry) or the CompID of a drop copy. Nothing is kept for
who is not there.
"""

from __future__ import annotations

from collections import deque

from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.faults import Faults
from services.simulator.fix_venue.session import Session
from services.simulator.fix_venue.teller import Teller
from services.simulator.fix_venue.terms import Report, Told

COPIED = frozenset("045CDFGH")
"""ExecTypes that are told: what has happened to orders, no refusals and no answers."""


class Copies:
    """`delay_ns`: how much later than order entry they are told."""

    def __init__(self, dialect: Dialect, faults: Faults, delay_ns: int) -> None:
        self.delay_ns = delay_ns
        self._sessions: dict[int, Session] = {}
        self._names: dict[int, str] = {}
        self._accounts: dict[int, int] = {}
        self._teller = Teller(dialect, faults, self._sessions, self._names)
        self._due: deque[tuple[int, Report]] = deque()

    def add(self, session: Session, account: int) -> None:
        """A session that has logged on; one of the same CompID before it is gone."""
        known = next((number for number, name in self._names.items() if name == session.theirs), 0)
        number = known or len(self._names) + 1
        self._sessions[number], self._names[number], self._accounts[number] = session, session.theirs, account

    def tell(self, told: Told, now: int) -> None:
        """Whatever order entry is told."""
        if isinstance(told, Report) and told.exec_type in COPIED:
            self._due.append((now + self.delay_ns, told))

    def on_time(self, now: int) -> None:
        """Tells what is due."""
        while self._due and self._due[0][0] <= now:
            _, report = self._due.popleft()
            for number, account in self._accounts.items():
                if account == report.account:
                    self._teller.tell(report.but(session=number), now)
        self._teller.on_time(now)
