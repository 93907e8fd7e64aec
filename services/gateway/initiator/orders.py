"""All orders of ours at the venue: a fold of the venue's tape, beside the router's commands that it carried out. Pure.

FixSent          D: an order stands or will; F, G: a request waits for its answer     (with the router's command)
FixReceived      what the venue says: becomes reports here, the same whenever it is folded
VenueReported    those reports; of its own accord (received = 0) a refusal, or what was found after a disconnect
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from services.gateway.initiator import standing
from services.gateway.initiator.child import Child, origin_of
from services.gateway.initiator.dialects.base import Dialect
from services.gateway.initiator.executions import amended, executed
from services.gateway.initiator.words import Kind, Market, Order, Report, Request, Said, Told
from tapewire import messages as m

FINISHED_KEPT = 20_000
"""Orders that ended and are remembered, for late fills; what is said of older ones is recorded as not ours."""
STRANGERS_KEPT = 10_000
EXECUTIONS = frozenset({Kind.executed, Kind.busted, Kind.corrected})
SENT_KEPT = 10_000
"""Messages of ours that a Reject (3) or j may speak of by number."""


class Sent(NamedTuple):
    kind: str
    name: str
    """ClOrdID in it."""


class Orders:
    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.children: dict[int, Child] = {}
        self.markets: dict[str, Market] = {}
        """By the venue's symbol."""
        self._by_instrument: dict[int, Market] = {}
        self._definitions: dict[int, m.InstrumentDefinition] = {}
        self._names: dict[str, int] = {}
        self._order_ids: dict[str, int] = {}
        self._finished: OrderedDict[int, None] = OrderedDict()
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self._strangers: deque[tuple[str, ...]] = deque(maxlen=STRANGERS_KEPT)
        self._strangers_seen: set[tuple[str, ...]] = set()
        self.open: set[int] = set()
        """Children that live."""

    def define(self, record: m.InstrumentDefinition | m.MarketDefinition) -> None:
        """How an instrument is written at this venue."""
        number = record.instrument
        if isinstance(record, m.InstrumentDefinition):
            self._definitions[number] = record
            if (known := self._by_instrument.get(number)) is not None:
                self._trade(record, known.ticker, known.symbol)
        elif record.venue == self.dialect.venue.number and number in self._definitions:
            self._trade(self._definitions[number], record.ticker, record.symbol)

    def _trade(self, definition: m.InstrumentDefinition, ticker: str, symbol: str) -> None:
        number = definition.instrument
        if (before := self._by_instrument.get(number)) is not None:
            self.markets.pop(before.symbol, None)
        market = Market(number, ticker, symbol, definition.price_exponent, definition.qty_exponent)
        self.markets[symbol] = self._by_instrument[number] = market

    def order_of(self, command: m.NewChild, seq: int) -> Order | None:
        """The order that a command asks for; None: nobody defined its instrument here."""
        market = self._by_instrument.get(command.instrument)
        if market is None:
            return None
        return Order(
            command.child_id, market, command.side, command.ord_type, command.time_in_force, command.post_only,
            command.price, command.qty, command.display_qty, self.dialect.names.make("c", command.child_id, seq), "",
        )  # fmt: skip

    def request_of(self, command: m.ReplaceChild | m.CancelChild, seq: int) -> Request:
        name = self.dialect.names.make("r", command.request, seq)
        if isinstance(command, m.ReplaceChild):
            return Request(command.child_id, command.request, name, True, command.price, command.qty)
        return Request(command.child_id, command.request, name, False, 0, 0)

    def entered(self, command: m.NewChild, seq: int) -> None:
        """Its D is written. `seq`: the command's on the router's tape."""
        order = self.order_of(command, seq)
        assert order is not None  # else it had not been sent
        self.children[order.child_id] = Child(
            order.child_id, order.market, order.side, order.ord_type, order.time_in_force, order.post_only,
            order.price, order.qty, order.display_qty, order.name, bases={order.name: 0}, names=[order.name],
        )  # fmt: skip
        self._names[order.name] = order.child_id
        self.open.add(order.child_id)

    def requested(self, command: m.ReplaceChild | m.CancelChild, seq: int, kind: str) -> None:
        """Its F, G or XAK is written; of an amendment by cancel and new order, the F."""
        request = self.request_of(command, seq)
        child = self.children[request.child_id]
        self._names[request.name] = child.child_id
        child.names.append(request.name)
        if request.amends and kind == "F":
            child.moving, child.moving_seq = request, seq
        else:
            child.requests[request.name] = request

    def reentered(self, name: str) -> Child:
        """The D is written under which an amended order stands from now on."""
        child = self.children[self._names[name]]
        child.bases[name] = child.told_cum
        child.left |= {child.order_id} - {""}
        child.between = False
        return child

    def sent(self, seq: int, kind: str, name: str) -> None:
        """Any application message, by its number in the session."""
        self._sent[seq] = Sent(kind, name)
        if len(self._sent) > SENT_KEPT:
            self._sent.popitem(last=False)

    def numbers_begin_anew(self) -> None:
        self._sent.clear()

    def what_was(self, seq: str) -> Sent | None:
        """The message of ours with that number."""
        return self._sent.get(int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 19 else None

    def take(self, report: Report) -> list[Said]:
        """What a message of the venue adds to what is known, in the order to tell it."""
        if report.whole:
            return [*self._refused_whole(report)]
        child = self._find(report)
        if child is None:
            return [*self._stranger(report)]
        if report.order_id in child.left and report.kind not in EXECUTIONS:
            return []
        child.hear(report)
        if child.order_id:
            self._order_ids[child.order_id] = child.child_id
        out = self._taken(child, report)
        self._settle(child)
        return [*out]

    def _taken(self, child: Child, report: Report) -> Sequence[Said]:
        request = child.requests.get(report.name)
        match report.kind:
            case Kind.executed:
                return executed(child, report)
            case Kind.busted | Kind.corrected:
                return amended(child, report)
            case Kind.pending:
                return standing.pending(child, report)
            case Kind.accepted:
                return standing.accepted(child, report)
            case Kind.replaced:
                return standing.replaced(child, report, request)
            case Kind.cancelled | Kind.expired:
                return self._ended(child, report)
            case Kind.rejected if request is not None:
                return standing.refused(child, report, request)
            case Kind.rejected:
                return standing.rejected(child, report)
            case Kind.cancel_rejected | Kind.replace_rejected:
                return self._refused(child, report, request)
            case Kind.restated:
                return standing.restated(child, report)
            case Kind.unknown:
                return standing.unknown(child, report)
            case _:
                return standing.status(child, report, request)

    def _ended(self, child: Child, report: Report) -> list[Told]:
        """Cancelled or expired. Where we cancelled to learn how it stands, CumQty in it is the answer."""
        if not self.is_question(report.name) or child.moving is not None:
            return standing.closed(child, report)
        return standing.status(child, replace(report, kind=Kind.unspecified), None)

    def _refused(self, child: Child, report: Report, request: Request | None) -> list[Told]:
        asked = self.is_question(report.name) and child.moving is None
        if asked:
            return standing.unknown(child, report) if self.dialect.knows_not(report) else []
        return standing.refused(child, report, request)

    def is_question(self, name: str) -> bool:
        named = self.dialect.names.read(name)
        return named is not None and named.what == "q"

    def _refused_whole(self, report: Report) -> list[Told]:
        """Reject (3) and BusinessMessageReject (j) of a message of ours."""
        was = self.what_was(report.ref)
        kind, name = was if was is not None else (report.status, report.name)
        child = self.children.get(self._names.get(name, 0))
        if child is None or kind not in ("D", "F", "G", "H", "XAK"):
            return []
        report = replace(report, name=name)
        if kind == "H":  # if it says nothing of the order, the question stays open, and is asked again
            out = standing.unknown(child, report) if self.dialect.knows_not(report) else []
        elif kind == "D":
            out = standing.rejected(child, report)
        else:
            out = standing.refused(child, report, child.requests.get(name))
        self._settle(child)
        return out

    def own(self, told: m.VenueReported | m.VenueDiffered) -> None:
        """Takes what was told without a message (received = 0), live or from the tape."""
        child = self.children.get(told.child_id)
        if child is None or isinstance(told, m.VenueDiffered):
            return
        if told.kind == Kind.restated:
            child.cum += told.last_qty
            child.unexplained += told.last_qty
            child.told_cum = child.cum
        elif told.kind in (Kind.cancel_rejected, Kind.replace_rejected) and not told.cause:
            amends = told.kind == Kind.replace_rejected
            child.requests = {name: one for name, one in child.requests.items() if one.amends != amends}
            child.moving = None if amends else child.moving
        elif told.kind in (Kind.cancelled, Kind.unknown):
            child.closed = Kind(told.kind)
            child.moving, child.between = None, False
            child.requests.clear()
        self._settle(child)

    def find(self, report: Report) -> int:
        """The child that a report is about; 0: none of ours."""
        child = self._find(report)
        return child.child_id if child is not None else 0

    def _find(self, report: Report) -> Child | None:
        names: tuple[str, ...] = (report.of, report.name)
        if report.whole and (was := self.what_was(report.ref)) is not None:
            names = (was.name,)
        for name in names:
            if name and (number := self._names.get(name)) is not None:
                return self.children[number]
        number = self._order_ids.get(report.order_id) if report.order_id else None
        return self.children[number] if number is not None else None

    def _settle(self, child: Child) -> None:
        number = child.child_id
        if child.live:
            self.open.add(number)
            self._finished.pop(number, None)
            return
        self.open.discard(number)
        self._finished[number] = None
        if len(self._finished) > FINISHED_KEPT:
            oldest, _ = self._finished.popitem(last=False)
            gone = self.children.pop(oldest)
            for name in gone.names:
                del self._names[name]
            for order_id in (gone.order_id, *gone.left):
                self._order_ids.pop(order_id, None)

    def _stranger(self, report: Report) -> list[Told]:
        """An order that is not ours, or that is forgotten: recorded once."""
        if report.kind in (Kind.cancel_rejected, Kind.replace_rejected, Kind.unknown, Kind.pending):
            return []
        key = (report.order_id, report.exec_id, report.status, report.cum)
        if key in self._strangers_seen:
            return []
        if len(self._strangers) == STRANGERS_KEPT:
            self._strangers_seen.discard(self._strangers[0])
        self._strangers.append(key)
        self._strangers_seen.add(key)
        told = Told(
            report.kind or Kind.restated, side=report.side, order_id=report.order_id, exec_id=report.exec_id,
            ref_exec_id=report.ref if report.exec_id else "", liquidity=report.liquidity, code=report.code,
            reason=report.reason or f"not an order of ours: ClOrdID {report.name}", ts_event=report.ts,
            origin=origin_of(report),
        )  # fmt: skip
        market = self.markets.get(report.symbol)
        if market is None:
            told.reason = f"not an order of ours: {report.symbol} {report.last_qty or report.qty} {report.name}"
            return [told]
        told.instrument = market.instrument
        told.price, told.qty = market.to_px(report.price), market.to_qty(report.qty)
        told.leaves_qty, told.cum_qty = market.to_qty(report.leaves), market.to_qty(report.cum)
        told.last_price, told.last_qty = market.to_px(report.last_price), market.to_qty(report.last_qty)
        told.live = told.leaves_qty > 0
        return [told]
