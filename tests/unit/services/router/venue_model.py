"""A venue as it is: it knows what it has executed, tells it late, in another order and twice, and loses connections."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tapewire import messages as m
from tests.router_stepped import Stepped

K = m.VenueReportKind


@dataclass
class Order:
    child_id: int
    price: int
    qty: int
    live: bool = True
    cum: int = 0
    executions: list[tuple[str, int, int]] = field(default_factory=list)


class VenueModel:
    """Answers what the router asks of venue `number`. `told` waits to be delivered, not always in order."""

    def __init__(self, stepped: Stepped, number: int, pick: random.Random) -> None:
        self.stepped, self.number, self.pick = stepped, number, pick
        self.orders: dict[int, Order] = {}
        self.told: list[tuple[int, m.VenueReportKind, bool, dict[str, Any]]] = []
        self.asked: list[m.NewChild | m.ReplaceChild | m.CancelChild] = []
        self.up = True
        self.matches = 0

    def hear(self, events: list[m.Message]) -> None:
        self.asked += [
            e for e in events if isinstance(e, m.NewChild | m.ReplaceChild | m.CancelChild) and e.venue == self.number
        ]

    def work(self) -> None:
        """Takes one request, or trades, or says something."""
        chance = self.pick.random()
        if not self.up:
            if chance < 0.3:
                self.reconnect()
        elif chance < 0.4 and self.asked:
            self.take(self.asked.pop(0))
        elif chance < 0.6 and (live := [o for o in self.orders.values() if o.live]):
            self.trade(self.pick.choice(live))
        elif chance < 0.63:
            self.up = False
            self.deliver(len(self.told))
            self.stepped.venue(self.number, m.VenueState.down)
        elif chance < 0.66:
            self.take_back()
        elif chance < 0.68:
            self.restate()
        elif self.told:
            self.deliver(1)

    def tell(self, order: Order, kind: m.VenueReportKind, **fields: Any) -> None:
        fields |= {"cum_qty": order.cum, "leaves_qty": order.qty - order.cum if order.live else 0, "qty": order.qty}
        self.told.append((order.child_id, kind, order.live, fields))

    def take(self, request: m.NewChild | m.ReplaceChild | m.CancelChild) -> None:
        pick = self.pick
        if isinstance(request, m.NewChild):
            if pick.random() < 0.15:
                self.told.append((request.child_id, K.rejected, False, {"reason": "not today"}))
                return
            order = self.orders[request.child_id] = Order(request.child_id, request.price, request.qty)
            self.tell(order, K.accepted)
        elif isinstance(request, m.CancelChild):
            order = self.orders[request.child_id]
            if not order.live or pick.random() < 0.2:
                self.tell(order, K.cancel_rejected)
                return
            order.live = False
            self.tell(order, K.cancelled)
        elif isinstance(request, m.ReplaceChild):
            order = self.orders[request.child_id]
            if not order.live or request.qty <= order.cum or pick.random() < 0.2:
                self.tell(order, K.replace_rejected)
                return
            order.price, order.qty = request.price, request.qty
            self.tell(order, K.replaced, price=request.price)

    def trade(self, order: Order) -> None:
        qty = self.pick.randint(1, order.qty - order.cum)
        self.matches += 1
        name = f"{self.number}-{self.matches}"
        order.cum += qty
        order.live = order.cum < order.qty
        order.executions.append((name, qty, order.price))
        self.tell(order, K.executed, exec_id=name, last_qty=qty, last_price=order.price)
        if self.pick.random() < 0.1:
            self.told.append(self.told[-1])

    def take_back(self) -> None:
        """Busts or corrects what has been told. (Of an order that lives no more: none comes back to life.)"""
        found = [o for o in self.orders.values() if o.executions and not o.live]
        if not found or self.told:
            return
        order = self.pick.choice(found)
        name, qty, price = order.executions.pop()
        if self.pick.random() < 0.5:
            order.cum -= qty
            self.tell(order, K.busted, ref_exec_id=name, last_qty=qty, last_price=price)
        else:
            order.executions.append((name, qty, price + 1))
            self.tell(order, K.corrected, ref_exec_id=name, exec_id=f"{name}c", last_qty=qty, last_price=price + 1)

    def restate(self) -> None:
        """An order loses some of its quantity, as by a self-trade."""
        live = [o for o in self.orders.values() if o.live and o.qty - o.cum > 1]
        if live and not self.told and not self.asked:
            order = self.pick.choice(live)
            order.qty -= 1
            self.tell(order, K.restated)

    def deliver(self, count: int) -> None:
        """The next report of some order. Those of one order keep their order but for executions, which may lag."""
        for _ in range(count):
            at = 0
            if self.pick.random() < 0.3 and len(self.told) > 1:
                (first, kind, *_), (second, *_) = self.told[0], self.told[1]
                at = int(first != second or kind == K.executed)
            child_id, kind, live, fields = self.told.pop(at)
            self.stepped.report(child_id, kind, live, **fields)
            if not self.told:
                return

    def reconnect(self) -> None:
        """Everything is told by now; what never arrived is said to be unknown."""
        self.stepped.venue(self.number, m.VenueState.reconciling)
        asked, self.asked = self.asked, []
        for request in asked:
            lost = self.pick.random() < 0.5
            if not lost:
                self.take(request)
            elif isinstance(request, m.NewChild):
                self.told.append((request.child_id, K.unknown, False, {"origin": m.ReportOrigin.reconciled}))
            else:
                kind = K.replace_rejected if isinstance(request, m.ReplaceChild) else K.cancel_rejected
                self.tell(self.orders[request.child_id], kind, origin=m.ReportOrigin.reconciled)
        while self.told:
            self.deliver(1)
        self.up = True
        self.stepped.venue(self.number, m.VenueState.ready)
