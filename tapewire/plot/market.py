"""Trades and books over time, off a tape or the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tapewire import messages as m
from tapewire.errors import StoreError
from tapewire.fixed import to_text
from tapewire.plot.chart import Axis, Chart, Heat, Panel, Series, Style
from tapewire.plot.records import Progress, Stretch

COLUMNS: Final = 300
ROWS: Final = 160
VOLUME_BARS: Final = 120
AROUND: Final = 0.9
"""The share of resting quantity, nearest to the touch first, that a heat map spans at least."""


def trades(data: Path, ticker: str, feed: str | None, start: int | None, end: int | None, limit: int) -> Chart:
    """The last `limit` trades of archive and tape together: price, and volume by who was the aggressor.

    Raises StoreError if there is nothing of that ticker.
    """
    from tapewire.store.query import query

    table = query(data, "trades" if feed != "house" else "executions", ticker, feed, start, end, -limit)
    rows: list[dict[str, Any]] = table.to_pylist()
    if not rows:
        raise StoreError(f"no trade of {ticker} in that time")
    sides = {"buy": int(m.Side.buy), "sell": int(m.Side.sell)}
    most = max(float(row["qty"]) for row in rows)
    panels: list[Panel | Heat] = []
    points, volumes = [], []
    first, last = int(rows[0]["ts"]), int(rows[-1]["ts"]) + 1
    width = max(1, (last - first) // VOLUME_BARS)
    for name, side in (*sides.items(), ("auction", 0)):
        ours = [row for row in rows if int(row["aggressor"]) == side]
        if not ours:
            continue
        tone = name if side else ""
        points.append(
            Series(
                f"{name} aggressor" if side else "in an auction",
                [float(int(row["ts"])) for row in ours],
                [float(row["price"]) for row in ours],
                Style.points,
                tone,
                [float(row["qty"]) / most for row in ours],
            )
        )
        sums: dict[int, float] = {}
        for row in ours:
            at = (int(row["ts"]) - first) // width
            sums[at] = sums.get(at, 0.0) + float(row["qty"])
        volumes.append(
            Series(
                name,
                [first + (at + 0.5) * width for at in sorted(sums)],
                [sums[at] for at in sorted(sums)],
                Style.bars,
                tone,
            )
        )
    panels.append(Panel("price", points, height=2.2))
    panels.append(Panel("volume", volumes))
    where = feed or "all feeds"
    return Chart(f"{ticker}: trades", f"{len(rows):,} trades of {where}", panels)


def book(stretch: Stretch, ticker: str, progress: Progress) -> Chart:
    """Resting quantity by price and time, with the best prices, and the trades. Raises TapeError, StoreError."""
    samples: list[tuple[int, dict[int, int], dict[int, int]]] = []
    trade_points: list[tuple[int, int, int]] = []
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    exponents = (0, 0)
    whole = stretch.start is None and stretch.tape.name.startswith("orders.")
    every = _Thinner()
    for message in stretch.market(ticker, progress):
        if isinstance(message, m.Trade):
            trade_points.append((message.ts, message.price, int(message.aggressor)))
            continue
        if isinstance(message, m.BookSnapshot):
            bids, asks, whole = {}, {}, True
        elif not isinstance(message, m.BookDelta) or not whole:
            continue  # a change of a book whose beginning lies before the stretch
        exponents = message.price_exponent, message.qty_exponent
        for level in message.levels:
            side = bids if level.side == m.Side.buy else asks
            if level.qty:
                side[level.price] = level.qty
            else:
                side.pop(level.price, None)
        if every.keeps():
            samples.append((message.ts, dict(bids), dict(asks)))
            if len(samples) > 2 * COLUMNS:
                samples = samples[::2]
                every.halve()
    if not samples:
        raise StoreError(f"{stretch.tape.name}: no book of {ticker} in that time")
    return _heat(stretch, ticker, samples, trade_points, exponents)


class _Thinner:
    """Keeps every nth, so that a stretch of any length gives one to two times as many samples as there are columns."""

    def __init__(self) -> None:
        self._step, self._seen = 1, 0

    def keeps(self) -> bool:
        self._seen += 1
        return self._seen % self._step == 0

    def halve(self) -> None:
        self._step *= 2


def _heat(
    stretch: Stretch,
    ticker: str,
    samples: list[tuple[int, dict[int, int], dict[int, int]]],
    trade_points: list[tuple[int, int, int]],
    exponents: tuple[int, int],
) -> Chart:
    price_unit, qty_unit = (10.0**e for e in exponents)
    low, high = _range(samples)
    step = max(1, (high - low) // ROWS + 1)
    rows = (high - low) // step + 1
    cells = [[0.0] * len(samples) for _ in range(rows)]
    best_bid, best_ask = Series("best bid", [], [], Style.steps, "buy"), Series("best ask", [], [], Style.steps, "sell")
    for column, (ts, bids, asks) in enumerate(samples):
        for side, sign in ((bids, 1), (asks, -1)):
            for price, qty in side.items():
                if low <= price <= high:
                    cells[(price - low) // step][column] += sign * qty * qty_unit
        for line, prices in ((best_bid, bids), (best_ask, asks)):
            if prices:
                line.x.append(float(ts))
                line.y.append((max(prices) if line is best_bid else min(prices)) * price_unit)
    dots = [
        Series(
            f"{name} aggressor",
            [float(ts) for ts, price, aggressor in trade_points if aggressor == side and low <= price <= high],
            [price * price_unit for ts, price, aggressor in trade_points if aggressor == side and low <= price <= high],
            Style.points,
            name,
        )
        for name, side in (("buy", int(m.Side.buy)), ("sell", int(m.Side.sell)))
    ]
    lines = [line for line in (best_bid, best_ask, *dots) if line.x]
    heat = Heat(
        "resting quantity by price",
        [float(ts) for ts, _, _ in samples],
        low * price_unit,
        (low + rows * step) * price_unit,
        cells,
        lines,
        height=2.4,
    )
    panels: list[Panel | Heat] = [heat, _depth(samples[-1], exponents, low, high)]
    spread = ""
    _, bids, asks = samples[-1]
    if bids and asks:
        spread = f"; at its end {to_text(max(bids), exponents[0])} / {to_text(min(asks), exponents[0])}"
    return Chart(f"{ticker}: book of {stretch.tape.name}", f"{len(trade_points):,} trades{spread}", panels)


def _range(samples: list[tuple[int, dict[int, int], dict[int, int]]]) -> tuple[int, int]:
    """Prices within which the book moved, with as much again around as AROUND of its quantity takes."""
    low = min((max(bids) for _, bids, _ in samples if bids), default=0)
    high = max((min(asks) for _, _, asks in samples if asks), default=0)
    for _, bids, asks in samples[:: max(1, len(samples) // 20)]:
        low = min([low, *_nearest(sorted(bids.items(), reverse=True))])
        high = max([high, *_nearest(sorted(asks.items()))])
    if not low:
        low = min((price for _, _, asks in samples for price in asks), default=0)
    if not high:
        high = max((price for _, bids, _ in samples for price in bids), default=low)
    return low, max(low, high)


def _nearest(levels: list[tuple[int, int]]) -> list[int]:
    """The price where AROUND of the quantity of a side is passed; none for an empty side."""
    total, seen = sum(qty for _, qty in levels), 0
    for price, qty in levels:
        seen += qty
        if seen >= AROUND * total:
            return [price]
    return []


def _depth(
    sample: tuple[int, dict[int, int], dict[int, int]], exponents: tuple[int, int], low: int, high: int
) -> Panel:
    price_unit, qty_unit = (10.0**e for e in exponents)
    series = []
    for name, tone, levels in (
        ("bids", "buy", sorted(sample[1].items(), reverse=True)),
        ("asks", "sell", sorted(sample[2].items())),
    ):
        line, total = Series(name, [], [], Style.steps, tone), 0
        for price, qty in levels:
            total += qty
            if low <= price <= high:
                line.x.append(price * price_unit)
                line.y.append(total * qty_unit)
        if line.x:
            series.append(line)
    return Panel("depth at the end", series, Axis.plain, Axis.plain)
