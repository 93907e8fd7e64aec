"""The terminal view of `tapewire demo`: rates, tops of book, last trades, latencies, tapes, lag."""

from __future__ import annotations

import time
from collections import deque

from rich.console import RenderableType
from rich.layout import Layout
from rich.text import Text

from tapewire import messages as m
from tapewire.demo.fitting import Block, Column, Fitted, Row, Widths
from tapewire.demo.hints import Head, Hints
from tapewire.demo.observe import Latency, Sample
from tapewire.fixed import to_text

TRADES_SHOWN = 16
QTY_WIDTH = 9
HOUSE_RATES = ("orders", "trades", "rejects")
SIDE_NAMES = {m.Side.buy: "buy", m.Side.sell: "sell"}
STAGE_NAMES = {
    "queue": "order in ring",
    "decide": "risk, match",
    "commit": "write, sync",
    "answer": "order answered",
}

# What leaves a terminal that is too narrow, and when: of one row of panels the highest number first.
BOOKS = (
    Column("feed"),
    Column("ticker"),
    Column("bid", right=True),
    Column("bid qty", leaves=5, right=True),
    Column("ask", right=True),
    Column("ask qty", leaves=4, right=True),
    Column("book", leaves=1),
)
TRADES = (
    Column("time", leaves=6),
    Column("feed", leaves=3),
    Column("ticker"),
    Column("price", right=True),
    Column("qty", leaves=2, right=True),
)
FEEDS = (
    Column("feed"),
    Column("in/s", leaves=2, right=True),
    Column("out/s", right=True),
    Column("gaps", leaves=3, right=True),
    Column("resync", leaves=4, right=True),
    Column("drop", leaves=1, right=True),
)
HOUSE = (
    Column("house"),
    Column("orders/s", right=True),
    Column("trades/s", leaves=2, right=True),
    Column("rejects/s", leaves=3, right=True),
)
STATUSES = (
    Column("ticker"),
    Column("status"),
    Column("auction", leaves=5, right=True),
    Column("auction qty", leaves=8, right=True),
    Column("left over", leaves=9, right=True),
)
LATENCY = (
    Column("stage"),
    Column("p50", right=True),
    Column("p99", leaves=1, right=True),
    Column("p99.9", leaves=6, right=True),
)
TAPES = (
    Column("tape"),
    Column("records", right=True),
    Column("written", leaves=7, right=True),
    Column("unsynced", leaves=10, right=True),
)
LAG = (Column("consumer"), Column("behind", right=True))
QUALITY_STYLE = {"live": "green", "resync": "yellow", "stale": "red", "crossed": "red"}
STATUS_NAMES = {
    m.InstrumentStatus.opening_auction: "opening",
    m.InstrumentStatus.closing_auction: "closing",
    m.InstrumentStatus.halt_auction: "reopening",
}
STATUS_STYLE = {m.InstrumentStatus.trading: "green", m.InstrumentStatus.halted: "red", m.InstrumentStatus.closed: "red"}
LIMIT_NAMES = {m.LimitState.limit_up: "limit up", m.LimitState.limit_down: "limit down"}
SIDE_STYLE = {m.Side.buy: "green", m.Side.sell: "red"}


class Market:
    """The latest of each kind per feed and ticker, and the last trades, as they come from the bus."""

    def __init__(self) -> None:
        self.quotes: dict[tuple[str, str], m.Quote] = {}
        self.trades: deque[tuple[str, m.Trade]] = deque(maxlen=TRADES_SHOWN)
        self.statuses: dict[str, m.InstrumentStatusChanged] = {}
        """Of the house, by ticker; a new status ends indication and limit state."""
        self.indications: dict[str, m.AuctionIndicated] = {}
        self.limits: dict[str, m.LimitStateChanged] = {}
        self.feeds_seen: set[str] = set()
        """With a quote or a trade."""

    def take(self, feed: str, message: m.Message) -> None:
        if isinstance(message, m.Quote):
            self.feeds_seen.add(feed)
            self.quotes[feed, message.ticker] = message
        elif isinstance(message, m.Trade):
            self.feeds_seen.add(feed)
            self.trades.appendleft((feed, message))
        elif isinstance(message, m.InstrumentStatusChanged):
            self.statuses[message.ticker] = message
            self.indications.pop(message.ticker, None)
            self.limits.pop(message.ticker, None)
        elif isinstance(message, m.AuctionIndicated):
            self.indications[message.ticker] = message
        elif isinstance(message, m.LimitStateChanged):
            self.limits[message.ticker] = message


