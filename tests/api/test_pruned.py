"""An API over a tape whose beginning was removed: one that was there before, and one that comes new."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tapewire import consumers, snapshots
from tapewire.tape import inspect, retention
from tests.api.client import HttpClient
from tests.api.stack import Stack, order
from tests.engine_process import whole_lines

SEGMENT = 1 << 16
ORDERS = 450


def lines(stack: Stack, event: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in whole_lines(stack.log) if line.startswith(b"{")]
    return [line for line in found if line["event"] == event]


def until(done: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def placed(client: HttpClient, other: HttpClient, first: int, last: int) -> dict[str, int]:
    """OrderIDs by ClOrdID of orders of account 1 that rest, and every fifth of account 2 that meets one of them."""
    found = {}
    for number in range(first, last):
        if number % 5 == 4:
            answer = other.call("POST", "/v1/orders", order(f"p{number}", account=2, side="sell"))
        else:
            answer = client.call("POST", "/v1/orders", order(f"p{number}"))
        assert answer.status == 201, answer
        found[f"p{number}"] = answer.body["order_id"]
    return found


def prune(stack: Stack) -> int:
    """Removes what nobody needs of the orders tape; returns the first record that is left."""
    tape = stack.engine.tape
    retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), time.time_ns()))
    return inspect.segments(tape)[0].first_seq


def test_a_restart_on_a_pruned_tape_knows_everything_and_a_new_api_what_the_engine_knows(tmp_path: Path) -> None:
    api = "snapshot_every = 100\nremember = 150"
    with Stack(tmp_path, api=api, engine="snapshot_every = 100", segment_bytes=SEGMENT) as stack:
        tape, client = stack.engine.tape, stack.client()
        ids = placed(client, stack.client("other"), 0, ORDERS)
        held = ("engine", "api.views.restart", "api.0.restart")
        until(lambda: min(consumers.positions(tape).get(name, 0) for name in held) > 400)
        positions = client.call("GET", "/v1/positions?account=1").body["positions"]
        stands = [one["order_id"] for one in client.call("GET", "/v1/orders?account=1&limit=1000").body["orders"]]
        assert stack.stop() == 0
        first = prune(stack)
        assert first > 100
        # One that was there before goes on from its own snapshots.
        stack.start()
        client = stack.client()
        (folded, recalled) = lines(stack, "views_folded")[-1], lines(stack, "requests_recalled")[-1]
        assert "known_from" not in folded
        assert int(str(recalled["snapshot"])) >= first - 1
        assert client.call("GET", "/v1/positions?account=1").body["positions"] == positions
        for name in (f"p{ORDERS - 90}", f"p{ORDERS - 2}"):
            again = client.call("POST", "/v1/orders", order(name))
            assert (again.status, again.body["order_id"]) == (200, ids[name])
        assert client.call("POST", "/v1/orders", order(f"p{ORDERS - 2}", qty="0.02000")).status == 409
        assert stack.stop() == 0
        # One that comes new finds the engine's snapshot alone.
        shutil.rmtree(tape / "views")
        at = max(snapshots.seq_of(path) for path in snapshots.folder(tape).glob("*.snap"))
        stack.start()
        client, boss = stack.client(), stack.client("boss")
        folded = lines(stack, "views_folded")[-1]
        assert folded["known_from"] == at
        assert boss.call("GET", "/v1/tape/state").body["known_from"] == at
        live = client.call("GET", "/v1/orders?account=1&limit=1000").body
        assert live["known_from"] == at
        assert [one["order_id"] for one in live["orders"]] == stands
        old = [one for one in live["orders"] if "known_from" in one]
        assert old
        assert not any("cl_ord_id" in one or "created_seq" in one for one in old)
        (mine,) = client.call("GET", "/v1/positions?account=1").body["positions"]
        assert (mine["net"], mine["known_from"]) == (positions[0]["net"], at)
        assert not {"realised", "bought", "sold", "fills"} & mine.keys()
        gone = client.call("GET", f"/v1/as-of/{first}")
        assert (gone.status, gone.body["reason"]) == (410, "too_old")
        assert f"Ask for record {boss.call('GET', '/v1/tape/state').body['oldest_as_of']}" in gone.body["detail"]
        shown = client.call("GET", f"/v1/as-of/{at}")
        assert (shown.status, shown.body["known_from"]) == (200, at)
        # It trades on, and what comes is known whole.
        placed(client, stack.client("other"), ORDERS, ORDERS + 3)
        last = client.call("GET", "/v1/orders?account=1&limit=1000").body["orders"][-1]
        assert (last["cl_ord_id"], "known_from" in last) == (f"p{ORDERS + 2}", False)
        # An order of before can be cancelled by its number.
        number = old[0]["order_id"]
        done = client.call("DELETE", f"/v1/orders/{number}?account=1&cl_ord_id=c1")
        assert done.status in (200, 201)
        assert client.call("GET", f"/v1/orders/{number}").body["status"] == "cancelled"
