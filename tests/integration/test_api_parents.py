"""Parent orders over HTTP and the stream, with engine, republisher, bus, router and API as processes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tapewire import config
from tapewire import messages as m
from tapewire.nats_server import NatsServer
from tests.api.client import HttpClient
from tests.api.router_stack import RouterStack
from tests.api.stack import order
from tests.exported_traces import compare
from tests.stopped import stop
from tests.stream.world import Peer

PATIENCE_S = 60.0
NS = 10**9


@pytest.fixture
def stack(tmp_path: Path, nats_server: NatsServer) -> Iterator[RouterStack]:
    with RouterStack(tmp_path, nats_server.url) as stack:
        stack.quote()
        yield stack


def twap(cl_ord_id: str, seconds: float = 3.0, **changes: Any) -> dict[str, Any]:
    """Buys through the best ask, a slice a second."""
    body = {"cl_ord_id": cl_ord_id, "account": 1, "ticker": "BTCUSDT", "side": "buy", "algorithm": "twap"}
    body |= {"qty": "0.03000", "end_time": str(time.time_ns() + int(seconds * NS)), "interval_ms": 1000}
    return body | {"limit_price": "64003.00"} | changes


def iceberg(cl_ord_id: str, **changes: Any) -> dict[str, Any]:
    """Rests below the best ask."""
    body = {"cl_ord_id": cl_ord_id, "account": 1, "ticker": "BTCUSDT", "side": "buy", "algorithm": "iceberg"}
    return body | {"qty": "0.50000", "display_qty": "0.10000", "limit_price": "64000.00"} | changes


def shown(client: HttpClient, number: int, holds: Callable[[Any], bool]) -> Any:
    """The parent, once that holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds(found := client.get(f"/v1/parents/{number}")):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def entered(stack: RouterStack) -> list[str]:
    """ClOrdIDs of the parents that the router has taken."""
    return [r.client_text for r in stack.router_records() if isinstance(r, m.NewParent) and not r.decision]


def test_a_twap_is_entered_worked_and_measured_over_http(stack: RouterStack) -> None:
    desk = stack.client()
    body = twap("p-1")
    answer = desk.call("POST", "/v1/parents", body)
    assert answer.status == 201, answer
    assert (answer.body["parent_id"], answer.body["cl_ord_id"], answer.body["algorithm"]) == (1, "p-1", "twap")
    working = shown(desk, 1, lambda one: one["cum_qty"] != "0.00000")
    assert (working["qty"], working["ticker"], working["limit_price"]) == ("0.03000", "BTCUSDT", "64003.00")
    done = shown(desk, 1, lambda one: one["state"] == "filled")
    assert (done["cum_qty"], done["leaves_qty"], done["open_qty"]) == ("0.03000", "0.00000", "0.00000")
    assert done["arrival"] == "64000.00000"
    assert "slippage_arrival" in done
    fills = desk.get("/v1/fills?account=1")["fills"]
    assert sum(round(float(one["qty"]) * 100_000) for one in fills) == 3_000
    doors = compare(config.load(stack.engine.config))
    assert doors["router carried"] >= 3
    assert doors["router computed"] == 0
    again = desk.call("POST", "/v1/parents", body)
    assert (again.status, again.body) == (200, desk.get("/v1/parents/1"))
    assert entered(stack) == ["p-1"]


async def test_an_iceberg_is_followed_on_the_stream_amended_and_cancelled(stack: RouterStack) -> None:
    desk, maker = stack.client(), stack.client("boss")
    ticket = desk.call("POST", "/v1/stream/ticket").body
    async with connect(ticket["url"], proxy=None) as ws:
        peer = Peer(ws)
        assert (await peer.ask(op="auth", ticket=ticket["ticket"]))["name"] == "desk"
        assert (await peer.subscribe(1, "parents"))["parents"] == []

        async def told(holds: Callable[[Any], bool]) -> Any:
            """The parent as the stream says it is, once that holds."""
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for one in (await peer.next()).get("parents", ()):
                        if holds(one):
                            return one

        answer = await asyncio.to_thread(desk.call, "POST", "/v1/parents", iceberg("i-1"))
        assert (answer.status, answer.body["parent_id"]) == (201, 1), answer
        resting = await told(lambda one: one["open_qty"] == "0.10000")
        assert (resting["state"], resting["children"], resting["leaves_qty"]) == ("working", 1, "0.50000")
        sold = order("m-1", account=2, side="sell", price="64000.00", qty="0.10000")
        assert (await asyncio.to_thread(maker.call, "POST", "/v1/orders", sold)).status == 201
        taken = await told(lambda one: one["cum_qty"] == "0.10000")
        assert taken["avg_price"] == "64000.00000"
        assert float(taken["slippage_arrival"]) == 0.0  # the arrival price is the middle, 64000

        change = {"cl_ord_id": "i-2", "account": 1, "qty": "0.30000", "limit_price": "63999.50"}
        amended = await asyncio.to_thread(desk.call, "PATCH", "/v1/parents/1", change)
        assert amended.status == 200, amended
        assert (amended.body["qty"], amended.body["limit_price"]) == ("0.30000", "63999.50")
        assert (await asyncio.to_thread(desk.call, "PATCH", "/v1/parents/1", change)).status == 200
        used = await asyncio.to_thread(desk.call, "PATCH", "/v1/parents/1", change | {"qty": "0.40000"})
        assert (used.status, used.body["reason"]) == (409, "cl_ord_id_used")
        assert (await told(lambda one: one["qty"] == "0.30000"))["leaves_qty"] == "0.20000"

        ended = await asyncio.to_thread(desk.call, "DELETE", "/v1/parents/1")
        assert ended.status == 200, ended
        assert (await told(lambda one: one["state"] == "cancelled"))["cum_qty"] == "0.10000"
        late = await asyncio.to_thread(desk.call, "DELETE", "/v1/parents/1")
        assert (late.status, late.body["reason"]) == (422, "unknown_order"), late
    asked = [r for r in stack.router_records() if isinstance(r, m.ReplaceParent)]
    assert [r.client_text for r in asked] == ["i-2"]
    assert desk.get("/v1/orders?account=1&status=live")["orders"] == []


