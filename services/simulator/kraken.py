"""Kraken WebSocket v2 market data, the server's side: status, acknowledgements, channels, heartbeats, ping.

wss  /v2          {"method":"subscribe","params":{"channel":…,"symbol":[…]},"req_id":n}
one acknowledgement per symbol, then the snapshot, then updates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from services.simulator.faults import Published
from services.simulator.flow import SECOND_NS
from services.simulator.limits import PerClient, Window
from services.simulator.times import rfc3339
from services.simulator.venue import Answer, Key, Market, Session, Venue

HEARTBEAT_NS = SECOND_NS
DEFAULT_DEPTH = 10
MESSAGES_PER_SECOND = 50  # the real number is dynamic and undocumented
CONNECTS, CONNECTS_SPAN_NS = 150, 600 * SECOND_NS
CHANNELS = ("book", "trade", "instrument")
MAX_SYMBOLS = 1000  # of one request
_CHECKSUM = re.compile(rb'"checksum":(\d+)')


class KrakenMarket(Market, Protocol):
    def supports(self, depth: int) -> bool: ...


class KrakenSession(Session):
    venue: KrakenVenue

    def __init__(self, venue: KrakenVenue, number: int, now_ns: int) -> None:
        super().__init__(venue, now_ns)
        self._number = number
        self._inbound = Window(MESSAGES_PER_SECOND, SECOND_NS)
        self._heartbeat_due = 0

    def on_open(self, now_ns: int) -> None:
        self.status("online", now_ns)

    def status(self, system: str, now_ns: int) -> None:
        data = {"version": "2.0.10", "system": system, "api_version": "v2", "connection_id": self._number}
        self.send(orjson.dumps({"channel": "status", "type": "update", "data": [data]}), now_ns)

    def on_text(self, raw: str | bytes, now_ns: int) -> None:
        try:
            request = orjson.loads(raw)
        except orjson.JSONDecodeError:
            request = None
        method = request.get("method") if isinstance(request, dict) else None
        if not isinstance(request, dict) or not isinstance(method, str):
            return self._reply({"method": "error", "error": "Malformed request", "success": False}, {}, now_ns)
        if not self._inbound.take(now_ns):
            return self._fail(request, "Exceeded msg rate", now_ns)
        if method == "ping":
            return self._reply({"method": "pong", "success": True}, request, now_ns)
        if method not in ("subscribe", "unsubscribe"):
            return self._fail(request, f"Unsupported method {method}", now_ns)
        params = request.get("params")
        if not isinstance(params, dict):
            return self._fail(request, "Params field must be an object", now_ns)
        self._channel(request, method, params, now_ns)

    def on_tick(self, now_ns: int) -> None:
        # The documentation says "in the absence of other updates"; the recordings show one a second regardless.
        if self._heartbeat_due and now_ns >= self._heartbeat_due:
            self._heartbeat_due = max(self._heartbeat_due + HEARTBEAT_NS, now_ns)
            self.send(b'{"channel":"heartbeat"}', now_ns)

    def _channel(self, request: dict[str, Any], method: str, params: dict[str, Any], now_ns: int) -> None:
        channel, depth = params.get("channel"), params.get("depth")
        if channel not in CHANNELS:
            return self._fail(request, f"Channel {channel} not supported; one of {', '.join(CHANNELS)}", now_ns)
        if channel == "instrument":
            return self._one(request, method, ("instrument",), params, now_ns)
        symbols = params.get("symbol")
        if not isinstance(symbols, list) or not symbols or len(symbols) > MAX_SYMBOLS:
            return self._fail(request, "Symbol field must be an array", now_ns)
        if channel == "book" and depth is not None and type(depth) is not int:
            return self._fail(request, "Depth must be an integer", now_ns)
        for symbol in symbols:
            if not isinstance(symbol, str) or symbol not in self.venue.market.tickers:
                self._fail(request, f"Currency pair not supported {symbol}", now_ns, symbol)
            elif channel == "trade":
                self._one(request, method, ("trade", symbol), params, now_ns)
            else:
                self._one(request, method, ("book", symbol, str(self._depth(method, symbol, depth))), params, now_ns)

    def _depth(self, method: str, symbol: str, depth: int | None) -> int:
        """The depth meant: on unsubscribe without one, the one subscribed to."""
        if depth is None and method == "unsubscribe":
            return next((int(key[2]) for key in self.keys if key[:2] == ("book", symbol)), DEFAULT_DEPTH)
        return DEFAULT_DEPTH if depth is None else depth

    def _one(self, request: dict[str, Any], method: str, key: Key, params: dict[str, Any], now_ns: int) -> None:
        """Subscribes to, or unsubscribes from, one key, and acknowledges."""
        symbol = key[1] if len(key) > 1 else None
        if key[0] == "book" and not self.venue.market.supports(int(key[2])):
            return self._fail(request, "Subscription depth not supported", now_ns, symbol)
        if method == "subscribe" and key in self.keys:
            return self._fail(request, "Already subscribed", now_ns, symbol)
        if method == "unsubscribe" and key not in self.keys:
            return self._fail(request, "Subscription Not Found", now_ns, symbol)
        snapshot = params.get("snapshot", True)
        if not isinstance(snapshot, bool):
            return self._fail(request, "Snapshot must be a boolean", now_ns, symbol)
        result: dict[str, Any] = {"channel": key[0]}
        if key[0] == "book":
            result["depth"] = int(key[2])
        if method == "subscribe":
            result["snapshot"] = snapshot
        if symbol:
            result["symbol"] = symbol
        self._reply({"method": method, "result": result, "success": True}, request, now_ns)
        if method == "unsubscribe":
            return self.venue.unsubscribe(self, key)
        self.venue.subscribe(self, key, now_ns, opening=snapshot)
        self._heartbeat_due = self._heartbeat_due or now_ns + HEARTBEAT_NS

    def _fail(self, request: dict[str, Any], error: str, now_ns: int, symbol: object = None) -> None:
        reply: dict[str, Any] = {"error": error, "method": request["method"], "success": False}
        if symbol is not None:
            reply["symbol"] = symbol
        self._reply(reply, request, now_ns)

    def _reply(self, reply: dict[str, Any], request: dict[str, Any], now_ns: int) -> None:
        if type(request.get("req_id")) is int:
            reply["req_id"] = request["req_id"]
        reply["time_in"] = reply["time_out"] = rfc3339(now_ns)
        self.send(orjson.dumps(reply), now_ns)


class KrakenVenue(Venue):
    name = "kraken"
    extra_faults = ("checksum",)
    market: KrakenMarket

    def __init__(self, market: KrakenMarket) -> None:
        super().__init__(market, PerClient(CONNECTS, CONNECTS_SPAN_NS))
        self._connections = 0

    def accept(self, path: str, query: Mapping[str, str], now_ns: int) -> Session | Answer:
        if path != "/v2":
            return Answer(404, b"expected /v2", ())
        self._connections += 1
        return KrakenSession(self, self._connections, now_ns)

    def rest(self, path: str, query: Mapping[str, str], address: str, now_ns: int) -> Answer | None:
        return None

    def spoil(self, item: Published) -> list[bytes]:
        if item.kind == "book" and self.faults.take("checksum", item.ticker, "book"):
            item = item._replace(payload=_CHECKSUM.sub(_wrong, item.payload))
        return super().spoil(item)

    def announce_shutdown(self, now_ns: int) -> None:
        for session in self.sessions:
            if isinstance(session, KrakenSession):
                session.status("maintenance", now_ns)

    def ticker_of(self, key: Key) -> str:
        return key[1] if len(key) > 1 else ""


def _wrong(match: re.Match[bytes]) -> bytes:
    return b'"checksum":%d' % (int(match[1]) ^ 1)
