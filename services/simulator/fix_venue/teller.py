"""Tells clients what happened, as their dialect writes it, and misbehaves there if it was asked to. Pure.

Report ──▶ held back? ──▶ changed? ──▶ body ──▶ number ──▶ lost, garbled, repeated? ──▶ Session.out
           late fill       over-fill
           reversed        wrong CumQty
           silence
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.faults import SECOND_NS, Faults
from services.simulator.fix_venue.session import Sent, Session
from services.simulator.fix_venue.terms import CancelReject, MassCancelled, Report, Told

PENDING_CANCEL = "6"


@dataclass(slots=True)
class Late:
    """Fills of an order that are told after its cancel, or as fills of an order whose cancel is pending."""

    pending: bool
    held: list[Report] = field(default_factory=list)


@dataclass(slots=True)
class Reversed:
    """Reports that wait to be told in reverse order."""

    left: int
    until: int
    held: list[Told] = field(default_factory=list)


class Teller:
    """One for all sessions of a venue. `sessions` and `names`: by the client's session number."""

    def __init__(
        self, dialect: Dialect, faults: Faults, sessions: Mapping[int, Session], names: Mapping[int, str]
    ) -> None:
        self._dialect, self._faults, self._sessions, self._names = dialect, faults, sessions, names
        self.late: dict[str, Late] = {}
        """By OrderID."""
        self._reversed: dict[int, Reversed] = {}
        self._silent: dict[int, list[Told]] = {}

    def tell(self, told: Told, now: int) -> None:
        """Tells it now, or keeps it until what holds it back is over."""
        if (late := self._late(told)) is not None:
            for one in late:
                self._in_turn(one, now)
        else:
            self._in_turn(told, now)

    def on_time(self, now: int) -> None:
        """Lets go what was held back for a time."""
        for number in list(self._silent):
            if not self._faults.lasts("silence", self._names[number], now, "reports"):
                for told in self._silent.pop(number):
                    self._send(told, now)
        for number, turned in list(self._reversed.items()):
            if now >= turned.until:
                self._turn(number, now)

    def _late(self, told: Told) -> list[Told] | None:
        """What is told in place of it, if its order has late fills; None otherwise."""
        if isinstance(told, MassCancelled) or (late := self.late.get(told.order_id)) is None:
            return None
        if isinstance(told, Report) and told.exec_type == "F":
            if late.pending:
                return [told.but(status=PENDING_CANCEL if told.leaves else told.status)]
            late.held.append(told)
            return []
        if isinstance(told, Report) and told.exec_type not in ("4", "C"):
            return None
        del self.late[told.order_id]
        if not late.held:
            return [told]
        if isinstance(told, CancelReject):
            return [told, *late.held]
        qty = sum(fill.last_qty for fill in late.held)
        cost = sum(fill.last_qty * fill.last_px for fill in late.held)
        cancelled = told.but(cum=told.cum - qty, cost=told.cost - cost)
        return [cancelled, *(fill.but(status=told.status, leaves=0) for fill in late.held)]

    def _in_turn(self, told: Told, now: int) -> None:
        number = told.session
        name = self._names[number]
        if self._faults.lasts("silence", name, now, "reports"):
            self._silent.setdefault(number, []).append(told)
            return
        turned = self._reversed.get(number)
        if turned is None and isinstance(told, Report) and (armed := self._faults.take("out_of_order", name)):
            # All its counts are one stretch of reports that is turned round.
            turned = self._reversed[number] = Reversed(armed.left + 1, now + SECOND_NS)
            while armed.left and self._faults.take("out_of_order", name) is armed:
                pass
        if turned is None:
            self._send(told, now)
            return
        turned.held.append(told)
        turned.left -= 1
        if not turned.left:
            self._turn(number, now)

    def _turn(self, number: int, now: int) -> None:
        for told in reversed(self._reversed.pop(number).held):
            self._send(told, now)

    def _send(self, told: Told, now: int) -> None:
        session, name = self._sessions[told.session], self._names[told.session]
        if isinstance(told, Report):
            told = self._distorted(told, name)
        if (message := self._dialect.told(told)) is None:
            return
        if isinstance(told, Report):
            self._report(session, name, told, message, now)
        else:
            session.send(*message, now)

    def _distorted(self, report: Report, name: str) -> Report:
        if report.exec_type != "F" or report.symbol is None:
            return report
        lot = report.symbol.lot_size
        if self._faults.take("over_fill", name):
            more = report.leaves + lot
            cum, cost = report.cum + more, report.cost + more * report.last_px
            report = report.but(last_qty=report.last_qty + more, cum=cum, cost=cost, leaves=0, status="2")
        if self._faults.take("wrong_cum", name):
            report = report.but(cum=report.cum - lot)
        return report

    def _report(self, session: Session, name: str, report: Report, message: tuple[str, str], now: int) -> None:
        faults, (kind, body) = self._faults, message
        if report.exec_type == "F" and session.on and faults.take("disconnect", name, "mid_fill"):
            session.close(abort=True)
        if session.on and faults.take("gap", name):
            session.send(kind, body, now, shown=False)
            return
        if session.on and faults.take("garbled", name):
            number = session.send(kind, body, now, shown=False)
            session.out.append(garbled(session.raw(kind, body, number, now)))
            return
        number = session.send(kind, body, now)
        if (armed := faults.take("repeat", name)) is None:
            return
        if armed.kind == "possdup":
            session.again(number, Sent(kind, body, now), now)
        else:
            session.send(kind, body, now, head="97=Y\x01" if armed.kind == "possresend" else "")


def garbled(raw: bytes) -> bytes:
    """The same message with a checksum that is wrong."""
    digits = (int(raw[-4:-1]) + 1) % 256
    return b"%b%03d\x01" % (raw[:-4], digits)
