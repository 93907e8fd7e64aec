"""Offer orders at fixed rates, whatever the answers do, and report latency free of coordinated omission."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapewire.cli._options import data_option, json_option
from tapewire.cli._progress import progress

if TYPE_CHECKING:
    from tapewire.load.measure import Recorder
    from tapewire.load.schedule import Step


class Steps(click.ParamType["list[Step]"]):
    """Rates and for how long: 100x5,1000x10."""

    name = "steps"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Step]:
        from tapewire.errors import ConfigError
        from tapewire.load.schedule import parse

        if not isinstance(value, str):
            return list(value)
        try:
            return parse(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--ticker", required=True, help="The instrument. It must be trading."),
        click.option("--account", type=click.IntRange(min=1), required=True, help="Whose orders they are."),
        click.option(
            "--steps", type=Steps(), default="100x5", show_default=True, help="RATExSECONDS, one after another."
        ),
        click.option("--hlog", type=click.Path(path_type=Path), help="Write HdrHistogram's log, a line a step."),
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Offers orders at intended times and measures from those, so that a stall counts for all it delays.

    Orders are IOC far below the market: accepted, cancelled, gone. They stand on the tape like any other. Corrected
    latency begins at the intended time, uncorrected at the sending; where the two differ, a generator that waits for
    answers would have left something out.

    \b
    tapewire load ring --ticker BTCUSDT --account 9 --producer example --steps 100x5,1000x5
    tapewire load http --url http://127.0.0.1:8080 --key bench --secret-file key --ticker BTCUSDT \\
        --account 9 --price 63000.00 --qty 0.00001
    """


@command.command()
@click.option("--producer", default="example", show_default=True, help="The ring: one of [engine] producers.")
@click.option("--shard", type=click.IntRange(min=0), default=0, show_default=True)
@_shared
@data_option
def ring(
    producer: str,
    shard: int,
    ticker: str,
    account: int,
    steps: list[Step],
    hlog: Path | None,
    as_json: bool,
    data: Path,
) -> None:
    """Through a ring of the engine; answers are read off the tape.

    \b
    tapewire load ring --ticker BTCUSDT --account 9 --producer example --steps 1000x5,5000x5
    """
    from tapewire.client import OrderClient
    from tapewire.errors import TapewireError
    from tapewire.load import ring as door

    with OrderClient.open(data, shard, producer=producer) as client, progress("orders") as tell:
        instruments = client.instruments()
        if ticker not in instruments:
            raise TapewireError(f"no instrument {ticker}; there are {', '.join(sorted(instruments)) or 'none'}")
        at = door.RingDoor(client, instruments[ticker], account)
        recorder = door.run(at, steps, progress=partial(tell, "sending"))
    _report(recorder, hlog, as_json)


@command.command()
@click.option("--url", required=True, help="Of the API, without /v1.")
@click.option("--key", required=True, help="The name of a key in [[api.keys]] with the scope trade.")
@click.option("--secret-file", type=click.Path(path_type=Path), required=True, help="The key's secret (HMAC).")
@click.option("--price", required=True, help="A limit far below the market, as decimal text.")
@click.option("--qty", required=True, help="As decimal text.")
@click.option("--connections", type=click.IntRange(1, 1000), default=16, show_default=True)
@_shared
def http(
    url: str,
    key: str,
    secret_file: Path,
    price: str,
    qty: str,
    connections: int,
    ticker: str,
    account: int,
    steps: list[Step],
    hlog: Path | None,
    as_json: bool,
) -> None:
    """Through the API, by signed requests over some connections.

    \b
    tapewire load http --url http://127.0.0.1:8080 --key bench --secret-file key --ticker BTCUSDT \\
        --account 9 --price 63000.00 --qty 0.00001 --steps 50x5,200x5
    """
    import asyncio

    from tapewire.errors import TransportError
    from tapewire.load import http as door
    from tapewire.load.signing import signer

    target = door.Target(url, key, signer(secret_file))
    order = door.Order(account, ticker, price, qty)
    with progress("orders") as tell:
        run = door.run(target, order, steps, connections=connections, progress=partial(tell, "sending"))
        try:
            recorder = asyncio.run(run)
        except* (OSError, TransportError, TimeoutError) as errors:
            raise TransportError(f"{url}: {errors.exceptions[0] or 'no answer in time'}") from errors
    _report(recorder, hlog, as_json)


def _report(recorder: Recorder, hlog: Path | None, as_json: bool) -> None:
    import time

    import orjson

    from tapewire.errors import TapewireError
    from tapewire.histogram import hdr
    from tapewire.load.measure import words

    if hlog is not None:
        begin = at = time.time_ns()
        intervals = []
        for one in recorder.steps:
            until = at + int(one.step.seconds * 1e9)
            intervals.append((at, until, {"corrected": one.corrected, "uncorrected": one.uncorrected}))
            at = until
        try:
            with hlog.open("w", encoding="ascii") as out:
                hdr.write_log(out, begin, intervals)
        except OSError as error:
            raise TapewireError(f"{hlog}: cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(orjson.dumps({"steps": [one.to_dict() for one in recorder.steps]}).decode())
    else:
        for line in words(recorder.steps):
            click.echo(line)