def test_a_parent_is_entered_once_whatever_dies_in_between(tmp_path: Path, nats_server: NatsServer) -> None:
    with RouterStack(tmp_path, nats_server.url, api="answer_timeout = 4.0") as stack:
        stack.quote()
        entered_once(stack)


def entered_once(stack: RouterStack) -> None:
    desk = stack.client()
    assert desk.call("POST", "/v1/parents", iceberg("k-1")).status == 201
    change = {"cl_ord_id": "k-2", "account": 1, "qty": "0.40000"}
    assert desk.call("PATCH", "/v1/parents/1", change).status == 200
    refused = desk.call("POST", "/v1/parents", iceberg("k-3", qty="0.00000"))
    assert (refused.status, refused.body["reason"]) == (422, "invalid_qty"), refused

    stack.kill()
    stack.start()
    desk = stack.client()
    again = desk.call("POST", "/v1/parents", iceberg("k-1"))
    assert (again.status, again.body["parent_id"], again.body["qty"]) == (200, 1, "0.40000"), again
    assert desk.call("PATCH", "/v1/parents/1", change).status == 200
    other = desk.call("POST", "/v1/parents", iceberg("k-1", qty="0.60000"))
    assert (other.status, other.body["reason"]) == (409, "cl_ord_id_used"), other
    known = desk.call("POST", "/v1/parents", iceberg("k-3", qty="0.00000"))
    assert (known.status, known.body["reason"]) == (422, "invalid_qty"), known

    # The router dies with a command in its ring, and the API before it was told of it.
    assert stack.router is not None
    stop(stack.router.pid)
    unanswered = desk.call("POST", "/v1/parents", iceberg("k-4"))
    assert unanswered.status == 202, unanswered
    stack.stop_router(signal.SIGKILL)
    stack.kill()
    stack.start()
    desk = stack.client()
    away = desk.call("POST", "/v1/parents", iceberg("k-4"))
    assert (away.status, away.body["reason"]) == (503, "no_router"), away
    stack.start_router()
    found = desk.call("POST", "/v1/parents", iceberg("k-4"))
    assert (found.status, found.body["parent_id"]) == (200, 2), found
    assert entered(stack) == ["k-1", "k-4"]
    assert [r.client_text for r in stack.router_records() if isinstance(r, m.ReplaceParent)] == ["k-2"]


def test_parents_of_other_accounts_are_not_told_from_none(stack: RouterStack) -> None:
    desk, other = stack.client(), stack.client("other")
    assert desk.call("POST", "/v1/parents", iceberg("s-1")).status == 201
    assert other.get("/v1/parents")["parents"] == []
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"cl_ord_id": "s-2", "account": 2, "qty": "1"})):
        answer = other.call(method, "/v1/parents/1", body)
        assert (answer.status, answer.body["reason"]) == (404, "unknown_order"), answer
    foreign = other.call("POST", "/v1/parents", iceberg("s-3"))
    assert (foreign.status, foreign.body["reason"]) == (403, "account")
    assert len(entered(stack)) == 1


def test_many_at_once_are_each_entered_once_and_none_is_stale(tmp_path: Path, nats_server: NatsServer) -> None:
    with RouterStack(tmp_path, nats_server.url, durability="disk") as stack:
        stack.quote()
        clients = [stack.client() for _ in range(12)]
        with ThreadPoolExecutor(len(clients)) as pool:
            asked = [pool.submit(c.call, "POST", "/v1/parents", iceberg(f"c-{at % 6}")) for at, c in enumerate(clients)]
            answers = [one.result() for one in asked]
        assert sorted(answer.status for answer in answers) == [200] * 6 + [201] * 6, answers
        assert sorted(entered(stack)) == [f"c-{number}" for number in range(6)]
