"""Parent orders: enter, change and cancel them; see what became of each, and why."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapewire.cli._options import Moment, config_option, json_option

if TYPE_CHECKING:
    from tapewire import messages as m
    from tapewire.config import Config
    from tapewire.router_client import RouterClient

PERCENT_EXPONENT = -2
"""Of shares: 12.5 % is 1250 in 1/10,000."""


class Share(click.ParamType[int]):
    """A share in percent, as 1/10,000."""

    name = "percent"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from tapewire.errors import FixedError
        from tapewire.fixed import to_mantissa

        if isinstance(value, int):
            return value
        try:
            share = to_mantissa(value.rstrip("%"), PERCENT_EXPONENT)
        except FixedError as error:
            self.fail(str(error), param, ctx)
        if not 0 <= share <= 10_000:
            self.fail(f"{value}: expected 0 to 100 percent", param, ctx)
        return share


@click.group()
@config_option
@click.option("--client", default="traders", show_default=True, help="Whose ring, of [router] clients.")
@click.pass_context
def command(context: click.Context, path: Path | None, client: str) -> None:
    """Parent orders: what algorithms work and the router sends to venues.

    \b
    tapewire parent new buy 500 ACME --account 1 --algorithm twap --end +10m
    tapewire parent replace 1 --account 1 --qty 300
    tapewire parent cancel 1 --account 1
    tapewire parent list
    tapewire parent show 1

    Prices and quantities are decimals in the instrument's own units. Exit status 1: refused.
    """
    from tapewire.config import load

    context.obj = (load(path), client)


def _open(context: click.Context) -> RouterClient:
    from tapewire.router_client import RouterClient

    settings, client = context.obj
    return RouterClient.open(settings.data, settings.router.number, client=client)


def _tape(context: click.Context) -> Path:
    settings: Config = context.obj[0]
    return settings.folders.router_tape(settings.router.number)


def _say(client: RouterClient, cl_ord_id: int, as_json: bool) -> None:
    """Prints the answer; a refusal is an error."""
    from tapewire import messages as m
    from tapewire.errors import TapewireError

    answer = client.answer(cl_ord_id)
    if isinstance(answer, m.ParentRefused):
        numbers = f" ({answer.value}, {answer.limit})" if answer.value or answer.limit else ""
        raise TapewireError(f"refused: {answer.reason.name}{numbers}{': ' + answer.text if answer.text else ''}")
    if as_json:
        import orjson

        click.echo(orjson.dumps(answer.to_dict()).decode())
    else:
        click.echo(f"parent {answer.parent_id}: {answer.state.name}")


def _definition(client: RouterClient, ticker: str) -> m.InstrumentDefinition:
    from tapewire.errors import TapewireError

    known = client.instruments()
    if ticker not in known:
        raise TapewireError(f"the router has no instrument {ticker!r}; there is {', '.join(sorted(known)) or 'none'}")
    return known[ticker]


def _venue_bits(settings: Config, names: tuple[str, ...]) -> int:
    from tapewire.errors import TapewireError

    numbers = {venue.name: venue.number for venue in settings.venues}
    unknown = [name for name in names if name not in numbers]
    if unknown:
        raise TapewireError(f"--venue {unknown[0]}: expected one of {', '.join(numbers)}")
    return sum(1 << numbers[name] for name in set(names))


@command.command()
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("qty")
@click.argument("ticker")
@click.option("--account", type=click.IntRange(min=1), required=True)
@click.option("--algorithm", type=click.Choice(["sweep", "twap", "vwap", "pov", "iceberg", "shortfall"]), required=True)
@click.option("--limit", "limit_price", help="Never worse than this price. Default: none.")
@click.option("--ioc", is_flag=True, help="Of a sweep: cancel what cannot be traded at once.")
@click.option("--start", "start_time", type=Moment(), default=0, help="When to begin, such as 14:30 or +5m.")
@click.option("--end", "end_time", type=Moment(), default=0, help="When to end.")
@click.option("--participation", type=Share(), default=0, help="Of a pov: its aim, in percent of the market's volume.")
@click.option("--max-participation", type=Share(), default=0, help="Never more than this, in percent.")
@click.option("--display", "display_qty", help="Of an iceberg: how much it shows.")
@click.option("--interval", type=click.FloatRange(min=0), default=0.0, help="Seconds between slices.")
@click.option("--randomness", type=Share(), default=0, help="How far slices may differ from the even ones, in percent.")
@click.option("--urgency", type=Share(), default=0, help="Of a shortfall: 0 patient to 100 at once.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of its random numbers. Default: its number.")
@click.option("--venue", "venues", multiple=True, help="Only there; may be given several times. Default: everywhere.")
@json_option
@click.pass_context
def new(
    context: click.Context,
    /,
    side: str,
    qty: str,
    ticker: str,
    account: int,
    algorithm: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Enter a parent order: SIDE QTY TICKER, such as `buy 500 ACME`.

    \b
    tapewire parent new buy 500 ACME --account 1 --algorithm twap --end +10m
    """
    from tapewire import messages as m
    from tapewire.fixed import to_mantissa

    with _open(context) as client:
        definition = _definition(client, ticker)
        kind = m.Algorithm[algorithm]
        tif = m.TimeInForce.unspecified
        if kind == m.Algorithm.sweep:
            tif = m.TimeInForce.ioc if given["ioc"] else m.TimeInForce.day
        elif given["ioc"]:
            raise click.UsageError("--ioc is of a sweep")
        price, shown = given["limit_price"], given["display_qty"]
        number = client.new(
            instrument=definition.instrument,
            side=m.Side[side],
            qty=to_mantissa(qty, definition.qty_exponent),
            account=account,
            algorithm=kind,
            time_in_force=tif,
            limit_price=to_mantissa(price, definition.price_exponent) if price else 0,
            display_qty=to_mantissa(shown, definition.qty_exponent) if shown else 0,
            interval=int(given["interval"] * 1e9),
            venues=_venue_bits(context.obj[0], given["venues"]),
            **{
                name: given[name]
                for name in (
                    *("start_time", "end_time", "participation", "max_participation"),
                    *("randomness", "urgency", "seed"),
                )
            },
        )
        _say(client, number, as_json)


