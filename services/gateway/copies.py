"""Drop copies: which sessions are told of the orders of which accounts. Pure."""

from __future__ import annotations

from typing import Final

from services.gateway.happened import Order
from services.gateway.session import Sessions

OTHERS: Final = "TAPEWIRE"
"""OrigCompID of an order that came by no FIX session."""


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
