"""All that the router's tape folds to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from services.router.child import Child
from services.router.markets import Markets
from services.router.parent import Parent
from services.router.parts import Folds
from tapewire import messages as m

KEEP_NS = 3 * 86_400 * 10**9
"""How long an ended parent is remembered, so that what venues take back of it can be counted."""
ALL_ACCOUNTS = 0


@dataclass
class State:
    learned: Folds
    markets: Markets = field(default_factory=Markets)
    parents: dict[int, Parent] = field(default_factory=dict)
    children: dict[int, Child] = field(default_factory=dict)
    live: dict[int, dict[int, Parent]] = field(default_factory=dict)
    """Parents that have not ended, by instrument."""
    killed: set[int] = field(default_factory=set)
    profiles: dict[str, m.VolumeProfile] = field(default_factory=dict)
    cl_ord_ids: dict[tuple[int, int], int] = field(default_factory=dict)
    """The greatest of each source and account."""
    ended: deque[tuple[int, int]] = field(default_factory=deque)
    """When which parent ended, oldest first."""
    next_parent: int = 1
    next_child: int = 1
    next_request: int = 1

    def is_killed(self, account: int) -> bool:
        return account in self.killed or ALL_ACCOUNTS in self.killed

    def live_parents(self) -> int:
        return sum(map(len, self.live.values()))

    def is_ready(self, venue: int) -> bool:
        return self.markets.venues.get(venue) == m.VenueState.ready

    def open_notional(self, account: int) -> int:
        """What may still be traded by the account's parents, each at its price limit or else at the market."""
        return sum(
            max(parent.terms.qty - parent.cum, 0)
            * self.price_for(parent.terms.instrument, parent.terms.side, parent.terms.limit_price)
            for parents in self.live.values()
            for parent in parents.values()
            if parent.account == account
        )

    def price_for(self, instrument: int, side: m.Side, limit: int) -> int:
        """What a quantity is valued at: its limit, else the best price it could have, else the last; 0: none known."""
        view = self.markets.view(instrument)
        best = view.best_ask if side == m.Side.buy else view.best_bid
        return limit or best or view.last

    def forget(self, now: int) -> None:
        """Lets parents go that ended long ago."""
        while self.ended and self.ended[0][0] < now - KEEP_NS:
            _, parent_id = self.ended.popleft()
            parent = self.parents.get(parent_id)
            if parent is not None and parent.ended and not parent.active:
                del self.parents[parent_id]
                for child_id in parent.children:
                    del self.children[child_id]