@command.command()
@click.argument("parent", type=click.IntRange(min=1))
@click.option("--account", type=click.IntRange(min=1), required=True)
@click.option("--qty", help="All of it, what is done included.")
@click.option("--limit", "limit_price", help="Never worse than this price.")
@click.option("--end", "end_time", type=Moment(), default=0)
@click.option("--participation", type=Share(), default=0)
@click.option("--max-participation", type=Share(), default=0)
@json_option
@click.pass_context
def replace(
    context: click.Context,
    /,
    parent: int,
    account: int,
    qty: str | None,
    limit_price: str | None,
    as_json: bool,
    **given: int,
) -> None:
    """Change a parent's terms; those not named stay. Its children follow.

    \b
    tapewire parent replace 3 --account 1 --qty 300
    """
    from tapewire.errors import TapewireError
    from tapewire.fixed import to_mantissa
    from tapewire.router_parents import read

    stories = read(_tape(context), parent)
    if parent not in stories.parents:
        raise TapewireError(f"there is no parent {parent}; see `tapewire parent list`")
    definition = stories.instruments[stories.parents[parent].new.instrument]
    with _open(context) as client:
        number = client.replace(
            parent,
            account,
            qty=to_mantissa(qty, definition.qty_exponent) if qty else 0,
            limit_price=to_mantissa(limit_price, definition.price_exponent) if limit_price else 0,
            **given,
        )
        _say(client, number, as_json)


@command.command()
@click.argument("parent", type=click.IntRange(min=1))
@click.option("--account", type=click.IntRange(min=1), required=True)
@json_option
@click.pass_context
def cancel(context: click.Context, parent: int, account: int, as_json: bool) -> None:
    """Cancel a parent: its children are pulled, and it ends when they are gone.

    \b
    tapewire parent cancel 3 --account 1
    """
    with _open(context) as client:
        _say(client, client.cancel(parent, account), as_json)


@command.command()
@click.option("--account", type=click.IntRange(min=0), default=0, help="Only this account; 0: everybody's.")
@click.option("--release", is_flag=True, help="Take a kill back.")
@click.option("--keep-orders", is_flag=True, help="Leave parents and children as they are; only nothing new is made.")
@click.option("--reason", default="", help="What the tape says.")
@json_option
@click.pass_context
def kill(context: click.Context, account: int, release: bool, keep_orders: bool, reason: str, as_json: bool) -> None:
    """Refuse new parents and pull all children, until released. Needs a client of the role operator (--client).

    \b
    tapewire parent --client desk-operator kill --account 1
    """
    with _open(context) as client:
        client.kill(account, engaged=not release, cancel_open=not keep_orders, reason=reason)
    done = "released" if release else "killed"
    click.echo(f'{{"account":{account},"done":"{done}"}}' if as_json else done)


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@json_option
@click.pass_context
def list_(context: click.Context, everything: bool, as_json: bool) -> None:
    """The parents, one a line.

    \b
    tapewire parent list --all
    tapewire parent list --json
    """
    from tapewire.cli._parents import Teller
    from tapewire.router_parents import read

    stories = read(_tape(context))
    teller = Teller(stories)
    chosen = [story for story in stories.parents.values() if everything or not story.ended]
    if as_json:
        click.echo(teller.as_json([teller.summary(story) for story in chosen]))
        return
    for line in teller.table(chosen):
        click.echo(line)


@command.command()
@click.argument("parent", type=click.IntRange(min=1))
@json_option
@click.pass_context
def show(context: click.Context, parent: int, as_json: bool) -> None:
    """One parent: its terms, schedule, decisions with their scores, children, progress and slippage.

    \b
    tapewire parent show 3
    """
    from tapewire.cli._parents import Teller
    from tapewire.errors import TapewireError
    from tapewire.router_parents import read

    stories = read(_tape(context), parent)
    story = stories.parents.get(parent)
    if story is None:
        raise TapewireError(f"there is no parent {parent}; see `tapewire parent list --all`")
    teller = Teller(stories)
    if as_json:
        click.echo(teller.as_json(teller.whole(story)))
        return
    for line in teller.words(story, time.time_ns()):
        click.echo(line)
