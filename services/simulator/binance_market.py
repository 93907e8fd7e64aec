"""Binance's streams and REST bodies, made from generated flow.

flow events ──▶ trade, aggTrade, bookTicker   at once
            └─▶ changed levels ──▶ depth       every 100 ms or 1 s: U … u, quantities as they are at u
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

import orjson

from services.simulator.faults import Published
from services.simulator.flow import ASK, BID, Event, Flow
from services.simulator.generated import GeneratedMarket, levels
from services.simulator.instruments import Instrument
from tapewire.fixed import to_text

Key = tuple[str, ...]
UNITS = {"ms": 1_000_000, "us": 1_000}  # ns per unit of the times in a stream
SPEEDS = {"@100ms": 100_000_000, "": 1_000_000_000}
PARTIAL_LEVELS = (5, 10, 20)


class _Diff:
    """The levels that changed since the last depth frame of one speed."""

    __slots__ = ("changed", "due_ns", "last_id")

    def __init__(self, last_id: int, due_ns: int) -> None:
        self.changed: dict[tuple[int, int], None] = {}
        self.last_id = last_id
        self.due_ns = due_ns


class GeneratedBinance(GeneratedMarket):
    """The market behind BinanceVenue when nothing is replayed."""

    def __init__(self, instruments: Sequence[Instrument], seed: int, rate: float, start_ns: int) -> None:
        super().__init__(instruments, seed, rate, start_ns)
        self._diffs = {
            (symbol, speed): _Diff(flow.update_id, start_ns + SPEEDS[speed])
            for symbol, flow in self.flows.items()
            for speed in SPEEDS
        }
        self._tops: dict[str, tuple[object, object]] = {}

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        for flow, event in self.step(now_ns, silent):
            symbol = flow.instrument.symbol
            for speed in SPEEDS:
                self._diffs[symbol, speed].changed.update(((c.side, c.price), None) for c in event.changes)
            self._trades(flow, event, wanted, out)
            self._top(flow, event, wanted, out)
        for (symbol, speed), diff in self._diffs.items():
            if now_ns >= diff.due_ns and not (silent and (symbol in silent or "" in silent)):
                self._depth(self.flows[symbol], diff, speed, now_ns, wanted, out)
                diff.due_ns = now_ns - now_ns % SPEEDS[speed] + SPEEDS[speed]
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        return []  # no stream of Binance opens with a snapshot

    def depth(self, symbol: str, limit: int) -> bytes:
        """The body of GET /api/v3/depth."""
        flow = self.flows[symbol]
        return orjson.dumps(
            {"lastUpdateId": flow.update_id, "bids": levels(flow, BID, limit), "asks": levels(flow, ASK, limit)}
        )

    def exchange_info(self, symbols: Collection[str]) -> list[dict[str, Any]]:
        """The entries of `symbols` in GET /api/v3/exchangeInfo."""
        return [_listing(flow.instrument) for symbol, flow in self.flows.items() if symbol in symbols]

    def _trades(self, flow: Flow, event: Event, wanted: Container[Key], out: list[Published]) -> None:
        i = flow.instrument
        for unit, ns in UNITS.items() if event.fills else ():
            keys = ((f"{i.symbol.lower()}@trade", unit), (f"{i.symbol.lower()}@aggTrade", unit))
            for fill in event.fills:
                body = {
                    "p": i.price_text(fill.price),
                    "q": i.qty_text(fill.qty),
                    "T": event.ts // ns,
                    "m": fill.maker_side == BID,
                    "M": True,
                }
                head = {"E": event.ts // ns, "s": i.symbol}
                if keys[0] in wanted:
                    trade = {"e": "trade", **head, "t": fill.trade_id, **body}
                    out.append(Published(keys[0], i.symbol, "trade", orjson.dumps(trade)))
                if keys[1] in wanted:
                    # A taker meets one level at a time here, so each fill is an aggregate of its own.
                    ids = {"a": fill.trade_id, "f": fill.trade_id, "l": fill.trade_id}
                    out.append(
                        Published(keys[1], i.symbol, "trade", orjson.dumps({"e": "aggTrade", **head, **ids, **body}))
                    )

    def _top(self, flow: Flow, event: Event, wanted: Container[Key], out: list[Published]) -> None:
        i = flow.instrument
        tops = (flow.book.top(BID, 1)[0], flow.book.top(ASK, 1)[0])
        if self._tops.get(i.symbol) == tops:
            return
        self._tops[i.symbol] = tops
        for unit in UNITS:  # the frame carries no time, but the streams are subscribed to by unit
            if (key := (f"{i.symbol.lower()}@bookTicker", unit)) in wanted:
                (bid, bid_qty), (ask, ask_qty) = tops
                frame = {
                    **{"u": event.last_id, "s": i.symbol, "b": i.price_text(bid), "B": i.qty_text(bid_qty)},
                    **{"a": i.price_text(ask), "A": i.qty_text(ask_qty)},
                }
                out.append(Published(key, i.symbol, "ticker", orjson.dumps(frame)))

    def _depth(
        self, flow: Flow, diff: _Diff, speed: str, now_ns: int, wanted: Container[Key], out: list[Published]
    ) -> None:
        if not diff.changed:
            return
        i, book, stream = flow.instrument, flow.book, f"{flow.instrument.symbol.lower()}@depth"
        sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for unit, ns in UNITS.items():
            if (key := (f"{stream}{speed}", unit)) in wanted:
                if not sides[BID] and not sides[ASK]:
                    for side, price in diff.changed:
                        qty = book.levels[side].get(price, 0)
                        sides[side].append((i.price_text(price), i.qty_text(qty)))
                frame = {
                    **{"e": "depthUpdate", "E": now_ns // ns, "s": i.symbol, "U": diff.last_id + 1},
                    **{"u": flow.update_id, "b": sides[BID], "a": sides[ASK]},
                }
                out.append(Published(key, i.symbol, "book", orjson.dumps(frame)))
            out += [
                Published(key, i.symbol, "partial", self.depth(i.symbol, count))
                for count in PARTIAL_LEVELS
                if (key := (f"{stream}{count}{speed}", unit)) in wanted
            ]
        diff.changed.clear()
        diff.last_id = flow.update_id


def _listing(i: Instrument) -> dict[str, Any]:
    largest = to_text(10**13, -8)
    return {
        **{"symbol": i.symbol, "status": "TRADING", "baseAsset": i.base, "baseAssetPrecision": 8},
        **{"quoteAsset": i.quote, "quotePrecision": 8, "quoteAssetPrecision": 8},
        **{"baseCommissionPrecision": 8, "quoteCommissionPrecision": 8},
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        **{"icebergAllowed": True, "ocoAllowed": True, "quoteOrderQtyMarketAllowed": True},
        **{"isSpotTradingAllowed": True, "isMarginTradingAllowed": False},
        "filters": [
            {
                **{"filterType": "PRICE_FILTER", "minPrice": i.price_text(i.tick), "maxPrice": largest},
                "tickSize": i.price_text(i.tick),
            },
            {
                **{"filterType": "LOT_SIZE", "minQty": i.qty_text(i.lot), "maxQty": largest},
                "stepSize": i.qty_text(i.lot),
            },
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "avgPriceMins": 5},
        ],
        **{"permissions": [], "permissionSets": [["SPOT"]]},
    }
