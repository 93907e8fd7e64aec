"""How instruments stand now, off the page of latest values that a feed's sequencer keeps on this host."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import data_option, json_option

if TYPE_CHECKING:
    from tapewire.latest import LatestValue

_LEFT = (0, 4, 5)  # columns of words


@click.command()
@click.argument("tickers", metavar="[TICKER]...", nargs=-1)
@click.option("--feed", default="house", show_default=True, help="Whose: a venue's feed, or the house.")
@data_option
@json_option
def command(tickers: tuple[str, ...], feed: str, data: Path, as_json: bool) -> None:
    """Show the latest quote, trade and status of each TICKER (all by default), and how old they are.

    \b
    tapewire latest BTCUSDT
    tapewire latest --feed binance --json
    """
    import orjson

    from tapewire.latest import Latest

    with Latest.local(data, feed) as store:
        now = time.time_ns()
        values = {ticker: store.latest(ticker) for ticker in tickers} if tickers else store.snapshot()
        whole = store.feed_status()
        if as_json:
            told = {
                "feed": feed,
                "alive": store.alive,
                "feed_status": _fields(whole, now) if whole is not None else None,
                "values": [_fields(one, now) for one in values.values()],
            }
            click.echo(orjson.dumps(told).decode())
            return
        if not store.alive:
            click.echo(f"{feed}: its sequencer does not run: what stands here is the last it said", err=True)
    table: list[tuple[str, ...]] = [("ticker", "bid", "ask", "last", "quality", "status", "age")]
    table += [_row(one, now) for one in values.values()]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            text.ljust(width) if at in _LEFT else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
    if whole is not None and not tickers:
        click.echo(
            f"feed {feed}: {whole.feed_state.name}, {whole.feed_gaps} gaps, {whole.feed_resyncs} resyncs, "
            f"{whole.feed_dropped} messages dropped"
        )


def _fields(one: LatestValue, now: int) -> dict[str, object]:
    """Enums by their names."""
    return {name: getattr(field, "name", field) for name, field in {**one.to_dict(), "age_ns": one.age_ns(now)}.items()}


def _row(one: LatestValue, now: int) -> tuple[str, ...]:
    """Of a feed that tells no quotes the top of its book."""
    from tapewire.fixed import to_text

    bid, ask, exponent = one.bid_price, one.ask_price, one.quote_price_exponent
    there = one.bid_qty, one.ask_qty
    if not one.quote_seq:
        bid, ask, exponent = one.top_bid_price, one.top_ask_price, one.top_price_exponent
        there = one.top_bid_qty, one.top_ask_qty
    last = to_text(one.trade_price, one.trade_price_exponent) if one.trade_seq else "-"
    sides = (to_text(price, exponent) if qty else "-" for price, qty in zip((bid, ask), there, strict=True))
    status = one.status.name if one.status_seq else "-"
    return one.ticker, *sides, last, one.quality.name, status, f"{one.age_ns(now) / 1e9:,.3f} s"
