"""What happened on the orders tape, as bodies for those whom it concerns."""

from __future__ import annotations

from collections.abc import Callable

from services.gateway.copies import DropCopies
from services.gateway.happened import Completed, Exec, Happened, Refused
from services.gateway.market_data import MarketData
from services.gateway.orders import Orders
from services.gateway.outbox import Outbox
from services.gateway.queries import Queries
from services.gateway.reports import Reports
from services.gateway.session import Sessions
from tapewire import messages as m


class Reporting:
    """The gateway's lock is held whenever something here is called."""

    def __init__(
        self,
        sessions: Sessions,
        orders: Orders,
        reports: dict[int, Reports],
        queries: Queries,
        market: MarketData | None,
        outbox: Outbox,
        answered: Callable[[list[int]], None],
        epoch_began: Callable[[m.EpochStarted], None],
    ) -> None:
        """`answered`: told the numbers of the gateway's commands that the engine has answered. `epoch_began`: told that
        another writer has taken the orders tape over, before what it wrote is reported."""
        self.replaying: dict[int, str] = {}
        """Drop copies that ask for reports of the past, and behind which ExecID; live ones wait meanwhile."""
        self.copies = DropCopies(sessions)
        self._sessions, self._orders, self._reports, self._outbox = sessions, orders, reports, outbox
        self._queries, self._market, self._answered = queries, market, answered
        self._epoch_began = epoch_began

    def fold(self, raws: list[bytes]) -> None:
        """Takes the next records of the orders tape: what they report goes to the outbox."""
        orders, market = self._orders, self._market
        for raw in raws:
            record = m.decode(raw)
            if isinstance(record, m.EpochStarted):
                self._epoch_began(record)
            if happened := orders.fold(record):
                self._report(record.seq, happened)
            if orders.changed is not None:
                self.tell(self._queries.changed(orders.changed, record.ts))
            if orders.answered:
                self._answered(orders.answered)
                orders.answered.clear()
            if market is not None:
                self.tell(market.fold(raw))

    def settle(self) -> None:
        """All that can be read of the orders tape was folded."""
        if self._market is not None:
            self.tell(self._market.settle())

    def tell(self, bodies: list[tuple[int, str]]) -> None:
        for session, body in bodies:
            self._outbox.add(session, body)

    def _report(self, seq: int, happened: list[Happened]) -> None:
        parts: dict[int, int] = {}
        for one in happened:
            for number, copied_from in self._recipients(one):
                session = self._sessions.by_number.get(number)
                if session is None or number in self.replaying:
                    continue
                part = parts[number] = parts.get(number, -1) + 1
                if (seq, part) > session.reported:
                    self._outbox.add(number, self._body(number, one, copied_from), seq, part)

    def _recipients(self, one: Happened) -> list[tuple[int, str]]:
        """Session numbers, and for drop copies whose order it is."""
        if isinstance(one, Completed):
            return [(one.request.session, "")] if one.request is not None and one.request.received else []
        if isinstance(one, Refused):
            session = one.requester or (one.order.session if one.order is not None else 0)
            return [(session, "")]
        found = [(one.order.session, "")] if one.order.session else []
        if one.requester and one.requester != one.order.session:
            found.append((one.requester, ""))
        return found + self.copies.of(one.order)

    def _body(self, number: int, one: Happened, copied_from: str) -> str:
        reports = self._reports[number]
        if isinstance(one, Exec):
            return reports.execution(one, copied_from)
        if isinstance(one, Refused):
            return reports.refused_cancel(one)
        return reports.mass_cancel(one, self._orders.instruments.by_number.get(one.command.instrument))
