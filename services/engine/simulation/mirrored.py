"""A venue's recorded market data as the surrounding market: its levels are orders of an account, its trades takers.

    level grows      a new order of the market, behind whatever stands there by now
    level shrinks    the market's newest orders there go first: the strategy moves up by trades alone
    trade            an order that takes at the trade's price and goes (IOC), of a second account
    feed not live    the market's orders go, until its next snapshot

The market does not answer to the strategy: what the strategy takes is there again when the level is told of next. What
crosses the strategy's orders trades with them, at their price.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from services.engine.simulation.recorded import Step
from tapewire import messages as m
from tapewire.config.sections import Role
from tapewire.errors import TapewireError
from tapewire.tape import TapeReader

OPERATOR: Final = 1
MARKET: Final = 2
MAKER_ACCOUNT: Final = 1_000_001
TAKER_ACCOUNT: Final = 1_000_002
UNUSABLE: Final = (m.BookQuality.resync, m.BookQuality.stale)
PRICED: Final = (m.Trade, m.BookDelta, m.BookSnapshot)


class Instrument(NamedTuple):
    number: int
    price_exponent: int
    qty_exponent: int


Level = tuple[int, m.Side, int]
"""Instrument, side, price."""


class _Order:
    __slots__ = ("leaves", "level", "order_id", "traded")

    def __init__(self, level: Level, leaves: int) -> None:
        self.level, self.leaves, self.order_id, self.traded = level, leaves, 0, 0


class MirroredMarket:
    """The steps of a feed's tape. Call `happened` with the records that each step has led to, before the next one."""

    def __init__(self, tape: Path, tickers: frozenset[str]) -> None:
        """`tickers`: of the feed; none: all of them. Raises TapewireError if there is nothing of them."""
        self.tape, self._tickers = tape, tickers
        self.producers: dict[int, Role] = {OPERATOR: "operator", MARKET: "trader"}
        self.accounts = {MAKER_ACCOUNT, TAKER_ACCOUNT}
        self.left_out = 0
        """Trades and levels that do not fit the instrument as it was first seen."""
        self._definitions = self._look()
        self.first_ts = self._first_ts
        self._instruments: dict[str, Instrument] = {}
        self._levels: dict[Level, deque[_Order]] = {}
        self._totals: dict[Level, int] = {}
        self._by_id: dict[int, _Order] = {}
        self._sent: dict[int, _Order] = {}
        self._cl_ord_id = 0

    def _look(self) -> list[m.InstrumentDefinition]:
        """What the tape defines, or what its first message of a ticker implies."""
        found: dict[str, m.InstrumentDefinition] = {}
        said: dict[str, m.InstrumentDefinition] = {}
        self._first_ts = 0
        with TapeReader(self.tape, None) as reader:
            for raw in reader:
                record = m.decode(raw)
                if isinstance(record, m.InstrumentDefinition):
                    said.setdefault(record.ticker, record)
                if not isinstance(record, PRICED) or (self._tickers and record.ticker not in self._tickers):
                    continue
                self._first_ts = self._first_ts or record.ts
                if record.ticker not in found:
                    found[record.ticker] = self._definition(record, said.get(record.ticker), len(found) + 1)
        if not found:
            raise TapewireError(
                f"{self.tape}: no trades and no book of {', '.join(sorted(self._tickers)) or 'anything'}"
            )
        return list(found.values())

    @staticmethod
    def _definition(
        record: m.Trade | m.BookDelta | m.BookSnapshot, said: m.InstrumentDefinition | None, number: int
    ) -> m.InstrumentDefinition:
        same = said is not None and (said.price_exponent, said.qty_exponent) == (
            record.price_exponent,
            record.qty_exponent,
        )
        return m.InstrumentDefinition(
            instrument=number,
            ticker=record.ticker,
            tick_size=said.tick_size if said is not None and same and said.tick_size else 1,
            lot_size=1,
            price_exponent=record.price_exponent,
            qty_exponent=record.qty_exponent,
            status=m.InstrumentStatus.trading,
        )

    def __iter__(self) -> Iterator[Step]:
        opening: list[m.Message] = list(self._definitions)
        opening += [
            m.AccountLimits(account=MAKER_ACCOUNT, self_trade=m.SelfTrade.cancel_oldest),
            m.AccountLimits(account=TAKER_ACCOUNT),
        ]
        yield Step(self.first_ts, [(OPERATOR, bytes(command)) for command in opening])
        self._instruments = {
            one.ticker: Instrument(one.instrument, one.price_exponent, one.qty_exponent) for one in self._definitions
        }
        with TapeReader(self.tape, None) as reader:
            for raw in reader:
                record = m.decode(raw)
                commands = self._commands(record)
                if commands:
                    yield Step(record.ts, [(MARKET, bytes(command)) for command in commands])

    def happened(self, records: list[bytes]) -> None:
        """What the market's orders became."""
        for raw in records:
            record = m.decode(raw)
            if isinstance(record, m.OrderAccepted):
                order = self._sent.pop(record.cl_ord_id, None) if record.account == MAKER_ACCOUNT else None
                if order is not None:
                    order.order_id = record.order_id
                    self._by_id[record.order_id] = order
            elif isinstance(record, m.OrderExecuted):
                for order_id in (record.maker_order_id, record.taker_order_id):
                    self._less(order_id, record.qty, traded=True)
            elif isinstance(record, m.OrderCancelled):
                self._less(record.order_id, record.cancelled_qty)
            elif isinstance(record, m.OrderReplaced):
                if (order := self._by_id.get(record.order_id)) is not None:
                    self._less(record.order_id, order.leaves - record.leaves_qty)
            elif isinstance(record, m.OrderRejected):
                self._gone(self._sent.pop(record.cl_ord_id, None))

    # -- what a record of the feed makes the market do

    def _commands(self, record: m.Message) -> list[m.Message]:
        if isinstance(record, m.FeedStatus):
            return self._leave(record)
        if not isinstance(record, PRICED):
            return []
        instrument = self._instruments.get(record.ticker)
        if instrument is None:
            return []
        if (record.price_exponent, record.qty_exponent) != instrument[1:]:
            self.left_out += 1
            return []
        if record.quality in UNUSABLE:
            return []
        if isinstance(record, m.Trade):
            return self._take(record, instrument.number)
        wanted = {(instrument.number, side, price): qty for price, qty, _, side in record.levels}
        if isinstance(record, m.BookSnapshot):
            for level in self._levels:
                if level[0] == instrument.number:
                    wanted.setdefault(level, 0)
        # What goes, goes first: the market's own sides never meet.
        changes = sorted(wanted.items(), key=lambda item: item[1] - self._totals.get(item[0], 0))
        return [command for level, qty in changes for command in self._change(level, qty)]

    def _change(self, level: Level, qty: int) -> list[m.Message]:
        standing = self._totals.get(level, 0)
        if qty > standing:
            order = _Order(level, qty - standing)
            self._levels.setdefault(level, deque()).append(order)
            self._totals[level] = qty
            return [self._new(MAKER_ACCOUNT, level, order.leaves, m.TimeInForce.gtc, order)]
        commands: list[m.Message] = []
        less = standing - qty
        for order in reversed(self._levels.get(level, ())):
            if not less:
                break
            if not order.order_id:
                continue
            if order.leaves <= less:
                less -= order.leaves
                commands.append(m.CancelOrder(cl_ord_id=self._next(), order_id=order.order_id, account=MAKER_ACCOUNT))
            else:
                commands.append(self._smaller(order, order.leaves - less))
                less = 0
        return commands

    def _smaller(self, order: _Order, leaves: int) -> m.Message:
        return m.ReplaceOrder(
            cl_ord_id=self._next(),
            order_id=order.order_id,
            account=MAKER_ACCOUNT,
            price=order.level[2],
            qty=leaves + order.traded,  # OrderQty counts what has traded
        )

    def _take(self, trade: m.Trade, number: int) -> list[m.Message]:
        if trade.aggressor not in (m.Side.buy, m.Side.sell) or trade.qty <= 0 or trade.price <= 0:
            return []
        level = (number, trade.aggressor, trade.price)
        return [self._new(TAKER_ACCOUNT, level, trade.qty, m.TimeInForce.ioc, None)]

    def _leave(self, status: m.FeedStatus) -> list[m.Message]:
        """The book is not to be trusted: nobody trades against it."""
        if status.quality not in UNUSABLE:
            return []
        instrument = self._instruments.get(status.ticker)
        if status.ticker and instrument is None:
            return []
        number = instrument.number if instrument is not None else 0
        return [m.MassCancel(cl_ord_id=self._next(), account=MAKER_ACCOUNT, instrument=number)]

    def _new(self, account: int, level: Level, qty: int, tif: m.TimeInForce, order: _Order | None) -> m.Message:
        number, side, price = level
        cl_ord_id = self._next()
        if order is not None:
            self._sent[cl_ord_id] = order
        return m.NewOrder(
            cl_ord_id=cl_ord_id,
            instrument=number,
            account=account,
            side=side,
            ord_type=m.OrdType.limit,
            time_in_force=tif,
            price=price,
            qty=qty,
        )

    def _next(self) -> int:
        self._cl_ord_id += 1
        return self._cl_ord_id

    # -- what is left of the market's orders

    def _less(self, order_id: int, qty: int, *, traded: bool = False) -> None:
        order = self._by_id.get(order_id)
        if order is None:
            return
        if traded:
            order.traded += qty
        order.leaves -= qty
        self._totals[order.level] -= qty
        if not order.leaves:
            self._gone(order)

    def _gone(self, order: _Order | None) -> None:
        if order is None:
            return
        self._by_id.pop(order.order_id, None)
        orders = self._levels[order.level]
        orders.remove(order)
        self._totals[order.level] -= order.leaves
        if not orders:
            del self._levels[order.level]
            del self._totals[order.level]
