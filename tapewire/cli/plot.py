"""Draw latency, lag, rates, trades or a book: to a file, or with dots in the terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapewire.cli._options import Instant, complete_tapes, data_option, json_option

if TYPE_CHECKING:
    from tapewire.plot.chart import Chart
    from tapewire.plot.records import Progress

Draw = Callable[["Progress"], "Chart"]
ROWS = 12
MOST_TRADES = 200_000
BUCKETS = 240


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every picture takes."""
    options = (
        click.option("--from", "start", type=Instant(), help="The first moment shown. Default: the beginning."),
        click.option("--to", "end", type=Instant(), help="The first moment not shown any more. Default: now."),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), help="A .png, .svg or .pdf; else the terminal."
        ),
        data_option,
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Draw what tapes and archive hold: to a file (-o), or with dots in the terminal.

    Times are ISO (UTC), 09:30, now, today, or -5m. --json prints the numbers instead of drawing them.

    \b
    tapewire plot latency orders.0 --from -5m
    tapewire plot trades BTCUSDT --feed binance -o trades.png
    tapewire plot book BTCUSDT --tape md.binance --from -1m -o book.png
    """


@command.command()
@click.argument("tape", shell_complete=complete_tapes)
@_shared
def latency(tape: str, start: int | None, end: int | None, output: Path | None, data: Path, as_json: bool) -> None:
    """Percentiles over time of what TAPE's records took, and their distribution.

    \b
    tapewire plot latency md.kraken --from -10m -o latency.png
    """
    from tapewire.plot import timing

    stretch = _stretch(data, tape, start, end)
    _show(lambda told: timing.latency(stretch, _bucket(stretch), told), tape, output, as_json)


@command.command()
@click.argument("tape", shell_complete=complete_tapes)
@_shared
def lag(tape: str, start: int | None, end: int | None, output: Path | None, data: Path, as_json: bool) -> None:
    """How far TAPE's feed is behind its venue's clock, by ticker.

    \b
    tapewire plot lag md.binance
    """
    from tapewire.plot import timing

    stretch = _stretch(data, tape, start, end)
    _show(lambda told: timing.lag(stretch, _bucket(stretch), told), tape, output, as_json)


@command.command()
@click.argument("tape", shell_complete=complete_tapes)
@_shared
def rates(tape: str, start: int | None, end: int | None, output: Path | None, data: Path, as_json: bool) -> None:
    """Records a second on TAPE, by type.

    \b
    tapewire plot rates orders.0 --from -1h -o rates.svg
    """
    from tapewire.plot import timing

    stretch = _stretch(data, tape, start, end)
    _show(lambda told: timing.rates(stretch, _bucket(stretch), told), tape, output, as_json)


@command.command()
@click.argument("ticker")
@click.option("--feed", help="Only this feed: binance, house, … Default: all that have the ticker.")
@_shared
def trades(
    ticker: str, feed: str | None, start: int | None, end: int | None, output: Path | None, data: Path, as_json: bool
) -> None:
    """Trades of TICKER from archive and tape together: price, and volume by aggressor.

    \b
    tapewire plot trades BTCUSDT --feed house --from -5m
    """
    from tapewire.plot import market

    _show(lambda told: market.trades(data, ticker, feed, start, end, MOST_TRADES), ticker, output, as_json)


@command.command()
@click.argument("ticker")
@click.option("--tape", default="orders.0", show_default=True, help="Where the book is: orders.0, md.binance, …")
@_shared
def book(
    ticker: str, tape: str, start: int | None, end: int | None, output: Path | None, data: Path, as_json: bool
) -> None:
    """The book of TICKER over time: resting quantity by price, best prices, trades, and its depth at the end.

    \b
    tapewire plot book BTCUSDT --from -2m -o book.png
    """
    from tapewire.plot import market

    stretch = _stretch(data, tape, start, end)
    _show(lambda told: market.book(stretch, ticker, told), tape, output, as_json)


def _stretch(data: Path, tape: str, start: int | None, end: int | None) -> Any:
    from tapewire.folders import Folders
    from tapewire.plot.records import Stretch

    return Stretch(Folders(data).tape(tape), start, end)


def _bucket(stretch: Any) -> int:
    """A stretch of time that divides what is shown into at most BUCKETS; ns, 1 ms at least."""
    from tapewire.tape import TapeReader

    with TapeReader(stretch.tape, from_seq=None) as reader:
        if stretch.start is not None:
            reader.seek_time(stretch.start)
        first = next((raw for raw in reader.poll(1)), None)
        last = stretch.end or time.time_ns()
        if first is None:
            return 1_000_000_000
        from tapewire.messages import decode

        begin = decode(first).ts
        if reader.positions.released_seq:
            reader.seek_seq(reader.positions.released_seq)
            last = min(last, next((decode(raw).ts for raw in reader.poll(1)), last))
    return max(1_000_000, (last - begin) // BUCKETS)


def _show(make: Draw, what: str, output: Path | None, as_json: bool) -> None:
    from tapewire.cli._progress import progress

    if output is not None and output.suffix not in (".png", ".svg", ".pdf"):
        raise click.BadParameter(f"{output}: ends in none of .png, .svg, .pdf", param_hint="-o")
    with progress() as tell:
        chart = make(lambda done, total: tell(what, done, total))
    if as_json:
        import orjson

        click.echo(orjson.dumps(chart, option=orjson.OPT_SERIALIZE_DATACLASS).decode())
    elif output is not None:
        _save(chart, output)
    else:
        from tapewire.plot import braille

        size = shutil.get_terminal_size((100, 30))
        click.echo(braille.draw(chart, size.columns, ROWS, coloured=sys.stdout.isatty()), nl=False)


def _save(chart: Chart, output: Path) -> None:
    from tapewire.errors import TapewireError

    try:
        from tapewire.plot.picture import draw
    except ImportError as error:
        raise TapewireError(
            f"pictures need matplotlib ({error}): install the extra plot, or leave -o away to draw in the terminal"
        ) from None
    try:
        draw(chart, output)
    except OSError as error:
        raise TapewireError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"{output}", err=True)
