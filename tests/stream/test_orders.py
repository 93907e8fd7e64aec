"""Orders by the stream: the same desk as by HTTP, the same answers, the author on the tape."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tapewire import messages as m
from tests.stream.world import World, client, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
_tests = itertools.count(1)
_prefix = ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("orders"), "max_pending = 2") as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(house: World) -> World:
    """No live order is left of the last test, and ClOrdIDs are new ones."""
    global _prefix
    _prefix = f"t{next(_tests)}."
    house.rings[0].write(bytes(m.MassCancel(account=1)))
    await house.settled()
    return house


def named(number: int) -> str:
    """The ClOrdID of this test's order `number`."""
    return f"{_prefix}{number}"


def order(number: int, **fields: Any) -> dict[str, Any]:
    given = {"cl_ord_id": named(number), "account": 1, "ticker": "ACME", "side": "buy", "type": "limit", "qty": "10"}
    return {"op": "order", "id": number, **given, "price": "99.50", "time_in_force": "gtc", **fields}


async def test_an_order_is_entered_amended_and_cancelled(world: World) -> None:
    async with client(world) as c:
        entered = await c.ask(**order(1))
        assert (entered["op"], entered["id"], entered["status"]) == ("answer", 1, 201)
        body = entered["body"]
        assert (body["cl_ord_id"], body["price"], body["leaves_qty"], body["status"]) == (
            named(1),
            "99.50",
            "10",
            "new",
        )
        number = body["order_id"]
        amended = await c.ask(op="amend", id=2, order_id=number, cl_ord_id=named(2), account=1, qty="4")
        assert (amended["status"], amended["body"]["leaves_qty"]) == (200, "4")
        cancelled = await c.ask(op="cancel", id=3, order_id=number, account=1, cl_ord_id=named(3))
        assert (cancelled["status"], cancelled["body"]["status"]) == (200, "cancelled")
        for price in ("98.00", "97.00"):
            await c.ask(**order(4, cl_ord_id=named(0) + price, price=price))
        mass = await c.ask(op="mass_cancel", id=5, cl_ord_id=named(5), account=1)
        assert (mass["status"], mass["body"]["cl_ord_id"], mass["body"]["cancelled"]) == (200, named(5), 2)
    records = world.records(world.settings.folders.api_tape(0))
    asked = [one for one in records if isinstance(one, m.ApiReceived)][-6:]
    assert [(one.author, one.door, one.operation) for one in asked[:3]] == [
        ("trader", m.ApiDoor.web_socket, "order"),
        ("trader", m.ApiDoor.web_socket, "amend"),
        ("trader", m.ApiDoor.web_socket, "cancel"),
    ]
    new = next(one for one in world.records() if isinstance(one, m.NewOrder) and one.client_text == named(1))
    assert [one.client_text for one in world.records() if isinstance(one, m.MassCancel)][-1:] == [named(5)]
    assert (new.session & 0xFFFF, new.client_text, new.ts_event) == (1, named(1), asked[0].ts)


async def test_the_same_order_again_is_answered_what_the_first_one_became(world: World) -> None:
    async with client(world) as c:
        first = await c.ask(**order(1))
        again = await c.ask(**order(2, cl_ord_id=named(1)))
        other = await c.ask(**order(3, cl_ord_id=named(1), qty="11"))
    assert (again["id"], again["status"], again["body"]["order_id"]) == (2, 200, first["body"]["order_id"])
    assert (other["status"], other["body"]["reason"]) == (409, "cl_ord_id_used")


