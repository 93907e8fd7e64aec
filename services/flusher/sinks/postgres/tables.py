"""The tables, and their columns in the order in which `rows.hpp` puts them."""

from __future__ import annotations

from typing import Final

_HEAD: Final = ("tape", "seq", "ts", "ts_ns")

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "orders": (
        *(*_HEAD, "cause", "event", "order_id", "cl_ord_id", "account", "instrument", "side", "ord_type"),
        *("time_in_force", "price", "qty", "leaves_qty", "cum_qty", "cancelled_qty", "stop_px", "display_qty"),
        *("reason", "client_text"),
    ),
    "executions": (
        *(*_HEAD, "role", "kind", "cause", "match_id", "account", "instrument", "order_id", "side", "price", "qty"),
        *("leaves_qty", "notional", "contra_account", "auction", "bid", "ask"),
    ),
    "trades": (
        *(*_HEAD, "kind", "feed", "ticker", "instrument", "trade_id", "price", "qty", "aggressor", "auction"),
        *("maker_account", "taker_account", "maker_order_id", "taker_order_id", "quality"),
    ),
    "rejects": (
        *(*_HEAD, "cause", "kind", "command", "reason", "account", "instrument", "order_id", "cl_ord_id"),
        *("value", "bound"),
    ),
    "risk_decisions": (
        *(*_HEAD, "command", "decision", "account", "instrument", "source", "session", "order_id", "cl_ord_id"),
        *("client_text", "side", "ord_type", "time_in_force", "price", "qty", "stop_px", "display_qty", "min_qty"),
        *("expire_ns", "post_only", "hidden", "ts_event_ns", "ts_recv_ns"),
    ),
    "positions": (
        *(*_HEAD, "account", "instrument", "net", "bought", "sold", "bought_notional", "sold_notional", "fills"),
    ),
    "sessions": (*_HEAD, "kind", "session", "name", "state", "reason", "number"),
    "instruments": (
        *(*_HEAD, "instrument", "event", "decision", "ticker", "status", "reason", "price_exponent", "qty_exponent"),
        *("tick_size", "lot_size", "max_qty", "min_price", "max_price", "reference_price", "collar_bps", "feed"),
    ),
    "parents": (
        *(*_HEAD, "cause", "event", "parent_id", "cl_ord_id", "account", "instrument", "ticker", "side", "algorithm"),
        *("time_in_force", "state", "decision", "qty", "cum_qty", "leaves_qty", "open_qty", "notional", "limit_price"),
        *("last_price", "last_qty", "child_id", "children", "start_ns", "end_ns", "participation"),
        *("max_participation", "display_qty", "interval_ns", "randomness", "urgency", "seed", "venues", "source"),
        *("value", "bound", "reason", "client_text"),
    ),
    "routes": (
        *(*_HEAD, "cause", "place", "parent_id", "instrument", "ticker", "slice", "side", "passive", "asked_qty"),
        *("limit_price", "unrouted_qty", "venue", "venue_name", "price", "size", "fee_bps", "fill_rate"),
        *("reject_rate", "latency_ns", "score", "qty", "state", "unusable"),
    ),
    "children": (
        *(*_HEAD, "cause", "event", "child_id", "parent_id", "venue", "venue_name", "instrument", "ticker", "side"),
        *("ord_type", "time_in_force", "post_only", "price", "qty", "display_qty", "account", "route", "request"),
    ),
    "venue_reports": (
        *(*_HEAD, "kind", "origin", "child_id", "venue", "venue_name", "instrument", "ticker", "side", "liquidity"),
        *("live", "price", "qty", "leaves_qty", "cum_qty", "last_price", "last_qty", "fee", "fee_currency"),
        *("venue_order_id", "exec_id", "ref_exec_id", "code", "reason", "venue_seq", "ts_event_ns"),
    ),
    "quotes": (*_HEAD, "feed", "ticker", "instrument", "bid", "bid_qty", "ask", "ask_qty", "quality", "ts_event_ns"),
}
PARTITIONED: Final = tuple(name for name in COLUMNS if name != "instruments")
"""By day of `ts`, UTC. Instruments stay: rows of any day are read by them."""
