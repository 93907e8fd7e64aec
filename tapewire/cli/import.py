"""Put recorded market data onto a tape, and into the archive."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from tapewire.cli._options import data_option, json_option
from tapewire.cli._progress import progress
from tapewire.errors import TapewireError

FORMATS = ("hftbacktest", "cryptofeed", "cbcap", "csv")
VENUES = ("binance", "coinbase", "kraken")


@click.command()
@click.argument("format", type=click.Choice(FORMATS))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--feed", required=True, help="Its tape is md.FEED; a feed of its own, unless it goes on with one.")
@click.option("--venue", type=click.Choice(VENUES), help="Of captures: whose frames they are.")
@click.option("--ticker", "tickers", multiple=True, help="As the venue writes it; again for more.")
@click.option(
    "--depth",
    type=click.IntRange(1, 5000),
    default=100,
    show_default=True,
    help="Levels a side: of Kraken, as it was recorded.",
)
@click.option("--price-exponent", type=click.IntRange(-18, 18), default=-8, show_default=True, help="Of csv.")
@click.option("--qty-exponent", type=click.IntRange(-18, 18), default=-8, show_default=True, help="Of csv.")
@click.option("--archive", is_flag=True, help="Make columnar files of it at once, as the flusher would in time.")
@data_option
@json_option
def command(
    format: str,
    files: tuple[str, ...],
    feed: str,
    venue: str | None,
    tickers: tuple[str, ...],
    depth: int,
    price_exponent: int,
    qty_exponent: int,
    archive: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Put recorded FILES onto the tape md.FEED: queries, replays and plots have them like any feed's. What was
    imported before is left as it is, and an import that was ended goes on.

    \b
    hftbacktest   lines `<ns> <frame>`, of Binance
    cryptofeed    lines `<seconds>: <frame>`, and REST answers; several files are one recording
    cbcap         a frame's time and size, then its bytes
    csv           trades: columns ts, price, qty, and if there are any side, trade_id, ticker

    \b
    tapewire import csv trades.csv --feed mine --ticker SPY --price-exponent -2
    tapewire import cbcap btcusd.cbcap.gz --feed kraken-2026 --venue kraken --ticker BTC/USD --archive
    """
    import msgspec

    from tapewire.subjects import is_word

    if format != "csv" and (venue is None or not tickers):
        raise click.UsageError(f"{format}: give --venue, and each --ticker that was recorded")
    if not is_word(feed):
        raise click.UsageError(f"--feed {feed!r}: expected a lower-case word")
    # A service is named, not imported: tapewire depends on none.
    recordings = importlib.import_module("services.connector.recordings")
    importing = importlib.import_module("services.connector.importing")
    recording = recordings.Recording(format, tuple(files), venue or "", tickers, depth, price_exponent, qty_exponent)
    try:
        with progress("frames") as tell:
            done = importing.import_recording(data, feed, recording, tell)
        if archive:
            with progress() as tell:
                importlib.import_module("services.flusher.archiver").archive_all(data, f"md.{feed}", tell)
    except OSError as error:
        raise TapewireError(f"{error.filename or data}: {error.strerror}") from error
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done)).decode())
    else:
        what = "are there already:" if done.repeated else "are on the tape:"
        click.echo(f"{', '.join(done.files)} {what} md.{feed}, records {done.first_seq:,} to {done.last_seq:,}")
