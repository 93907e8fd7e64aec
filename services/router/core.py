"""The router as a pure fold: inputs in the order of the tape, each to the events that follow from it.

    client commands ─┐
    time            ─┤            fold            work each parent it touches
    definitions     ─┼─▶ apply ─────────▶ State ──────────────────────────────▶ events
    markets         ─┤
    venues' reports ─┘

No clock, no randomness but the parents' seeds, no hash order: the same inputs give the same bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from services.router.child import Change, Child
from services.router.desk import Desk
from services.router.events import Events
from services.router.limits import SHAPE, why_not
from services.router.markets import MarketChange
from services.router.parent import NEVER, Parent, S, amended, terms_of
from services.router.parts import Parts, Refuses
from services.router.placing import ASK_AGAIN_NS
from services.router.state import State
from tapewire import messages as m
from tapewire.errors import EngineStopped

K = m.VenueReportKind


class Core:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.state = State(parts.learned())
        self._events = Events()
        self._desk = Desk(self.state, self._events, parts)
        self._touched: dict[int, bool] = {}
        self._dues: list[tuple[int, int]] = []
        self._folds: dict[type[m.Message], Callable[[Any], None]] = {
            m.NewParent: self._new,
            m.ReplaceParent: self._replace,
            m.CancelParent: self._cancel,
            m.KillSwitch: self._kill,
            m.AdvanceClock: self._clock,
            m.VenueReported: self._report,
            m.VenueChanged: self._venue,
            m.VolumeProfile: self._profile,
            m.EpochStarted: self._aside,
            m.InputRefused: self._aside,
            **dict.fromkeys(
                (
                    *(m.InstrumentDefinition, m.MarketDefinition, m.FeedStatus),
                    *(m.Quote, m.BookSnapshot, m.BookDelta, m.Trade, m.TradeBusted, m.TradeCorrected),
                ),
                self._market,
            ),
        }

    def apply(self, record: m.Message) -> list[m.Message]:
        """Folds one input; returns the events that follow from it, numbered behind it. Raises EngineStopped."""
        fold = self._folds.get(type(record))
        if fold is None:
            raise EngineStopped(f"record {record.seq}: {type(record).__name__} is no input of the router")
        self._events.begin(record.seq, record.ts)
        fold(record)
        if self._touched:
            self._work()
        return self._events.made

    def due(self) -> int:
        """When time must be told again, UTC ns; NEVER if nothing waits for it."""
        dues, parents = self._dues, self.state.parents
        while dues:
            due, parent_id = dues[0]
            parent = parents.get(parent_id)
            if parent is not None and parent.due == due:
                return due
            heapq.heappop(dues)
        return NEVER

    @property
    def refuses(self) -> Refuses:
        return self._parts.refuses

    @property
    def idle(self) -> bool:
        """Whether no parent lives."""
        return not self.state.live_parents()

    def _work(self) -> None:
        touched, self._touched = self._touched, {}
        for parent_id in sorted(touched):
            parent = self.state.parents[parent_id]
            before = parent.due
            self._desk.work(parent, touched[parent_id])
            if parent.due != before and parent.due != NEVER:
                heapq.heappush(self._dues, (parent.due, parent_id))

    def _touch(self, parent: Parent, ask: bool) -> None:
        self._touched[parent.parent_id] = ask or self._touched.get(parent.parent_id, False)

    def _aside(self, record: m.Message) -> None:
        """It says where the tape stands, and nothing of parents."""

    def _clock(self, record: m.AdvanceClock) -> None:
        while self.due() <= record.ts:
            _, parent_id = heapq.heappop(self._dues)
            parent = self.state.parents[parent_id]
            parent.due = NEVER
            self._touch(parent, True)

    # Commands. Whether each is taken was decided before it was sequenced.

    def _new(self, c: m.NewParent) -> None:
        state = self.state
        self._seen(c)
        if c.decision:
            self._refuse(c, why_not(state, terms_of(c), c.ts, self._parts.refuses) if c.decision in SHAPE else "")
            return
        if c.parent_id != state.next_parent:
            raise EngineStopped(f"record {c.seq}: parent {c.parent_id}, expected {state.next_parent}")
        state.next_parent += 1
        state.forget(c.ts)
        parent = Parent(terms_of(c), c.account, c.source, c.cl_ord_id, c.venues)
        parent.command = c.cl_ord_id
        state.parents[c.parent_id] = parent
        state.live.setdefault(c.instrument, {})[c.parent_id] = parent
        self._touch(parent, True)

    def _replace(self, c: m.ReplaceParent) -> None:
        self._seen(c)
        if c.decision:
            found = self.state.parents.get(c.parent_id) if c.decision in SHAPE else None
            terms = found and amended(found.terms, c)
            self._refuse(c, why_not(self.state, terms, c.ts, self._parts.refuses) if terms else "")
            return
        parent = self.state.parents[c.parent_id]
        parent.command, parent.terms = c.cl_ord_id, amended(parent.terms, c)
        self._desk.amend(parent)
        self._touch(parent, True)

    def _cancel(self, c: m.CancelParent) -> None:
        self._seen(c)
        if c.decision:
            self._refuse(c)
            return
        parent = self.state.parents[c.parent_id]
        parent.command = c.cl_ord_id
        self._desk.cancel(parent, S.cancelled, "requested")
        self._touch(parent, False)

    def _kill(self, c: m.KillSwitch) -> None:
        if c.decision:
            return
        killed = self.state.killed
        (killed.add if c.engaged else killed.discard)(c.account)
        for parents in self.state.live.values():
            for parent in parents.values():
                if c.account not in (0, parent.account):
                    continue
                if c.engaged and c.cancel_open:
                    self._desk.cancel(parent, S.cancelled, f"kill switch: {c.reason}" if c.reason else "kill switch")
                self._touch(parent, not c.engaged)

    def _seen(self, c: m.NewParent | m.ReplaceParent | m.CancelParent) -> None:
        if c.decision in (m.RejectReason.not_permitted, m.RejectReason.unknown_account):
            return
        key = (c.source, c.account)
        self.state.cl_ord_ids[key] = max(self.state.cl_ord_ids.get(key, 0), c.cl_ord_id)

    def _refuse(self, c: m.NewParent | m.ReplaceParent | m.CancelParent, text: str = "") -> None:
        value, limit = (0, 0) if isinstance(c, m.CancelParent) else (c.value, c.limit)
        self._events.add(
            m.ParentRefused,
            c.instrument,
            c.source,
            parent_id=c.parent_id,
            cl_ord_id=c.cl_ord_id,
            account=c.account,
            reason=c.decision,
            command=m.MessageType(c.TYPE),
            value=value,
            limit=limit,
            text=text,
        )

    # Markets and venues.

    def _profile(self, record: m.VolumeProfile) -> None:
        self.state.profiles[record.ticker] = record

    def _market(self, record: m.Message) -> None:
        change: MarketChange | None = self.state.markets.fold(record)
        if change is None:
            return
        live = self.state.live
        for instrument in (change.instrument,) if change.instrument else sorted(live):
            if not live.get(instrument):
                continue
            view = self.state.markets.view(instrument)
            for parent in live[instrument].values():
                if parent.benchmarks is not None:
                    parent.benchmarks.market(record.ts, view, change.trades)
                if parent.algorithm is not None and (parent.algorithm.follows_market or parent.state == S.suspended):
                    self._touch(parent, True)

    def _venue(self, record: m.VenueChanged) -> None:
        state = self.state
        state.markets.fold(record)
        for parent in state.parents.values():
            touched = not parent.ended and record.venue in state.markets.markets(parent.terms.instrument)
            for child in parent.active.values():
                if child.venue == record.venue:
                    touched = True
                    if record.state == m.VenueState.ready:
                        child.refused = child.not_before = child.pulls_refused = child.pull_not_before = 0
                        if child.closing or (not child.live and not child.over):
                            child.close()
            if touched:
                self._touch(parent, True)

    def _report(self, r: m.VenueReported) -> None:
        child = self.state.children.get(r.child_id)
        if child is None or child.venue != r.venue:
            return  # an order that is not ours, or of a parent forgotten long ago: on the tape, and of no consequence
        self.state.learned.fold(r)
        parent = self.state.parents[child.parent_id]
        refused, pulls_refused = child.refused, child.pulls_refused
        change = child.report(r)
        if child.refused > refused:
            child.not_before = r.ts + ASK_AGAIN_NS
        if child.pulls_refused > pulls_refused:
            child.pull_not_before = r.ts + ASK_AGAIN_NS
        if change.qty or change.notional:
            if parent.benchmarks is not None:
                parent.benchmarks.own(self._in_quote_currency(r, parent.terms.instrument))
            self._executed(parent, child, change)
        if r.kind == K.rejected:
            self._desk.refused(parent, child, r.reason)
        elif r.kind in (K.accepted, K.executed, K.replaced):
            parent.refusals = 0
        if not child.over:
            parent.active[child.child_id] = child
        self._touch(parent, r.kind not in (K.pending, K.accepted))

    def _executed(self, parent: Parent, child: Child, change: Change) -> None:
        parent.cum += change.qty
        parent.notional += change.notional
        parent.execution = (change.price, change.qty, child.child_id)
        if parent.state == S.filled and parent.cum < parent.terms.qty:
            self._desk.reopen(parent)
        elif parent.cum > parent.terms.qty:
            parent.reason = f"venue {child.venue} executed more than was asked for"

    def _in_quote_currency(self, r: m.VenueReported, instrument: int) -> m.VenueReported:
        """Without its fee if that is in another currency than the quote, which is how our tickers end."""
        if not r.fee or not r.fee_currency:
            return r
        ticker = self.state.markets.definition(instrument).ticker
        return r if ticker.endswith(r.fee_currency) else r.replace(fee=0)
