"""The house market as a venue: what is asked of it becomes commands to the engine, what it answers becomes reports.

    tape router.<n>: NewChild, ReplaceChild, CancelChild ──▶ engine's ring      ClOrdID = their seq on the router's tape
    tape orders.<shard>: events of our orders            ──▶ VenueReported      originSeq = their seq there

Both ways exactly once, by these numbers alone: the greatest ClOrdID that the engine has, or its ring still holds, says
what was sent; the last originSeq on the router's tape, and how many reports carry it, what was reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tapewire import messages as m
from tapewire.traces import roots
from tapewire.traces.roots import Carried

K = m.VenueReportKind
Request = m.NewChild | m.ReplaceChild | m.CancelChild
COMMANDS = frozenset({m.MessageType.new_order, m.MessageType.replace_order, m.MessageType.cancel_order})
DONE = frozenset({m.ParentState.filled, m.ParentState.cancelled, m.ParentState.expired})
DONE_KEPT = 200_000
"""Children that are over and still known, so that a bust of theirs is understood; the oldest go first."""
EXPIRED = frozenset(
    {
        m.CancelReason.immediate_or_cancel,
        m.CancelReason.market_remainder,
        m.CancelReason.expired,
        m.CancelReason.auction_remainder,
    }
)


@dataclass(slots=True)
class Standing:
    """One of our orders as the orders tape tells it."""

    child: m.NewChild
    order_id: int = 0
    price: int = 0
    qty: int = 0
    cum: int = 0
    leaves: int = 0
    live: bool = True
    trace: Carried | None = None
    """Of its parent; None: that was over already."""


class House:
    """Folds the router's tape (what was asked, what was reported) and turns the orders tape into reports."""

    def __init__(self, venue: int, source: int, instruments: Mapping[str, int], env: str, tape: str) -> None:
        """`venue`: its number; `source`: our ring's at the engine; `instruments`: the engine's, by ticker; `tape`: the
        router's, by name."""
        self.venue, self._source, self._instruments = venue, source, instruments
        self._env, self._tape, self._epoch = env, tape, 0
        self._traces: dict[int, Carried] = {}
        """Of parents that may still send children."""
        self._by_child: dict[int, Standing] = {}
        self._by_order: dict[int, Standing] = {}
        self._requests: dict[int, Request] = {}
        self._done: deque[int] = deque()
        self.waiting: deque[Request] = deque()
        """Not sent yet, in the order of the tape."""
        self.answered = 0
        """The greatest request that an answer was reported of."""

    # The router's tape.

    def fold(self, record: m.Message) -> None:
        if isinstance(record, m.NewChild | m.ReplaceChild | m.CancelChild):
            if record.venue == self.venue:
                self._requests[record.seq] = record
                self.waiting.append(record)
                if isinstance(record, m.NewChild):
                    trace = self._traces.get(record.parent_id)
                    self._by_child[record.child_id] = Standing(
                        record, price=record.price, qty=record.qty, leaves=record.qty, trace=trace
                    )
        elif isinstance(record, m.VenueReported) and record.source == self.venue and record.origin_seq:
            self._reported(record)
        elif isinstance(record, m.EpochStarted):
            self._epoch = record.epoch
        elif isinstance(record, m.NewParent):
            if not record.decision:
                self._traces[record.parent_id] = roots.of_parent(self._env, self._tape, self._epoch, record)
        elif isinstance(record, m.ParentChanged) and record.state in DONE:
            self._traces.pop(record.parent_id, None)

    def _reported(self, r: m.VenueReported) -> None:
        """Where an order stands follows from what was reported of it: so it is the same after a restart."""
        one = self._by_child.get(r.child_id)
        if r.received:
            self.answered = max(self.answered, r.received)
            self._requests.pop(r.received, None)
        if one is None:
            return
        if r.order_id and not one.order_id:
            one.order_id = int(r.order_id)
            self._by_order[one.order_id] = one
        if r.qty:
            one.price, one.qty = r.price, r.qty
        one.cum, one.leaves = r.cum_qty, r.leaves_qty
        if one.live and not r.live:
            one.live = False
            self._done.append(r.child_id)
            if len(self._done) > DONE_KEPT:
                gone = self._by_child.pop(self._done.popleft())
                self._by_order.pop(gone.order_id, None)

    def sent_up_to(self, seq: int) -> None:
        """After a restart: everything asked for up to record `seq` was handed to the engine."""
        while self.waiting and self.waiting[0].seq <= seq:
            self.waiting.popleft()

    def command(self, request: Request, now: int) -> bytes:
        """What is asked, in the engine's words."""
        one = self._by_child[request.child_id]
        child = one.child
        common = {"cl_ord_id": request.seq, "ts_event": now, "ts_recv": now, "account": child.account}
        if one.trace is not None:
            common |= one.trace.context().numbers()._asdict()
        if isinstance(request, m.NewChild):
            return bytes(
                m.NewOrder(
                    **common,
                    instrument=self._instruments[child.ticker],
                    side=child.side,
                    ord_type=child.ord_type,
                    time_in_force=child.time_in_force,
                    price=child.price,
                    qty=child.qty,
                    post_only=child.post_only,
                    display_qty=child.display_qty,
                    client_text=f"router {child.parent_id}/{child.child_id}",
                )
            )
        if isinstance(request, m.ReplaceChild):
            return bytes(m.ReplaceOrder(**common, order_id=one.order_id, price=request.price, qty=request.qty))
        return bytes(m.CancelOrder(**common, order_id=one.order_id))

    # The orders tape.

    def reports(self, e: m.Message) -> list[m.VenueReported]:
        """What an event of the orders tape says of our orders."""
        if isinstance(e, m.OrderExecuted):
            return self._executed(e)
        if isinstance(e, m.TradeBusted | m.TradeCorrected):
            return self._amended(e)
        ours = e.source == self._source
        if isinstance(e, m.OrderAccepted):
            return self._accepted(e) if ours else []
        if isinstance(e, m.OrderRejected | m.CancelRejected):
            return self._refused(e) if ours else []
        if isinstance(e, m.OrderCancelled | m.OrderReplaced | m.OrderRestated):
            one = self._by_order.get(e.order_id)
            return [] if one is None else self._changed(e, one, ours)
        return []

    def _accepted(self, e: m.OrderAccepted) -> list[m.VenueReported]:
        request = self._requests.get(e.cl_ord_id)
        if request is None:
            return []
        one = self._by_child[request.child_id]
        one.order_id = e.order_id
        self._by_order[e.order_id] = one
        fields = {"price": e.price, "qty": e.qty, "leaves_qty": e.qty}
        return [self._report(e, one, K.accepted, True, received=e.cl_ord_id, **fields)]

    def _refused(self, e: m.OrderRejected | m.CancelRejected) -> list[m.VenueReported]:
        request = self._requests.get(e.cl_ord_id)
        if request is None:
            return []
        one = self._by_child[request.child_id]
        kind = {m.NewChild: K.rejected, m.ReplaceChild: K.replace_rejected}.get(type(request), K.cancel_rejected)
        live = one.live and kind != K.rejected
        told = {"reason": e.reason.name, "code": int(e.reason), "leaves_qty": one.leaves if live else 0}
        return [self._report(e, one, kind, live, received=e.cl_ord_id, cum_qty=one.cum, **told)]

    def _executed(self, e: m.OrderExecuted) -> list[m.VenueReported]:
        found = []
        for order_id, leaves, liquidity in (
            (e.maker_order_id, e.maker_leaves_qty, m.Liquidity.added),
            (e.taker_order_id, e.taker_leaves_qty, m.Liquidity.removed),
        ):
            one = self._by_order.get(order_id)
            if one is not None:
                found.append(
                    self._report(
                        *(e, one, K.executed, leaves > 0),
                        last_price=e.price,
                        last_qty=e.qty,
                        leaves_qty=leaves,
                        cum_qty=one.cum + e.qty,
                        liquidity=m.Liquidity.auction if e.auction else liquidity,
                        exec_id=str(e.match_id),
                    )
                )
        return found

    def _amended(self, e: m.TradeBusted | m.TradeCorrected) -> list[m.VenueReported]:
        busted = isinstance(e, m.TradeBusted)
        change = -e.qty if isinstance(e, m.TradeBusted) else e.qty - e.old_qty
        return [
            self._report(
                *(e, one, K.busted if busted else K.corrected, one.live),
                last_price=e.price,
                last_qty=e.qty,
                leaves_qty=one.leaves,
                cum_qty=one.cum + change,
                exec_id=f"{e.match_id}.{e.seq}",
                ref_exec_id=str(e.match_id),
            )
            for order_id in (e.maker_order_id, e.taker_order_id)
            if (one := self._by_order.get(order_id)) is not None
        ]

    def _changed(
        self, e: m.OrderCancelled | m.OrderReplaced | m.OrderRestated, one: Standing, ours: bool
    ) -> list[m.VenueReported]:
        if isinstance(e, m.OrderCancelled):
            received = e.cl_ord_id if ours and e.cl_ord_id in self._requests else 0
            kind = K.expired if e.reason in EXPIRED else K.cancelled
            return [self._report(e, one, kind, False, received=received, cum_qty=one.cum, reason=e.reason.name)]
        stands = {"price": e.price, "qty": e.qty, "leaves_qty": e.leaves_qty, "cum_qty": one.cum}
        if isinstance(e, m.OrderReplaced):
            return [self._report(e, one, K.replaced, e.leaves_qty > 0, received=e.cl_ord_id if ours else 0, **stands)]
        if e.reason == m.RestateReason.display_refresh:
            return []
        return [self._report(e, one, K.restated, e.leaves_qty > 0, reason=e.reason.name, **stands)]

    def _report(
        self, e: m.Message, one: Standing, kind: m.VenueReportKind, live: bool, **fields: object
    ) -> m.VenueReported:
        child = one.child
        return m.VenueReported(
            origin_seq=e.seq,
            source=self.venue,
            instrument=child.instrument,
            ts_event=e.ts,
            child_id=child.child_id,
            venue=self.venue,
            kind=kind,
            origin=m.ReportOrigin.live,
            side=child.side,
            live=live,
            order_id=str(one.order_id) if one.order_id else "",
            **fields,
        )


def last_command(records: Iterable[bytes], source: int) -> int:
    """The greatest ClOrdID among commands of `source`; 0: there is none."""
    return max(
        (
            command.cl_ord_id
            for raw in records
            if m.type_of(raw) in COMMANDS
            and isinstance(command := m.decode(raw), m.NewOrder | m.ReplaceOrder | m.CancelOrder)
            and command.source == source
        ),
        default=0,
    )
