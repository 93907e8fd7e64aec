"""Coinbase Exchange market data, the server's side: subscribe, channels, heartbeats, REST.

wss  /            {"type":"subscribe","product_ids":[…],"channels":[…]} within 5 s
GET  /products, /products/<id>, /time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from services.simulator.flow import SECOND_NS
from services.simulator.limits import PerClient
from services.simulator.times import rfc3339
from services.simulator.venue import Answer, Key, Market, Session, Venue

SUBSCRIBE_WITHIN_NS = 5 * SECOND_NS
MESSAGES_PER_SECOND = 100  # of one address
CONNECTS, CONNECTS_SPAN_NS = 20, 2_500_000_000  # 8 a second, 20 at once
INTERVALS_NS = {"heartbeat": SECOND_NS, "ticker_batch": 5 * SECOND_NS, "status": 5 * SECOND_NS}
CHANNELS = ("heartbeat", "status", "ticker", "ticker_batch", "matches", "level2_batch")
PRIVATE = ("level2", "level3", "full", "user", "rfq_matches")
POLICY_VIOLATION = 1008


class CoinbaseMarket(Market, Protocol):
    def heartbeat(self, product: str, now_ns: int) -> bytes | None: ...
    def products(self) -> bytes: ...
    def product(self, symbol: str) -> dict[str, Any]: ...


class CoinbaseSession(Session):
    venue: CoinbaseVenue

    def __init__(self, venue: CoinbaseVenue, now_ns: int) -> None:
        super().__init__(venue, now_ns)
        self._subscribed = False
        self._interval_due: dict[Key, int] = {}
        self._last_ticker: dict[str, bytes] = {}

    def on_text(self, raw: str | bytes, now_ns: int) -> None:
        if not self.venue.messages.of(self.address).take(now_ns):
            self._error("Rate limit exceeded", f"more than {MESSAGES_PER_SECOND} messages a second", now_ns)
            return self.close(POLICY_VIOLATION, "rate limit exceeded")
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return self._error("Malformed JSON", "", now_ns)
        kind = message.get("type") if isinstance(message, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            return self._error("Type has to be either subscribe or unsubscribe", "", now_ns)
        wanted, reason = self._channels(message, kind)
        if reason:
            # One wrong name refuses the whole message.
            return self._error(f"Failed to {kind}", reason, now_ns)
        self._apply(kind, wanted, now_ns)

    def on_tick(self, now_ns: int) -> None:
        if not self._subscribed and now_ns - self.opened_ns >= SUBSCRIBE_WITHIN_NS:
            return self.close(POLICY_VIOLATION, "no subscribe within 5 seconds")
        for key, due in self._interval_due.items():
            if now_ns >= due:
                self._interval_due[key] = max(due + INTERVALS_NS[key[0]], now_ns)
                self._send_interval(key, now_ns)

    def _send_interval(self, key: Key, now_ns: int) -> None:
        """What is sent by the clock, not by events."""
        channel, product = key
        market = self.venue.market
        if channel == "heartbeat":
            if (frame := market.heartbeat(product, now_ns)) is not None:
                self.send(frame, now_ns)
        elif channel == "status":
            self.send(b'{"type":"status","products":%b,"currencies":[]}' % market.products(), now_ns)
        else:
            for frame in market.opening(("ticker", product), now_ns):
                if self._last_ticker.get(product) != frame:
                    self._last_ticker[product] = frame
                    self.send(frame, now_ns)

    def _apply(self, kind: str, wanted: list[Key], now_ns: int) -> None:
        if kind == "unsubscribe":
            for key in wanted:
                self.venue.unsubscribe(self, key)
                self._interval_due.pop(key, None)
            return self._subscriptions(now_ns)
        self._subscribed = True
        new = [key for key in dict.fromkeys(wanted) if key not in self.keys]
        for key in new:
            self.keys[key] = None
        self._subscriptions(now_ns)
        for key in new:
            self.venue.subscribe(self, key, now_ns)
            if key[0] in INTERVALS_NS:
                self._interval_due[key] = now_ns + (INTERVALS_NS[key[0]] if key[0] == "heartbeat" else 0)

    def _channels(self, message: dict[str, Any], kind: str) -> tuple[list[Key], str]:
        """The keys a message names, or why it is refused."""
        channels, products = message.get("channels"), message.get("product_ids", [])
        if not isinstance(products, list) or (channels is not None and not isinstance(channels, list)):
            return [], "product_ids and channels have to be lists"
        if not channels:
            if kind == "subscribe" or not products:
                return [], "No channels provided"
            return [key for key in self.keys if key[1] in products], ""
        keys: list[Key] = []
        for channel in channels:
            name, own = channel, None
            if isinstance(channel, dict):
                name, own = channel.get("name"), channel.get("product_ids")
            if name in PRIVATE:
                return [], f"{name} channel requires authentication"
            if name not in CHANNELS:
                return [], f"{name} is not a valid channel"
            if name == "status":
                keys.append((name, ""))
                continue
            chosen = products if own is None else own
            if not isinstance(chosen, list):
                return [], "product_ids has to be a list"
            if not chosen:
                if kind == "unsubscribe":
                    keys += [key for key in self.keys if key[0] == name]
                    continue
                return [], f"You need to specify at least one product ID for channel {name}"
            for product in chosen:
                if product not in self.venue.market.tickers:
                    return [], f"{product} is not a valid product"
                keys.append((name, product))
        return keys, ""

    def _subscriptions(self, now_ns: int) -> None:
        channels: dict[str, list[str]] = {}
        for channel, product in self.keys:
            channels.setdefault(channel, []).extend([product] if product else [])
        listed = [{"name": name, "product_ids": products} for name, products in channels.items()]
        self.send(orjson.dumps({"type": "subscriptions", "channels": listed}), now_ns)

    def _error(self, message: str, reason: str, now_ns: int) -> None:
        frame = {"type": "error", "message": message}
        if reason:
            frame["reason"] = reason
        self.send(orjson.dumps(frame), now_ns)


class CoinbaseVenue(Venue):
    name = "coinbase"
    gap_kind = "matches"  # the book has no number here: a lost l2update cannot be seen
    market: CoinbaseMarket

    def __init__(self, market: CoinbaseMarket) -> None:
        super().__init__(market, PerClient(CONNECTS, CONNECTS_SPAN_NS))
        self.messages = PerClient(MESSAGES_PER_SECOND, SECOND_NS)

    def accept(self, path: str, query: Mapping[str, str], now_ns: int) -> Session | Answer:
        if path != "/":
            return Answer(404, b"expected /", ())
        return CoinbaseSession(self, now_ns)

    def rest(self, path: str, query: Mapping[str, str], address: str, now_ns: int) -> Answer | None:
        if path == "/products":
            return Answer(200, self.market.products())
        if path.startswith("/products/"):
            symbol = path.removeprefix("/products/")
            if symbol not in self.market.tickers:
                return Answer(404, orjson.dumps({"message": "NotFound"}))
            return Answer(200, orjson.dumps(self.market.product(symbol)))
        if path == "/time":
            return Answer(200, orjson.dumps({"iso": rfc3339(now_ns), "epoch": now_ns / SECOND_NS}))
        return None

    def announce_shutdown(self, now_ns: int) -> None:
        return  # this venue closes without a word

    def ticker_of(self, key: Key) -> str:
        return key[1]