class Rates:
    """Per second, from two looks at a counter."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int]] = {}

    def per_second(self, name: str, value: int) -> float:
        now = time.monotonic()
        then, before = self._last.get(name, (now, value))
        if now - then >= 1.0 or name not in self._last:
            self._last[name] = (now, value)
        return (value - before) / (now - then) if now > then else 0.0


class View:
    """`hints`: commands to try beside it, and what each does."""

    def __init__(self, nats: str, data: str, hints: dict[str, str]) -> None:
        self.nats, self.data, self.hints = nats, data, hints
        self._rates = Rates()
        self._widths = Widths()

    def render(self, sample: Sample, market: Market, elapsed: float, width: int) -> RenderableType:
        """For a terminal of `width` places."""
        hints = Hints(self.hints, width)
        head = Head("tapewire demo", [f"{elapsed:5.0f} s", f"bus {self.nats}", f"data {self.data}"], "Ctrl-C ends")
        top = self._row(Block("top of book", [self._books(market)]), Block("last trades", [self._trades(market)]))
        bottom = self._row(
            Block("rates, house", [self._feeds(sample), self._house(sample), self._statuses(market)]),
            Block("latency", [self._latency(sample)]),
            Block("tapes and lag", [self._tapes(sample), self._lag(sample)]),
        )
        layout = Layout()
        layout.split_column(
            Layout(head, size=1),
            Layout(top, ratio=top.lines),
            Layout(bottom, ratio=bottom.lines),
            Layout(hints, size=hints.lines),
        )
        return layout

    def _row(self, *blocks: Block) -> Row:
        return Row(blocks, self._widths)

    def _books(self, market: Market) -> Fitted:
        table = Fitted("books", BOOKS)
        for (feed, ticker), q in sorted(market.quotes.items()):
            quality = m.BookQuality(q.quality).name
            # Our own is crossed in a call, as it should be; a venue's never should.
            style = "yellow" if (feed, quality) == ("house", "crossed") else QUALITY_STYLE.get(quality, "")
            table.add(
                feed,
                ticker,
                Text(_price(q.bid_price, q.price_exponent), style="green"),
                _qty(q.bid_qty, q.qty_exponent),
                Text(_price(q.ask_price, q.price_exponent), style="red"),
                _qty(q.ask_qty, q.qty_exponent),
                Text(quality, style=style),
            )
        return table

    def _trades(self, market: Market) -> Fitted:
        table = Fitted("trades", TRADES)
        for feed, t in market.trades:
            at = time.strftime("%H:%M:%S", time.gmtime(t.ts / 1e9)) + f".{t.ts // 1_000_000 % 1000:03d}"
            price = Text(to_text(t.price, t.price_exponent), style=SIDE_STYLE.get(t.aggressor, ""))
            table.add(Text(at, style="dim"), feed, t.ticker, price, _qty(t.qty, t.qty_exponent))
        return table

    def _feeds(self, sample: Sample) -> Fitted:
        table = Fitted("feeds", FEEDS)
        for feed, c in sample.feeds.items():
            rates = (self._rates.per_second(f"{feed}.{name}", c[name]) for name in ("messages", "published"))
            table.add(feed, *map(_rate, rates), str(c["gaps"]), str(c["resyncs"]), str(c["dropped"]))
        return table

    def _house(self, sample: Sample) -> Fitted:
        table = Fitted("house", HOUSE)
        table.add("", *(_rate(self._rates.per_second(f"house.{name}", sample.house[name])) for name in HOUSE_RATES))
        return table

    def _statuses(self, market: Market) -> Fitted:
        """Each house instrument's status: in a call what it would trade, else what its last auction traded."""
        table = Fitted("statuses", STATUSES)
        for ticker, changed in sorted(market.statuses.items()):
            indicated, limit = market.indications.get(ticker), market.limits.get(ticker)
            price, qty, style = changed.auction_price, changed.auction_qty, "dim"
            left_over = ""
            if indicated is not None:
                price, qty, style = indicated.price, indicated.qty, "yellow"
                left = _qty(indicated.imbalance_qty, changed.qty_exponent)
                left_over = f"{SIDE_NAMES.get(indicated.imbalance_side, '')} {left}" if indicated.imbalance_qty else "-"
            table.add(
                ticker,
                _status(changed, limit),
                Text(_price(price, changed.price_exponent) if qty else "", style=style),
                Text(_qty(qty, changed.qty_exponent) if qty else "", style=style),
                left_over,
            )
        return table

    def _latency(self, sample: Sample) -> Fitted:
        table = Fitted("latency", LATENCY)
        for stage, one in sample.latency.items():
            if one.count:
                name = STAGE_NAMES.get(stage, stage.replace(".exchange_to_edge", " wire").replace(".", " "))
                table.add(name, *_percentiles(one))
        return table

    def _tapes(self, sample: Sample) -> Fitted:
        table = Fitted("tapes", TAPES)
        for name, t in sample.tapes.items():
            table.add(name, f"{t.records:,}", _bytes(t.written), _bytes(t.written - t.durable))
        return table

    def _lag(self, sample: Sample) -> Fitted:
        table = Fitted("lag", LAG)
        for name, lag in sample.lag.items():
            table.add(name, _bytes(lag))
        for name, records in sample.lag_records.items():
            table.add(name, f"{max(records, 0):,} records")
        return table


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}"


def _price(mantissa: int, exponent: int) -> str:
    return to_text(mantissa, exponent) if mantissa else "-"


def _qty(mantissa: int, exponent: int) -> str:
    """To look at, not to reckon with: decimals beyond QTY_WIDTH places are left out, unless nothing else was there."""
    text = to_text(mantissa, exponent)
    short = text[:QTY_WIDTH].rstrip("0").rstrip(".") if "." in text[:QTY_WIDTH] else text
    return text if mantissa and not short.strip("-0.") else short


def _status(changed: m.InstrumentStatusChanged, limit: m.LimitStateChanged | None) -> Text:
    """`trading`, `limit up`, or a call and how long it still lasts: `opening 3s`."""
    if limit is not None and limit.state in LIMIT_NAMES:
        return Text(LIMIT_NAMES[limit.state], style="red")
    status = m.InstrumentStatus(changed.status)
    text = STATUS_NAMES.get(status, status.name)
    if changed.resume_time:
        text += f" {max(0, changed.resume_time - time.time_ns()) / 1e9:.0f}s"
    return Text(text, style=STATUS_STYLE.get(status, "yellow"))


def _percentiles(one: Latency) -> list[str]:
    return [duration(ns) for ns in (one.p50_ns, one.p99_ns, one.p999_ns)]


def duration(ns: int) -> str:
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= size:
            return f"{ns / size:.3g}{unit}"
    return f"{ns}ns"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} B"
