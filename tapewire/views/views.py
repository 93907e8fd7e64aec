"""One fold of an orders tape into all that people and programs ask of it.

    record ──▶ HouseMarket (books, statuses, auctions)          ┐
           ├─▶ orders, live and done, each with its life         │
           ├─▶ holdings: positions, P&L, exposure                ├─▶ changes
           ├─▶ fills of each account, trades of each instrument  │
           ├─▶ bars 1 s to 1 d                                   │
           └─▶ limits, kill switches, records by type            ┘

Pure: nothing but the records decides, so the fold of the first n records is what stood after record n, whenever it is
made. What is kept is bounded, by the names below and in orders.py, holding.py, bars.py; the rest (live orders,
holdings, books, limits) is as much as the engine itself holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

from tapewire import messages as m
from tapewire.engine_state import EngineState
from tapewire.house import HouseMarket
from tapewire.house_book import HouseBook
from tapewire.views import begun, kept
from tapewire.views.bars import Bars
from tapewire.views.bounded import Bounded
from tapewire.views.changes import Change, Fill, Kill
from tapewire.views.holding import MAKER, TAKER, Filled, Holding
from tapewire.views.orders import Order, Orders, Status, holding_key

FILLS_KEPT = 1_000  # of each account
FILLS_KEPT_IN_ALL = 50_000
TRADES_KEPT = 500  # of each instrument
AMENDABLE_IN_ALL = 200_000  # fills that holdings keep for busts; above it all of them are let go
_BUY = m.Side.buy
_TYPES = max(m.MessageType) + 1


NOTHING: Sequence[Change] = ()


class Views:
    """Feed it every record of an orders tape in order."""

    def __init__(self, env: str, house: HouseMarket | None = None) -> None:
        """`house`: one that stands already, for `restored` and `of_engine` alone."""
        self.house = house or HouseMarket(env)
        self.house.quiet = True  # nothing of it is published here
        self._changed_books: list[HouseBook] = []
        self.house.changed_books = self._changed_books
        self.orders = Orders()
        self.holdings: dict[int, Holding] = {}
        """By account << 32 | instrument."""
        self.holdings_of: dict[int, list[Holding]] = {}
        self.fills: Bounded[Fill] = Bounded(FILLS_KEPT, FILLS_KEPT_IN_ALL)
        self.trades: dict[int, deque[bytes]] = {}
        """By instrument; busts and corrections among them."""
        self.bars: dict[int, Bars] = {}
        self.limits: dict[int, m.AccountLimits] = {}
        self.kills: dict[int, Kill] = {}
        """Switches that are engaged, by account; 0: all."""
        self.counts = [0] * _TYPES
        """Records by MessageType."""
        self.ts = 0
        """Of the last record."""
        self.known_from = 0
        """The record of the engine's state that these views began at, 0: none; what begun.py says is not known."""
        self.quiet = False
        """While true no changes are made; for catching up."""
        self.amendable = 0
        """At least as many fills as all holdings keep for busts."""
        self._command: m.Message | None = None
        self._command_raw = b""
        self._out: list[Change] = []

    @property
    def at_seq(self) -> int:
        """The last record folded; 0 before the first."""
        return self.house.seq

    def fold(self, raw: bytes) -> Sequence[Change]:
        """Takes the next record. Raises EngineStopped if it contradicts what came before; the fold is then spent."""
        record = m.decode(raw)
        self.house.fold_record(record)
        if self._changed_books:
            self._settled()
        kind = record.TYPE
        self.counts[kind] += 1
        self.ts = record.ts
        fold = _FOLDS.get(kind)
        if fold is not None:
            fold(self, record, raw)
        if not self._out:
            return NOTHING
        out, self._out = self._out, []
        return out

    def settle(self) -> Sequence[Change]:
        """Ends the command under way: to be called where no command is half there."""
        self.house.settle()
        self._settled()
        self._command = None
        out, self._out = self._out, []
        return out

    @property
    def between_commands(self) -> bool:
        return self.house.between_commands

    def state(self) -> bytes:
        """What `restored` goes on from; taken between commands (`settle`). Equal folds give equal bytes."""
        return kept.encode(self)

    @classmethod
    def restored(cls, env: str, state: bytes, lean: bool = False) -> Self:
        """The fold that gave `state`. Raises WireError for other bytes.

        A `lean` one begins without done orders and the log of fills, and takes half the time; all else is the same.
        """
        known = kept.decode(state)
        made = cls(env, HouseMarket.restored(env, known.house))
        kept.restore(made, known, lean)
        return made

    @classmethod
    def of_engine(cls, env: str, engine: EngineState) -> Self:
        """As they stand behind the engine's state, as far as that says (begun.py). Raises WireError."""
        made = cls(env, HouseMarket.of_engine(env, engine))
        begun.begin(made, engine)
        return made

    def book(self, instrument: int) -> HouseBook | None:
        return self.house.book_of(instrument)

    def accounts(self) -> list[int]:
        """That were opened or appear on a record, ascending."""
        return sorted({*self.limits, *self.holdings_of, *self.orders.live})

    # -- helpers

    def holding(self, account: int, instrument: int) -> Holding:
        """What an account has in an instrument, made on first use."""
        key = holding_key(account, instrument)
        holding = self.holdings.get(key)
        if holding is None:
            holding = self.holdings[key] = Holding(account, instrument)
            self.holdings_of.setdefault(account, []).append(holding)
        return holding

    def _tell(self, kind: str, owner: int, item: Any = None) -> None:
        if not self.quiet:
            self._out.append(Change(kind, owner, item))

    def _settled(self) -> None:
        if not self.quiet:
            for book in self._changed_books:
                instrument = book.definition.instrument
                self._out.append(Change("book", instrument, book.changed))
                if book.top_changed:
                    self._out.append(Change("quote", instrument, None))
        self._changed_books.clear()

    def _lived(self, order: Order, raw: bytes) -> None:
        order.lives(raw)
        if not self.quiet:
            self._out.append(Change("order", order.account, (order, raw)))

    # -- orders

    def _on_command(self, record: m.Message, raw: bytes) -> None:
        self._command, self._command_raw = record, raw

    def _on_accepted(self, record: m.OrderAccepted, raw: bytes) -> None:
        account, instrument = record.account, record.instrument
        order = Order(record.order_id, account, instrument, self.holding(account, instrument))
        order.buy, order.waiting = record.side == _BUY, record.waiting
        order.qty, order.stop_px = record.qty, record.stop_px
        order.stands(record.price, record.qty)
        order.created = record.cause
        command = self._command
        if command is not None and command.seq == record.cause and isinstance(command, m.NewOrder):
            order.text = command.client_text
            order.life.append(self._command_raw)
        self.orders.add(order)
        self._lived(order, raw)

    def _on_rejected(self, record: m.OrderRejected, raw: bytes) -> None:
        command = self._command
        if command is None or command.seq != record.cause or not isinstance(command, m.NewOrder):
            return
        order = self.orders.rejected(command, record, (self._command_raw, raw))
        self._tell("order", order.account, (order, raw))

    def _on_cancelled(self, record: m.OrderCancelled, raw: bytes) -> None:
        order = self.orders.by_id[record.order_id]
        order.stands(order.price, 0)
        order.status = Status.expired if record.reason == m.CancelReason.expired else Status.cancelled
        self.orders.finish(order)
        self._lived(order, raw)

    def _on_replaced(self, record: m.OrderReplaced, raw: bytes) -> None:
        order = self.orders.by_id[record.order_id]
        order.qty = record.qty
        order.stands(record.price, record.leaves_qty)
        command = self._command
        asked = command.stop_px if isinstance(command, m.ReplaceOrder) and command.seq == record.cause else 0
        if asked and order.waiting and order.stop_px:
            # The event does not say the stop price: what was asked for is what it has now.
            order.stop_px = asked
        if not order.leaves:
            order.status = Status.filled if order.cum else Status.cancelled
            self.orders.finish(order)
        self._lived(order, raw)

    def _on_triggered(self, record: m.OrderTriggered, raw: bytes) -> None:
        order = self.orders.by_id[record.order_id]
        order.waiting = False
        order.stands(record.price, order.leaves)
        self._lived(order, raw)

    def _on_restated(self, record: m.OrderRestated, raw: bytes) -> None:
        order = self.orders.by_id[record.order_id]
        order.qty = record.qty
        order.stands(order.price, record.leaves_qty)
        self._lived(order, raw)

    def _on_cancel_rejected(self, record: m.CancelRejected, raw: bytes) -> None:
        order = self.orders.by_id.get(record.order_id)
        if order is not None and order.account == record.account:
            self._lived(order, raw)

    # -- trades

    def _on_executed(self, record: m.OrderExecuted, raw: bytes) -> None:
        seq, ts, price, qty, match = record.seq, record.ts, record.price, record.qty, record.match_id
        by_id, quiet, out = self.orders.by_id, self.quiet, self._out
        for role, order_id, leaves in (
            (MAKER, record.maker_order_id, record.maker_leaves_qty),
            (TAKER, record.taker_order_id, record.taker_leaves_qty),
        ):
            order = by_id[order_id]
            holding, account = order.holding, order.account
            assert holding is not None, "an order that trades lives"
            order.filled(price, qty, leaves)
            holding.fill(Filled(match, role, order.buy, price, qty))
            holding.seq, holding.ts = seq, ts
            fill = Fill(seq, role, order.text, raw)
            self.fills.add(account, fill)
            if not leaves:
                self.orders.finish(order)
            order.lives(raw)
            if not quiet:
                out += (
                    Change("order", account, (order, raw)),
                    Change("fill", account, fill),
                    Change("position", account, holding),
                )
        self.amendable += 2
        if self.amendable > AMENDABLE_IN_ALL:
            self._forget_fills()
        instrument = record.instrument
        bars = self.bars.get(instrument)
        if bars is None:
            bars = self.bars[instrument] = Bars()
        bars.trade(ts, price, qty)
        self._printed(instrument, raw)

    def trades_of(self, instrument: int) -> deque[bytes]:
        """Its last trades, busts and corrections as records, oldest first; made on first use."""
        trades = self.trades.get(instrument)
        if trades is None:
            trades = self.trades[instrument] = deque(maxlen=TRADES_KEPT)
        return trades

    def _printed(self, instrument: int, raw: bytes) -> None:
        self.trades_of(instrument).append(raw)
        if not self.quiet:
            self._out.append(Change("trade", instrument, raw))

    def _on_busted(self, record: m.TradeBusted, raw: bytes) -> None:
        self._amend(record, raw, (record.price, record.qty), None)

    def _on_corrected(self, record: m.TradeCorrected, raw: bytes) -> None:
        self._amend(record, raw, (record.old_price, record.old_qty), (record.price, record.qty))

    def _amend(
        self,
        record: m.TradeBusted | m.TradeCorrected,
        raw: bytes,
        was: tuple[int, int],
        now: tuple[int, int] | None,
    ) -> None:
        for role, account, order_id in (
            (MAKER, record.maker_account, record.maker_order_id),
            (TAKER, record.taker_account, record.taker_order_id),
        ):
            buy = (record.taker_side == _BUY) == (role == TAKER)
            holding = self.holding(account, record.instrument)
            holding.amend(
                Filled(record.match_id, role, buy, *was),
                None if now is None else Filled(record.match_id, role, buy, *now),
            )
            holding.seq, holding.ts = record.seq, record.ts
            order = self.orders.by_id.get(order_id)
            text = ""
            if order is not None and order.account == account:
                text = order.text
                qty, notional = (0, 0) if now is None else (now[1], now[0] * now[1])
                order.amended(qty - was[1], notional - was[0] * was[1])
                self._lived(order, raw)
            fill = Fill(record.seq, role, text, raw)
            self.fills.add(account, fill)
            self._tell("fill", account, fill)
            self._tell("position", account, holding)
        self._printed(record.instrument, raw)

    def _forget_fills(self) -> None:
        """Counts what all holdings keep for busts, and lets it go if it is too much: the older part first."""
        holdings = self.holdings.values()
        if (count := sum(one.amendable for one in holdings)) > AMENDABLE_IN_ALL // 2:
            for one in holdings:
                one.older = None
            if (count := sum(one.amendable for one in holdings)) > AMENDABLE_IN_ALL // 2:
                for one in holdings:
                    one.forget()
                count = 0
        self.amendable = count

    # -- what the operator sets

    def _on_limits(self, record: m.AccountLimits, raw: bytes) -> None:
        if not record.decision:
            self.limits[record.account] = record
            self._tell("limits", record.account)

    def _on_kill(self, record: m.KillSwitch, raw: bytes) -> None:
        if record.decision:
            return
        if record.engaged:
            self.kills[record.account] = Kill(record.seq, record.ts, record.reason)
        else:
            self.kills.pop(record.account, None)
        self._tell("kill", record.account)

    def _on_completed(self, record: m.CommandCompleted, raw: bytes) -> None:
        if record.command == m.MessageType.instrument_definition:
            self._tell("instrument", record.instrument)
            self._tell("status", record.instrument)

    def _on_status(self, record: m.Message, raw: bytes) -> None:
        self._tell("status", record.instrument)


_FOLDS: dict[int, Callable[[Views, Any, bytes], None]] = {
    m.MessageType.new_order: Views._on_command,
    m.MessageType.replace_order: Views._on_command,
    m.MessageType.order_accepted: Views._on_accepted,
    m.MessageType.order_rejected: Views._on_rejected,
    m.MessageType.order_executed: Views._on_executed,
    m.MessageType.order_cancelled: Views._on_cancelled,
    m.MessageType.order_replaced: Views._on_replaced,
    m.MessageType.order_triggered: Views._on_triggered,
    m.MessageType.order_restated: Views._on_restated,
    m.MessageType.cancel_rejected: Views._on_cancel_rejected,
    m.MessageType.trade_busted: Views._on_busted,
    m.MessageType.trade_corrected: Views._on_corrected,
    m.MessageType.account_limits: Views._on_limits,
    m.MessageType.kill_switch: Views._on_kill,
    m.MessageType.instrument_status_changed: Views._on_status,
    m.MessageType.limit_state_changed: Views._on_status,
    m.MessageType.auction_indicated: Views._on_status,
    m.MessageType.command_completed: Views._on_completed,
}
"""Of the class and not of the object: an object that refers to its own methods is freed by the collector alone."""
