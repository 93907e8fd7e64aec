"""How instruments stand now, off the page of latest values that a feed's sequencer keeps on this host."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option


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

    from tapewire.fixed import to_text
    from tapewire.latest import Latest

    with Latest.local(data, feed) as store:
        now = time.time_ns()
        values = {ticker: store.latest(ticker) for ticker in tickers} if tickers else store.snapshot()
        if as_json:
            rows = [
                {
                    name: getattr(field, "name", field)
                    for name, field in {**one.to_dict(), "age_ns": one.age_ns(now)}.items()
                }
                for one in values.values()
            ]
            click.echo(orjson.dumps({"feed": feed, "alive": store.alive, "values": rows}).decode())
            return
        if not store.alive:
            click.echo(f"{feed}: its sequencer does not run: what stands here is the last it said", err=True)
    click.echo(f"{'ticker':<16}{'bid':>16}{'ask':>16}{'last':>16}  {'quality':<12}{'status':<16}{'age':>10}")
    for ticker, one in values.items():
        bid, ask = (to_text(price, one.quote_price_exponent) for price in (one.bid_price, one.ask_price))
        last = to_text(one.trade_price, one.trade_price_exponent) if one.trade_seq else "-"
        sides = (bid if one.bid_qty else "-", ask if one.ask_qty else "-")
        words = f"{one.quality.name:<12}{one.status.name:<16}{one.age_ns(now) / 1e9:>9,.3f}s"
        click.echo(f"{ticker:<16}{sides[0]:>16}{sides[1]:>16}{last:>16}  {words}")
