"""The venue's truth: orders and executions, folded from every record of its engine's tape. Pure.

    record of the tape                       what is told of it
    OrderAccepted, OrderExecuted, …           Report, one for each order of a client that it concerns
    OrderRejected of a NewOrder               Report (150=8)
    CancelRejected                            CancelReject
    CommandCompleted of a MassCancel          MassCancelled

An order's ClOrdIDs are on the tape (clientText), and so is the session it came by: a venue that is started anew knows
its orders. What only the client's mass cancel said is kept here until it is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.simulator.fix_venue.terms import CancelReject, MassCancel, MassCancelled, Report, Symbol, Told
from tapewire import messages as m
from tapewire.fix.reasons import REASONS

RESTATEMENTS = {
    m.CancelReason.market_remainder: 8,
    m.CancelReason.kill_switch: 99,
    m.CancelReason.price_band: 99,
    m.CancelReason.delisted: 99,
    m.CancelReason.auction_remainder: 99,
    m.CancelReason.self_trade: 99,
}
EXPIRED = frozenset({m.CancelReason.expired})
MAX_SESSION = 0xFFFF
"""On the tape the producer's number stands above it."""
PRICED = frozenset({m.OrdType.limit, m.OrdType.stop_limit})


@dataclass(slots=True)
class Order:
    """An order of a client, as the tape has it."""

    order_id: int
    session: int
    account: int
    cl_ord_id: str
    """The latest."""
    symbol: Symbol
    side: m.Side
    ord_type: m.OrdType
    time_in_force: m.TimeInForce
    price: int
    stop_px: int
    display_qty: int
    post_only: bool
    qty: int
    entered: int
    leaves: int = 0
    cum: int = 0
    cost: int = 0
    status: str = "0"
    texts: list[str] = field(default_factory=list)
    """All ClOrdIDs it has had."""
    executions: list[Report] = field(default_factory=list)
    """All that happened to it."""

    @property
    def live(self) -> bool:
        return self.status in ("0", "1")


@dataclass(slots=True)
class Resting:
    """Any live order of the market, as far as a counter-order must know it."""

    instrument: int
    side: m.Side
    price: int
    leaves: int


