"""A market maker: quotes both sides around the mid, leans against its inventory, and stops when something is wrong.

tapewire strategy run examples/market_maker.py:MarketMaker --live --account 2 -p ticker=BTCUSDT
tapewire strategy run examples/market_maker.py:MarketMaker --simulate .tapewire/demo/tapes/orders.0 --account 900
"""

from decimal import Decimal

from tapewire.strategy import Book, Level, OrderState, Report, Strategy, StrategyParams

BPS = Decimal(10_000)
DEPTH = 5
"""Levels that are looked at."""


class MarketMaker(Strategy):
    class Params(StrategyParams):
        ticker: str = "BTCUSDT"
        lots: int = 10
        """Size of a quote."""
        half_spread_bps: Decimal = Decimal(5)
        """From the (leaning) mid to each quote."""
        skew_bps: Decimal = Decimal(5)
        """How far the mid leans when the position is at its maximum."""
        max_lots: int = 50
        """Largest position, either way: beyond it only the reducing side is quoted."""
        refresh_bps: Decimal = Decimal(1)
        """A quote that is further than this from where it should be is moved."""
        max_loss: Decimal = Decimal(1000)
        stale_seconds: float = 5.0
        """A book that was not live, or told of nothing, for so long ends it."""
        max_rejects: int = 10

    params: Params

    def on_start(self) -> None:
        self.quotes: dict[str, OrderState | None] = {"buy": None, "sell": None}
        self.rejects = 0
        self.live_at = self.now
        self.watch(self.params.ticker)
        self.every(0.5)

    def on_book(self, book: Book) -> None:
        if book.live:
            self.live_at = self.now
            self.quote(book)
        else:
            self.pull()

    def on_timer(self, now: int) -> None:
        params = self.params
        if now - self.live_at > params.stale_seconds * 1e9:
            self.kill(f"no live book for {params.stale_seconds:g} s")
        pnl = self.pnl(params.ticker)
        if pnl is not None and pnl < -params.max_loss:
            self.kill(f"lost {-pnl}, more than {params.max_loss}")

    def on_order(self, order: OrderState, report: Report | None) -> None:
        if report is None or report.kind in ("rejected", "cancel_rejected"):
            # A post-only quote that would have crossed, or one that was gone, is the market moving; many are not.
            self.rejects += 1
            if self.rejects > self.params.max_rejects:
                self.kill(f"{self.rejects} rejects, the last one: {order.reason or (report and report.reason)}")
        elif report.kind in ("accepted", "executed", "replaced"):
            self.rejects = 0

    def on_stop(self) -> None:
        self.pull()

    def quote(self, book: Book) -> None:
        """Both quotes where they should be."""
        params = self.params
        best_bid, best_ask = self.best(book.bids(DEPTH)), self.best(book.asks(DEPTH))
        if best_bid is None or best_ask is None:
            return
        mid = (best_bid + best_ask) / 2
        instrument = self.instrument(params.ticker)
        most = instrument.lot * params.max_lots
        lean = mid * params.skew_bps / BPS * self.position(params.ticker) / most
        half = mid * params.half_spread_bps / BPS
        # Never at or through the other side: quotes are post-only.
        bid = min(instrument.floor(mid - lean - half), best_ask - instrument.tick)
        ask = max(instrument.ceil(mid - lean + half), best_bid + instrument.tick)
        self.keep("buy", bid, self.position(params.ticker) < most)
        self.keep("sell", ask, self.position(params.ticker) > -most)

    def best(self, levels: list[Level]) -> Decimal | None:
        """The best price at which others stand: whoever follows its own quotes follows itself."""
        own = {order.price: order.leaves_qty for order in self.open_orders if order.is_live}
        return next((level.price for level in levels if level.qty > own.get(level.price, 0)), None)

    def keep(self, side: str, price: Decimal, wanted: bool) -> None:
        order, params = self.quotes[side], self.params
        if order is None or order.is_done:
            if wanted and price > 0:
                size = self.instrument(params.ticker).lot * params.lots
                enter = self.buy if side == "buy" else self.sell
                self.quotes[side] = enter(params.ticker, size, price, post_only=True)
        elif not wanted or abs(order.price - price) > price * params.refresh_bps / BPS:
            self.cancel(order)

    def pull(self) -> None:
        self.cancel_all(self.params.ticker)

    def kill(self, reason: str) -> None:
        self.log.warning("killed", reason=reason)
        self.pull()
        self.stop(reason)
