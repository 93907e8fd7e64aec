"""From a whole request to a reply: who asks, whether it may, what it asks for; errors of every kind as problems.

request ──▶ endpoint ──▶ author (signature or login) ──▶ rate ──▶ origin of the page ──▶ query, body ──▶ handler
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from services.api import sessions as logins
from services.api.authors import NS, Author, Bucket
from services.api.cache import Cache
from services.api.desk import Desk, Response
from services.api.entry import Entry
from services.api.history import History
from services.api.http import openapi
from services.api.http.call import ANY, OPEN, Call, Endpoint
from services.api.http.connection import refusal
from services.api.http.elsewhere import starting
from services.api.http.messages import JSON, Reply, Request
from services.api.http.routes import Routes
from services.api.hub import Hub
from services.api.json_body import Body, invalid
from services.api.keys import Keys, Signed
from services.api.operations import Operations
from services.api.parents import ParentDesk
from services.api.problems import Problem
from services.api.sessions import Login, Sessions, Tickets
from services.api.tape import Origin
from tapewire import messages as m
from tapewire import trace_context
from tapewire.config import Config
from tapewire.errors import TapeError, TapeGone
from tapewire.logs import Logger

NOBODY: Final = Author("nobody", 0, (), (), Bucket(1.0, 1))
"""Asks endpoints that are open."""
MAX_QUERY: Final = 32
_encode = msgspec.json.Encoder().encode


class Api:
    """What endpoints reach the platform by; `handle` is the HTTP server's."""

    def __init__(
        self,
        config: Config,
        hub: Hub,
        entry: Entry,
        desk: Desk,
        operations: Operations,
        parents: ParentDesk,
        keys: Keys,
        sessions: Sessions,
        tickets: Tickets,
        clock: Callable[[], int],
        history: History,
        scrape: Callable[[str], tuple[bytes, str]],
        cache: Cache | None,
        log: Logger,
    ) -> None:
        """`scrape`: all metrics for an Accept header, with their media type; takes a while."""
        from services.api.http.table import endpoints  # the table's handlers are given this object

        self.config, self.own, self.hub, self.entry, self.desk = config, config.api, hub, entry, desk
        self.operations, self.parents = operations, parents
        self.keys, self.sessions, self.tickets, self.clock = keys, sessions, tickets, clock
        self.history, self.scrape, self.cache, self._log = history, scrape, cache, log
        self.starting = True
        """While the hub still reads what is on the tape: only endpoints that are `early` are answered."""
        self.table = endpoints()
        self._routes = Routes(self.table)
        self._bodies = {one.body: Body(one.body) for one in self.table if one.body is not None}
        self._origins = frozenset(self.own.origins)
        self._said: dict[str, int] = {}
        self.refused: Counter[int] = Counter()
        """Requests by the status of their problem."""
        self.handled = 0

    @cached_property
    def document(self) -> bytes:
        """The OpenAPI document."""
        return msgspec.json.encode(openapi.document(self.table, version("tapewire")))

    async def handle(self, request: Request) -> Reply:
        """Never raises."""
        self.handled += 1
        author: Author | None = None
        try:
            endpoint, path = self._routes.find(request.method, request.target)
            if request.fault:
                raise Problem(400, f"the header {request.fault} is there twice", reason="duplicate_header")
            author, login, nonce = self._author(endpoint, request)
            self._check_page(endpoint, request, author)
            if author is NOBODY:
                return await self._call(endpoint, Call(self, request, path, author, login), nonce)
            author.charge(request.ts_recv)
            if endpoint.scope != ANY:
                author.need(endpoint.scope)
            if author.open >= self.own.max_open:
                raise Problem(
                    429,
                    f"{author.name} has {author.open} requests under way; expected at most {self.own.max_open}",
                    reason="open",
                    headers={"Retry-After": "1"},
                )
            author.open += 1
            try:
                reply = await self._call(endpoint, Call(self, request, path, author, login), nonce)
            finally:
                author.open -= 1
        except Problem as problem:
            reply = self._refused(problem, request)
        except Exception as error:  # noqa: BLE001 - the client is told that we failed, the log how
            with _in_trace(request):
                self._log.exception("request failed", method=request.method, path=request.path[:80], error=repr(error))
            reply = self._refused(Problem(500, "the request could not be carried out; it is in the log"), request)
        if author is not None and author is not NOBODY:
            bucket, headers = author.bucket, reply.headers
            headers["RateLimit-Limit"] = str(bucket.burst)
            headers["RateLimit-Remaining"] = str(bucket.remaining)
            headers["RateLimit-Reset"] = str(bucket.reset_s)
        return reply

    async def _call(self, endpoint: Endpoint, call: Call, nonce: str) -> Reply:
        request = call.request
        if endpoint.query is not None:
            call.query = _query(endpoint.query, request.query)
        elif request.query:
            raise Problem(
                422, "this takes no query", field=request.query.partition("=")[0][:40], reason="invalid_field"
            )
        if endpoint.body is not None:
            media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media != JSON:
                raise Problem(415, f"expected {JSON}", field="Content-Type", reason="media_type")
            call.body = self._bodies[endpoint.body].decode(request.body)
        elif request.body:
            raise Problem(422, "this takes no body", reason="invalid_field")
        if self.starting and not endpoint.early:
            raise starting()
        origin = None
        if endpoint.writes:
            trace = trace_context.of_headers(request.headers)
            call.origin = request.origin = origin = Origin(
                *(m.ApiDoor.http, endpoint.operation, request.body.decode("latin-1"), request.ts_recv),
                *(request.address, nonce, trace),
            )
        try:
            result = endpoint.handle(call)
            if not isinstance(result, Reply | Response):
                result = await result
        except Problem as problem:
            if origin is not None and (parent := origin.traceparent):
                problem.headers["traceparent"] = parent
            raise
        except TapeGone as error:
            raise Problem(410, "removed by retention", reason="too_old") from error
        except TapeError as error:
            with _in_trace(request):
                self._log.warning("tape not readable", error=str(error))
            raise Problem(503, "the tape cannot be read now", reason="tape", headers={"Retry-After": "1"}) from error
        except LookupError as error:
            raise Problem(
                404, str(error.args[0]) if error.args else "there is no such thing", reason="unknown"
            ) from None
        reply = result if isinstance(result, Reply) else Reply(result.status, _encode(result.body))
        if origin is not None and (parent := origin.traceparent):
            reply.headers["traceparent"] = parent
        return reply

    # Who asks

    def _author(self, endpoint: Endpoint, request: Request) -> tuple[Author, Login | None, str]:
        """Its author, its login if it came with one, and its nonce. Raises Problem (401, 403, 429)."""
        headers = request.headers
        if endpoint.scope == OPEN:
            return NOBODY, None, ""
        if (key := headers.get("tapewire-key")) is not None:
            nonce = headers.get("tapewire-nonce", "")
            signed = Signed(
                *(key, headers.get("tapewire-timestamp", ""), nonce, headers.get("tapewire-signature", "")),
                *(request.method, request.target, request.body),
            )
            return self.keys.verify(signed, request.ts_recv, request.address), None, nonce
        token = session_token(headers.get("cookie", ""))
        login = self.sessions.find(token, request.ts_recv) if token else None
        if login is None:
            raise Problem(
                401,
                "expected Tapewire-Key, Tapewire-Timestamp, Tapewire-Nonce and Tapewire-Signature, or a login; see "
                "/docs",
                reason="unauthenticated",
                headers={"WWW-Authenticate": "Tapewire"},
            )
        if endpoint.writes and not logins.same(headers.get("tapewire-csrf", ""), login.csrf):
            raise Problem(403, "expected the login's csrf text", field="Tapewire-Csrf", reason="csrf")
        return login.author, login, ""

    def _check_page(self, endpoint: Endpoint, request: Request, author: Author) -> None:
        """Raises Problem (403) for a request that a page of another origin makes."""
        origin = request.headers.get("origin")
        if origin is None or origin == f"{request.scheme}://{request.headers.get('host', '')}":
            return
        if origin in (self._origins if author.is_user or author is NOBODY else author.origins):
            return
        if endpoint.writes or "tapewire-key" in request.headers:
            raise Problem(403, "pages of this origin may not do that", field="Origin", reason="origin")

    # What went wrong

    def _refused(self, problem: Problem, request: Request) -> Reply:
        self.refused[problem.status] += 1
        reason = str(problem.body.reason) if problem.body.reason is not msgspec.UNSET else str(problem.status)
        now = request.ts_recv
        if problem.status not in (404, 422) and now - self._said.get(reason, 0) >= NS:
            self._said[reason] = now  # as many as there are reasons, and those are ours
            with _in_trace(request):
                self._log.warning(
                    "refused",
                    status=problem.status,
                    reason=reason,
                    address=request.address,
                    count=self.refused[problem.status],
                )
        return refusal(problem)


def _in_trace(request: Request) -> AbstractContextManager[None]:
    """Lines logged in this block name the request's trace, if it has one."""
    if request.origin is not None:
        return request.origin.logged()
    return trace_context.logged(trace_context.of_headers(request.headers))


def session_token(cookie: str) -> str:
    """Our cookie's value; empty if it is not there."""
    for part in cookie.split(";"):
        name, _, value = part.strip().partition("=")
        if name == logins.COOKIE:
            return value
    return ""


def _query(kind: type[Any], text: str) -> Any:
    """Raises Problem (400, 422)."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_QUERY)
    except ValueError:
        raise Problem(400, "the query cannot be read", reason="malformed") from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Problem(400, "a parameter is there twice", reason="duplicate_key")
    try:
        found = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    names = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    for name in values:
        if getattr(found, names[name]) is None:  # "null" is read as if nothing had been given
            raise Problem(422, "expected a value", field=name, reason="invalid_field")
    return found
