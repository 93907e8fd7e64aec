"""Drop copies: which sessions are told of the orders of which accounts, and their replay from an ExecID."""

from __future__ import annotations

from typing import Final

from services.gateway.happened import Exec, Order, Request
from services.gateway.orders import Orders
from services.gateway.reports import Reports
from services.gateway.session import Session, Sessions
from tapewire import messages as m
from tapewire.tape import TapeReader

OTHERS: Final = "TAPEWIRE"
"""OrigCompID of an order that came by no FIX session."""
STRETCH: Final = 1024
"""Records that a replay reads before others have their turn."""


class DropCopies:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._by_account: dict[int, list[int]] = {}
        for number, one in sessions.by_number.items():
            if one.terms.kind == "drop-copy":
                for account in one.terms.accounts:
                    self._by_account.setdefault(account, []).append(number)

    def of(self, order: Order) -> list[tuple[int, str]]:
        """Sessions that get a copy of what happens to the order, with the CompID of its client."""
        numbers = self._by_account.get(order.account)
        if numbers is None:
            return []
        comp_id = self.client_of(order)
        return [(number, comp_id) for number in numbers]

    def client_of(self, order: Order) -> str:
        client = self._sessions.by_number.get(order.session)
        return client.terms.comp_id if client is not None else OTHERS


def place_of(exec_id: str, prefix: str) -> tuple[int, int] | None:
    """Where an ExecID stands among all: its record, and which of that record's reports; None if it is none of ours."""
    if exec_id == "0":
        return 0, 0
    number, _, side = exec_id.removeprefix(prefix).partition("-")
    if not exec_id.startswith(prefix) or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    return (int(number), {"": 0, "m": 0, "t": 1}[side]) if side in ("", "m", "t") else None


class Replay:
    """Reports of the past for one drop copy: a second fold of the orders tape, a stretch at a time, until it has
    caught up with the first."""

    def __init__(
        self,
        asked: str,
        session: Session,
        after: tuple[int, int],
        copies: DropCopies,
        reports: Reports,
        orders: Orders,
        reader: TapeReader,
    ) -> None:
        """`asked`: FromExecID as it stands in the Logon. `orders`: a fold of its own, with all requests. `reader`: at
        the tape's first record."""
        self.asked, self.session, self._after = asked, session, after
        self._copies, self._reports, self._orders, self._reader = copies, reports, orders, reader

    def step(self, until: int) -> tuple[list[tuple[int, int, str]], bool]:
        """Bodies with the record each reports and its place there, and whether all up to the record `until` is done."""
        out: list[tuple[int, int, str]] = []
        for raw in (
            self._reader.poll(max(min(STRETCH, until - self._orders.seq), 1)) if self._orders.seq < until else ()
        ):
            record = m.decode(raw)
            part = 0
            for one in self._orders.fold(record):
                if not isinstance(one, Exec) or one.order.account not in self.session.terms.accounts:
                    continue
                place = place_of(one.exec_id, self._orders.prefix)
                if place is not None and place > self._after:
                    out.append((record.seq, part, self._reports.execution(one, self._copies.client_of(one.order))))
                part += 1
        return out, self._orders.seq >= until

    def close(self) -> None:
        self._reader.close()


def all_requests(own_tape: TapeReader, sessions: Sessions) -> dict[int, Request]:
    """Every request of the past by its command's number. `sessions`: a fresh fold."""
    found: dict[int, Request] = {}
    while raws := own_tape.poll(4096):
        for raw in raws:
            sessions.fold(m.decode(raw))
        found |= sessions.requests
    return found
