"""The archive's slow twin: one decoded message at a time, one dictionary per row, nothing clever."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tapewire import messages as m

Row = dict[str, Any]
HOUSE = "house"


def rows_of(records: list[bytes], feed: str) -> dict[tuple[str, str], list[Row]]:
    """All rows that a tape of `records` holds, by (kind, ticker), in its order, mantissas beside exponents."""
    found: dict[tuple[str, str], list[Row]] = {}
    instruments: dict[int, Any] = {}

    def put(kind: str, ticker: str, message: Any, **more: Any) -> None:
        row = {name: getattr(message, name) for name in ("seq", "ts", "ts_event", "origin_seq")}
        row |= {"recv_delay": message.ts - message.ts_recv} | more
        found.setdefault((kind, ticker), []).append({name: plain(value) for name, value in row.items()})

    def fields(message: Any, *names: str) -> Row:
        return {name: getattr(message, name) for name in names}

    scaled = ("price_exponent", "qty_exponent")
    for raw in records:
        message: Any = m.decode(raw)
        if isinstance(message, m.Trade):
            more = fields(message, "trade_id", "price", "qty", "aggressor", "quality", *scaled)
            put("trades", message.ticker, message, **more)
        elif isinstance(message, m.Quote):
            more = fields(message, "bid_price", "bid_qty", "ask_price", "ask_qty", "book_seq", "quality", *scaled)
            put("quotes", message.ticker, message, **more)
        elif isinstance(message, m.BookDelta | m.BookSnapshot):
            levels = message.levels
            for at, level in enumerate(levels or (m.BookLevel(),)):
                more = fields(message, "book_seq", "quality", *scaled) | level._asdict()
                more |= {"level": at, "levels": len(levels), "snapshot": int(isinstance(message, m.BookSnapshot))}
                put("levels", message.ticker, message, **more)
        elif isinstance(message, m.FeedStatus):
            more = fields(message, "gaps", "resyncs", "dropped", "state", "quality", "reason")
            put("statuses", message.ticker, message, **more)
        elif isinstance(message, m.InstrumentDefinition):
            more = fields(message, "tick_size", "lot_size", "max_qty", "min_price", "max_price", "reference_price")
            put(
                "instruments",
                message.ticker,
                message,
                **more,
                **fields(message, "collar_bps", "status", "decision", *scaled),
            )
            if message.decision == m.RejectReason.unspecified:
                instruments[message.instrument] = message
        elif isinstance(message, m.OrderExecuted):
            defined = instruments[message.instrument]
            more = fields(message, "price", "qty", "aggressor") | fields(defined, *scaled)
            trade = more | {"trade_id": message.match_id, "quality": m.BookQuality.live}
            put("trades", defined.ticker, message, **trade)
            more |= fields(message, "cause", "match_id", "maker_order_id", "taker_order_id", "maker_account")
            more |= fields(message, "maker_leaves_qty", "taker_leaves_qty", "taker_account")
            put("executions", defined.ticker, message, **more)
    return found


def plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


def exact(mantissa: int, exponent: int) -> Decimal:
    """By way of text, so that nothing is shared with what it checks."""
    return Decimal(f"{mantissa}E{exponent}")
