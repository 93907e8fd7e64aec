"""Coinbase Exchange's channels, made from generated flow.

flow events ──▶ match, ticker      at once, numbered by the product's sequence
            └─▶ changed levels ──▶ l2update every 50 ms (no number: this venue has none there)
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

import orjson

from services.simulator.faults import Published
from services.simulator.flow import ASK, BID, Event, Fill, Flow
from services.simulator.generated import GeneratedMarket, levels
from services.simulator.instruments import Instrument
from services.simulator.times import rfc3339

Key = tuple[str, ...]
BATCH_NS = 50_000_000
MAKER = ("buy", "sell")  # by side of the resting order
ALL_LEVELS = 1 << 30


class GeneratedCoinbase(GeneratedMarket):
    """The market behind CoinbaseVenue when nothing is replayed. Keys are (channel, product)."""

    def __init__(self, instruments: Sequence[Instrument], seed: int, rate: float, start_ns: int) -> None:
        super().__init__(instruments, seed, rate, start_ns)
        self._changed: dict[str, dict[tuple[int, int], None]] = {symbol: {} for symbol in self.flows}
        self._due_ns = start_ns + BATCH_NS
        self._day = {symbol: _Day(flow.instrument.start_price) for symbol, flow in self.flows.items()}

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        for flow, event in self.step(now_ns, silent):
            symbol = flow.instrument.symbol
            self._changed[symbol].update(((c.side, c.price), None) for c in event.changes)
            if event.fills:
                self._trades(flow, event, wanted, out)
        if now_ns >= self._due_ns and "" not in silent:
            self._due_ns = now_ns - now_ns % BATCH_NS + BATCH_NS
            for symbol, changed in self._changed.items():
                if changed and symbol not in silent:
                    self._l2update(self.flows[symbol], changed, now_ns, wanted, out)
                    changed.clear()
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        channel, product = key
        if channel == "status":
            return []
        flow = self.flows[product]
        if channel == "level2_batch":
            frame = {
                **{"type": "snapshot", "product_id": product, "asks": levels(flow, ASK, ALL_LEVELS)},
                **{"bids": levels(flow, BID, ALL_LEVELS), "time": rfc3339(now_ns)},
            }
            return [orjson.dumps(frame)]
        if flow.last_fill is None:
            return []
        if channel == "matches":
            return [self._match(flow, flow.last_fill, "last_match", flow.last_fill_ts)]
        if channel == "ticker":
            return [self._ticker(flow, flow.last_fill, flow.last_fill_ts)]
        return []

    def heartbeat(self, product: str, now_ns: int) -> bytes:
        """The frame of the heartbeat channel."""
        flow = self.flows[product]
        return orjson.dumps(
            {
                **{"type": "heartbeat", "last_trade_id": flow.trade_id, "product_id": product},
                **{"sequence": flow.update_id, "time": rfc3339(now_ns)},
            }
        )

    def products(self) -> bytes:
        """The body of GET /products."""
        return orjson.dumps([self.product(symbol) for symbol in self.flows])

    def product(self, symbol: str) -> dict[str, Any]:
        i = self.flows[symbol].instrument
        return {
            **{"id": i.symbol, "base_currency": i.base, "quote_currency": i.quote},
            **{"quote_increment": i.price_text(i.tick), "base_increment": i.qty_text(i.lot)},
            **{"display_name": f"{i.base}-{i.quote}", "min_market_funds": "1", "margin_enabled": False},
            **{"post_only": False, "limit_only": False, "cancel_only": False, "status": "online"},
            **{"status_message": "", "trading_disabled": False, "fx_stablecoin": False, "auction_mode": False},
        }

    def _trades(self, flow: Flow, event: Event, wanted: Container[Key], out: list[Published]) -> None:
        symbol = flow.instrument.symbol
        for fill in event.fills:
            self._day[symbol].add(fill)
            if (key := ("matches", symbol)) in wanted:
                out.append(Published(key, symbol, "matches", self._match(flow, fill, "match", event.ts)))
        # A cascade of fills gives one ticker, of the last.
        if (key := ("ticker", symbol)) in wanted:
            out.append(Published(key, symbol, "ticker", self._ticker(flow, event.fills[-1], event.ts)))

    def _match(self, flow: Flow, fill: Fill, kind: str, ts: int) -> bytes:
        i = flow.instrument
        return orjson.dumps(
            {
                **{"type": kind, "trade_id": fill.trade_id, "maker_order_id": order_id(i.symbol, fill.maker_order)},
                **{"taker_order_id": order_id(i.symbol, fill.taker_order), "side": MAKER[fill.maker_side]},
                **{"size": i.qty_text(fill.qty), "price": i.price_text(fill.price), "product_id": i.symbol},
                **{"sequence": flow.update_id, "time": rfc3339(ts)},
            }
        )

    def _ticker(self, flow: Flow, fill: Fill, ts: int) -> bytes:
        i, day = flow.instrument, self._day[flow.instrument.symbol]
        (bid, bid_qty), (ask, ask_qty) = flow.book.top(BID, 1)[0], flow.book.top(ASK, 1)[0]
        return orjson.dumps(
            {
                **{"type": "ticker", "sequence": flow.update_id, "product_id": i.symbol},
                **{"price": i.price_text(fill.price), "open_24h": i.price_text(day.open)},
                **{"volume_24h": i.qty_text(day.volume), "low_24h": i.price_text(day.low)},
                **{"high_24h": i.price_text(day.high), "volume_30d": i.qty_text(day.volume)},
                **{"best_bid": i.price_text(bid), "best_bid_size": i.qty_text(bid_qty)},
                **{"best_ask": i.price_text(ask), "best_ask_size": i.qty_text(ask_qty)},
                **{"side": MAKER[1 - fill.maker_side], "time": rfc3339(ts)},
                **{"trade_id": fill.trade_id, "last_size": i.qty_text(fill.qty)},
            }
        )

    def _l2update(
        self,
        flow: Flow,
        changed: dict[tuple[int, int], None],
        now_ns: int,
        wanted: Container[Key],
        out: list[Published],
    ) -> None:
        i, book = flow.instrument, flow.book
        if (key := ("level2_batch", i.symbol)) in wanted:
            changes = [
                (MAKER[side], i.price_text(price), i.qty_text(book.levels[side].get(price, 0)))
                for side, price in changed
            ]
            frame = {"type": "l2update", "product_id": i.symbol, "changes": changes, "time": rfc3339(now_ns)}
            out.append(Published(key, i.symbol, "level2_batch", orjson.dumps(frame)))


class _Day:
    """What ticker says of the day; here, since the start."""

    __slots__ = ("high", "low", "open", "volume")

    def __init__(self, price: int) -> None:
        self.open = self.low = self.high = price
        self.volume = 0

    def add(self, fill: Fill) -> None:
        self.low, self.high = min(self.low, fill.price), max(self.high, fill.price)
        self.volume += fill.qty


def order_id(product: str, number: int) -> str:
    """A UUID-shaped name for an order: the product's letters and the number in it."""
    digits = f"{product.encode().hex():0<16.16}{number:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
