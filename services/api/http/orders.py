"""Endpoints about orders and fills."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.api import requests, types
from services.api.desk import Response
from services.api.http import queries
from services.api.http.call import Call, Endpoint
from services.api.problems import Problem
from services.api.shapes import Cancelled, Pending

ORDER_ID: Final = {"order_id": "Number of the order, as its acceptance told it."}
MAX_ID: Final = (1 << 53) - 1
LATE: Final = (Pending, "The engine has not answered in time; ask again with the same ClOrdID")


def visible(call: Call, account: int | None) -> Iterable[int] | None:
    """The accounts that are asked about. Raises Problem (403) for one that the author may not see."""
    if account is None:
        return call.author.visible
    call.author.need_sight(account)
    return (account,)


def number(call: Call, name: str) -> int:
    """A number in the path. Raises Problem (404): there is nothing of another name."""
    text = call.path[name]
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not 0 < int(text) <= MAX_ID:
        raise Problem(404, f"expected a number from 1 to {MAX_ID}", field=name, reason="unknown")
    return int(text)


async def place(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.desk.order(call.author, call.body, call.origin)


async def amend(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.desk.amend(call.author, number(call, "order_id"), call.body, call.origin)


async def cancel(call: Call) -> Response:
    assert call.origin is not None
    asked: queries.OfCancel = call.query
    order_id = number(call, "order_id")
    return await call.api.desk.cancel(call.author, order_id, asked.account, asked.cl_ord_id or "", call.origin)


async def mass_cancel(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.desk.mass_cancel(call.author, call.body, call.origin)


def orders(call: Call) -> Response:
    asked: queries.OfOrders = call.query
    accounts, hub = visible(call, asked.account), call.api.hub
    if asked.cl_ord_id is not None:
        if asked.account is None:
            raise Problem(422, "cl_ord_id needs an account beside it", field="account", reason="invalid_field")
        order_id = call.api.entry.order_id(call.author, asked.account, asked.cl_ord_id)
        found = [hub.order(order_id)] if order_id else []  # LookupError: it ended so long ago that it was let go
        return Response(200, types.Orders(found, hub.seq))
    live, ticker = asked.status == "live", asked.ticker or ""
    return Response(200, hub.orders(accounts, live=live, ticker=ticker, after=asked.after, limit=asked.limit))


def order(call: Call) -> Response:
    return Response(200, call.api.hub.order(number(call, "order_id"), call.author.visible))


def fills(call: Call) -> Response:
    asked: queries.OfFills = call.query
    return Response(200, call.api.hub.fills(visible(call, asked.account), asked.after, asked.limit))


NEW: Final = {
    "cl_ord_id": "a-1",
    "account": 1,
    "ticker": "BTCUSDT",
    "side": "buy",
    "type": "limit",
    "price": "64000.00",
    "qty": "0.01000",
    "time_in_force": "gtc",
}

ENDPOINTS: Final = (
    Endpoint(
        *("POST", "/v1/orders", place, "Place an order"),
        "It is on the tape with its author before it goes to the engine; the answer is what the engine made of it. The "
        "same ClOrdID of the same key and account, sent again, is answered what the first one became, and nothing is "
        "sent twice.",
        "orders",
        {
            201: (types.Order, "Accepted: the order as it stands"),
            200: (types.Order, "This ClOrdID was used before, with the same terms: the order as it stands"),
            202: LATE,
        },
        scope="trade",
        body=requests.NewOrder,
        problems=(409, 410, 503),
        example=NEW,
    ),
    Endpoint(
        *("PATCH", "/v1/orders/{order_id}", amend, "Amend an order"),
        "New price, whole quantity (OrderQty) or stop price; what is left out stays. An order keeps its place in the "
        "queue if only its quantity falls.",
        "orders",
        {200: (types.Order, "Amended: the order as it stands"), 202: LATE},
        scope="trade",
        body=requests.Amend,
        params=ORDER_ID,
        problems=(404, 409, 410, 503),
        example={"cl_ord_id": "a-2", "account": 1, "price": "64100.00"},
    ),
    Endpoint(
        *("DELETE", "/v1/orders/{order_id}", cancel, "Cancel an order"),
        "Its account and a ClOrdID of this request may be given.",
        "orders",
        {200: (types.Order, "Cancelled: the order as it ended"), 202: LATE},
        scope="trade",
        query=queries.OfCancel,
        params=ORDER_ID,
        problems=(404, 409, 410, 503),
    ),
    Endpoint(
        *("POST", "/v1/orders/cancel", mass_cancel, "Cancel many orders"),
        "All live orders of an account, or of one instrument or side of it, whoever sent them.",
        "orders",
        {200: (Cancelled, "How many were cancelled"), 202: LATE},
        scope="trade",
        body=requests.MassCancel,
        problems=(409, 503),
        example={"cl_ord_id": "a-3", "account": 1, "ticker": "BTCUSDT"},
    ),
    Endpoint(
        *("GET", "/v1/orders", orders, "Orders"),
        "Live ones, or the last that are done, as they came in; or the one that a ClOrdID became. `after` is a "
        "cursor by `created_seq`.",
        "orders",
        {200: (types.Orders, "Orders")},
        query=queries.OfOrders,
        problems=(404,),
    ),
    Endpoint(
        *("GET", "/v1/orders/{order_id}", order, "One order"),
        "With all that happened to it.",
        "orders",
        {200: (types.Order, "The order")},
        params=ORDER_ID,
        problems=(404,),
    ),
    Endpoint(
        *("GET", "/v1/fills", fills, "Fills"),
        "Matches of the accounts' orders, and busts and corrections of them. `after` is a cursor by seq.",
        "orders",
        {200: (types.Fills, "Fills, oldest first")},
        query=queries.OfFills,
    ),
)
