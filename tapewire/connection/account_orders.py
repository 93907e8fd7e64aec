"""The orders that one program has sent for an account, found by what each event carries: OrderID, ClOrdID, client text.

    NewOrder on the tape (history, simulation)   client text → source, ClOrdID, OrderID
    an answer of the door                        the request → source, ClOrdID, OrderID
    events                                       OrderID; a refusal: source and ClOrdID

An event may come before the answer that tells whose it is: it is kept while any request is unanswered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from tapewire import messages as m
from tapewire.connection.order import Event, OrderState, Report

MAX_UNMATCHED: Final = 10_000
"""Events of others, or not known yet to be ours, that are kept at most."""

O = TypeVar("O", bound=OrderState)  # noqa: E741 - an order


class AccountOrders(Generic[O]):
    """Feed it the events of one account in the order of the tape; it gives each with the order it belongs to."""

    def __init__(self) -> None:
        self.by_text: dict[str, O] = {}
        self.by_id: dict[int, O] = {}
        self._by_request: dict[tuple[int, int], O] = {}
        self._live: dict[str, O] = {}
        self._unanswered: set[str] = set()
        self._unmatched: OrderedDict[int, Event] = OrderedDict()

    def add(self, order: O) -> None:
        """An order that is about to be sent."""
        self.by_text[order.cl_ord_id] = self._live[order.cl_ord_id] = order
        self._unanswered.add(order.cl_ord_id)

    def forget(self, order: O) -> None:
        """An order that is done: events that come all the same (a bust) are no longer matched to it."""
        self.by_text.pop(order.cl_ord_id, None)
        self.by_id.pop(order.order_id, None)
        for key in order.requests:
            self._by_request.pop(key, None)

    @property
    def live(self) -> list[O]:
        """Those that are not done, the oldest first."""
        return list(self._live.values())

    def bind(self, order: O, source: int, cl_ord_id: int, order_id: int) -> None:
        """What the engine calls an order is known now; what was told of it before is folded from elsewhere."""
        self._by_request[(source, cl_ord_id)] = order
        order.requests.add((source, cl_ord_id))
        if order_id:
            order.order_id = order_id
            self.by_id[order_id] = order
        self._unanswered.discard(order.cl_ord_id)
        self._clear_if_all_answered()

    def link(self, order: O, source: int, cl_ord_id: int, order_id: int) -> list[tuple[O, Report]]:
        """What the engine calls an order is known now. Gives the reports that came before that was."""
        known = bool(order.requests)
        unmatched = list(self._unmatched.values())
        self.bind(order, source, cl_ord_id, order_id)
        if known:
            return []
        early = [event for event in unmatched if event.seq != order.answered_seq and order in self.concerned(event)]
        return [(order, self.fold_one(order, event)) for event in early]

    def not_taken(self, order: O) -> None:
        """Nothing of this order will ever come."""
        self._unanswered.discard(order.cl_ord_id)
        self._live.pop(order.cl_ord_id, None)
        self._clear_if_all_answered()

    def command(self, command: m.NewOrder) -> list[tuple[O, Report]]:
        """A NewOrder as it stands on the tape."""
        order = self.by_text.get(command.client_text)
        if order is None or order.requests:
            return []
        return self.link(order, command.source, command.cl_ord_id, command.order_id)

    def fold(self, event: Event) -> list[tuple[O, Report]]:
        """The orders that an event concerns (two if they met each other), each with its report."""
        matched = self.concerned(event)
        # Of a match, one side may be known and the other's answer still be on its way.
        if self._unanswered and len(matched) < (len(_order_ids(event)) or 1):
            self._unmatched[event.seq] = event
            if len(self._unmatched) > MAX_UNMATCHED:
                self._unmatched.popitem(last=False)
        return [(order, self.fold_one(order, event)) for order in matched if event.seq != order.answered_seq]

    def fold_one(self, order: O, event: Event) -> Report:
        """Folds an event into one of the orders that it concerns."""
        report = order.fold(event)
        if order.is_done:
            self._live.pop(order.cl_ord_id, None)
        return report

    def concerned(self, event: Event) -> list[O]:
        """The orders that an event is about, as far as they are known."""
        found = [order for order_id in _order_ids(event) if (order := self.by_id.get(order_id)) is not None]
        if not found and isinstance(event, m.OrderAccepted | m.OrderRejected):
            order = self._by_request.get((event.source, event.cl_ord_id))
            if order is not None:
                if event.order_id:
                    order.order_id = event.order_id
                    self.by_id[event.order_id] = order
                return [order]
        return found

    def _clear_if_all_answered(self) -> None:
        if not self._unanswered:
            self._unmatched.clear()


def _order_ids(event: Event) -> tuple[int, ...]:
    if isinstance(event, m.OrderExecuted | m.TradeBusted | m.TradeCorrected):
        return (event.maker_order_id, event.taker_order_id)
    return () if isinstance(event, m.CommandCompleted) else (event.order_id,)
