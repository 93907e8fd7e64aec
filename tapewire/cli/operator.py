"""Command the market: halt, resume, auctions, limits, kill, bust and correct trades.

Each command goes to the engine by the operator's ring; what is printed is its answer, read off the tape.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from tapewire import messages as m
from tapewire.cli._options import config_option, json_option
from tapewire.config import load
from tapewire.errors import ConfigError
from tapewire.fixed import exponent_of, to_mantissa, to_text

REASONS = ("requested", "schedule", "news", "market_wide")
JSON = "tapewire.operator.json"
"""Whether the subcommand was asked for JSON, in click's context."""
STATUSES = [status.name for status in m.InstrumentStatus if status not in (0, m.InstrumentStatus.delisted)]


@click.group()
@config_option
@click.option("--data", type=click.Path(path_type=Path), help="The data folder. Default: that of the settings.")
@click.pass_context
def command(context: click.Context, path: Path | None, data: Path | None) -> None:
    """Command the market, by the ring of a producer of the role operator.

    \b
    tapewire operator halt BTCUSD --reason news
    tapewire operator resume --all
    tapewire operator auction BTCUSD --kind closing --resume-in 300
    tapewire operator kill --account 7
    tapewire operator correct 1041 --price 64000.50

    Prices and quantities are decimals in the instrument's own units. Exit status 1: refused, and nothing was changed.
    """
    settings = load(path)
    named = [producer.name for producer in settings.engine.producers if producer.role == "operator"]
    if not named:
        raise ConfigError("engine.producers: none has the role operator; expected one to send this command by")
    context.obj = (data or settings.data, settings.engine.shard, named[0])


def _sends(function: Callable[..., None]) -> Callable[..., None]:
    """Gives `function` an open services.engine.operator.Operator. Not before its arguments are known to be good."""

    @click.pass_context
    @functools.wraps(function)
    def run(context: click.Context, /, *args: Any, **given: Any) -> None:
        data, shard, producer = context.obj
        # A service is named, not imported: tapewire depends on none.
        service = importlib.import_module("services.engine.operator")
        context.meta[JSON] = given.pop("as_json")
        with service.Operator(data, shard, producer=producer) as operator:
            function(operator, *args, **given)

    return json_option(run)


def _say(line: str) -> None:
    """For people; programs get the answer as one document from _done."""
    if not click.get_current_context().meta[JSON]:
        click.echo(line)


def _target(function: Callable[..., None]) -> Callable[..., None]:
    function = click.option("--all", "everything", is_flag=True, help="Every instrument.")(function)
    return click.argument("ticker", required=False)(function)


def _why(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--reason",
        type=click.Choice(REASONS),
        default="requested",
        show_default=True,
        help="What subscribers are told.",
    )(function)


def _until(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--resume-in", type=click.FloatRange(min=0.001), help="Seconds until trading resumes by itself. Default: never."
    )(function)


def _set_status(
    operator: Any,
    status: m.InstrumentStatus,
    ticker: str | None,
    everything: bool,
    reason: str,
    resume_in: float | None,
) -> None:
    if bool(ticker) == everything:
        raise click.UsageError("name one TICKER, or --all")
    tickers = {definition.instrument: name for name, definition in operator.instruments().items()}
    instrument = operator.instrument(ticker).instrument if ticker else 0
    resume_time = time.time_ns() + int(resume_in * 1e9) if resume_in else 0
    answer = operator.set_status(instrument, status, reason=m.StatusReason[reason], resume_time=resume_time)
    for event in answer.events:
        if isinstance(event, m.InstrumentStatusChanged):
            _say(f"{tickers.get(event.instrument, event.instrument)}: {event.old_status.name} -> {event.status.name}")
    _done(answer)


def _done(answer: Any) -> None:
    """Says the record it has become, and what came of it; raises if it was refused."""
    completed = answer.completed
    if click.get_current_context().meta[JSON]:
        import orjson

        events = [event.to_dict() for event in answer.events]
        click.echo(orjson.dumps({"record": completed.cause, "count": completed.count, "events": events}).decode())
        return
    came = Counter(type(event).__name__ for event in answer.events[:-1])
    told = "".join(f", {count} {name}" for name, count in sorted(came.items()))
    _say(f"done: record {completed.cause}, count {completed.count}{told}")


