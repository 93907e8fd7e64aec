"""Kraken's channels, made from generated flow. Keys are (channel, symbol) and ("book", symbol, depth)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Sequence
from decimal import Decimal
from typing import Any

import orjson

from services.simulator.faults import Published
from services.simulator.flow import ASK, BID, Change, Event, Flow
from services.simulator.generated import GeneratedMarket, levels
from services.simulator.instruments import Instrument
from services.simulator.kraken_book import View, checksum
from services.simulator.times import rfc3339
from tapewire.fixed import to_text

Key = tuple[str, ...]
DEPTHS = (10, 25, 100, 500, 1000)
TRADES_KEPT = 50  # what a new subscriber of trade gets
TAKER = ("sell", "buy")  # by side of the resting order


class GeneratedKraken(GeneratedMarket):
    """The market behind KrakenVenue when nothing is replayed."""

    def __init__(self, instruments: Sequence[Instrument], seed: int, rate: float, start_ns: int) -> None:
        super().__init__(instruments, seed, rate, start_ns)
        self._views: dict[Key, View] = {}
        self._trades: dict[str, deque[str]] = {symbol: deque(maxlen=TRADES_KEPT) for symbol in self.flows}

    def advance(self, now_ns: int, wanted: Container[Key], silent: Collection[str]) -> list[Published]:
        out: list[Published] = []
        for key in [key for key in self._views if key not in wanted]:
            del self._views[key]
        for flow, event in self.step(now_ns, silent):
            symbol = flow.instrument.symbol
            if event.fills:
                entries = [_trade(flow.instrument, event, number) for number in range(len(event.fills))]
                self._trades[symbol].extend(entries)
                if (key := ("trade", symbol)) in wanted:
                    out.append(Published(key, symbol, "trade", _frame("trade", "update", ",".join(entries))))
            for key, view in self._views.items():
                if key[1] == symbol and (changes := view.update(flow.book, event.changes)):
                    out.append(Published(key, symbol, "book", _update(flow, changes, event.ts)))
        return out

    def opening(self, key: Key, now_ns: int) -> list[bytes]:
        if key[0] == "instrument":
            return [self._instruments()]
        flow = self.flows[key[1]]
        if key[0] == "trade":
            return [_frame("trade", "snapshot", ",".join(self._trades[key[1]]))]
        depth = int(key[2])
        # Those already subscribed have seen everything up to now, so one view serves all.
        self._views[key] = View(flow.book, depth)
        sides = [levels(flow, side, depth) for side in (BID, ASK)]
        return [book_frame("snapshot", key[1], sides, checksum(flow.book), rfc3339(now_ns))]

    def supports(self, depth: int) -> bool:
        return depth in DEPTHS

    def _instruments(self) -> bytes:
        instruments = [flow.instrument for flow in self.flows.values()]
        assets = {name: None for i in instruments for name in (i.base, i.quote)}
        frame = {
            "channel": "instrument",
            "type": "snapshot",
            "data": {
                "assets": [
                    {"id": name, "status": "enabled", "precision": 10, "precision_display": 5, "borrowable": False}
                    for name in assets
                ],
                "pairs": [_pair(i) for i in instruments],
            },
        }
        return orjson.dumps(frame)


def _pair(i: Instrument) -> dict[str, Any]:
    tick = orjson.Fragment(increment(i.tick, i.price_decimals))
    return {
        **{"symbol": i.symbol, "base": i.base, "quote": i.quote, "status": "online"},
        **{"qty_precision": i.qty_decimals, "qty_increment": orjson.Fragment(increment(i.lot, i.qty_decimals))},
        **{"price_precision": i.price_decimals, "cost_precision": 5, "marginable": False, "has_index": True},
        **{"cost_min": orjson.Fragment("0.50"), "tick_size": tick, "price_increment": tick},
        "qty_min": orjson.Fragment(to_text(10 ** max(0, i.qty_decimals - 4), -i.qty_decimals)),
    }


def increment(mantissa: int, decimals: int) -> str:
    """An increment as this venue prints it: 0.00001, but 1E-8 below a millionth."""
    return str(Decimal(mantissa).scaleb(-decimals).normalize()) if decimals else str(mantissa)


def _update(flow: Flow, changes: list[Change], ts: int) -> bytes:
    i = flow.instrument
    sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for side, price, qty in changes:
        sides[side].append((i.price_text(price), i.qty_text(qty)))
    return book_frame("update", i.symbol, sides, checksum(flow.book), rfc3339(ts))


def _trade(i: Instrument, event: Event, number: int) -> str:
    fill = event.fills[number]
    return (
        f'{{"symbol":"{i.symbol}","side":"{TAKER[fill.maker_side]}","price":{i.price_text(fill.price)},'
        f'"qty":{i.qty_text(fill.qty)},"ord_type":"{"market" if fill.market else "limit"}",'
        f'"trade_id":{fill.trade_id},"timestamp":"{rfc3339(event.ts)}"}}'
    )


def _frame(channel: str, kind: str, data: str) -> bytes:
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'.encode()


def book_frame(kind: str, symbol: str, sides: Sequence[list[tuple[str, str]]], crc: int, timestamp: str) -> bytes:
    """A frame of the book channel; `sides` are bids and asks as printed."""
    return _frame(
        "book",
        kind,
        f'{{"symbol":"{symbol}","bids":[{_levels(sides[BID])}],"asks":[{_levels(sides[ASK])}],'
        f'"checksum":{crc},"timestamp":"{timestamp}"}}',
    )


def _levels(levels: list[tuple[str, str]]) -> str:
    # Written by hand: numbers keep all their places on this wire, and a JSON encoder would drop the zeros.
    return ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in levels)
