"""Messages as a person reads them (one line, real decimals) and as a program does (one JSON object)."""

from __future__ import annotations

import time
from typing import Any

import orjson

from tapewire import messages as m
from tapewire import times
from tapewire.fixed import to_text
from tapewire.subjects import escape

LEVELS_SHOWN = 4
MAX_INSTRUMENTS = 65_536
_NS = 1_000_000_000
_HEADER = frozenset(m.Trade.FIELDS) & frozenset(m.Quote.FIELDS) & frozenset(m.NewOrder.FIELDS)
_NOT_SHOWN = _HEADER | {"ticker", "price_exponent", "qty_exponent"}
PRICES = frozenset(
    {
        *("price", "old_price", "new_price", "bid_price", "ask_price", "stop_px", "last_px", "auction_price"),
        *("min_price", "max_price", "lower_price", "upper_price", "reference_price", "tick_size"),
        *("limit_price", "last_price", "other_price"),
    }
)
QTYS = frozenset(
    {
        *("qty", "old_qty", "new_qty", "bid_qty", "ask_qty", "max_qty", "min_qty", "lot_size", "cancelled_qty"),
        *("cum_qty", "leaves_qty", "old_leaves_qty", "maker_leaves_qty", "taker_leaves_qty"),
        *("display_qty", "displayed_qty", "auction_qty", "imbalance_qty"),
        *("open_qty", "last_qty", "scheduled_qty", "market_qty", "total_qty", "size", "unrouted"),
        "other_qty",
    }
)
TIMES = frozenset({"expire_time", "resume_time", "up_to", "start_time", "end_time", "due"})
TRACE = frozenset({"trace_high", "trace_low", "trace_flags", "span_is_ts_event"})
"""Fields that are told as one, see `trace_of`."""
_SIDES = {m.Side.buy: "bid", m.Side.sell: "ask"}


class Renderer:
    """Makes lines of messages. Remembers the tickers and exponents it sees, for messages that carry none."""

    def __init__(self) -> None:
        self._terms: dict[tuple[str, int], tuple[str, int, int]] = {}

    def line(self, subject: str, message: m.Message) -> str:
        """Time (UTC), subject and fields on one line."""
        feed = subject.split(".")[1] if "." in subject else ""
        return f"{clock_text(message)} {subject}  {self.fields(message, feed, subject.rpartition('.')[2])}"

    def fields(self, message: m.Message, feed: str = "house", key: str = "") -> str:
        """The type and the fields that say something, prices and quantities as decimals where exponents are known.

        The instrument is told unless its ticker is the subject's `key`.
        """
        ticker, price_exponent, qty_exponent = self._terms_of(message, feed)
        shown = [m.MessageType(message.TYPE).name]
        if message.seq:
            shown.append(f"seq={message.seq}")
        if message.instrument and escape(ticker) != key:
            shown.append(f"instrument={ticker or message.instrument}")
        for name in type(message).FIELDS:
            value = getattr(message, name)
            if (
                name in _NOT_SHOWN
                or name in TRACE
                or not value
                or (isinstance(value, int) and getattr(value, "name", "") == "unspecified")
            ):
                continue
            shown.append(_shown(name, value, price_exponent, qty_exponent))
        if trace := trace_of(message):
            shown.append(f"trace_id={trace}")
        return " ".join(shown)

    def _terms_of(self, message: m.Message, feed: str) -> tuple[str, int, int]:
        """Ticker and exponents; those of its instrument where the message says none, as all that is of orders."""
        known = self._terms.get((feed, message.instrument), ("", 0, 0))
        ticker = getattr(message, "ticker", "")
        found = (ticker, getattr(message, "price_exponent", 0), getattr(message, "qty_exponent", 0))
        if "price_exponent" not in type(message).FIELDS or not any(found):
            return (ticker or known[0], *known[1:])
        if message.instrument and len(self._terms) < MAX_INSTRUMENTS:
            self._terms[feed, message.instrument] = found
        return found


def trace_of(message: m.Message) -> str:
    """The id of the trace that a command or request says it is of; empty: it says none."""
    number: int = getattr(message, "trace_high", 0) << 64 | getattr(message, "trace_low", 0)
    return f"{number:032x}" if number else ""


def _shown(name: str, value: Any, price_exponent: int, qty_exponent: int) -> str:
    """One field: `price=64000.10`."""
    if isinstance(value, tuple):
        return _levels(value, price_exponent, qty_exponent)
    if name in PRICES:
        return f"{name}={to_text(value, price_exponent)}"
    if name in QTYS:
        return f"{name}={to_text(value, qty_exponent)}"
    if name in TIMES:
        return f"{name}={times.show(value)}"
    return f"{name}={getattr(value, 'name', value)}"


def _levels(elements: tuple[Any, ...], price_exponent: int, qty_exponent: int) -> str:
    """The first few elements of a list: levels as `bid 64000.10x1.5`, others as `(venue=2 price=64000.10 qty=1.5)`."""
    shown = []
    for one in elements[:LEVELS_SHOWN]:
        if isinstance(one, m.BookLevel):
            price, qty = to_text(one.price, price_exponent), to_text(one.qty, qty_exponent)
            shown.append(f"{_SIDES.get(one.side, '?')} {price}x{qty}")
        else:
            said = ((name, value) for name, value in one._asdict().items() if value)
            shown.append(f"({' '.join(_shown(*field, price_exponent, qty_exponent) for field in said)})")
    if len(elements) > LEVELS_SHOWN:
        noun = "levels" if isinstance(elements[0], m.BookLevel) else "more"
        shown.append(f"(+{len(elements) - LEVELS_SHOWN} {noun})")
    return " ".join(shown)


def clock_text(message: m.Message) -> str:
    """The message's time of day in UTC, to the nanosecond: when it was sequenced, else received, else made."""
    ts = message.ts or message.ts_recv or message.ts_event
    return f"{time.strftime('%H:%M:%S', time.gmtime(ts // _NS))}.{ts % _NS:09d}"


def as_json(subject: str, message: m.Message) -> bytes:
    """One JSON object: the subject and every field as on the wire, integers with exponents, enumerants by name."""
    fields: dict[str, Any] = {"subject": subject}
    fields.update(message.to_dict())
    return orjson.dumps(fields)
