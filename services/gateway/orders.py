"""Order state folded from the orders tape, and what happened to whom: pure.

    record of the tape                        what happened (given back by `fold`)
    OrderAccepted, OrderExecuted (both sides),
    OrderCancelled, OrderReplaced, …           Exec        an order's ExecutionReport
    OrderRejected                              Exec        of a NewOrder
    CancelRejected                             Refused     of a CancelOrder or ReplaceOrder, or Completed
    CommandCompleted                           Completed   of a MassCancel

A client's names are on the tape: `clientText` of its commands. What is not (parties, who asked) comes with the requests
of the gateway's own tape, by the command's number.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from services.gateway.happened import Completed, Exec, Happened, Order, Refused, Request
from services.gateway.instruments import Instrument, Instruments
from tapewire import messages as m

TRADE = 5
"""Numbers kept of each match."""
DONE_KEPT = 1 << 18
"""Orders that are done and still known: for status requests, and for busts."""

_CANCELLED_STATUS = {m.CancelReason.expired: "C"}
_RESTATEMENT = {  # CancelReason to ExecRestatementReason (378)
    m.CancelReason.market_remainder: 8,
    m.CancelReason.disconnected: 100,
    m.CancelReason.self_trade: 101,
    m.CancelReason.kill_switch: 103,
    m.CancelReason.price_band: 104,
    m.CancelReason.delisted: 105,
    m.CancelReason.auction_remainder: 106,
    m.CancelReason.mass_cancel: 107,
}
_RESTATED = {m.RestateReason.display_refresh: 102, m.RestateReason.self_trade_decrement: 101}


class Orders:
    """Feed it every record of an orders tape in order."""

    def __init__(self, shard: int, source: int) -> None:
        """`source`: the number of the gateway's own inbound ring."""
        self.shard, self.prefix, self.source = shard, f"{shard}-", source
        self.instruments = Instruments()
        self.live: dict[int, Order] = {}
        self.live_by_session: dict[int, int] = {}
        self.done: dict[int, Order] = {}
        self.by_text: dict[tuple[int, str], Order] = {}
        """By session and any ClOrdID that the order has had; done ones as long as they are kept."""
        self.requests: dict[int, Request] = {}
        """By command number: those that the orders tape does not show yet."""
        self.seq = 0
        self.known_from = 0
        """The tape was pruned: what stood as of this record is known, and what was before is not (see begun.py)."""
        self.first_match = 1
        """The first that is known."""
        self.last_cl_ord_id = 0
        """Of the gateway's own commands, the highest on the orders tape."""
        self.answered: list[int] = []
        """Command numbers of ours whose first event came since this was last cleared."""
        self.changed: Instrument | None = None
        """Whose status changed with the last record, if it is one that says so."""
        self._definition: m.InstrumentDefinition | None = None
        self._asked = 0
        self.trades = array("q")  # by match from the first: seq, maker's and taker's order, price, qty as they stand
        self.corrected: dict[int, tuple[int, int]] = {}
        """By match before the first: the orders, maker's and taker's, that count it as it was corrected; 0: none."""
        self._command: m.Message | None = None
        self._request: Request | None = None
        self._repeated = False
        self._folds: dict[int, Callable[[m.Message], list[Happened]]] = {
            m.MessageType.new_order: self._on_command,
            m.MessageType.cancel_order: self._on_command,
            m.MessageType.replace_order: self._on_command,
            m.MessageType.mass_cancel: self._on_command,
            m.MessageType.order_accepted: self._on_accepted,  # type: ignore[dict-item]
            m.MessageType.order_rejected: self._on_rejected,  # type: ignore[dict-item]
            m.MessageType.order_executed: self._on_executed,  # type: ignore[dict-item]
            m.MessageType.order_cancelled: self._on_cancelled,  # type: ignore[dict-item]
            m.MessageType.order_replaced: self._on_replaced,  # type: ignore[dict-item]
            m.MessageType.order_restated: self._on_restated,  # type: ignore[dict-item]
            m.MessageType.order_triggered: self._on_triggered,  # type: ignore[dict-item]
            m.MessageType.cancel_rejected: self._on_cancel_rejected,  # type: ignore[dict-item]
            m.MessageType.command_completed: self._on_completed,  # type: ignore[dict-item]
            m.MessageType.trade_busted: self._on_amended,  # type: ignore[dict-item]
            m.MessageType.trade_corrected: self._on_amended,  # type: ignore[dict-item]
            m.MessageType.instrument_definition: self._on_instrument,
            m.MessageType.instrument_status_changed: self._on_instrument,
            m.MessageType.limit_state_changed: self._on_instrument,
        }

    def fold(self, record: m.Message) -> list[Happened]:
        """Takes the next record."""
        self.seq, self.changed = record.seq, None
        fold = self._folds.get(record.TYPE)
        happened = fold(record) if fold is not None else []
        if self._asked and record.cause:
            self.answered.append(self._asked)
            self._asked = 0
        return happened

    def order(self, order_id: int) -> Order | None:
        """Live, or done and still kept."""
        return self.live.get(order_id) or self.done.get(order_id)

    def add(self, order: Order) -> None:
        """One that is live."""
        self.live[order.order_id] = order
        self.live_by_session[order.session] = self.live_by_session.get(order.session, 0) + 1

    def why_unknown(self) -> str:
        """What is said of an order that is not found."""
        if not self.known_from:
            return "no such order"
        return (
            f"no such order is known here; of those entered before record {self.known_from} only what was live there, "
            f"by OrderID (37)"
        )

    def _on_instrument(self, record: m.Message) -> list[Happened]:
        if isinstance(record, m.InstrumentDefinition):
            self._definition = record  # the matcher may still refuse it
        else:
            self.changed = self.instruments.fold(record)
        return []

    def _on_command(self, record: m.Message) -> list[Happened]:
        self._command, self._request, self._repeated = record, None, False
        if record.source == self.source:
            number: int = record.cl_ord_id  # type: ignore[attr-defined]
            self._repeated = number <= self.last_cl_ord_id
            if not self._repeated:
                self.last_cl_ord_id = number
                self._request = self.requests.pop(number, None)
                self._asked = number
        return []

    def _on_accepted(self, e: m.OrderAccepted) -> list[Happened]:
        c = self._command
        assert isinstance(c, m.NewOrder), f"record {e.seq}: its command is {e.cause}"
        instrument = self.instruments.by_number[e.instrument]
        echo = self._request.echo if self._request is not None else ""
        order = Order(c, e, instrument, echo, c.source == self.source)
        self.add(order)
        if order.session:
            self.by_text[order.session, order.cl_ord_id] = order
        return [Exec(order, "0", f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)]

    def _on_rejected(self, e: m.OrderRejected) -> list[Happened]:
        c = self._command
        if not isinstance(c, m.NewOrder) or c.seq != e.cause or self._repeated:
            return []  # the operator's, or a command that was put into the ring again after a restart
        instrument = self.instruments.by_number.get(c.instrument)
        echo = self._request.echo if self._request is not None else ""
        order = Order(c, None, instrument, echo, c.source == self.source)
        order.order_id, order.status = e.order_id, "8"
        if order.session:
            self.by_text[order.session, order.cl_ord_id] = order
        self._keep(order, order.order_id or -e.seq)  # risk refuses it before it has a number
        happened = Exec(order, "8", f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)
        happened.reason, happened.value, happened.limit = e.reason, e.value, e.limit
        return [happened]

    def _on_executed(self, e: m.OrderExecuted) -> list[Happened]:
        at = TRADE * (e.match_id - self.first_match)
        assert len(self.trades) == at, f"record {e.seq}: match {e.match_id} is not the next"
        self.trades.extend((e.seq, e.maker_order_id, e.taker_order_id, e.price, e.qty))
        happened: list[Happened] = []
        sides = (("m", e.maker_order_id, e.maker_leaves_qty), ("t", e.taker_order_id, e.taker_leaves_qty))
        for side, order_id, leaves in sides:
            order = self.live[order_id]
            order.cum += e.qty
            order.cost += e.price * e.qty
            order.leaves = leaves
            order.status = "1" if leaves else "2"
            if not leaves:
                self._end(order)
            report = Exec(order, "F", f"{self.prefix}{e.seq}-{side}", e.ts, order.cl_ord_id)
            report.last_px, report.last_qty, report.match_id = e.price, e.qty, e.match_id
            report.liquidity = 4 if e.auction else 1 if side == "m" else 2
            report.aggressor = "" if e.auction else "N" if side == "m" else "Y"
            happened.append(report)
        return happened

    def _on_cancelled(self, e: m.OrderCancelled) -> list[Happened]:
        order = self.live[e.order_id]
        c = self._command if e.cl_ord_id and self._command is not None and self._command.seq == e.cause else None
        order.leaves, order.status = 0, _CANCELLED_STATUS.get(e.reason, "4")
        self._end(order)
        report = Exec(order, order.status, f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)
        report.restatement = _RESTATEMENT.get(e.reason, 0)
        if isinstance(c, m.CancelOrder | m.ReplaceOrder) and c.order_id == e.order_id:
            self._rename(order, report, c.client_text)
        return [report]

    def _on_replaced(self, e: m.OrderReplaced) -> list[Happened]:
        order, c = self.live[e.order_id], self._command
        assert isinstance(c, m.ReplaceOrder), f"record {e.seq}: its command is {e.cause}"
        order.price, order.qty, order.leaves = e.price, e.qty, e.leaves_qty
        order.stop_px = c.stop_px or order.stop_px
        order.status = "1" if order.cum else "0"
        order.describe()
        report = Exec(order, "5", f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)
        self._rename(order, report, c.client_text)
        return [report]

    def _rename(self, order: Order, report: Exec, text: str) -> None:
        """A cancel or replace gives its own ClOrdID to the order; the one before becomes OrigClOrdID."""
        if self._request is not None:
            report.requester = self._request.session
        if text:
            report.orig, report.cl_ord_id, order.cl_ord_id = order.cl_ord_id, text, text
            # A name is the requester's: in the order's own session it may be that of another order.
            key = (report.requester or order.session, text)
            order.names.append(key)
            if key[0]:
                self.by_text[key] = order

    def _on_restated(self, e: m.OrderRestated) -> list[Happened]:
        order = self.live[e.order_id]
        order.qty, order.leaves, order.price = e.qty, e.leaves_qty, e.price
        report = Exec(order, "D", f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)
        report.restatement = _RESTATED.get(e.reason, 99)
        return [report]

    def _on_triggered(self, e: m.OrderTriggered) -> list[Happened]:
        order = self.live[e.order_id]
        order.waiting, order.price, order.leaves = False, e.price, e.leaves_qty
        return [Exec(order, "L", f"{self.prefix}{e.seq}", e.ts, order.cl_ord_id)]

    def _on_amended(self, e: m.TradeBusted | m.TradeCorrected) -> list[Happened]:
        """A bust or a correction: quantities of the market stay, what was filled changes."""
        happened: list[Happened] = []
        bust = isinstance(e, m.TradeBusted)
        price, qty = (0, 0) if bust else (e.price, e.qty)
        counted = e.match_id in self.corrected
        seq, sides, old_price, old_qty = self._amended(e, price, qty)
        of = dict[str, int]()
        for side, order_id in sides:
            order = self.order(order_id)
            if order is None:
                continue  # done so long ago that it was let go
            if seq or counted:
                order.cost -= old_price * old_qty
            elif order.account == (e.maker_account if side == "m" else e.taker_account) and old_qty <= order.unpriced:
                order.unpriced -= old_qty
            else:
                continue  # not what is known to have filled before
            of[side] = order_id
            order.cum += qty - old_qty
            order.cost += price * qty
            report = Exec(order, "H" if bust else "G", f"{self.prefix}{e.seq}-{side}", e.ts, order.cl_ord_id)
            if order.leaves:
                order.status = "1" if order.cum else "0"
            elif order.status == "2":
                order.status = "2" if order.cum >= order.qty else "4"
            report.last_px, report.last_qty = (old_price, old_qty) if bust else (price, qty)
            report.match_id = e.match_id
            report.ref = f"{self.prefix}{seq}-{side}" if seq else ""
            happened.append(report)
        if not (seq or bust):
            self.corrected[e.match_id] = of.get("m", 0), of.get("t", 0)
        return happened

    def _amended(
        self, e: m.TradeBusted | m.TradeCorrected, price: int, qty: int
    ) -> tuple[int, tuple[tuple[str, int], tuple[str, int]], int, int]:
        """The trade's record, its orders, its price and quantity until now; it stands with these from now on."""
        if e.match_id < self.first_match:  # its record is gone: what the operator named is all there is
            was = (e.price, e.qty) if isinstance(e, m.TradeBusted) else (e.old_price, e.old_qty)
            maker, taker = self.corrected.get(e.match_id, (e.maker_order_id, e.taker_order_id))
            return 0, (("m", maker), ("t", taker)), *was
        # Whose trade it was, and how it stood, says its record, not what the operator named: no core checks that.
        at = TRADE * (e.match_id - self.first_match)
        seq, maker, taker, old_price, old_qty = self.trades[at : at + TRADE]
        self.trades[at + 3], self.trades[at + 4] = price, qty
        return seq, (("m", maker), ("t", taker)), old_price, old_qty

    def _on_cancel_rejected(self, e: m.CancelRejected) -> list[Happened]:
        c = self._command
        if c is None or c.seq != e.cause or self._repeated:
            return []
        if isinstance(c, m.MassCancel):
            return [self._completed(c, e.seq, e.ts, 0, e)]
        assert isinstance(c, m.CancelOrder | m.ReplaceOrder)
        requester = self._request.session if self._request is not None else 0
        return [Refused(self.order(e.order_id), c, requester, e)]

    def _on_completed(self, e: m.CommandCompleted) -> list[Happened]:
        c = self._command
        if self._definition is not None and self._definition.seq == e.cause:
            self.changed = self.instruments.fold(self._definition)
            self._definition = None
        if not isinstance(c, m.MassCancel) or c.seq != e.cause:
            return []
        return [self._completed(c, e.seq, e.ts, e.count, None)]

    def _completed(self, c: m.MassCancel, seq: int, ts: int, count: int, refusal: m.CancelRejected | None) -> Completed:
        return Completed(c, self._request, seq, ts, count, refusal)

    def _end(self, order: Order) -> None:
        del self.live[order.order_id]
        self.live_by_session[order.session] -= 1
        self._keep(order, order.order_id)

    def _keep(self, order: Order, key: int) -> None:
        self.done[key] = order
        if len(self.done) > DONE_KEPT:
            gone = self.done.pop(next(iter(self.done)))
            for name in gone.names:
                if self.by_text.get(name) is gone:  # a name may be given again on another day
                    del self.by_text[name]