class Orders:
    """Feed it every record of the tape in order; `fold` returns what clients are to be told."""

    def __init__(self, source: int) -> None:
        """`source`: the number of the venue's own producer. Sessions of other producers are nobody's here."""
        self.source = source
        self.symbols: dict[int, Symbol] = {}
        self.by_name: dict[str, Symbol] = {}
        self.accounts: set[int] = set()
        self.orders: dict[int, Order] = {}
        """Those of clients' sessions, done ones included."""
        self.by_text: dict[tuple[int, str], Order] = {}
        self.market: dict[int, Resting] = {}
        """Every live order."""
        self.asked: dict[int, tuple[int, MassCancel]] = {}
        """By command number: mass cancels without an answer, and whose they are."""
        self.last_cl_ord_id: dict[int, int] = {}
        """By producer: the highest number of a command."""
        self.trades: dict[int, m.OrderExecuted] = {}
        """By match number: the trades of clients' orders as they stand; busted ones are not there."""
        self._command: m.Message | None = None
        self._exec_ids: dict[tuple[int, int], str] = {}
        self._folds: dict[type[m.Message], Callable[..., list[Told]]] = {
            m.InstrumentDefinition: self._on_definition,
            m.AccountLimits: self._on_account,
            m.NewOrder: self._on_command,
            m.CancelOrder: self._on_command,
            m.ReplaceOrder: self._on_command,
            m.MassCancel: self._on_command,
            m.OrderAccepted: self._on_accepted,
            m.OrderRejected: self._on_rejected,
            m.OrderExecuted: self._on_executed,
            m.OrderCancelled: self._on_cancelled,
            m.OrderReplaced: self._on_replaced,
            m.OrderRestated: self._on_restated,
            m.OrderTriggered: self._on_triggered,
            m.CancelRejected: self._on_cancel_rejected,
            m.CommandCompleted: self._on_completed,
            m.TradeBusted: self._on_amended,
            m.TradeCorrected: self._on_amended,
        }

    def fold(self, record: m.Message) -> list[Told]:
        fold = self._folds.get(type(record))
        return fold(record) if fold is not None else []

    def _session(self, command: m.NewOrder) -> int:
        """The client's session that an order came by; 0: none of this venue's."""
        ours = command.source == self.source and command.client_text
        return command.session & MAX_SESSION if ours else 0

    def find(self, session: int, text: str) -> Order | None:
        """The order that had this ClOrdID."""
        return self.by_text.get((session, text))

    def in_front(self, order: Order) -> int:
        """How much a counter-order takes before it reaches this order: all that is at a better price, and what came
        earlier at its own (a replaced order's new place in the queue is not followed)."""
        sign = 1 if order.side is m.Side.buy else -1
        return sum(
            other.leaves
            for number, other in self.market.items()
            if other.instrument == order.symbol.number
            and other.side is order.side
            and (sign * other.price > sign * order.price or (other.price == order.price and number < order.order_id))
        )

    def _on_definition(self, d: m.InstrumentDefinition) -> list[Told]:
        if not d.decision:
            self.symbols[d.instrument] = self.by_name[d.ticker] = Symbol.of(d)
        return []

    def _on_account(self, limits: m.AccountLimits) -> list[Told]:
        if not limits.decision:
            self.accounts.add(limits.account)
        return []

    def _on_command(self, command: m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel) -> list[Told]:
        self._command = command
        known = self.last_cl_ord_id.get(command.source, 0)
        self.last_cl_ord_id[command.source] = max(known, command.cl_ord_id)
        return []

    def _on_accepted(self, e: m.OrderAccepted) -> list[Told]:
        c = self._command
        assert isinstance(c, m.NewOrder), f"record {e.seq}: its command is {e.cause}"
        self.market[e.order_id] = Resting(e.instrument, e.side, e.price, e.qty)
        if not (session := self._session(c)):
            return []
        order = Order(
            *(e.order_id, session, e.account, c.client_text, self.symbols[e.instrument], e.side, e.ord_type),
            time_in_force=e.time_in_force,
            price=e.price if e.ord_type in PRICED else 0,
            stop_px=e.stop_px,
            display_qty=e.display_qty,
            post_only=e.post_only,
            qty=e.qty,
            entered=e.ts,
            leaves=e.qty,
        )
        order.texts.append(c.client_text)
        self.orders[e.order_id] = order
        self.by_text[session, c.client_text] = order
        return [self._tell(order, "0", exec_id_of(e.seq), e.ts)]

    def _on_rejected(self, e: m.OrderRejected) -> list[Told]:
        c = self._command
        if not isinstance(c, m.NewOrder) or c.seq != e.cause or not (session := self._session(c)):
            return []
        symbol = self.symbols.get(c.instrument)
        known = REASONS[e.reason]
        report = Report(
            *(
                "8",
                "8",
                exec_id_of(e.seq),
                str(e.order_id or ""),
                c.client_text,
                symbol,
                symbol.name if symbol else "",
                c.side,
                c.ord_type,
            ),
            *(c.time_in_force, e.ts, session),
            account=c.account,
            price=c.price,
            stop_px=c.stop_px,
            qty=c.qty,
            reason=known.ord_rej,
            text=known.text.format(value=e.value, limit=e.limit),
        )
        return [report]

    def _on_executed(self, e: m.OrderExecuted) -> list[Told]:
        told: list[Told] = []
        sides = ((e.maker_order_id, e.maker_leaves_qty, True), (e.taker_order_id, e.taker_leaves_qty, False))
        for order_id, leaves, maker in sides:
            self._left(order_id, leaves)
            if (order := self.orders.get(order_id)) is None:
                continue
            order.cum += e.qty
            order.cost += e.price * e.qty
            order.leaves = leaves
            order.status = "1" if leaves else "2"
            exec_id = exec_id_of(e.seq, maker)
            self.trades[e.match_id] = e
            self._exec_ids[e.match_id, order_id] = exec_id
            told.append(
                self._tell(
                    order,
                    "F",
                    exec_id,
                    e.ts,
                    last_px=e.price,
                    last_qty=e.qty,
                    match_id=e.match_id,
                    maker=maker,
                    auction=e.auction,
                )
            )
        return told

    def _on_cancelled(self, e: m.OrderCancelled) -> list[Told]:
        self.market.pop(e.order_id, None)
        if (order := self.orders.get(e.order_id)) is None:
            return []
        order.leaves = 0
        expired = e.reason in EXPIRED or (e.reason == m.CancelReason.immediate_or_cancel)
        order.status = "C" if expired else "4"
        report = self._tell(order, order.status, exec_id_of(e.seq), e.ts, restatement=RESTATEMENTS.get(e.reason, 0))
        return [self._named(order, report, e.cl_ord_id, e.cause)]

    def _on_replaced(self, e: m.OrderReplaced) -> list[Told]:
        if (resting := self.market.get(e.order_id)) is not None:
            resting.price, resting.leaves = e.price, e.leaves_qty
        if (order := self.orders.get(e.order_id)) is None:
            return []
        c = self._command
        assert isinstance(c, m.ReplaceOrder), f"record {e.seq}: its command is {e.cause}"
        order.price, order.qty, order.leaves = e.price, e.qty, e.leaves_qty
        order.stop_px = c.stop_px or order.stop_px
        order.status = "1" if order.cum else "0"
        return [self._named(order, self._tell(order, "5", exec_id_of(e.seq), e.ts), e.cl_ord_id, e.cause)]

    def _named(self, order: Order, report: Report, cl_ord_id: int, cause: int) -> Report:
        """A cancel or replace gives its own ClOrdID to the order; the one before is OrigClOrdID."""
        c = self._command
        asked = isinstance(c, m.CancelOrder | m.ReplaceOrder) and c.seq == cause and c.order_id == order.order_id
        if not asked or not cl_ord_id or not c.client_text:  # type: ignore[union-attr]
            return report
        text = c.client_text  # type: ignore[union-attr]
        before, order.cl_ord_id = order.cl_ord_id, text
        order.texts.append(text)
        self.by_text[order.session, text] = order
        named = report.but(cl_ord_id=text, orig=before)
        order.executions[-1] = named
        return named

    def _on_restated(self, e: m.OrderRestated) -> list[Told]:
        if (resting := self.market.get(e.order_id)) is not None:
            resting.leaves = e.leaves_qty
        if (order := self.orders.get(e.order_id)) is None or e.reason is m.RestateReason.display_refresh:
            return []  # that an iceberg shows its next part is nobody's affair
        order.qty, order.leaves = e.qty, e.leaves_qty
        return [self._tell(order, "D", exec_id_of(e.seq), e.ts, restatement=99)]

    def _on_triggered(self, e: m.OrderTriggered) -> list[Told]:
        if (resting := self.market.get(e.order_id)) is not None:
            resting.price = e.price
        return []

    def _on_cancel_rejected(self, e: m.CancelRejected) -> list[Told]:
        c = self._command
        if isinstance(c, m.MassCancel) and (asked := self.asked.pop(e.cl_ord_id, None)) is not None:
            return [_mass_cancelled(asked, e, 0, REASONS[e.reason].text)]
        if not isinstance(c, m.CancelOrder | m.ReplaceOrder) or c.seq != e.cause or not c.client_text:
            return []
        if (order := self.orders.get(c.order_id)) is None:
            return []
        known = REASONS[e.reason]
        reason = 0 if e.reason is m.RejectReason.unknown_order else known.cxl_rej  # it is done: too late
        text = "too late: the order is done" if reason == 0 else known.text.format(value=e.value, limit=e.limit)
        amend = isinstance(c, m.ReplaceOrder)
        return [
            CancelReject(
                *(c.client_text, order.cl_ord_id, str(order.order_id), order.status, amend, reason, text, e.ts),
                *(order.session, order.symbol.name),
                qty_text=order.symbol.qty(c.qty) if isinstance(c, m.ReplaceOrder) else "",
            )
        ]

    def _on_completed(self, e: m.CommandCompleted) -> list[Told]:
        c = self._command
        if not isinstance(c, m.MassCancel) or (asked := self.asked.pop(e.cl_ord_id, None)) is None:
            return []
        return [_mass_cancelled(asked, e, e.count)]

    def _on_amended(self, e: m.TradeBusted | m.TradeCorrected) -> list[Told]:
        told: list[Told] = []
        busted = isinstance(e, m.TradeBusted)
        if (trade := self.trades.pop(e.match_id, None)) is not None and not busted:
            self.trades[e.match_id] = trade.replace(price=e.price, qty=e.qty)
        old = (e.price, e.qty) if busted else (e.old_price, e.old_qty)  # type: ignore[union-attr]
        for order_id, maker in ((e.maker_order_id, True), (e.taker_order_id, False)):
            if (order := self.orders.get(order_id)) is None:
                continue
            new = (0, 0) if busted else (e.price, e.qty)
            order.cum += new[1] - old[1]
            order.cost += new[0] * new[1] - old[0] * old[1]
            if order.status == "2" and order.cum < order.qty:
                order.status = "4"  # nothing more comes: what was busted does not go back into the book
            elif order.leaves:
                order.status = "1" if order.cum else "0"
            ref = self._exec_ids.get((e.match_id, order_id), "")
            exec_id = exec_id_of(e.seq, maker)
            if not busted:
                self._exec_ids[e.match_id, order_id] = exec_id
            last = {"last_px": e.price, "last_qty": e.qty, "match_id": e.match_id, "maker": maker}
            told.append(self._tell(order, "H" if busted else "G", exec_id, e.ts, ref=ref, **last))
        return told

    def _left(self, order_id: int, leaves: int) -> None:
        if leaves and order_id in self.market:
            self.market[order_id].leaves = leaves
        else:
            self.market.pop(order_id, None)

    def _tell(self, order: Order, kind: str, exec_id: str, ts: int, **more: object) -> Report:
        report = self.snapshot(order, kind, exec_id, ts).but(**more)
        order.executions.append(report)
        return report

    @staticmethod
    def snapshot(order: Order, kind: str, exec_id: str, ts: int) -> Report:
        """How an order stands now, as a report of this ExecType."""
        return Report(
            *(kind, order.status, exec_id, str(order.order_id), order.cl_ord_id, order.symbol, order.symbol.name),
            *(order.side, order.ord_type, order.time_in_force, ts, order.session),
            account=order.account,
            price=order.price,
            stop_px=order.stop_px,
            qty=order.qty,
            leaves=order.leaves,
            cum=order.cum,
            cost=order.cost,
            display_qty=order.display_qty,
            post_only=order.post_only,
            entered=order.entered,
        )


def exec_id_of(seq: int, maker: bool = True) -> str:
    """ExecID (17) of what record `seq` says of an order: a whole number, as some venues have it; of a trade both sides
    have one."""
    return str(2 * seq + (not maker))


def _mass_cancelled(
    asked: tuple[int, MassCancel], e: m.CommandCompleted | m.CancelRejected, count: int, refused: str = ""
) -> MassCancelled:
    session, request = asked
    return MassCancelled(request.cl_ord_id, str(e.seq), request.symbol, request.side, count, e.ts, session, refused)
