"""Endpoints about positions and risk, and what the operator may command."""

from __future__ import annotations

from typing import Final

from services.api import platform, requests, types
from services.api.desk import Response
from services.api.http import queries
from services.api.http.call import Call, Endpoint
from services.api.http.elsewhere import HOUSE, from_fold, nothing, starting
from services.api.http.markets import TICKER
from services.api.http.orders import LATE, number, visible
from services.api.http.past import as_of


async def positions(call: Call) -> Response:
    asked: queries.OfPositions = call.query
    accounts = visible(call, asked.account)
    hub, cache = call.api.hub, call.api.cache
    if asked.as_of is None:
        return await from_fold(
            call,
            lambda: hub.positions(accounts),
            lambda: cache.positions(accounts) if cache is not None else nothing(),
            HOUSE,
        )
    if call.api.starting:
        raise starting()
    past = await as_of(call, asked.as_of)
    found = [one for one in past.positions if asked.account in (None, one.account)]
    return Response(200, types.Positions(found, past.seq, past.known_from))


def risk(call: Call) -> Response:
    return Response(200, call.api.hub.risk(visible(call, call.query.account)))


async def limits(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.operations.limits(call.author, number(call, "account"), call.body, call.origin)


async def kill(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.operations.kill(call.author, call.body, call.origin)


async def status(call: Call) -> Response:
    assert call.origin is not None
    return await call.api.operations.status(call.author, call.path["ticker"], call.body, call.origin)


ENDPOINTS: Final = (
    Endpoint(
        *("GET", "/v1/positions", positions, "Positions"),
        "Net quantity, average price, realised and unrealised P&L by account and instrument; also as of a past record.",
        "accounts",
        {200: (types.Positions, "Positions")},
        query=queries.OfPositions,
        problems=(404, 410, 503),
        early=True,
    ),
    Endpoint(
        *("GET", "/v1/risk", risk, "Limits and exposure"),
        "Limits, what risk counts against them, and kill switches.",
        "accounts",
        {200: (types.RiskState, "By account")},
        query=queries.OfAccount,
    ),
    Endpoint(
        *("PUT", "/v1/risk/limits/{account}", limits, "Set limits"),
        "All limits of an account anew; opens the account if there is none. Mantissas; 0: the platform's bound.",
        "operations",
        {200: (types.Risk, "As they stand"), 202: LATE},
        scope="risk",
        body=requests.SetLimits,
        params={"account": "Number of the account."},
        problems=(404, 503),
        example={"max_position": 1_000_000_000},
    ),
    Endpoint(
        *("POST", "/v1/risk/kill", kill, "Kill switch"),
        "Refuses new orders of an account (0: of all) until it is released, and, with `cancel_open`, cancels what is "
        "live. Answers how many were cancelled, and after how long the last of them was.",
        "operations",
        {200: (platform.Killed, "Engaged or released"), 202: LATE},
        scope="risk",
        body=requests.Kill,
        problems=(503,),
        example={"account": 1, "engaged": True, "cancel_open": True, "reason": "limit breach"},
    ),
    Endpoint(
        *("POST", "/v1/instruments/{ticker}/status", status, "Set an instrument's status"),
        "Halts, resumes, opens, closes, calls an auction. `resume_time`: when trading resumes by itself.",
        "operations",
        {200: (types.InstrumentStatus, "As it stands"), 202: LATE},
        scope="admin",
        body=requests.SetStatus,
        params=TICKER,
        problems=(404, 503),
        example={"status": "halted", "reason": "news"},
    ),
)
