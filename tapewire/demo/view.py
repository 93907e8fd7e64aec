"""The terminal view of `tapewire demo`: rates, tops of book, last trades, latencies, tapes, lag."""

from __future__ import annotations

import time
from collections import deque

from rich import box
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tapewire import messages as m
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
    def __init__(self, nats: str, data: str, hints: list[str]) -> None:
        self.nats, self.data, self.hints = nats, data, hints
        self._rates = Rates()

    def render(self, sample: Sample, market: Market, elapsed: float) -> RenderableType:
        head = Text.assemble(
            ("tapewire demo", "bold"),
            f"  {elapsed:5.0f} s   bus {self.nats}   data {self.data}   ",
            ("Ctrl-C ends", "dim"),
        )
        layout = Layout()
        layout.split_column(
            Layout(head, size=1),
            Layout(name="top", ratio=5),
            Layout(name="bottom", ratio=4),
            Layout(self._hints(), size=len(self.hints) + 2),
        )
        layout["top"].split_row(
            Layout(Panel(self._books(market), title="top of book", box=box.ROUNDED), ratio=11),
            Layout(Panel(self._trades(market), title="last trades", box=box.ROUNDED), ratio=9),
        )
        layout["bottom"].split_row(
            Layout(
                Panel(
                    Group(self._feeds(sample), self._house(sample), self._statuses(market)),
                    title="rates, house",
                    box=box.ROUNDED,
                ),
                ratio=4,
            ),
            Layout(Panel(self._latency(sample), title="latency", box=box.ROUNDED), ratio=3),
            Layout(
                Panel(Group(self._tapes(sample), self._lag(sample)), title="tapes and lag", box=box.ROUNDED), ratio=3
            ),
        )
        return layout

    def _books(self, market: Market) -> Table:
        table = _table("feed", "ticker", ">bid", ">qty", ">ask", ">qty", "book")
        for (feed, ticker), q in sorted(market.quotes.items()):
            quality = m.BookQuality(q.quality).name
            # Our own is crossed in a call, as it should be; a venue's never should.
            style = "yellow" if (feed, quality) == ("house", "crossed") else QUALITY_STYLE.get(quality, "")
            table.add_row(
                feed,
                ticker,
                Text(_price(q.bid_price, q.price_exponent), style="green"),
                _qty(q.bid_qty, q.qty_exponent),
                Text(_price(q.ask_price, q.price_exponent), style="red"),
                _qty(q.ask_qty, q.qty_exponent),
                Text(quality, style=style),
            )
        return table

    def _trades(self, market: Market) -> Table:
        table = _table("time", "feed", "ticker", ">price", ">qty")
        for feed, t in market.trades:
            at = time.strftime("%H:%M:%S", time.gmtime(t.ts / 1e9)) + f".{t.ts // 1_000_000 % 1000:03d}"
            price = Text(to_text(t.price, t.price_exponent), style=SIDE_STYLE.get(t.aggressor, ""))
            table.add_row(Text(at, style="dim"), feed, t.ticker, price, _qty(t.qty, t.qty_exponent))
        return table

    def _feeds(self, sample: Sample) -> Table:
        table = _table("feed", ">in/s", ">out/s", ">gaps", ">resync", ">drop")
        for feed, c in sample.feeds.items():
            rates = (self._rates.per_second(f"{feed}.{name}", c[name]) for name in ("messages", "published"))
            table.add_row(feed, *map(_rate, rates), str(c["gaps"]), str(c["resyncs"]), str(c["dropped"]))
        return table

    def _house(self, sample: Sample) -> Table:
        table = _table("house", ">orders/s", ">trades/s", ">rejects/s")
        table.add_row("", *(_rate(self._rates.per_second(f"house.{name}", sample.house[name])) for name in HOUSE_RATES))
        return table

    def _statuses(self, market: Market) -> Table:
        """Each house instrument's status: in a call what it would trade, else what its last auction traded."""
        table = _table("ticker", "status", ">auction", ">qty", ">left over")
        for ticker, changed in sorted(market.statuses.items()):
            indicated, limit = market.indications.get(ticker), market.limits.get(ticker)
            price, qty, style = changed.auction_price, changed.auction_qty, "dim"
            left_over = ""
            if indicated is not None:
                price, qty, style = indicated.price, indicated.qty, "yellow"
                left = _qty(indicated.imbalance_qty, changed.qty_exponent)
                left_over = f"{SIDE_NAMES.get(indicated.imbalance_side, '')} {left}" if indicated.imbalance_qty else "-"
            table.add_row(
                ticker,
                _status(changed, limit),
                Text(_price(price, changed.price_exponent) if qty else "", style=style),
                Text(_qty(qty, changed.qty_exponent) if qty else "", style=style),
                left_over,
            )
        return table

    def _latency(self, sample: Sample) -> Table:
        table = _table("stage", ">p50", ">p99", ">p99.9")
        for stage, one in sample.latency.items():
            if one.count:
                table.add_row(
                    STAGE_NAMES.get(stage, stage.replace(".exchange_to_edge", " wire").replace(".", " ")),
                    *_percentiles(one),
                )
        return table

    def _tapes(self, sample: Sample) -> Table:
        table = _table("tape", ">records", ">written", ">unsynced")
        for name, t in sample.tapes.items():
            table.add_row(name, f"{t.records:,}", _bytes(t.written), _bytes(t.written - t.durable))
        return table

    def _lag(self, sample: Sample) -> Table:
        table = _table("consumer", ">behind")
        for name, lag in sample.lag.items():
            table.add_row(name, _bytes(lag))
        for name, records in sample.lag_records.items():
            table.add_row(name, f"{max(records, 0):,} records")
        return table

    def _hints(self) -> Panel:
        return Panel(Text("\n".join(self.hints)), title="in another terminal", box=box.ROUNDED)


def _table(*columns: str) -> Table:
    """A plain table; a column that begins with > is set right."""
    table = Table(box=None, padding=(0, 1), expand=True, header_style="dim")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}"


def _price(mantissa: int, exponent: int) -> str:
    return to_text(mantissa, exponent) if mantissa else "-"


def _qty(mantissa: int, exponent: int) -> str:
    """Cut to the room of a column: to look at, not to reckon with."""
    text = to_text(mantissa, exponent)
    return text[:QTY_WIDTH].rstrip("0").rstrip(".") if "." in text[:QTY_WIDTH] else text


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
