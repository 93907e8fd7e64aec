"""Requests that are answered out of what the gateway knows: H AF x e g XLQ. Pure."""

from __future__ import annotations

from services.gateway.inbound import Desk, find_order
from services.gateway.reports import Reports
from services.gateway.session import Session
from tapewire.fix.message import Message


class Queries:
    def __init__(self, desk: Desk, reports: dict[int, Reports]) -> None:
        self._desk, self._reports = desk, reports

    def answer(self, session: Session, message: Message, now: int, received: int) -> list[str]:
        """Bodies of the answers. `received`: the request's seq on the gateway's tape."""
        reports, f = self._reports[session.terms.number], message.fields
        if message.type == "H":
            more = f"790={f[790]}\x01" if 790 in f else ""
            order = find_order(self._desk, session, message)
            if order is None:
                side = f.get(54, "1")
                return [reports.unknown(f.get(11, ""), f.get(37, ""), f[55], side, now, more)]
            return [reports.status(order, now, more)]
        return [
            reports.business_reject(message.seq, message.type, 3, f"MsgType (35) {message.type}: not answered here")
        ]
