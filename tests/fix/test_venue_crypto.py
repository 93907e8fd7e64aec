"""Binance, Coinbase and Kraken over TLS, as the simulator speaks them and misbehaves."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from services.simulator.fix_venue.running import RunningVenue
from tapewire import messages as m
from tests.fix.certificates import self_signed
from tests.fix.processes import skip_reason
from tests.fix.venue_process import Desk, adds_up

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
BUY, SELL = m.Side.buy, m.Side.sell
KEY = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""


class Crypto(NamedTuple):
    dialect: str
    symbol: str
    tick: int
    """Places of prices."""
    lot: int
    secret: str
    passphrase: str = ""
    more: str = ""


VENUES = (
    Crypto("binance", "BTCUSDT", -2, -5, KEY),
    Crypto("coinbase", "BTC-USD", -2, -8, base64.b64encode(b"a secret of thirty-two bytes ...").decode(), "passphrase"),
    Crypto(
        "kraken", "BTC/USD", -1, -8,
        base64.b64encode(b"a secret that is sixty-four bytes long, as the venue's own are .").decode(),
        more='id_prefix = "1"\n',
    ),
)  # fmt: skip


def crypto_desk(folder: Path, one: Crypto, ca: Path, server_name: str = "localhost") -> Desk:
    folder.mkdir(parents=True, exist_ok=True)
    keys = f'dialect = "{one.dialect}"\ncomp_id = "CLIENT"\nusername = "client"\nserver_name = "{server_name}"\n'
    keys += f'ca_file = "{ca}"\n{one.more}'
    for name, text in (("secret_file", one.secret), ("passphrase_file", one.passphrase)):
        if text:
            path = folder / name
            path.write_text(text)
            path.chmod(0o600)
            keys += f'{name} = "{path}"\n'
    return Desk(folder, keys, symbol=one.symbol, price_exponent=one.tick, qty_exponent=one.lot)


@pytest.fixture(params=VENUES, ids=lambda one: one.dialect)
def market(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Crypto, RunningVenue, Desk]]:
    certificate, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    desk = crypto_desk(tmp_path / "desk", request.param, certificate)
    with RunningVenue(tmp_path / "venue", request.param.dialect, levels=3, lots=1000, tls=context) as venue:
        desk.start(venue.port)
        try:
            desk.wait_ready()
            assert asked == ["localhost"]
            yield request.param, venue, desk
        finally:
            desk.close()


def price(one: Crypto, whole: int) -> int:
    return int(whole * 10**-one.tick)


def truth(venue: RunningVenue, desk: Desk) -> dict[int, int]:
    """CumQty by child from the venue's engine, by the names in what we sent."""
    names = {}
    orders = venue.orders()
    for child in range(1, desk.children + 1):
        names[child] = 0
        mine = set(desk.names_of(child))
        for order in orders:
            if mine & set(order["cl_ord_ids"]):
                names[child] += desk.to_qty(order["cum_qty"])
    return names


def filled(totals: dict[int, int]) -> dict[int, int]:
    return {child: qty for child, qty in totals.items() if qty}


def test_an_order_rests_is_amended_filled_and_cancelled(market: tuple[Crypto, RunningVenue, Desk]) -> None:
    one, venue, desk = market
    child = desk.new(BUY, 500_000, price(one, 60_000), post_only=True)
    desk.wait_for(child, "accepted")
    desk.replace(child, price(one, 60_000), 400_000)
    desk.wait_for(child, "replaced")
    desk.replace(child, price(one, 60_500), 600_000)
    desk.until(lambda: desk.kinds(child).count("replaced") == 2)
    said = desk.reports(child)[-1]
    assert (said.price, said.qty, said.leaves_qty, said.live) == (price(one, 60_500), 600_000, 600_000, True)
    venue.fault("fill")
    desk.wait_for(child, "replaced", "executed")
    assert adds_up(desk.reports()) == {child: 600_000} == truth(venue, desk)
    assert not desk.reports(child)[-1].live
    desk.cancel(child)
    desk.wait_for(child, "executed", "cancel_rejected")
    secrets = [desk.config.parent / name for name in ("secret_file", "passphrase_file")]
    told = " ".join(raw for kind in "AD5" for raw in desk.sent(kind)) + desk.log.read_text()
    assert not any(path.read_text().strip() in told for path in secrets if path.exists())
    assert "\x01554=" not in told
    assert "\x0196=" not in told


def test_faults_of_the_venue_add_up(market: tuple[Crypto, RunningVenue, Desk]) -> None:
    one, venue, desk = market
    venue.fault("out_of_order", count=2)
    venue.fault("repeat", count=3, how="plain")
    taker = desk.new(BUY, 300_000, price(one, 65_000))
    desk.wait_for(taker, "executed")
    venue.fault("reject", of="D", text="no")
    refused = desk.new(BUY, 100_000, price(one, 60_000))
    desk.wait_for(refused, "rejected")
    child = desk.new(BUY, 400_000, price(one, 60_000))
    desk.wait_for(child, "accepted")
    venue.fault("late_fill", qty=desk.qty_text(100_000))
    desk.cancel(child)
    desk.until(lambda: not desk.reports(child)[-1].live and adds_up(desk.reports())[child] > 0)
    lost = desk.new(SELL, 100_000, price(one, 70_000))
    desk.wait_for(lost, "accepted")
    desk.until(
        lambda: (
            {n: q for n, q in adds_up(desk.reports()).items() if q}
            == {n: q for n, q in truth(venue, desk).items() if q}
        )
    )


def test_a_connection_lost_in_mid_fill_is_reconciled(market: tuple[Crypto, RunningVenue, Desk]) -> None:
    one, venue, desk = market
    child = desk.new(BUY, 400_000, price(one, 60_000))
    desk.wait_for(child, "accepted")
    venue.fault("disconnect", when="mid_fill")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_ready(2)
    assert "down" in desk.states()[1:]
    assert adds_up(desk.reports())[child] == truth(venue, desk)[child] == 100_000
    assert desk.reports(child)[-1].live == (one.dialect != "binance")  # where it was cancelled to learn as much
    again = desk.new(BUY, 100_000, price(one, 60_000))
    desk.wait_for(again, "accepted")


def test_silence_ends_in_questions_and_a_kill_in_reconciliation(market: tuple[Crypto, RunningVenue, Desk]) -> None:
    one, venue, desk = market
    venue.fault("silence", what="reports", seconds=2)
    child = desk.new(BUY, 400_000, price(one, 60_000))
    desk.until(lambda: len(desk.sent("H" if one.dialect != "binance" else "F")) > 0)
    desk.until(lambda: bool(desk.kinds(child)))
    desk.end()
    desk.start(venue.port)
    desk.wait_ready(2)
    assert adds_up(desk.reports()).get(child, 0) == truth(venue, desk)[child]


@pytest.mark.parametrize("name", ["another.example", "localhost"])
def test_a_certificate_that_is_not_the_venues_is_refused(tmp_path: Path, name: str) -> None:
    """Either of another name, or signed by nobody we trust: nothing is sent, not even a Logon."""
    certificate, key = self_signed(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    desk = crypto_desk(tmp_path / "desk", VENUES[0], certificate if name != "localhost" else other, name)
    with RunningVenue(tmp_path / "venue", "binance", tls=context) as venue:
        desk.start(venue.port)
        try:
            desk.until(lambda: "certificate verify failed" in desk.log.read_text())
            assert desk.states()[-1] == "down"
            assert not [one for one in desk.records() if isinstance(one, m.FixReceived)]
        finally:
            desk.close()