def written(world: World) -> tuple[int, int]:
    """Records on the orders tape and on the API's."""
    return len(world.records()), len(world.records(world.settings.folders.api_tape(0)))


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"price": "99.505"}, 422, "price"),
        ({"price": 99.5}, 422, "price"),
        ({"ticker": "NONE"}, 422, "ticker"),
        ({"side": "long"}, 422, "side"),
        ({"cl_ord_id": ""}, 422, "cl_ord_id"),
        ({"cl_ord_id": "<script>" * 6}, 422, "cl_ord_id"),
        ({"qty": "1e99"}, 422, "qty"),
        ({"unknown": 1}, 422, "unknown"),
        ({"account": 2}, 403, "account"),
    ],
)
async def test_a_wrong_order_is_refused_with_its_field(
    world: World, fields: dict[str, Any], status: int, field: str
) -> None:
    before = written(world)
    async with client(world) as c:
        answer = await c.ask(**order(1, **fields))
    assert (answer["op"], answer["id"], answer["status"], answer["body"]["field"]) == ("answer", 1, status, field)
    assert written(world) == before


async def test_who_may_only_read_enters_nothing(world: World) -> None:
    before = written(world)
    async with client(world, "watcher") as c:
        for asked in (order(1), {"op": "cancel", "id": 2, "order_id": 1, "account": 1}):
            answer = await c.ask(**asked)
            assert (answer["status"], answer["body"]["reason"]) == (403, "scope")
    assert written(world) == before


async def test_an_order_that_risk_refuses_is_on_the_tape_and_says_where(world: World) -> None:
    async with client(world) as c:
        answer = await c.ask(**order(1, qty="0"))
    assert (answer["status"], answer["body"]["reason"], answer["body"]["field"]) == (422, "invalid_qty", "qty")
    records = world.records(world.settings.folders.api_tape(0))
    asked = [one for one in records if isinstance(one, m.ApiReceived)][-1]
    assert answer["body"]["received"] == asked.seq
    assert named(1) in asked.body


async def test_a_field_that_is_there_twice_is_refused(world: World) -> None:
    before = written(world)
    async with client(world) as c:
        await c.ws.send('{"op":"order","id":1,"cl_ord_id":"a","account":1,"qty":"1","qty":"1000","ticker":"ACME"}')
        refused = await c.next()
        assert (refused["op"], refused["reason"], refused["id"]) == ("error", "duplicate_key", 1)
        await c.ws.send('{"op":"cancel","id":2,"order_id":1,"order_id":2}')
        refused = await c.next()
        assert (refused["op"], refused["reason"], refused["id"]) == ("error", "duplicate_key", 2)
    assert written(world) == before


async def test_more_than_may_wait_for_their_answers_are_told_so(world: World) -> None:
    async with client(world) as c:
        for number in range(1, 6):
            await c.say(**order(number))
        answers = [await c.next() for _ in range(5)]
    assert sorted(answer["status"] for answer in answers) == [201, 201, 429, 429, 429]
    assert {answer["body"]["reason"] for answer in answers if answer["status"] == 429} == {"pending"}


async def test_an_order_of_who_left_before_its_answer_is_on_the_tape_and_found_again(world: World) -> None:
    async with client(world) as c:
        await c.say(**order(1))
    async with client(world) as c:
        again = await c.ask(**order(1))
    assert again["status"] in (200, 201)
    texts = [one.client_text for one in world.records() if isinstance(one, m.NewOrder)]
    assert texts.count(named(1)) == 1


async def test_a_request_brings_its_trace_and_the_answer_names_our_span_of_it(world: World) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with client(world) as c:
        entered = await c.ask(**order(1), traceparent=f"00-{trace}-00f067aa0ba902b7-01")
        received = [one for one in world.records(world.writer.path) if isinstance(one, m.ApiReceived)][-1]
        assert (f"{received.trace_high:016x}{received.trace_low:016x}", received.span_id) == (trace, 0x00F067AA0BA902B7)
        assert entered["traceparent"] == f"00-{trace}-{received.ts:016x}-01"
        number = entered["body"]["order_id"]
        gone = await c.ask(op="cancel", id=2, order_id=number, account=1, traceparent=f"00-{trace}-{'1' * 16}-00")
        assert gone["traceparent"].startswith(f"00-{trace}-")
        # What is no context is none, as in HTTP; whoever sends none is told none.
        assert "traceparent" not in await c.ask(**order(3), traceparent="nonsense")
        assert "traceparent" not in await c.ask(**order(4))
