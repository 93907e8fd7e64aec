"""The stream within the whole API, as a process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from websockets.asyncio.client import connect

from tests.api.stack import SECRETS, Stack
from tests.fix.processes import free_port
from tests.stream.world import Peer, signed


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
