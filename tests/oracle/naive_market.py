"""A market so simple that it is obviously right, writing the records an engine would: the oracle of the house fold.

Orders rest in one list per instrument. What it does not model (risk, halts, post-only) makes no difference to a book.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tapewire import messages as m

TICKERS = ("BTC/USD", "BRK.B")
ACCOUNTS = (1, 2, 3)


@dataclass
class Resting:
    order_id: int
    account: int
    side: m.Side
    price: int
    leaves: int


class NaiveMarket:
    """`records` is the tape so far; `resting` the orders by instrument, in order of priority in time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.records: list[bytes] = []
        self.ends: list[int] = []  # how many records there were after each command
        self.resting: dict[int, list[Resting]] = {n: [] for n in range(1, len(TICKERS) + 1)}
        self._orders = self._matches = self._cause = 0
        self._put(m.EpochStarted(epoch=1))
        for number, ticker in enumerate(TICKERS, 1):
            self._command(
                m.InstrumentDefinition, instrument=number, ticker=ticker, price_exponent=-2, qty_exponent=-number
            )
            self.ends.append(len(self.records))

    def step(self) -> None:
        """One random command and all its events."""
        instrument = self._random.randint(1, len(TICKERS))
        live = self.resting[instrument]
        what = self._random.random()
        if what < 0.55 or not live:
            self._new(instrument)
        elif what < 0.75:
            self._replace(instrument, self._random.choice(live))
        elif what < 0.95:
            one = self._random.choice(live)
            self._command(m.CancelOrder, instrument=instrument, order_id=one.order_id, account=one.account)
            self._cancel(instrument, one, m.CancelReason.requested)
        elif what < 0.97:
            self._command(m.MassCancel)
            for number, orders in self.resting.items():
                for one in list(orders):
                    self._cancel(number, one, m.CancelReason.mass_cancel)
        else:
            # A refused definition changes nothing: once by risk, once by the matcher.
            self._command(m.InstrumentDefinition, instrument=1, ticker="X", decision=m.RejectReason.off_tick)
            self._command(m.InstrumentDefinition, instrument=1, ticker="X")
            self._event(m.OrderRejected, 1, reason=m.RejectReason.instrument_exists)
        self.ends.append(len(self.records))

    def levels(self, instrument: int) -> dict[tuple[m.Side, int], tuple[int, int]]:
        """(quantity, orders) by side and price."""
        out: dict[tuple[m.Side, int], tuple[int, int]] = {}
        for one in self.resting[instrument]:
            qty, orders = out.get((one.side, one.price), (0, 0))
            out[one.side, one.price] = (qty + one.leaves, orders + 1)
        return out

    def _new(self, instrument: int) -> None:
        side = self._random.choice((m.Side.buy, m.Side.sell))
        account = self._random.choice(ACCOUNTS)
        self._orders += 1
        one = Resting(self._orders, account, side, self._random.randint(95, 105), self._random.randint(1, 20))
        self._command(m.NewOrder, instrument=instrument, order_id=one.order_id, account=account)
        if self._random.random() < 0.05:
            self._event(
                m.OrderRejected,
                instrument,
                order_id=one.order_id,
                account=account,
                reason=m.RejectReason.would_not_fill,
            )
            return
        self._event(
            m.OrderAccepted,
            instrument,
            order_id=one.order_id,
            account=account,
            side=side,
            price=one.price,
            qty=one.leaves,
        )
        self.resting[instrument].append(one)
        self._match(instrument, one)
        if one.leaves and self._random.random() < 0.2:
            self._cancel(instrument, one, m.CancelReason.immediate_or_cancel)

    def _replace(self, instrument: int, one: Resting) -> None:
        price, leaves = self._random.randint(95, 105), self._random.randint(1, 20)
        self._command(m.ReplaceOrder, instrument=instrument, order_id=one.order_id, account=one.account)
        self._event(
            m.OrderReplaced,
            instrument,
            order_id=one.order_id,
            account=one.account,
            side=one.side,
            price=price,
            leaves_qty=leaves,
            old_price=one.price,
            old_leaves_qty=one.leaves,
        )
        one.price, one.leaves = price, leaves
        self.resting[instrument].remove(one)
        self.resting[instrument].append(one)
        self._match(instrument, one)

    def _match(self, instrument: int, taker: Resting) -> None:
        sign = 1 if taker.side == m.Side.buy else -1
        while taker.leaves:
            makers = [
                one
                for one in self.resting[instrument]
                if one.side != taker.side and sign * (taker.price - one.price) >= 0
            ]
            if not makers:
                return
            maker = min(makers, key=lambda one: sign * one.price)
            qty = min(maker.leaves, taker.leaves)
            maker.leaves -= qty
            taker.leaves -= qty
            self._matches += 1
            self._event(
                m.OrderExecuted,
                instrument,
                match_id=self._matches,
                maker_order_id=maker.order_id,
                taker_order_id=taker.order_id,
                price=maker.price,
                qty=qty,
                maker_leaves_qty=maker.leaves,
                taker_leaves_qty=taker.leaves,
                maker_account=maker.account,
                taker_account=taker.account,
                aggressor=taker.side,
            )
            self.resting[instrument] = [one for one in self.resting[instrument] if one.leaves]

    def _cancel(self, instrument: int, one: Resting, reason: m.CancelReason) -> None:
        self.resting[instrument].remove(one)
        self._event(
            m.OrderCancelled,
            instrument,
            order_id=one.order_id,
            account=one.account,
            side=one.side,
            price=one.price,
            cancelled_qty=one.leaves,
            reason=reason,
        )

    def _command(self, cls: type[m.Message], **fields: object) -> None:
        self._cause = len(self.records) + 1
        self._put(cls(**fields))

    def _event(self, cls: type[m.Message], instrument: int, **fields: object) -> None:
        self._put(cls(cause=self._cause, instrument=instrument, **fields))

    def _put(self, message: m.Message) -> None:
        seq = len(self.records) + 1
        self.records.append(bytes(message.replace(seq=seq, ts=1000 + (message.cause or seq))))
