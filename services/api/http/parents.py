"""Endpoints about parent orders."""

from __future__ import annotations

from typing import Final

from services.api import platform, requests
from services.api.desk import Response
from services.api.http import queries
from services.api.http.call import Call, Endpoint
from services.api.http.orders import number, visible
from services.api.shapes import Pending

PARENT_ID: Final = {"parent_id": "Number of the parent order."}
LATE: Final = (Pending, "The router has not answered in time; look at /v1/parents")


def parents(call: Call) -> Response:
    return Response(200, call.api.hub.parents(visible(call, call.query.account)))


def parent(call: Call) -> Response:
    return Response(200, call.api.parents.find(call.author, number(call, "parent_id")))


async def place(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.parents.new(call.author, call.body, call.origin)


async def amend(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.parents.amend(call.author, number(call, "parent_id"), call.body, call.origin)


async def cancel(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.parents.cancel(call.author, number(call, "parent_id"), call.origin)


ENDPOINTS: Final = (
    Endpoint(
        *("GET", "/v1/parents", parents, "Parent orders"),
        "Those that live, and the last 1,000 that ended, with their progress and slippage.",
        "parents",
        {200: (platform.Parents, "Parent orders")},
        query=queries.OfAccount,
    ),
    Endpoint(
        *("POST", "/v1/parents", place, "Place a parent order"),
        "docs/router.md tells which algorithm takes which terms. The same ClOrdID again is answered what the first one "
        "became.",
        "parents",
        {201: (platform.Parent, "Taken"), 200: (platform.Parent, "What the first of this ClOrdID became"), 202: LATE},
        scope="trade",
        body=requests.NewParent,
        problems=(409, 410, 503),
        example={
            **{"cl_ord_id": "p-1", "account": 1, "ticker": "BTCUSDT", "side": "buy", "algorithm": "twap"},
            **{"qty": "1.00000", "end_time": "1790000000000000000"},
        },
    ),
    Endpoint(
        *("GET", "/v1/parents/{parent_id}", parent, "One parent order"),
        "With its progress and slippage.",
        "parents",
        {200: (platform.Parent, "The parent order")},
        params=PARENT_ID,
        problems=(404,),
    ),
    Endpoint(
        *("PATCH", "/v1/parents/{parent_id}", amend, "Amend a parent order"),
        "What is left out stays.",
        "parents",
        {200: (platform.Parent, "Amended"), 202: LATE},
        scope="trade",
        body=requests.AmendParent,
        params=PARENT_ID,
        problems=(404, 409, 410, 503),
        example={"cl_ord_id": "p-2", "account": 1, "qty": "2.00000"},
    ),
    Endpoint(
        *("DELETE", "/v1/parents/{parent_id}", cancel, "Cancel a parent order"),
        "Its children with it.",
        "parents",
        {200: (platform.Parent, "Cancelled"), 202: LATE},
        scope="trade",
        params=PARENT_ID,
        problems=(404, 410, 503),
    ),
)
