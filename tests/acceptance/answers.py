"""The right side of a table: events in words. A copy that is not what it should be is said, too, so that it shows.

accepted                  accepted at 99 (slid, or a market order in a call)           accepted, waiting
rejected: wouldCross (100, 99)
trade 1: 4 at 100, maker a1 (6 left), taker b1 (filled)
auction trade 1: 4 at 100, maker a1 (6 left), taker b1 (filled)
a1 cancelled (requested): 6 at 100, 4 done
a1 replaced: 6 at 101, was 6 at 100, place lost
a1 triggered (stopPrice): last 105
a1 restated (displayRefresh): shows 10 of 40, place lost
ACME haltAuction, was trading (priceBand), until 10:05          ACME trading, was openingAuction, auction 50 at 100
indicated 50 at 100, imbalance 10 buy                           indicated nothing
ACME limitUp, band 95 to 105
trade 1 busted: 4 at 100                                        trade 1 corrected: 4 at 99, was 4 at 100
completed                 completed (2)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tapewire import messages as m
from tests.acceptance.fold import SIDES, Book, Live
from tests.acceptance.sentences import ACCOUNTS, INSTRUMENTS, Reader, View, camel, clock

EVENTS = (
    *(m.OrderAccepted, m.OrderRejected, m.CancelRejected, m.OrderExecuted, m.OrderCancelled, m.OrderReplaced),
    *(m.OrderTriggered, m.OrderRestated, m.InstrumentStatusChanged, m.AuctionIndicated, m.LimitStateChanged),
    *(m.TradeBusted, m.TradeCorrected, m.CommandCompleted),
)
NAMES = {number: name for name, number in INSTRUMENTS.items()}
NUMBERS = {camel(each.name): int(each) for enum in (m.StatusReason, m.RestateReason, m.LimitState) for each in enum}
for _enum in (m.CancelReason, m.RejectReason, m.SelfTrade, m.TimeInForce, m.OrdType, m.Side, m.InstrumentStatus):
    NUMBERS |= {camel(each.name): int(each) for each in _enum}
NUMBERS |= ACCOUNTS | INSTRUMENTS
COMPARED = re.compile(r"(rejected: \w+) \((.+), (.+)\)")


def instrument_name(number: int) -> str:
    return NAMES.get(number, f"#{number}")


def filled(leaves: int) -> str:
    return f"{leaves} left" if leaves else "filled"


class Teller:
    """Folds events and says each in words."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.book = reader, Book()
        self.next_trade = 1
        self.command: Any = None
        says: tuple[Callable[[Any], str], ...] = (
            *(self._accepted, self._rejected, self._rejected, self._executed, self._cancelled, self._replaced),
            *(self._triggered, self._restated, self._status, self._indicated, self._limit_state),
            *(self._busted, self._corrected, self._completed),
        )
        self._says = dict(zip(EVENTS, says, strict=True))

    def tell(self, command: m.Message, event: m.Message) -> str:
        """The event in words; `command` is its cause."""
        self.command, self.odd = command, list[str]()
        self._same("ts", event.ts, command.ts)
        self._same("source", event.source, command.source)
        text = self._says[type(event)](event)
        return text + "".join(f" !! {odd}" for odd in self.odd)

    def name(self, order_id: int) -> str:
        return next((name for name, id in self.reader.orders.items() if id == order_id), f"#{order_id}")

    def _same(self, what: str, told: object, due: object) -> None:
        if told != due:
            self.odd.append(f"{what} is {told!r}, not {due!r}")

    def _live(self, order_id: int, e: Any) -> Live | None:
        order = self.book.live.get(order_id)
        if order is None:
            self.odd.append("no such order is live")
        else:
            self._same("instrument", e.instrument, order.instrument)
        return order

    def _copies(self, e: Any, order: Live, **due: object) -> None:
        """The fields of an event that only repeat what is known of its order."""
        for name, value in {"account": order.account, "side": order.side, **due}.items():
            self._same(name, getattr(e, name), value)

    # Orders

    def _accepted(self, e: m.OrderAccepted) -> str:
        c = self.command
        names = (
            "order_id cl_ord_id qty account side ord_type time_in_force stop_px expire_time session hidden post_only"
        )
        for name in names.split():
            self._same(name, getattr(e, name), getattr(c, name))
        self._same("instrument", e.instrument, c.instrument)
        self._same("display_qty", e.display_qty, 0 if c.display_qty == c.qty else c.display_qty)
        self.book.accepted(e)
        return "accepted" + (f" at {e.price}" if e.price != c.price else "") + (", waiting" if e.waiting else "")

    def _rejected(self, e: m.OrderRejected | m.CancelRejected) -> str:
        for name in ("cl_ord_id", "account"):
            self._same(name, getattr(e, name), getattr(self.command, name, 0))
        self._same("order_id", e.order_id, getattr(self.command, "order_id", 0))
        cancels = isinstance(self.command, m.CancelOrder | m.ReplaceOrder | m.MassCancel)
        self._same("the kind of refusal", type(e), m.CancelRejected if cancels else m.OrderRejected)
        return f"rejected: {camel(e.reason.name)} ({e.value}, {e.limit})"

    def _executed(self, e: m.OrderExecuted) -> str:
        maker, taker = self._live(e.maker_order_id, e), self._live(e.taker_order_id, e)
        self._same("match_id", e.match_id, self.next_trade)
        self.next_trade += 1
        maker_told = f"{self.name(e.maker_order_id)} ({filled(e.maker_leaves_qty)})"
        taker_told = f"{self.name(e.taker_order_id)} ({filled(e.taker_leaves_qty)})"
        if maker and taker:
            self._same("maker_account", e.maker_account, maker.account)
            self._same("taker_account", e.taker_account, taker.account)
            self._same("taker_side", e.taker_side, taker.side)
            self._same("aggressor", e.aggressor, m.Side.unspecified if e.auction else taker.side)
            self._same("maker_leaves_qty", e.maker_leaves_qty, maker.leaves - e.qty)
            self._same("taker_leaves_qty", e.taker_leaves_qty, taker.leaves - e.qty)
            self.book.turn_of(e.taker_order_id)
            if e.auction:
                self._same("older than the taker", maker.id < taker.id, True)
            else:
                first = next((o.id for o in self.book.queue(maker.instrument, maker.side)), 0)
                self._same("the first in the queue", first, maker.id)
                self._same("price", e.price, maker.price)
            self.book.executed(e)
        names = ("maker_order_id", "taker_order_id", "maker_account", "taker_account", "taker_side", "price", "qty")
        copied: Any = {name: getattr(e, name) for name in names}
        self.reader.trades[e.match_id] = m.BustTrade(instrument=e.instrument, match_id=e.match_id, **copied)
        kind = "auction trade" if e.auction else "trade"
        return f"{kind} {e.match_id}: {e.qty} at {e.price}, maker {maker_told}, taker {taker_told}"

    def _at(self, order: Live | None, price: int) -> str:
        return "at market" if price == 0 and order and order.ord_type in MARKETS else f"at {price}"

    def _cancelled(self, e: m.OrderCancelled) -> str:
        order = self._live(e.order_id, e)
        if order:
            self._copies(e, order, price=order.price, cancelled_qty=order.leaves, cum_qty=order.qty - order.leaves)
            self.book.cancelled(e)
        asked = e.reason in ASKED and not isinstance(self.command, m.KillSwitch)
        self._same("cl_ord_id", e.cl_ord_id, self.command.cl_ord_id if asked else 0)
        done = f", {e.cum_qty} done" if e.cum_qty else ""
        reason = camel(e.reason.name)
        return f"{self.name(e.order_id)} cancelled ({reason}): {e.cancelled_qty} {self._at(order, e.price)}{done}"

    def _replaced(self, e: m.OrderReplaced) -> str:
        order, c = self._live(e.order_id, e), self.command
        if order:
            leaves = c.qty - (order.qty - order.leaves)
            self._copies(e, order, old_price=order.price, old_leaves_qty=order.leaves, qty=c.qty, leaves_qty=leaves)
            order.stop = c.stop_px or order.stop
            self.book.replaced(e)
        self._same("cl_ord_id", e.cl_ord_id, c.cl_ord_id)
        now, was = self._at(order, e.price), self._at(order, e.old_price)
        place = "place kept" if e.priority_kept else "place lost"
        name = self.name(e.order_id)
        return f"{name} replaced: {e.leaves_qty} {now}, was {e.old_leaves_qty} {was}, {place}"

    def _triggered(self, e: m.OrderTriggered) -> str:
        order, joins = self._live(e.order_id, e), ""
        if order:
            self._copies(e, order, leaves_qty=order.leaves, stop_px=order.stop)
            joins = f", at {e.price}" if e.price != order.price else ""
            self.book.triggered(e)
        last = f": last {e.last_px}" if e.reason == m.TriggerReason.stop_price else ""
        return f"{self.name(e.order_id)} triggered ({camel(e.reason.name)}){last}{joins}"

    def _restated(self, e: m.OrderRestated) -> str:
        order = self._live(e.order_id, e)
        if order:
            self._copies(e, order, price=order.price, qty=order.qty - order.leaves + e.leaves_qty)
            self.book.restated(e)
        place = "place kept" if e.priority_kept else "place lost"
        parts = f"shows {e.displayed_qty} of {e.leaves_qty}, {place}"
        return f"{self.name(e.order_id)} restated ({camel(e.reason.name)}): {parts}"

    # Instruments

    def _status(self, e: m.InstrumentStatusChanged) -> str:
        text = f"{instrument_name(e.instrument)} {camel(e.status.name)}, was {camel(e.old_status.name)}"
        text += f" ({camel(e.reason.name)})" if e.reason not in (m.StatusReason.requested, 0) else ""
        text += f", until {clock(e.resume_time)}" if e.resume_time else ""
        return text + (f", auction {e.auction_qty} at {e.auction_price}" if e.auction_qty or e.auction_price else "")

    def _indicated(self, e: m.AuctionIndicated) -> str:
        if not (e.qty or e.price or e.imbalance_qty):
            return "indicated nothing"
        over = f", imbalance {e.imbalance_qty} {camel(e.imbalance_side.name)}" if e.imbalance_qty else ""
        return f"indicated {e.qty} at {e.price}{over}"

    def _limit_state(self, e: m.LimitStateChanged) -> str:
        edges = (str(edge) if edge else "-" for edge in (e.lower_price, e.upper_price))
        return f"{instrument_name(e.instrument)} {camel(e.state.name)}, band {' to '.join(edges)}"

    # Trades amended, commands done

    def _amended(self, e: m.TradeBusted | m.TradeCorrected) -> None:
        for name in ("match_id", "maker_order_id", "taker_order_id", "maker_account", "taker_account", "taker_side"):
            self._same(name, getattr(e, name), getattr(self.command, name))

    def _busted(self, e: m.TradeBusted) -> str:
        self._amended(e)
        return f"trade {e.match_id} busted: {e.qty} at {e.price}"

    def _corrected(self, e: m.TradeCorrected) -> str:
        self._amended(e)
        stands: Any = self.reader.trades[e.match_id]
        self.reader.trades[e.match_id] = stands.replace(price=e.price, qty=e.qty)
        return f"trade {e.match_id} corrected: {e.qty} at {e.price}, was {e.old_qty} at {e.old_price}"

    def _completed(self, e: m.CommandCompleted) -> str:
        for name in ("cl_ord_id", "account"):
            self._same(name, getattr(e, name), getattr(self.command, name, 0))
        self._same("instrument", e.instrument, self.command.instrument)
        self._same("command", int(e.command), int(self.command.TYPE))
        return f"completed ({e.count})" if e.count else "completed"

    # Looks at what there is

    def view(self, view: View) -> list[str]:
        return {"book": self._book, "queue": self._queue, "waiting": self._waiting}[view.what](view.instrument)

    def _book(self, instrument: int) -> list[str]:
        found = []
        for side in SIDES:
            for price, orders in self.book.levels(instrument, side):
                shown, total = sum(o.shown for o in orders), sum(o.leaves for o in orders)
                found.append(f"{side.name} {part(shown, total)} at {price}")
        return found or ["empty"]

    def _queue(self, instrument: int) -> list[str]:
        found = []
        for side in SIDES:
            for price, orders in self.book.levels(instrument, side):
                there = ", ".join(f"{self.name(o.id)} {part(o.shown, o.leaves)}" for o in orders)
                found.append(f"{side.name} at {price}: {there}")
        return found or ["empty"]

    def _waiting(self, instrument: int) -> list[str]:
        there = self.book.waiting(instrument)
        for_what = [f"stop {o.stop}" if o.stop else "for the close" for o in there]
        found = [f"{self.name(o.id)} {o.side.name} {o.leaves} {self._at(o, o.price)}" for o in there]
        return [f"{order}, {why}" for order, why in zip(found, for_what, strict=True)] or ["nothing"]


MARKETS = (m.OrdType.market, m.OrdType.stop)
ASKED = (
    m.CancelReason.requested,
    m.CancelReason.mass_cancel,
    m.CancelReason.disconnected,
    m.CancelReason.kill_switch,
)


def part(shown: int, total: int) -> str:
    return str(total) if shown == total else f"{shown} of {total}"


def numbers(answer: str, orders: dict[str, int]) -> str:
    """An expected answer with the words between its brackets as the numbers they stand for: `(ioc, closed)`."""
    found = COMPARED.fullmatch(answer)
    if found is None:
        return answer

    def number(word: str) -> str:
        if ":" in word:
            return str(Reader().read(f"time {word}")[1].ts)  # type: ignore[union-attr]
        return str(orders.get(word, NUMBERS.get(word, word)))

    return f"{found[1]} ({number(found[2])}, {number(found[3])})"
