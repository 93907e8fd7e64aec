"""Frames as the venues write them, for tests of the connector."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

Pairs = Sequence[tuple[str, str]]

BINANCE_SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
    ],
}


def text(value: object) -> bytes:
    """JSON without spaces, as venues write it."""
    return json.dumps(value, separators=(",", ":")).encode()


def binance(stream: str, data: dict[str, Any]) -> bytes:
    return text({"stream": stream, "data": data})


def binance_trade(symbol: str, trade_id: int, price: str, qty: str, *, maker_buys: bool = False) -> bytes:
    data = {"e": "trade", "E": 1_700_000_000_002, "s": symbol, "t": trade_id, "p": price, "q": qty}
    return binance(f"{symbol.lower()}@trade", {**data, "T": 1_700_000_000_001, "m": maker_buys, "M": True})


def binance_top(symbol: str, update: int, bid: str, bid_qty: str, ask: str, ask_qty: str) -> bytes:
    data = {"u": update, "s": symbol, "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}
    return binance(f"{symbol.lower()}@bookTicker", data)


def binance_depth(symbol: str, first: int, last: int, bids: Pairs = (), asks: Pairs = ()) -> bytes:
    data = {"e": "depthUpdate", "E": 1_700_000_000_000, "s": symbol, "U": first, "u": last}
    return binance(f"{symbol.lower()}@depth@100ms", {**data, "b": list(bids), "a": list(asks)})


def binance_snapshot(last: int, bids: Pairs = (("100.00", "1"),), asks: Pairs = (("101.00", "1"),)) -> bytes:
    return text({"lastUpdateId": last, "bids": list(bids), "asks": list(asks)})


def binance_info(symbol: str = "BTCUSDT") -> bytes:
    return text({"symbols": [{**BINANCE_SYMBOL, "symbol": symbol}]})


def coinbase_product(product: str = "BTC-USD") -> bytes:
    return text({"id": product, "quote_increment": "0.01", "base_increment": "0.00000001", "status": "online"})


def coinbase_snapshot(
    product: str = "BTC-USD", bids: Pairs = (("100.00", "1"),), asks: Pairs = (("101.00", "1"),)
) -> bytes:
    return text({"type": "snapshot", "product_id": product, "asks": list(asks), "bids": list(bids)})


def coinbase_update(
    *changes: tuple[str, str, str], product: str = "BTC-USD", time: str = "2026-11-21T10:00:00.000001Z"
) -> bytes:
    return text({"type": "l2update", "product_id": product, "changes": list(changes), "time": time})


def coinbase_match(
    trade_id: int, side: str = "sell", price: str = "100.50", size: str = "0.25", *, kind: str = "match"
) -> bytes:
    ids = {"maker_order_id": "m", "taker_order_id": "t"}
    rest = {"side": side, "size": size, "price": price, "product_id": "BTC-USD", "sequence": trade_id * 10}
    return text({"type": kind, "trade_id": trade_id, **ids, **rest, "time": "2026-11-21T10:00:00.5Z"})


def coinbase_heartbeat(last_trade_id: int, product: str = "BTC-USD") -> bytes:
    body = {"sequence": last_trade_id * 10, "product_id": product, "time": "2026-11-21T10:00:01.000000Z"}
    return text({"type": "heartbeat", "last_trade_id": last_trade_id, **body})


def kraken_checksum(bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> int:
    """The venue's rule, written the slow way: ten best asks low to high, then ten best bids high to low."""
    best_asks = sorted(asks, key=lambda level: float(level[0]))[:10]
    best_bids = sorted(bids, key=lambda level: -float(level[0]))[:10]
    digits = "".join(n.replace(".", "").lstrip("0") for level in (*best_asks, *best_bids) for n in level)
    return crc32(digits.encode())


def kraken_book(kind: str, checksum: int, bids: Pairs = (), asks: Pairs = (), symbol: str = "BTC/USD") -> bytes:
    """A book frame whose numbers stand as given, trailing zeros and all."""

    def levels(side: Pairs) -> str:
        return "[" + ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in side) + "]"

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":{levels(bids)},"asks":{levels(asks)},'
        f'"checksum":{checksum},"timestamp":"2026-08-02T03:35:51.302928Z"}}]}}'
    ).encode()


def kraken_trade(*trades: tuple[int, str, str, str], kind: str = "update", symbol: str = "BTC/USD") -> bytes:
    """Trades as (trade id, side, price, quantity)."""
    items = ",".join(
        f'{{"symbol":"{symbol}","side":"{side}","price":{price},"qty":{qty},"ord_type":"limit","trade_id":{trade_id},'
        f'"timestamp":"2026-08-02T03:35:51.000001Z"}}'
        for trade_id, side, price, qty in trades
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{items}]}}'.encode()
