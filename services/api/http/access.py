"""Endpoints about who asks: login, logout, what one may do, tickets for the stream."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from services.api import platform, requests
from services.api import sessions as logins
from services.api.desk import Response
from services.api.http.call import ANY, OPEN, Call, Endpoint
from services.api.http.messages import JSON, Reply
from services.api.shapes import Session

STREAM: Final = "/v1/stream"
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,39}\]")
"""What may stand in an answer of ours as a host."""
_encode = msgspec.json.Encoder().encode


class LoggedOut(Struct):
    status: str = "logged out"


async def log_in(call: Call) -> Reply:
    asked: requests.Login = call.body
    api, request = call.api, call.request
    token, login = await api.sessions.log_in(asked.user, asked.password, request.ts_recv, request.address)
    call.author, call.login = login.author, login
    lasts = int(api.own.session_timeout)
    return Reply(200, _encode(_session(call)), JSON, {"Set-Cookie": _cookie(call, token, lasts)})


def log_out(call: Call) -> Reply:
    from services.api.app import session_token

    call.api.sessions.log_out(session_token(call.request.headers.get("cookie", "")))
    return Reply(200, _encode(LoggedOut()), JSON, {"Set-Cookie": _cookie(call, "", 0)})


def me(call: Call) -> Response:
    return Response(200, _session(call))


def ticket(call: Call) -> Response:
    api = call.api
    return Response(200, platform.Ticket(stream_url(call), api.tickets.issue(call.author, api.clock(), call.login)))


def _session(call: Call) -> Session:
    author, login = call.author, call.login
    csrf = UNSET if login is None else login.csrf
    return Session(author.name, author.number, sorted(author.scopes), sorted(author.accounts), stream_url(call), csrf)


def stream_url(call: Call) -> str:
    """By the name that the client knows us by."""
    own = call.api.own
    host, port = own.stream_address
    given = call.request.headers.get("host", "")
    name = given.rpartition(":")[0] if given.rpartition(":")[2].isdigit() else given
    if not _HOST.fullmatch(name):
        name = host
    return f"{'wss' if own.tls else 'ws'}://{name}:{port}{STREAM}"


def _cookie(call: Call, token: str, lasts: int) -> str:
    secure = "; Secure" if call.api.own.tls else ""
    return f"{logins.COOKIE}={token}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}"


ENDPOINTS: Final = (
    Endpoint(
        *("POST", "/v1/login", log_in, "Log in"),
        "For the dashboard: sets a cookie, and tells the text that writes must carry in Tapewire-Csrf.",
        "access",
        {200: (Session, "Logged in")},
        scope=OPEN,
        body=requests.Login,
        problems=(401, 403),
        example={"user": "demo", "password": "correct horse battery staple"},
    ),
    Endpoint(
        *("POST", "/v1/logout", log_out, "Log out"),
        "Ends the login of the cookie, and the streams that were opened with it.",
        "access",
        {200: (LoggedOut, "Logged out")},
        scope=ANY,
    ),
    Endpoint(
        *("GET", "/v1/me", me, "Who asks"),
        "Name, scopes and accounts.",
        "access",
        {200: (Session, "Who asks")},
        scope=ANY,
    ),
    Endpoint(
        *("POST", "/v1/stream/ticket", ticket, "A ticket for the stream"),
        "For one connection to the WebSocket stream, within ten seconds.",
        "access",
        {200: (platform.Ticket, "The ticket")},
    ),
)
