"""A naive matcher that counts which rules were at work, so that a comparison cannot be empty without being noticed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.naive_state import Instrument, Order, Status


@dataclass
class CountingMatcher(NaiveMatcher):
    seen: Counter[str] = field(default_factory=Counter)

    def apply(self, command: bytes) -> list[bytes]:
        events = super().apply(command)
        for raw in events:
            self.count(m.decode(raw))
        return events

    def count(self, event: m.Message) -> None:
        name = type(event).__name__
        self.seen[name] += 1
        match event:
            case m.InstrumentStatusChanged():
                self.seen[f"{event.old_status.name} -> {event.status.name}"] += 1
                if event.auction_qty:
                    self.seen[f"auction before {event.status.name}"] += 1
            case m.LimitStateChanged():
                self.seen[event.state.name] += 1
            case m.CommandCompleted():
                self.seen[f"completed {event.command.name}"] += 1
            case m.OrderAccepted():
                waits = " waits" if event.waiting else ""
                self.seen[f"{event.ord_type.name} {event.time_in_force.name}{waits}"] += 1
            case m.OrderReplaced():
                self.seen[f"replace {'keeps' if event.priority_kept else 'loses'}"] += 1
            case m.OrderRestated():
                self.seen[f"{event.reason.name} {'keeps' if event.priority_kept else 'loses'}"] += 1
            case m.OrderRejected() | m.CancelRejected() | m.OrderCancelled() | m.OrderTriggered():
                self.seen[f"{name} {event.reason.name}"] += 1

    def prevent(self, taker: Order, maker: Order) -> None:
        super().prevent(taker, maker)
        ends = [name for name, order in (("maker", maker), ("taker", taker)) if not order.leaves]
        self.seen[f"self-trade {taker.self_trade.name} ends {' and '.join(ends)}"] += 1

    def execute(self, i: Instrument, maker: Order, taker: Order, price: int, qty: int, auction: bool = False) -> None:
        if maker.hidden:
            self.seen["hidden maker"] += 1
        if auction and m.OrdType.market in (maker.ord_type, taker.ord_type):
            self.seen["market order in an auction"] += 1
        super().execute(i, maker, taker, price, qty, auction)

    def trigger(self, i: Instrument, order: Order) -> None:
        super().trigger(i, order)
        self.seen[f"triggered {order.ord_type.name} {'rests' if order in i.book else 'is over'}"] += 1

    def price_after_slide(self, i: Instrument, order: Order, price: int) -> int:
        slid = super().price_after_slide(i, order, price)
        if slid != price:
            self.seen["slides"] += 1
        return slid

    def change_status(self, i: Instrument, status: Status, reason: m.StatusReason, resume_time: int) -> bool:
        changed = super().change_status(i, status, reason, resume_time)
        if changed and isinstance(self.command, m.AdvanceClock):
            self.seen[f"clock: {status.name} for {reason.name}"] += 1
        return changed
