"""Parent orders and how they stand: a fold of the router's tape, of what ended the last PARENTS_KEPT."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from msgspec import UNSET

from services.api import platform
from services.api.hub.render import FINER, Terms
from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.fixed import to_text
from tapewire.tape import TapeReader

PARENTS_KEPT = 1_000  # that have ended
_ENDED = frozenset({m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired})
_TYPES = frozenset(
    {
        *(m.MessageType.instrument_definition, m.MessageType.new_parent, m.MessageType.replace_parent),
        *(m.MessageType.parent_changed, m.MessageType.parent_measured, m.MessageType.parent_refused),
    }
)
_HUNDREDTHS = -2  # of a basis point


class Parent:
    __slots__ = ("changed", "end_time", "limit_price", "measured", "new")

    def __init__(self, new: m.NewParent) -> None:
        self.new = new
        self.limit_price, self.end_time = new.limit_price, new.end_time
        self.changed: m.ParentChanged | None = None
        self.measured: m.ParentMeasured | None = None


class Parents:
    """`poll` reads on; without a router there is no tape, and there are no parents."""

    def __init__(self, tape: Path) -> None:
        self._tape = tape
        self._reader: TapeReader | None = None
        self._live: dict[int, Parent] = {}
        self._ended: OrderedDict[int, Parent] = OrderedDict()
        self._terms: dict[int, Terms] = {}
        self.tap: Callable[[m.Message], object] = lambda _: None
        """Called with each record that is about parents, once it is folded."""

    @property
    def current(self) -> bool:
        """Whether all that is on the tape now is folded; without a tape there is nothing to fold."""
        return self._reader is None or self._reader.next_seq > self._reader.positions.released_seq

    def poll(self, most: int) -> tuple[bool, list[platform.Parent]]:
        """Whether there may be more, and the parents that now stand otherwise. Raises TapeError if it is damaged."""
        if self._reader is None:
            try:
                self._reader = TapeReader(self._tape, from_seq=None)
            except TapeError:  # no router runs, or it makes its tape now
                return False, []
        raws = self._reader.poll(most)
        changed: dict[int, None] = {}
        for raw in raws:
            if m.type_of(raw) not in _TYPES:
                continue
            record = m.decode(raw)
            if number := self._fold(record):
                changed[number] = None
            self.tap(record)
        return len(raws) == most, [self.shown(parent) for number in changed if (parent := self._of(number))]

    def all(self) -> list[platform.Parent]:
        """By number; live and ended ones."""
        found = {**self._ended, **self._live}
        return [self.shown(found[number]) for number in sorted(found)]

    def find(self, number: int) -> platform.Parent | None:
        """One that lives, or ended not long ago."""
        parent = self._of(number)
        return None if parent is None else self.shown(parent)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _of(self, number: int) -> Parent | None:
        return self._live.get(number) or self._ended.get(number)

    def _fold(self, r: m.Message) -> int:
        """The parent that stands otherwise now; 0: none."""
        if isinstance(r, m.InstrumentDefinition):
            self._terms[r.instrument] = Terms(r.ticker, r.price_exponent, r.qty_exponent)
            return 0
        if isinstance(r, m.NewParent):
            if r.decision:
                return 0
            self._live[r.parent_id] = Parent(r)
            return r.parent_id
        if isinstance(r, m.ParentRefused):
            return 0
        assert isinstance(r, m.ReplaceParent | m.ParentChanged | m.ParentMeasured)
        parent = self._of(r.parent_id)
        if parent is None:
            return 0  # its beginning was removed from the tape, or it has ended long ago
        if isinstance(r, m.ReplaceParent):
            if not r.decision:
                parent.limit_price = r.limit_price or parent.limit_price
                parent.end_time = r.end_time or parent.end_time
        elif isinstance(r, m.ParentMeasured):
            parent.measured = r
        else:
            parent.changed = r
            if r.state in _ENDED and self._live.pop(r.parent_id, None) is not None:
                self._ended[r.parent_id] = parent
                if len(self._ended) > PARENTS_KEPT:
                    self._ended.popitem(last=False)
        return r.parent_id

    def shown(self, parent: Parent) -> platform.Parent:
        new, now, cost = parent.new, parent.changed, parent.measured
        of = self._terms.get(new.instrument) or Terms(f"#{new.instrument}", 0, 0)
        notional = (now.notional_high << 64) + now.notional_low if now else 0
        last = max((r for r in (new, now, cost) if r is not None), key=lambda r: r.seq)
        made = platform.Parent(
            parent_id=new.parent_id,
            cl_ord_id=new.client_text,
            account=new.account,
            ticker=of.ticker,
            side=new.side.name,
            algorithm=new.algorithm.name,
            state=now.state.name if now else "waiting",
            qty=of.qty(now.qty if now else new.qty),
            cum_qty=of.qty(now.cum_qty if now else 0),
            leaves_qty=of.qty(now.leaves_qty if now else new.qty),
            open_qty=of.qty(now.open_qty if now else 0),
            avg_price=of.average(notional, now.cum_qty) if now else "0",
            children=now.children if now else 0,
            seq=last.seq,
            ts=str(last.ts),
            limit_price=of.price(parent.limit_price) if parent.limit_price else UNSET,
            start_time=str(new.start_time) if new.start_time else UNSET,
            end_time=str(parent.end_time) if parent.end_time else UNSET,
            reason=now.reason if now else "",
        )
        if cost is not None:
            _add_cost(made, of, cost)
        return made


def _add_cost(made: platform.Parent, of: Terms, cost: m.ParentMeasured) -> None:
    def benchmark(mantissa: int) -> str | None:
        return to_text(mantissa, of.price_exponent - FINER) if mantissa else None

    made.scheduled_qty, made.market_qty = of.qty(cost.scheduled_qty), of.qty(cost.market_qty)
    made.participation_bps = cost.participation
    made.arrival = benchmark(cost.arrival) or UNSET
    made.vwap, made.twap = benchmark(cost.vwap) or UNSET, benchmark(cost.twap) or UNSET
    if cost.cum_qty:
        made.slippage_arrival = to_text(cost.versus_arrival, _HUNDREDTHS) if cost.arrival else UNSET
        made.slippage_vwap = to_text(cost.versus_vwap, _HUNDREDTHS) if cost.vwap else UNSET
        made.slippage_twap = to_text(cost.versus_twap, _HUNDREDTHS) if cost.twap else UNSET
    made.fees = of.notional(cost.fees)
