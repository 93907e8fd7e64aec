"""A TWAP: buys or sells a quantity in equal slices over time, each at the best price there is, never beyond a limit.

tapewire strategy run examples/twap.py:Twap --live --account 2 -p ticker=BTCUSDT -p side=buy -p lots=100 -p seconds=60
"""

from decimal import Decimal
from typing import Literal

from tapewire.strategy import Fill, OrderState, Report, Strategy, StrategyParams


class Twap(Strategy):
    class Params(StrategyParams):
        ticker: str = "BTCUSDT"
        side: Literal["buy", "sell"] = "buy"
        lots: int = 100
        """In all."""
        seconds: float = 60.0
        slices: int = 20
        limit: Decimal | None = None
        """Never worse than this."""

    params: Params

    def on_start(self) -> None:
        self.done_lots = self.asked = 0
        self.slice = 0
        self.order: OrderState | None = None
        self.watch(self.params.ticker)
        self.every(self.params.seconds / self.params.slices)

    def on_timer(self, now: int) -> None:
        params = self.params
        self.slice += 1
        if self.order is not None and not self.order.is_done:
            return  # The slice before is still under way: the next one makes up for it.
        due = params.lots * min(self.slice, params.slices) // params.slices - self.done_lots
        if due > 0:
            self.take(due)
        elif self.slice >= params.slices:
            self.stop("done")
        if self.slice >= 2 * params.slices:
            self.stop(f"{self.done_lots} of {params.lots} lots, and the time is twice over")

    def take(self, lots: int) -> None:
        params, book = self.params, self.book(self.params.ticker)
        best = book.best_ask if params.side == "buy" else book.best_bid
        if best is None or not book.live:
            return
        if params.limit is not None and (best.price - params.limit) * (1 if params.side == "buy" else -1) > 0:
            return
        instrument = self.instrument(params.ticker)
        enter = self.buy if params.side == "buy" else self.sell
        self.order = enter(params.ticker, instrument.lot * lots, best.price, time_in_force="ioc")

    def on_fill(self, fill: Fill) -> None:
        self.done_lots += int(fill.qty / self.instrument(self.params.ticker).lot)

    def on_order(self, order: OrderState, report: Report | None) -> None:
        if order.is_done and self.done_lots >= self.params.lots:
            self.stop("done")
