"""FIX: credentials for sessions, and a certification walk through a counterparty."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapewire.cli._options import data_option, json_option
from tapewire.errors import TapewireError

if TYPE_CHECKING:
    from tapewire.fix.client import Login
    from tapewire.fix.selftest import Report


@click.group()
def command() -> None:
    """FIX: credentials for sessions, and a certification walk through a counterparty.

    \b
    tapewire fix key acme
    tapewire fix selftest 127.0.0.1:9880 --sender ACME --secret-file acme.key --symbol ACME --price 90 --qty 2 --half 1
    """


@command.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["ed25519", "hmac", "password"]), default="ed25519", show_default=True)
@data_option
@json_option
def key(name: str, kind: str, data: Path, as_json: bool) -> None:
    """Make credentials for the session NAME. The client's secret is printed once and kept nowhere else; the lines for
    [[gateway.sessions]] hold what the gateway needs. A shared HMAC secret also goes to <data>/gateway/keys/NAME.
    With --json all of it is one object on standard output, the secret too.

    \b
    tapewire fix key acme
    tapewire fix key acme --kind hmac
    """
    import secrets

    from tapewire.fix.auth import SECRET_BYTES, hash_password, new_ed25519, write_secret

    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise TapewireError(f"key {name!r}: expected a name of a-z, 0-9, - and _")
    if kind == "password":
        secret = secrets.token_urlsafe(24)
        proof = {"password_hash": hash_password(secret)}
    elif kind == "hmac":
        raw, path = secrets.token_bytes(SECRET_BYTES), data / "gateway" / "keys" / name
        write_secret(path, raw)
        secret = base64.b64encode(raw).decode()
        proof = {"secret_file": str(path)}
    else:
        private, public = new_ed25519()
        secret = base64.b64encode(private).decode()
        proof = {"public_key": public}
    session = {"username": name, "auth": kind, **proof}
    if as_json:
        click.echo(json.dumps({"session": session, "secret": secret}))
        return
    click.echo(f"# for [[gateway.sessions]] of {name}:")
    click.echo("\n".join(f"{field} = {json.dumps(value)}" for field, value in session.items()))
    click.echo("\n# for the client, shown this once:", err=True)
    click.echo(secret, err=True)


@command.command()
@click.argument("address", metavar="HOST:PORT")
@click.option("--sender", required=True, help="Our CompID (49).")
@click.option("--target", default="TAPEWIRE", show_default=True, help="Theirs (56).")
@click.option("--username", default="", help="User, or id of the API key (553). Default: the CompID.")
@click.option(
    "--auth", type=click.Choice(["ed25519", "hmac", "password", "none"]), default="ed25519", show_default=True
)
@click.option("--secret-file", type=click.Path(path_type=Path), help="A file of mode 0600 with what `fix key` printed.")
@click.option("--version", "begin", type=click.Choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]), default="FIX.4.4")
@click.option("--symbol", required=True, help="An instrument to trade in.")
@click.option("--price", required=True, help="A price at which a buy order rests, far below the market.")
@click.option("--qty", required=True, help="Quantity of an order.")
@click.option("--half", required=True, help="A smaller quantity.")
@click.option("--account", default="", help="Account (1). Default: the session's first.")
@click.option("--tls/--no-tls", default=False, help="Connect by TLS, and check the certificate.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="PEM of who signed the certificate.")
@click.option("--drop-copy", metavar="COMPID=SECRETFILE", help="A drop copy session of the same account.")
@click.option("--market-data", metavar="COMPID=SECRETFILE", help="A session for books, where orders have another.")
@click.option("--slow", is_flag=True, help="Also what takes a while, as waiting for heartbeats.")
@json_option
def selftest(
    address: str,
    sender: str,
    target: str,
    username: str,
    auth: str,
    secret_file: Path | None,
    begin: str,
    symbol: str,
    price: str,
    qty: str,
    half: str,
    account: str,
    tls: bool,
    ca: Path | None,
    drop_copy: str | None,
    market_data: str | None,
    slow: bool,
    as_json: bool,
) -> None:
    """Walk a FIX counterparty through the rules of engagement (docs/fix.md) and report what it does. It places orders
    at --price, and trades --half of one with itself. Exit status 1: something failed.

    \b
    tapewire fix selftest 127.0.0.1:9880 --sender ACME --username acme --secret-file acme.key \\
        --symbol BTCUSDT --price 1000.00 --qty 0.02 --half 0.01
    """
    import ssl

    from tapewire.fix.selftest import Target, run

    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise click.BadParameter(f"{address!r}: expected HOST:PORT", param_hint="HOST:PORT")

    def beside(text: str | None) -> Login | None:
        """The login of a session besides that of the orders."""
        if text is None:
            return None
        name, _, path = text.partition("=")
        return _login(name, target, name, auth, Path(path), begin)

    wanted = Target(
        host=host.strip("[]"),
        port=int(port),
        login=_login(sender, target, username or sender, auth, secret_file, begin),
        symbol=symbol,
        price=price,
        qty=qty,
        half=half,
        account=account,
        tls=ssl.create_default_context(cafile=str(ca) if ca else None) if tls or ca else None,
        drop_copy=beside(drop_copy),
        market_data=beside(market_data),
        slow=slow,
    )
    try:
        report = run(wanted)
    except OSError as error:
        raise TapewireError(f"{address}: nobody to certify there: {error}") from None
    _print_json(report) if as_json else _print_table(report)
    if not report.ok:
        raise TapewireError(f"{report.count('failed')} of {len(report.results)} checks failed: see above")


def _login(sender: str, target: str, username: str, auth: str, path: Path | None, begin: str) -> Login:
    """Raises TapewireError: no file for a secret, or one that others can read."""
    from tapewire.fix.auth import read_private, read_secret
    from tapewire.fix.client import Login

    secret = b""
    if auth != "none":
        if path is None:
            raise TapewireError(f"--secret-file: missing; --auth {auth} needs what `tapewire fix key` printed")
        secret = read_private(path).encode() if auth == "password" else read_secret(path)
    return Login(sender, target, username, auth, secret, begin)  # type: ignore[arg-type]  # one of click's choices


def _print_json(report: Report) -> None:
    import msgspec

    head = {"target": report.target, "begin": report.begin, "ok": report.ok, "seconds": round(report.seconds, 3)}
    traffic = {"sent": dict(report.sent), "received": dict(report.received), "not_seen": report.not_seen()}
    results = [msgspec.to_builtins(one) for one in report.results]
    click.echo(json.dumps({**head, **traffic, "results": results}, indent=2))


def _print_table(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {"passed": ("✓", "green"), "failed": ("✗ failed", "bold red"), "skipped": ("– skipped", "yellow")}
    table = Table(title=f"{report.begin} certification of {report.target}", title_justify="left", box=box.SIMPLE_HEAD)
    for column, ratio in (("", 2), ("check", 9), ("result", 2), ("what came", 10)):
        table.add_column(column, ratio=ratio, overflow="fold")
    section = ""
    for one in report.results:
        if section not in ("", one.section):
            table.add_section()
        shown = Text(one.section if one.section != section else "", "bold")
        mark, style = marks[one.outcome]
        detail_style = "dim" if one.outcome == "passed" else style
        table.add_row(shown, one.name, Text(mark, style), Text(one.detail, detail_style))
        section = one.section
    console = Console()
    console.print(table)
    for way, counts in (("sent", report.sent), ("received", report.received)):
        types = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda one: -one[1]))
        console.print(f"{way}: {types}", style="dim", highlight=False)
    if missing := report.not_seen():
        names = ", ".join(f"{kind} {name}" for kind, name in missing.items())
        console.print(f"not seen: {names}", style="dim", highlight=False)
    counts_ = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))
    verdict, style = ("PASSED", "bold green") if report.ok else ("FAILED", "bold red")
    console.print(Text.assemble((verdict, style), f"  {counts_}, {report.seconds:.1f} s"))
