"""Binance Spot market data, the server's side: stream names, control messages, limits, REST.

wss  /ws[/<stream>[/<stream>…]]          raw payloads
     /stream[?streams=<stream>/<stream>…] {"stream":…,"data":…}
GET  /api/v3/{ping,time,exchangeInfo,depth}
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import orjson

from services.simulator.faults import Published
from services.simulator.flow import SECOND_NS
from services.simulator.limits import PerClient, Window
from services.simulator.venue import Answer, Key, Market, Ping, Session, Venue

MESSAGES_PER_SECOND = 5  # from the client: pings, pongs and control messages together
STREAMS_PER_CONNECTION = 1024
LIFE_NS = 24 * 3600 * SECOND_NS
PING_EVERY_NS = 20 * SECOND_NS
PONG_WITHIN_NS = 60 * SECOND_NS
CONNECTS, CONNECTS_SPAN_NS = 300, 300 * SECOND_NS
REST_WEIGHT, REST_SPAN_NS = 6000, 60 * SECOND_NS
MAX_DEPTH, DEFAULT_DEPTH = 5000, 100
DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (MAX_DEPTH, 250))
POLICY_VIOLATION = 1008
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_ID_TEXT = re.compile(r"[0-9A-Za-z]{0,36}\Z")


class BinanceMarket(Market, Protocol):
    def depth(self, symbol: str, limit: int) -> bytes: ...
    def exchange_info(self, symbols: Collection[str]) -> list[dict[str, Any]]: ...


class BinanceSession(Session):
    def __init__(self, venue: BinanceVenue, streams: list[str], combined: bool, unit: str, now_ns: int) -> None:
        super().__init__(venue, now_ns)
        self._first = streams
        self._combined, self._unit = combined, unit
        self._inbound = Window(MESSAGES_PER_SECOND, SECOND_NS)
        self._ping_due = now_ns + PING_EVERY_NS
        self._unanswered: dict[bytes, int] = {}

    def on_open(self, now_ns: int) -> None:
        for stream in self._first:
            self.venue.subscribe(self, (stream, self._unit), now_ns)

    def on_text(self, raw: str | bytes, now_ns: int) -> None:
        if not self._within_limit(now_ns):
            return
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            text = f"Invalid JSON: expected value at line {error.lineno} column {error.colno}"
            return self._answer({"code": 3, "msg": text}, now_ns)
        self._answer(self._control(message, now_ns), now_ns)

    def on_ping(self, now_ns: int) -> None:
        self._within_limit(now_ns)

    def on_pong(self, payload: bytes, now_ns: int) -> None:
        if self._within_limit(now_ns) and payload in self._unanswered:
            # Answering the latest answers those before it.
            sent = self._unanswered[payload]
            self._unanswered = {p: at for p, at in self._unanswered.items() if at > sent}

    def on_tick(self, now_ns: int) -> None:
        if now_ns - self.opened_ns >= LIFE_NS:
            return self.close(1001, "connected for 24 hours")
        if self._unanswered and now_ns - next(iter(self._unanswered.values())) >= PONG_WITHIN_NS:
            return self.close(POLICY_VIOLATION, "Pong timeout")
        if now_ns >= self._ping_due:
            self._ping_due = now_ns + PING_EVERY_NS
            payload = str(now_ns // 1_000_000).encode()
            self._unanswered[payload] = now_ns
            self.send(Ping(payload), now_ns)

    def deliver(self, item: Published, payload: bytes, now_ns: int) -> None:
        if self._combined:
            payload = b'{"stream":"%b","data":%b}' % (item.key[0].encode(), payload)
        self.send(payload, now_ns)

    def announce_shutdown(self, now_ns: int) -> None:
        payload = orjson.dumps({"e": "serverShutdown", "E": now_ns // 1_000_000})
        self.deliver(Published(("!serverShutdown",), "", "", payload), payload, now_ns)

    def _within_limit(self, now_ns: int) -> bool:
        if not self._inbound.take(now_ns):
            self.close(POLICY_VIOLATION, "Too many requests")
            return False
        return True

    def _answer(self, answer: dict[str, Any], now_ns: int) -> None:
        self.send(orjson.dumps(answer), now_ns)

    def _control(self, message: Any, now_ns: int) -> dict[str, Any]:
        if not isinstance(message, dict) or "method" not in message:
            return _invalid("missing field `method` at line 1 column 1")
        method, ident = message["method"], message.get("id")
        if method not in METHODS:
            expected = ", ".join(f"`{m}`" for m in METHODS)
            return _invalid(f"unknown variant `{method}`, expected one of {expected} at line 1 column 1")
        if not _is_id(ident):
            return _invalid("request ID must be an unsigned integer")
        params = message.get("params", [])
        if not isinstance(params, list):
            return _invalid("invalid type: params must be a list")
        if method == "SUBSCRIBE":
            return self._subscribe(params, ident, now_ns)
        if method == "UNSUBSCRIBE":
            for stream in params:
                self.venue.unsubscribe(self, (str(stream), self._unit))
            return {"result": None, "id": ident}
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                return _invalid("too many parameters")
            return {"result": [key[0] for key in self.keys], "id": ident}
        return self._property(method, params, ident)

    def _subscribe(self, params: list[Any], ident: object, now_ns: int) -> dict[str, Any]:
        if not params or not all(isinstance(stream, str) for stream in params):
            return _invalid("params must name streams")
        new = [stream for stream in dict.fromkeys(params) if (stream, self._unit) not in self.keys]
        if len(self.keys) + len(new) > STREAMS_PER_CONNECTION:
            return _invalid(f"too many streams; at most {STREAMS_PER_CONNECTION} on one connection")
        for stream in new:
            # A stream that does not exist is accepted and stays silent, as at the real venue.
            self.venue.subscribe(self, (stream, self._unit), now_ns)
        return {"result": None, "id": ident}

    def _property(self, method: str, params: list[Any], ident: object) -> dict[str, Any]:
        if not params or not isinstance(params[0], str):
            return _invalid("property name must be a string")
        if params[0] != "combined":
            return {"code": 0, "msg": "Unknown property", "id": ident}
        if len(params) > (1 if method == "GET_PROPERTY" else 2):
            return _invalid("too many parameters")
        if method == "GET_PROPERTY":
            return {"result": self._combined, "id": ident}
        if len(params) < 2 or not isinstance(params[1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        self._combined = params[1]
        return {"result": None, "id": ident}


class BinanceVenue(Venue):
    name = "binance"
    extra_faults = ("stale",)
    market: BinanceMarket

    def __init__(self, market: BinanceMarket) -> None:
        super().__init__(market, PerClient(CONNECTS, CONNECTS_SPAN_NS))
        self._weights = PerClient(REST_WEIGHT, REST_SPAN_NS)

    def accept(self, path: str, query: Mapping[str, str], now_ns: int) -> Session | Answer:
        combined = path.startswith("/stream")
        if combined:
            names = query.get("streams", "") if path.rstrip("/") == "/stream" else None
        else:
            names = path[3:].strip("/") if path == "/ws" or path.startswith("/ws/") else None
        if names is None:
            return Answer(404, b"expected /ws, /ws/<stream> or /stream?streams=<stream>/<stream>", ())
        streams = [stream for stream in names.split("/") if stream]
        unit = query.get("timeUnit", "millisecond").lower()
        if len(streams) > STREAMS_PER_CONNECTION or unit not in ("millisecond", "microsecond"):
            return Answer(400, b"too many streams, or a timeUnit that is not MILLISECOND or MICROSECOND", ())
        return BinanceSession(self, streams, combined, "us" if unit == "microsecond" else "ms", now_ns)

    def rest(self, path: str, query: Mapping[str, str], address: str, now_ns: int) -> Answer | None:
        routes = {"/api/v3/ping": 1, "/api/v3/time": 1, "/api/v3/exchangeInfo": 20, "/api/v3/depth": 0}
        if (weight := routes.get(path)) is None:
            return None
        limit = _limit(query)
        if path == "/api/v3/depth" and limit is not None:
            weight = next(weight for most, weight in DEPTH_WEIGHTS if limit <= most)
        window = self._weights.of(address)
        if not window.take(now_ns, weight):
            body = {"code": -1003, "msg": f"Too much request weight used; current limit is {REST_WEIGHT} per 1 MINUTE."}
            return Answer(429, orjson.dumps(body), (("Retry-After", str(REST_SPAN_NS // SECOND_NS)),))
        answer = self._rest(path, query, limit, now_ns)
        return answer._replace(headers=(*answer.headers, ("X-MBX-USED-WEIGHT-1M", str(window.used(now_ns)))))

    def _rest(self, path: str, query: Mapping[str, str], limit: int | None, now_ns: int) -> Answer:
        if path == "/api/v3/ping":
            return Answer(200, b"{}")
        if path == "/api/v3/time":
            return Answer(200, orjson.dumps({"serverTime": now_ns // 1_000_000}))
        if path == "/api/v3/exchangeInfo":
            return self._exchange_info(query, now_ns)
        symbol = query.get("symbol", "")
        if not symbol:
            return _refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if limit is None:
            return _refused(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
        if symbol not in self.market.tickers:
            return _refused(-1121, "Invalid symbol.")
        body = self.market.depth(symbol, limit)
        if self.faults.take("stale", symbol):
            body = re.sub(rb'"lastUpdateId":\d+', b'"lastUpdateId":1', body, count=1)
        return Answer(200, body)

    def _exchange_info(self, query: Mapping[str, str], now_ns: int) -> Answer:
        asked: Collection[str] = self.market.tickers
        if "symbol" in query:
            asked = [query["symbol"]]
        elif "symbols" in query:
            try:
                asked = [str(symbol) for symbol in orjson.loads(query["symbols"])]
            except (orjson.JSONDecodeError, TypeError):
                return _refused(-1100, "Illegal characters found in parameter 'symbols'.")
        if any(symbol not in self.market.tickers for symbol in asked):
            return _refused(-1121, "Invalid symbol.")
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": REST_WEIGHT},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
        ]
        head = {"timezone": "UTC", "serverTime": now_ns // 1_000_000, "rateLimits": limits, "exchangeFilters": []}
        return Answer(200, orjson.dumps({**head, "symbols": self.market.exchange_info(asked)}))

    def announce_shutdown(self, now_ns: int) -> None:
        for session in self.sessions:
            if isinstance(session, BinanceSession):
                session.announce_shutdown(now_ns)

    def ticker_of(self, key: Key) -> str:
        return key[0].partition("@")[0].upper()


def _invalid(text: str) -> dict[str, Any]:
    return {"code": 2, "msg": f"Invalid request: {text}"}


def _refused(code: int, text: str) -> Answer:
    return Answer(400, orjson.dumps({"code": code, "msg": text}))


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return _ID_TEXT.match(value) is not None
    return value is None or (type(value) is int and -(1 << 63) <= value < 1 << 63)


def _limit(query: Mapping[str, str]) -> int | None:
    text = query.get("limit", str(DEFAULT_DEPTH))
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text)):
        return None
    return min(int(text), MAX_DEPTH)
