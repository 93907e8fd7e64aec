"""The stream within the whole API, as a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import connect

from tests.api.client import HttpClient
from tests.api.stack import PASSWORD, SECRETS, Stack
from tests.stream.world import Peer, signed
from tools.services.ports import free_port

ENDED = (1008, "the login that it was opened with has ended")


async def test_a_ticket_of_http_opens_it_orders_go_through_it_and_the_end_is_told(tmp_path: Path) -> None:
    port = free_port()
    with Stack(tmp_path, api=f"stream_port = {port}") as stack:
        answer = await asyncio.to_thread(stack.client("desk").call, "POST", "/v1/stream/ticket")
        assert answer.body["url"] == f"ws://127.0.0.1:{port}/v1/stream"
        async with connect(answer.body["url"], proxy=None) as mine, connect(answer.body["url"], proxy=None) as boss:
            desk, other = Peer(mine), Peer(boss)
            assert (await desk.ask(op="auth", ticket=answer.body["ticket"]))["name"] == "desk"
            assert (await other.ask(**signed("boss", secret=SECRETS["boss"])))["op"] == "auth"
            await other.subscribe(1, "tape", types=["order_accepted"])
            order = {"cl_ord_id": "a", "account": 1, "ticker": "BTCUSDT", "side": "buy", "type": "limit"}
            entered = await desk.ask(op="order", id=1, **order, qty="1", price="64000.00")
            assert entered["status"] == 201
            told = await other.next()
            assert told["records"][0]["fields"]["order_id"] == entered["body"]["order_id"]
            assert await asyncio.to_thread(stack.stop) == 0
            for peer in (desk, other):
                assert await peer.closed() == (1001, "the service ends; connect again in a moment, and resume")


async def test_logging_out_ends_the_streams_of_that_login_and_no_others(tmp_path: Path) -> None:
    with Stack(tmp_path, api=f"stream_port = {free_port()}") as stack:
        one, other = stack.client(""), stack.client("")
        for user in (one, other):
            assert (await asyncio.to_thread(user.log_in, "ann", PASSWORD)).status == 200
        async with logged_in(one) as mine, logged_in(one) as second, logged_in(other) as elsewhere:
            assert (await asyncio.to_thread(one.call, "POST", "/v1/logout")).status == 200
            for peer in (mine, second):
                assert await peer.closed() == ENDED
            assert (await elsewhere.ask(op="ping"))["op"] == "pong"


async def test_a_stream_ends_when_its_login_expires(tmp_path: Path) -> None:
    with Stack(tmp_path, api=f"stream_port = {free_port()}\nsession_timeout = 6.0") as stack:
        user = stack.client("")
        assert (await asyncio.to_thread(user.log_in, "ann", PASSWORD)).status == 200
        async with logged_in(user) as peer:
            await peer.subscribe(1, "orders", account=1)
            assert await peer.closed() == ENDED


@asynccontextmanager
async def logged_in(user: HttpClient) -> AsyncIterator[Peer]:
    """A stream that was opened with this user's login."""
    ticket = (await asyncio.to_thread(user.call, "POST", "/v1/stream/ticket")).body
    async with connect(ticket["url"], proxy=None) as ws:
        peer = Peer(ws)
        assert (await peer.ask(op="auth", ticket=ticket["ticket"]))["name"] == "ann"
        yield peer
