"""What trading has come to, per instrument: position, P&L, spread captured, slippage, fills. Exact.

Sums are integers: prices and quantities as mantissas, mids as the sum of two. They are made Decimals when they are
read. Signs: what is good for us is positive, but for slippage, which is what it cost.

    P&L total       cash + position x mark                      cash: what was sold for, less what was bought for
    realised        lots closed first in, first out             unrealised: total - realised
    spread capture  maker fills: (mid - price) x qty of a buy, (price - mid) x qty of a sell; mid as we knew it then
    slippage        all fills: (price - mid when the order was sent) x qty of a buy, the other way round of a sell
    fill rate       quantity filled / quantity ordered
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal, localcontext

import msgspec

from tapewire import messages as m
from tapewire.connection.instrument import ZERO, Instrument, decimal
from tapewire.connection.order import OrderState

BUY = m.Side.buy
RATIO_DIGITS = 12
NS = 10**9


class InstrumentMetrics(msgspec.Struct, frozen=True):
    """One instrument's figures. Amounts are in its currency."""

    ticker: str
    orders: int
    rejected: int
    """Refused, or taken by nobody."""
    cancelled: int
    filled_orders: int
    """Orders of which something has traded."""
    fills: int
    qty_ordered: Decimal
    qty_filled: Decimal
    qty_maker: Decimal
    qty_taker: Decimal
    fill_rate: Decimal
    bought: Decimal
    sold: Decimal
    position: Decimal
    position_max: Decimal
    position_min: Decimal
    position_mean: Decimal
    """Of its size, whichever the sign, over time."""
    volume: Decimal
    """Price x quantity of all fills."""
    cash: Decimal
    mark: Decimal | None
    """The mid, or without one the last trade, at the end."""
    pnl: Decimal | None
    """None without a mark while there is a position."""
    realised: Decimal
    unrealised: Decimal | None
    spread_capture: Decimal
    spread_capture_bps: Decimal
    """Of the volume that it was measured on, in 1/10,000."""
    slippage: Decimal
    slippage_bps: Decimal
    fills_without_mid: int
    """Fills in no measure of spread or slippage, as there was no mid."""


class Tally:
    """The sums of one instrument. Times are UTC ns."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.orders = self.rejected = self.cancelled = self.filled_orders = self.fills = 0
        self.ordered = self.maker = self.taker = self.bought = self.sold = 0
        self.cash = self.volume = self.realised = 0
        self.position = self.position_max = self.position_min = 0
        self.twice_mid: int | None = None
        """As known last: best bid + best ask, mantissas."""
        self.last: int | None = None
        self._capture = self._captured_on = 0
        self._slippage = self._slipped_on = 0
        self._without_mid = 0
        self._lots: deque[tuple[int, int]] = deque()
        """(signed quantity, price) still open, the oldest first; all of one sign."""
        self._since = self._began = 0
        self._size_time = 0

    def sent(self, order: OrderState) -> int | None:
        """An order leaves; the mid that its slippage will be measured against (twice, as a mantissa)."""
        self.orders += 1
        self.ordered += order.qty_mantissa
        return self.twice_mid

    def refused(self) -> None:
        self.rejected += 1

    def fill(
        self, side: m.Side, price: int, qty: int, now: int, *, maker: bool, first: bool, arrival: int | None
    ) -> None:
        """One fill. `first`: of its order; `arrival`: what `sent` gave."""
        self.fills += 1
        self.filled_orders += first
        sign = 1 if side == BUY else -1
        if maker:
            self.maker += qty
        else:
            self.taker += qty
        self.volume += price * qty
        if maker:
            if self.twice_mid is None:
                self._without_mid += 1
            else:
                self._capture += sign * (self.twice_mid - 2 * price) * qty
                self._captured_on += price * qty
        if arrival is None:
            self._without_mid += not maker or self.twice_mid is not None
        else:
            self._slippage += sign * (2 * price - arrival) * qty
            self._slipped_on += price * qty
        self.moved(sign * qty, price, now)

    def moved(self, qty: int, price: int, now: int) -> None:
        """The position changes by a signed quantity at a price: a fill, or one taken back."""
        self.passed(now)
        if qty > 0:
            self.bought += qty
        else:
            self.sold -= qty
        self.cash -= qty * price
        self.position += qty
        self.position_max = max(self.position_max, self.position)
        self.position_min = min(self.position_min, self.position)
        left = qty
        while left and self._lots and (self._lots[0][0] > 0) != (left > 0):
            lot, at = self._lots[0]
            closed = min(abs(lot), abs(left))
            sign = 1 if lot > 0 else -1
            self.realised += sign * closed * (price - at)
            left += sign * closed
            if abs(lot) == closed:
                self._lots.popleft()
            else:
                self._lots[0] = (lot - sign * closed, at)
        if left:
            self._lots.append((left, price))

    def passed(self, now: int) -> None:
        """Time has passed."""
        if not self._began:
            self._began = self._since = now
        if now > self._since:
            self._size_time += abs(self.position) * (now - self._since)
            self._since = now

    @property
    def twice_mark(self) -> int | None:
        if self.twice_mid is not None:
            return self.twice_mid
        return None if self.last is None else 2 * self.last

    @property
    def twice_pnl(self) -> int | None:
        """Twice the P&L, as a mantissa; None if there is a position and no mark."""
        if not self.position:
            return 2 * self.cash
        mark = self.twice_mark
        return None if mark is None else 2 * self.cash + self.position * mark

    @property
    def pnl(self) -> Decimal | None:
        return None if (twice := self.twice_pnl) is None else self._half(twice)

    def _half(self, twice: int) -> Decimal:
        exponent = self.instrument.price_exponent + self.instrument.qty_exponent
        return decimal(5 * twice, exponent - 1)

    def metrics(self, now: int) -> InstrumentMetrics:
        """The figures as of now."""
        self.passed(now)
        to = self.instrument
        filled, pnl, mark = self.maker + self.taker, self.pnl, self.twice_mark
        span = self._since - self._began
        return InstrumentMetrics(
            ticker=to.ticker,
            orders=self.orders,
            rejected=self.rejected,
            cancelled=self.cancelled,
            filled_orders=self.filled_orders,
            fills=self.fills,
            qty_ordered=to.qty(self.ordered),
            qty_filled=to.qty(filled),
            qty_maker=to.qty(self.maker),
            qty_taker=to.qty(self.taker),
            fill_rate=ratio(filled, self.ordered),
            bought=to.qty(self.bought),
            sold=to.qty(self.sold),
            position=to.qty(self.position),
            position_max=to.qty(self.position_max),
            position_min=to.qty(self.position_min),
            position_mean=ratio(self._size_time, span) * decimal(1, to.qty_exponent),
            volume=to.amount(self.volume),
            cash=to.amount(self.cash),
            mark=None if mark is None else decimal(5 * mark, to.price_exponent - 1),
            pnl=pnl,
            realised=to.amount(self.realised),
            unrealised=None if pnl is None else pnl - to.amount(self.realised),
            spread_capture=self._half(self._capture),
            spread_capture_bps=ratio(self._capture * 5_000, self._captured_on),
            slippage=self._half(self._slippage),
            slippage_bps=ratio(self._slippage * 5_000, self._slipped_on),
            fills_without_mid=self._without_mid,
        )


def ratio(part: int, whole: int) -> Decimal:
    """part / whole to 12 digits; 0 of nothing."""
    if not whole:
        return ZERO
    with localcontext() as context:
        context.prec = RATIO_DIGITS
        return Decimal(part) / Decimal(whole)
