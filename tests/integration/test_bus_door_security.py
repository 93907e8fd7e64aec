"""The door to the bus behind the shipped server's settings: everybody has the key that `tapewire bus keys` made."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import tapewire
from tapewire import messages as m
from tapewire.cli import cli
from tapewire.config import Nats
from tapewire.connection import Connection, OrderStatus
from tapewire.errors import TransportError
from tapewire.transports.nats import NatsTransport
from tests.client.stack import BusStack
from tests.engine_process import ROOT
from tests.fix.certificates import self_signed

PATIENCE_S = 30.0
ENV = f"t{os.getpid()}"
FEED = '[feed.binance]\nvenue = "binance"\ntickers = ["BTCUSDT"]\n'


class Secured(BusStack):
    """Engine, journal and API on a bus that lets nobody in without a key, for accounts 1 and 2."""

    def __init__(self, folder: Path) -> None:
        self.certificate, private = self_signed(folder, "localhost")
        arguments = ["bus", "keys", str(folder), "--env", ENV, "--feed", "binance", "--account", "1", "--account", "2"]
        made = CliRunner().invoke(cli, arguments)
        assert made.exit_code == 0, made.output
        self.keys, config = folder / "keys", folder / "nats-server.conf"
        text = (ROOT / "deploy" / "nats" / "nats-server.conf").read_text()
        for name, value in (("CERT", self.certificate), ("KEY", private), ("STORE", folder / "store")):
            text = text.replace(f"$TAPEWIRE_NATS_{name}", f'"{value}"')
        config.write_text(text)
        nats = f'url = "tls://localhost:{{port}}"\nkeys = "{self.keys}"\nca = "{self.certificate}"'
        super().__init__(folder, nats_config=config, nats=nats, more=FEED)

    def settings(self, user: str) -> Nats:
        url = f"tls://localhost:{self.nats_port}"
        return Nats(url=url, keys=self.keys, ca=self.certificate, user=user, connect_timeout=PATIENCE_S)

    def as_user(self, user: str, account: int, answer_timeout: float = PATIENCE_S) -> Connection:
        return tapewire.connect(env=ENV, account=account, nats=self.settings(user), answer_timeout=answer_timeout)

    def refusals(self, service: str) -> list[str]:
        """What the server did not let a service do."""
        lines = [json.loads(line) for line in self.log(service).read_text().splitlines() if line.startswith("{")]
        return [str(line) for line in lines if "violation" in str(line).lower()]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with Secured(tmp_path_factory.mktemp("secured")) as running:
        yield running


async def test_an_account_enters_orders_hears_of_them_and_sees_the_market(stack: Secured) -> None:
    async with stack.as_user("account-1", 1) as seller, stack.as_user("account-2", 2) as buyer:
        sell = await seller.sell("ACME", 10, "100.05")
        assert (await sell.ack()).kind == "accepted"
        buy = await buyer.buy("ACME", 4, "100.06")
        await asyncio.wait_for(buy.done(), PATIENCE_S)
        assert buy.status == OrderStatus.filled
        assert (await sell.cancel()).kind == "cancelled"
        assert [report.kind async for report in sell.reports()] == ["accepted", "executed", "cancelled"]


async def test_services_may_do_all_that_they_do(stack: Secured) -> None:
    heard: dict[str, m.Message] = {}
    operator = NatsTransport(stack.settings("operator"))
    await operator.connect()
    try:
        await operator.subscribe(f"{ENV}.ops.health.*", lambda got: heard.update({got.subject: m.decode(got.data)}))
        async with asyncio.timeout(PATIENCE_S):
            while len(heard) < 2:
                await asyncio.sleep(0.01)
            answer = await operator.request("$SRV.INFO", b"", timeout=PATIENCE_S)
    finally:
        await operator.close()
    assert set(heard) == {f"{ENV}.ops.health.api", f"{ENV}.ops.health.journal"}
    assert json.loads(bytes(answer.data))["type"].startswith("io.nats.micro")
    assert (stack.refusals("api"), stack.refusals("journal")) == ([], [])


def orders(stack: Secured) -> list[m.Message]:
    return [one for one in stack.records() if isinstance(one, m.NewOrder)]


async def test_the_user_of_another_account_can_enter_nothing_for_it(stack: Secured) -> None:
    before = orders(stack)
    async with stack.as_user("account-2", 1, answer_timeout=0.5) as stranger:
        with pytest.raises(TransportError):
            await stranger.buy("ACME", 1, "100")
    order = m.NewOrder(account=1, instrument=1, side=m.Side.buy, ord_type=m.OrdType.limit, price=10_000, qty=1)
    raw = bytes(order.replace(time_in_force=m.TimeInForce.gtc, client_text="forged"))
    transport = NatsTransport(stack.settings("account-2"))
    await transport.connect()
    try:
        with pytest.raises(TransportError):
            await transport.request(f"{ENV}.orders.command.1", raw, timeout=0.5)
        # The same order where this user may send it is not of the account that the subject names.
        told = await transport.request(f"{ENV}.orders.command.2", raw, timeout=PATIENCE_S)
        assert (told.headers or {})["Tapewire-Error"] == "invalid_field account 1 by the subject of 2"
    finally:
        await transport.close()
    assert orders(stack) == before