@command.command()
@_target
@_why
@_until
@_sends
def halt(operator: Any, ticker: str | None, everything: bool, reason: str, resume_in: float | None) -> None:
    """Stop trading: no new orders, no replaces; cancels are taken.

    \b
    tapewire operator halt BTCUSDT --reason news --resume-in 300
    tapewire operator halt --all --json
    """
    _set_status(operator, m.InstrumentStatus.halted, ticker, everything, reason, resume_in)


@command.command()
@_target
@_why
@_sends
def resume(operator: Any, ticker: str | None, everything: bool, reason: str) -> None:
    """Trade, after a halt or an auction: what was collected is uncrossed first.

    \b
    tapewire operator resume BTCUSDT
    """
    _set_status(operator, m.InstrumentStatus.trading, ticker, everything, reason, None)


@command.command("open")
@_target
@_sends
def open_(operator: Any, ticker: str | None, everything: bool) -> None:
    """Trade, by the schedule: the opening auction is uncrossed first.

    \b
    tapewire operator open --all
    """
    _set_status(operator, m.InstrumentStatus.trading, ticker, everything, "schedule", None)


@command.command()
@_target
@_why
@_sends
def close(operator: Any, ticker: str | None, everything: bool, reason: str) -> None:
    """End the day: the closing auction is uncrossed, DAY orders expire.

    \b
    tapewire operator close --all --reason schedule
    """
    _set_status(operator, m.InstrumentStatus.closed, ticker, everything, reason, None)


@command.command()
@_target
@click.option("--kind", type=click.Choice(["opening", "closing", "halt"]), default="halt", show_default=True)
@_why
@_until
@_sends
def auction(
    operator: Any, ticker: str | None, everything: bool, kind: str, reason: str, resume_in: float | None
) -> None:
    """Collect orders for an auction; `open`, `resume` or `close` uncrosses them.

    \b
    tapewire operator auction BTCUSDT --kind closing --resume-in 300
    """
    _set_status(operator, m.InstrumentStatus[f"{kind}_auction"], ticker, everything, reason, resume_in)


@command.command()
@click.argument("ticker")
@_sends
def delist(operator: Any, ticker: str) -> None:
    """Cancel all orders of an instrument and forget it.

    \b
    tapewire operator delist BTCUSDT
    """
    _set_status(operator, m.InstrumentStatus.delisted, ticker, False, "requested", None)


@command.command()
@click.option("--account", type=click.IntRange(min=1), default=0, help="Only this account. Default: everybody.")
@click.option("--keep-orders", is_flag=True, help="Leave what is live; only new orders are refused.")
@_sends
def kill(operator: Any, account: int, keep_orders: bool) -> None:
    """Refuse new orders from now on, and cancel those that are live.

    \b
    tapewire operator kill --account 7
    tapewire operator kill
    """
    _done(operator.kill(account, cancel_open=not keep_orders))


@command.command()
@click.option("--account", type=click.IntRange(min=1), default=0, help="Only this account. Default: everybody.")
@_sends
def release(operator: Any, account: int) -> None:
    """Take a kill back: new orders are taken again.

    \b
    tapewire operator release --account 7
    """
    _done(operator.release(account))


