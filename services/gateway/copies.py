"""Drop copies: which sessions are told of the orders of which accounts."""

from __future__ import annotations

from services.gateway.happened import Order
from services.gateway.session import Sessions

OTHERS = "TAPEWIRE"
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
        client = self._sessions.by_number.get(order.session)
        comp_id = client.terms.comp_id if client is not None else OTHERS
        return [(number, comp_id) for number in numbers]
