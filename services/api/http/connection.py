"""One connection: bytes into whole requests, replies into bytes, all of it bounded in bytes and time.

    head ──▶ body ──▶ replying ──▶ head …      each phase has a deadline; the server looks at all of them now and then

Requests that come while one is answered wait in order, a few of them; then nothing more is read, and what was read
already is looked at in slices, as there is room again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import unquote

import httptools

from services.api.http.messages import Reply, Request
from services.api.problems import MEDIA_TYPE, Problem
from tapewire.config import Api

MAX_PIPELINED: Final = 16
SLICE: Final = 1024
"""Bytes that are parsed at a time: at most some fifty requests, half a millisecond."""
MAX_HEADERS: Final = 100
MAX_TARGET: Final = 4096
SINGLE: Final = frozenset({"authorization", "content-length", "content-type", "host", "origin", "cookie"})
"""Headers that two of would be read differently by different readers; those of ours (tapewire-) besides."""
STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
HEADERS: Final = (
    "x-content-type-options: nosniff\r\n"
    "x-frame-options: DENY\r\n"
    "referrer-policy: no-referrer\r\n"
    "cross-origin-resource-policy: same-origin\r\n"
)
POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
Handler = Callable[[Request], Awaitable[Reply]]


class Connection(asyncio.Protocol):
    """Made by the server for each that is accepted."""

    def __init__(self, settings: Api, handle: Handler, opened: Callable[[Connection], bool], scheme: str) -> None:
        """`opened`: tells the server; False: there are too many."""
        self._settings, self._handle, self._opened, self._scheme = settings, handle, opened, scheme
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.closed: Callable[[Connection], None] = lambda _: None
        self.address = ""
        self.deadline = 0.0
        """On the monotonic clock; what is under way must have ended by then."""
        self._request: Request | None = None
        self._url, self._head_bytes, self._parts = b"", 0, bytearray()
        self._unparsed = memoryview(b"")
        """Read, and not looked at before some of what waits was answered."""
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ending = self._draining = self._paused = False

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.deadline = time.monotonic() + self._settings.head_timeout
        if not self._opened(self):
            self._end_with(Problem(503, "too many connections", reason="connections", headers={"Retry-After": "1"}))

    def connection_lost(self, error: Exception | None) -> None:
        self._ending = True
        self._waiting.clear()
        self.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._ending or self._draining:
            return
        if self._request is None and self._task is None:
            self.deadline = time.monotonic() + self._settings.head_timeout
        self._unparsed = memoryview(bytes(self._unparsed) + data) if self._unparsed else memoryview(data)
        self._parse()

    def _parse(self) -> None:
        """Goes on with what was read, as long as requests have room to wait; reads on once all of it is parsed."""
        try:
            while self._unparsed and len(self._waiting) < MAX_PIPELINED and not self._ending and not self._draining:
                part, self._unparsed = self._unparsed[:SLICE], self._unparsed[SLICE:]
                self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            self._end_with(Problem(400, "this port speaks HTTP alone; the stream has its own", reason="upgrade"))
        except httptools.HttpParserError as error:
            problem = error.__context__
            self._end_with(
                problem if isinstance(problem, Problem) else Problem(400, "this is no HTTP", reason="malformed")
            )
        if self._transport is None or self._transport.is_closing():
            return
        if self._unparsed or len(self._waiting) >= MAX_PIPELINED:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        return self._task is not None or bool(self._waiting)  # what was asked is still answered

    def pause_writing(self) -> None:
        """It reads slowly: nothing more is answered before it has."""
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._next()

    # httptools

    def on_message_begin(self) -> None:
        self._request = Request(self._scheme, self.address)
        self._url, self._head_bytes, self._parts = b"", 0, bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))
        if len(self._url) > MAX_TARGET:
            raise Problem(431, f"the path and query are longer than {MAX_TARGET} bytes", reason="target")

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._request is not None
        self._count(len(name) + len(value))
        if self._request.method:  # behind the body: what a proxy in front looked at is not to be changed there
            raise Problem(400, "fields behind the body are not taken", reason="trailer")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers = self._request.headers
        if key in headers:
            if key in SINGLE or key.startswith("tapewire-"):
                self._request.fault = key
            text = f"{headers[key]}, {text}"
        headers[key] = text
        if len(headers) > MAX_HEADERS:
            raise Problem(431, f"more than {MAX_HEADERS} headers", reason="headers")

    def on_headers_complete(self) -> None:
        request, settings = self._request, self._settings
        assert request is not None
        request.method = self._parser.get_method().decode("ascii")
        request.target = self._url.decode("latin-1")
        path, _, request.query = request.target.partition("?")
        request.path = path if "%" not in path else unquote(path, "utf-8", "replace")
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > settings.max_body:
            raise _too_large(settings.max_body)
        if request.headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._task is None:
            self.deadline = time.monotonic() + settings.body_timeout

    def on_body(self, body: bytes) -> None:
        self._parts += body
        if len(self._parts) > self._settings.max_body:
            raise _too_large(self._settings.max_body)

    def on_message_complete(self) -> None:
        request = self._request
        assert request is not None
        self._request = None
        if self._ending:
            return
        request.body = bytes(self._parts)
        request.ts_recv = time.time_ns()
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._next()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._settings.max_head:
            raise Problem(431, f"the headers are longer than {self._settings.max_head} bytes", reason="head")

    # Replies

    def _next(self) -> None:
        if self._task is None and self._waiting and not self._paused and not self._ending:
            request, keep = self._waiting.popleft()
            self._task = asyncio.get_running_loop().create_task(self._answer(request, keep))

    async def _answer(self, request: Request, keep: bool) -> None:
        self.deadline = float("inf")  # ours to end
        reply = await self._handle(request)
        self._task = None
        if self._transport is None or self._transport.is_closing():
            return
        keep = keep and not self._ending and not (self._draining and not self._waiting)
        self._transport.write(rendered(reply, keep=keep, with_body=request.method != "HEAD"))
        self.deadline = time.monotonic() + self._settings.idle_timeout
        if not keep:
            self._close()
            return
        self._next()
        self._parse()

    def _end_with(self, problem: Problem) -> None:
        """Says what is wrong, and closes: where the next request begins is not known."""
        if self._transport is not None and not self._transport.is_closing():
            if self._task is None:
                self._transport.write(rendered(refusal(problem), keep=False))
            # Also behind a request that is being answered: nothing else would end it for who does not read.
            self.deadline = time.monotonic() + self._settings.idle_timeout
        self._close()

    def _close(self) -> None:
        """Once all that was said is sent; `deadline` says how long that may take."""
        self._ending, self._unparsed = True, memoryview(b"")
        if self._transport is not None:
            self._transport.close()

    # The server

    @property
    def is_busy(self) -> bool:
        return self._task is not None or bool(self._waiting)

    def expire(self, now: float) -> None:
        """Ends it if it is too slow, or was idle for too long."""
        if now <= self.deadline or self._transport is None:
            return
        if self._ending or self._paused:
            self._transport.abort()
        elif self._request is not None:
            self._end_with(Problem(408, "the request took too long to come", reason="timeout"))
        else:
            self._close()
        self.deadline = now + 1.0  # what is not sent by then is not wanted

    def drain(self) -> None:
        """No more requests; what was asked is still answered."""
        if self.is_busy:
            self._draining = True
        else:
            self._close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def refusal(problem: Problem) -> Reply:
    return Reply(problem.status, problem.encoded(), MEDIA_TYPE, problem.headers)


def rendered(reply: Reply, *, keep: bool, with_body: bool = True) -> bytes:
    """The reply's bytes. Values of headers are ours, never a client's text."""
    headers = reply.headers
    more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]) if headers else ""
    if "Cache-Control" not in headers:
        more += "cache-control: no-store\r\n"
    if "Content-Security-Policy" not in headers:
        more += f"content-security-policy: {POLICY}\r\n"
    if not keep:
        more += "connection: close\r\n"
    about = f"content-type: {reply.media_type}\r\ncontent-length: {len(reply.body)}\r\n"
    if reply.status == 304:
        about = ""  # those of the body that the client has
    head = f"{STATUS_LINES[reply.status]}{about}{HEADERS}{more}\r\n"
    return head.encode("latin-1") + reply.body if with_body else head.encode("latin-1")


def _too_large(most: int) -> Problem:
    return Problem(413, f"the body is longer than {most} bytes", reason="body", limit=str(most))
