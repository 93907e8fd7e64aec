"""Drives a session from a recording, deterministically: for imports, tests and benches.

    events (time, frame or REST answer) ──▶ Replay ──▶ session ──▶ actions ──▶ updates, what was sent, when it closed

The recording's times are the only clock. Timers fire between events as the session asked; a REST request is answered by
the recorded answer to the same path (when it is recorded later, then), else by `rest`, else with 404.
"""

from __future__ import annotations

import gzip
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, cast
from urllib.parse import urlsplit

import msgspec

from tapewire.feed.actions import Action, Close, Connect, FetchRest, Replace, Send, Update, Wait
from tapewire.feed.limits import SECOND
from tapewire.feed.session import VenueSession

MAX_TIMERS_PER_EVENT = 1_000
"""Timers fired between two events; across a longer silence time jumps."""

Rest = Callable[[str, int], tuple[int, bytes] | None]
"""(path, now) to (status, body), or None to leave the request to the recording."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """A frame that was received, or the answer to a GET of any path that begins with `key`."""

    at: int
    data: bytes
    kind: Literal["frame", "rest"] = "frame"
    key: str = ""


class Replay:
    """Feeds a session and collects what it did, each with the time it did it at."""

    def __init__(self, session: VenueSession[Any], rest: Rest | None = None) -> None:
        self.session = session
        self.updates: list[tuple[int, Update]] = []
        self.sent: list[tuple[int, str]] = []
        self.closed: list[tuple[int, str]] = []
        self.requests: list[tuple[int, str]] = []
        self.now = 0
        self._rest = rest
        self._timer: int | None = None
        self._connect_at: int | None = None
        self._connected = False
        self._open: dict[int, str] = {}
        self._due: deque[tuple[int, int, bytes]] = deque()
        self._taking = False
        self._answers: dict[str, bytes] = {}
        self._keys: set[str] = set()

    def run(self, events: Iterable[Event]) -> Replay:
        """Everything, from the connection to the last event. Returns itself."""
        recording = list(events)
        self.begin(recording)
        for event in recording:
            self.feed(event)
        return self

    def begin(self, recording: Sequence[Event]) -> None:
        """Starts at the time of the first event; what is recorded as an answer will be waited for."""
        self._keys = {event.key for event in recording if event.kind == "rest"}
        self.start(recording[0].at)

    def start(self, now: int) -> None:
        """Starts the session and connects it."""
        self.now = now
        self.take(self.session.on_start(now))
        self.advance(now)

    def feed(self, event: Event) -> None:
        """Timers that are due, then the event."""
        self.advance(event.at)
        if event.kind == "rest":
            self._answers[event.key] = event.data
            for request_id, path in list(self._open.items()):
                if path.startswith(event.key):
                    del self._open[request_id]
                    self.take(self.session.on_rest(request_id, 200, event.data, self.now))
        elif self._connected:
            self.take(self.session.on_frame(event.data, self.now))

    def advance(self, to: int) -> None:
        """Lets time pass, firing timers and connections on the way."""
        for _ in range(MAX_TIMERS_PER_EVENT):
            due = [at for at in (self._timer, self._connect_at) if at is not None and at <= to]
            if not due:
                break
            self.now = max(self.now, min(due))
            if self._connect_at is not None and self._connect_at <= self.now:
                self._connect_at, self._connected = None, True
                self.take(self.session.on_connected(self.now))
            else:
                self._timer = None
                self.take(self.session.on_timer(self.now))
        self.now = max(self.now, to)

    def disconnect(self, why: str) -> None:
        """The connection breaks now."""
        self._connected, self._timer = False, None
        self._open.clear()
        self._due.clear()
        self.closed.append((self.now, why))
        self.take(self.session.on_closed(self.now, why))

    def take(self, actions: Iterable[Action]) -> None:
        """Does what the session asks."""
        for action in actions:
            if isinstance(action, Wait):
                self._timer = action.until if self._timer is None else min(self._timer, action.until)
            elif isinstance(action, Connect):
                self._connect_at = action.at
            elif isinstance(action, Send):
                self.sent.append((self.now, action.text))
            elif isinstance(action, FetchRest):
                self._fetch(action)
            elif isinstance(action, Close):
                self.disconnect(action.reason)
            elif isinstance(action, Replace):
                self.take(self.session.on_replaced(self.now))
            else:
                self.updates.append((self.now, action))
        # Answers come after what led to the question, not in the midst of it.
        while self._due and not self._taking:
            self._taking = True
            actions = self.session.on_rest(*self._due.popleft(), self.now)
            self.take(actions)
            self._taking = False

    def _fetch(self, request: FetchRest) -> None:
        self.requests.append((self.now, request.path))
        answer = self._rest(request.path, self.now) if self._rest is not None else None
        if answer is None:
            recorded = next((body for key, body in self._answers.items() if request.path.startswith(key)), None)
            if recorded is not None:
                answer = 200, recorded
            elif any(request.path.startswith(key) for key in self._keys):
                self._open[request.request_id] = request.path
                return
            else:
                answer = 404, b"not recorded"
        self._due.append((request.request_id, *answer))

    def of(self, *kinds: type) -> list[Any]:
        """The updates of these kinds, in order."""
        return [update for _, update in self.updates if isinstance(update, kinds)]


# ── recordings (the formats are described in the README of the recordings) ───────────────────────────────────────────


def read_hftbacktest(path: Path, symbol: str) -> Iterator[Event]:
    """`<ns> <json>` lines; the one without a stream is the depth snapshot."""
    with _opened(path) as lines:
        for line in lines:
            at, _, data = line.rstrip(b"\n").partition(b" ")
            if b'"stream"' in data[:20]:
                yield Event(int(at), data)
            else:
                yield Event(int(at), data, "rest", f"/api/v3/depth?symbol={symbol}&")


def read_cryptofeed(*paths: Path) -> Iterator[Event]:
    """`<seconds>: <json>` frames and `<url> -> <seconds>: <body>` answers of several files, merged by time."""
    return heapq.merge(*(_cryptofeed_lines(path) for path in paths), key=lambda event: event.at)


def _cryptofeed_lines(path: Path) -> Iterator[Event]:
    with _opened(path) as lines:
        for line in lines:
            head, _, data = line.rstrip(b"\n").partition(b": ")
            if b" <-> " in line or b" <- " in head or not data or head.startswith(b"configuration"):
                continue
            url, _, at = head.rpartition(b" -> ")
            seconds = int(Decimal(at.decode()) * SECOND)
            if url:
                parts = urlsplit(url.decode())
                first = parts.query.split("&")[0]
                yield Event(seconds, data, "rest", f"{parts.path}?{first}&" if first else parts.path)
            else:
                yield Event(seconds, data)


def read_cbcap(path: Path) -> Iterator[Event]:
    """`CBCAP1 ...`, then `<ns> <byte count>\\n<bytes>\\n` for each frame."""
    with _opened(path) as file:
        file.readline()
        while head := file.readline():
            at, _, size = head.partition(b" ")
            yield Event(int(at), file.read(int(size)))
            file.readline()


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def split_products(event: Event) -> Iterator[Event]:
    """Coinbase's answer to /products as the answers to /products/<id>."""
    for raw in msgspec.json.decode(event.data, type=list[msgspec.Raw]):
        product = msgspec.json.decode(raw, type=dict[str, object])
        yield Event(event.at, bytes(raw), "rest", f"/products/{product['id']}")