@command.command()
@click.argument("ticker")
@click.option("--tick-size", help="Every price is a multiple of it. Changes only while no order is live.")
@click.option("--lot-size", help="The same for quantities.")
@click.option("--max-qty", help="Largest quantity of one order; 0: the platform's bound.")
@click.option("--min-price", help="Inclusive; 0: the platform's bound.")
@click.option("--max-price", help="Inclusive; 0: the platform's bound.")
@click.option("--reference-price", help="Puts collar and static band around this price.")
@click.option("--collar-bps", type=click.IntRange(0, 100_000))
@click.option("--static-band-bps", type=click.IntRange(0, 10_000))
@click.option("--dynamic-band-bps", type=click.IntRange(0, 10_000))
@click.option("--limit-state-ms", type=click.IntRange(min=0))
@click.option("--pause-ms", type=click.IntRange(min=0))
@click.option("--status", type=click.Choice(STATUSES), help="Of a new instrument. Default: trading.")
@_sends
def define(operator: Any, ticker: str, **given: Any) -> None:
    """Change an instrument's terms, those not named stay; or add one (with --tick-size and --lot-size).

    \b
    tapewire operator define BTCUSDT --reference-price 64000.00 --collar-bps 300
    tapewire operator define ACME --tick-size 0.01 --lot-size 1
    """
    known = operator.instruments().get(ticker)
    terms = {name: value for name, value in given.items() if value is not None}
    if known is None:
        if not {"tick_size", "lot_size"} <= terms.keys():
            raise click.UsageError(f"{ticker} is a new instrument: it needs --tick-size and --lot-size")
        terms["price_exponent"], terms["qty_exponent"] = exponent_of(terms["tick_size"]), exponent_of(terms["lot_size"])
    elif "status" in terms:
        raise click.UsageError(f"{ticker} is known: its status is changed by halt, resume, open, close, auction")
    for name, value in terms.items():
        if isinstance(value, str) and name != "status":
            kind = "qty_exponent" if name in ("lot_size", "max_qty") else "price_exponent"
            terms[name] = to_mantissa(value, cast(int, terms.get(kind, getattr(known, kind, 0))))
    if "status" in terms:
        terms["status"] = m.InstrumentStatus[terms["status"]]
    _done(operator.define(ticker, **terms))


@command.command()
@click.argument("account", type=click.IntRange(min=1))
@click.option("--max-order-qty", type=click.IntRange(min=0), help="Mantissas, as in the configuration; 0: no limit.")
@click.option("--max-notional", type=click.IntRange(min=0))
@click.option("--max-position", type=click.IntRange(min=0))
@click.option("--self-trade-group", type=click.IntRange(min=0), help="0: the account is a group of its own.")
@click.option("--self-trade", type=click.Choice([one.name for one in m.SelfTrade if one]))
@_sends
def limits(operator: Any, account: int, **given: Any) -> None:
    """Open an account, or change its limits; those not named stay.

    \b
    tapewire operator limits 7 --max-position 500000
    """
    terms = {name: value for name, value in given.items() if value is not None}
    if "self_trade" in terms:
        terms["self_trade"] = m.SelfTrade[terms["self_trade"]]
    _done(operator.limits(account, **terms))


@command.command()
@click.argument("match_id", type=click.IntRange(min=1))
@_sends
def bust(operator: Any, match_id: int) -> None:
    """A trade did not happen: positions are put back; the past stays on the tape.

    \b
    tapewire operator bust 1041
    """
    answer = operator.bust(match_id)
    _say_trade(operator, answer)
    _done(answer)


@command.command()
@click.argument("match_id", type=click.IntRange(min=1))
@click.option("--price", help="What it was traded at. Default: as it stands.")
@click.option("--qty", help="What was traded. Default: as it stands.")
@_sends
def correct(operator: Any, match_id: int, price: str | None, qty: str | None) -> None:
    """A trade happened at another price or quantity.

    \b
    tapewire operator correct 1041 --price 64000.50
    """
    if not price and not qty:
        raise click.UsageError("name --price, --qty, or both")
    definition = _definition(operator, operator.trade(match_id).instrument)
    new_price = to_mantissa(price, definition.price_exponent) if price else 0
    new_qty = to_mantissa(qty, definition.qty_exponent) if qty else 0
    answer = operator.correct(match_id, price=new_price, qty=new_qty)
    _say_trade(operator, answer)
    _done(answer)


def _definition(operator: Any, instrument: int) -> m.InstrumentDefinition:
    found = [one for one in operator.instruments().values() if one.instrument == instrument]
    return cast(m.InstrumentDefinition, found[-1])


def _say_trade(operator: Any, answer: Any) -> None:
    for event in answer.events:
        if isinstance(event, m.TradeBusted | m.TradeCorrected):
            terms = _definition(operator, event.instrument)
            qty, price = to_text(event.qty, terms.qty_exponent), to_text(event.price, terms.price_exponent)
            what = "busted" if isinstance(event, m.TradeBusted) else "now"
            _say(
                f"{terms.ticker}: trade {event.match_id} {what}: {qty} at {price}, "
                f"accounts {event.maker_account} and {event.taker_account}"
            )
