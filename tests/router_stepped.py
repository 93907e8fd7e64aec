"""A router's core, stepped by hand: every record that goes in and comes out is kept, as the tape would."""

from __future__ import annotations

from typing import Any, TypeVar

from services.router.core import Core
from services.router.limits import AccountTerms, ClientTerms, Limits
from services.router.parts import Parts
from services.router.tape import RouterTape
from tapewire import messages as m
from tests.router_parts import PARTS

START = 1_700_000_000_000_000_000
_M = TypeVar("_M", bound=m.Message)
K = m.VenueReportKind
LIMITS = Limits(
    {1: AccountTerms(), 2: AccountTerms(max_qty=100, max_notional=10_000, max_open_notional=12_000)},
    {1: ClientTerms(), 2: ClientTerms(operator=True), 3: ClientTerms(accounts=frozenset({2}))},
)


class Kept:
    """What a tape would hold. Has of a Writer what the router uses."""

    def __init__(self) -> None:
        self.raws: list[bytes] = []

    @property
    def next_seq(self) -> int:
        return len(self.raws) + 1

    def append(self, raw: bytes) -> int:
        self.raws.append(raw)
        return len(self.raws)

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass


class Stepped:
    """Instrument 1, ACME, at venues 1 and 2, which are ready and show 100 each at 100 (ask) and 99 (bid)."""

    def __init__(self, parts: Parts = PARTS, limits: Limits = LIMITS, **definition: Any) -> None:
        self.kept, self.core, self.now = Kept(), Core(parts), START
        self.tape = RouterTape(self.kept, self.core, limits, lambda: self.now)  # type: ignore[arg-type]
        self.cl_ord_id = 0
        self.executions = 0
        self.last: list[m.Message] = []
        self.take(m.InstrumentDefinition(instrument=1, ticker="ACME", tick_size=1, lot_size=1, **definition))
        for venue in (1, 2):
            self.take(m.MarketDefinition(instrument=1, venue=venue, name=f"v{venue}", ticker="ACME", symbol="ACME"))
            self.venue(venue, m.VenueState.ready)
            self.book(venue)

    def take(self, message: m.Message) -> list[m.Message]:
        self.last = self.tape.take(message)
        return self.last

    def venue(self, venue: int, state: m.VenueState) -> list[m.Message]:
        return self.take(m.VenueChanged(venue=venue, source=venue, state=state, name=f"v{venue}"))

    def book(self, venue: int, ask: int = 100, qty: int = 100) -> list[m.Message]:
        levels = [m.BookLevel(ask - 1, qty, 1, m.Side.buy), m.BookLevel(ask, qty, 1, m.Side.sell)] if qty else []
        return self.take(
            m.BookSnapshot(
                source=venue, instrument=1, ticker="ACME", book_seq=1, quality=m.BookQuality.live, levels=levels
            )
        )

    def parent(self, qty: int = 150, source: int = 1, account: int = 1, **fields: Any) -> list[m.Message]:
        self.cl_ord_id += 1
        terms: dict[str, Any] = {
            "instrument": 1,
            "side": m.Side.buy,
            "algorithm": m.Algorithm.sweep,
            "time_in_force": m.TimeInForce.day,
            "limit_price": 0,
            "cl_ord_id": self.cl_ord_id,
        }
        terms |= fields
        return self.take(m.NewParent(source=source, account=account, qty=qty, **terms))

    def replace(self, parent_id: int = 1, **fields: Any) -> list[m.Message]:
        self.cl_ord_id += 1
        return self.take(m.ReplaceParent(source=1, account=1, cl_ord_id=self.cl_ord_id, parent_id=parent_id, **fields))

    def cancel(self, parent_id: int = 1) -> list[m.Message]:
        self.cl_ord_id += 1
        return self.take(m.CancelParent(source=1, account=1, cl_ord_id=self.cl_ord_id, parent_id=parent_id))

    def kill(self, engaged: bool = True, cancel_open: bool = True) -> list[m.Message]:
        return self.take(m.KillSwitch(source=2, engaged=engaged, cancel_open=cancel_open, reason="test"))

    def report(self, child_id: int, kind: m.VenueReportKind, live: bool = True, **fields: Any) -> list[m.Message]:
        child = self.core.state.children[child_id]
        return self.take(
            m.VenueReported(
                source=child.venue, instrument=1, child_id=child_id, venue=child.venue, kind=kind, live=live, **fields
            )
        )

    def fill(self, child_id: int, qty: int, price: int = 100, live: bool = True, **fields: Any) -> list[m.Message]:
        self.executions += 1
        fields = {"exec_id": f"e{self.executions}", **fields}
        return self.report(child_id, K.executed, live, last_qty=qty, last_price=price, **fields)

    def clock(self, ns: int = 0) -> list[m.Message]:
        """Moves time on by `ns`, or to when it is due."""
        self.now = self.now + ns if ns else max(self.core.due(), self.now)
        return self.take(m.AdvanceClock())

    def stands(self, parent_id: int = 1) -> tuple[str, int, int]:
        """(state, executed, open) as the last ParentChanged said."""
        told = [e for e in self.all(m.ParentChanged) if e.parent_id == parent_id][-1]
        return told.state.name, told.cum_qty, told.open_qty

    def all(self, kind: type[_M]) -> list[_M]:
        return [kind.decode(raw) for raw in self.kept.raws if m.type_of(raw) == kind.TYPE]


def names(events: list[m.Message]) -> list[str]:
    return [type(event).__name__ for event in events]


def of(events: list[m.Message], kind: type[_M]) -> list[_M]:
    return [event for event in events if isinstance(event, kind)]
