"""How a session talks to its venue: control messages spaced apart, REST questions a few at a time."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from tapewire.feed.actions import Action, FetchRest, Send, Wait
from tapewire.feed.instrument import Instrument

MAX_REST_IN_FLIGHT = 2

I = TypeVar("I", bound=Instrument)  # noqa: E741


class Outbox:
    """Control messages that wait to be sent, no closer together than `gap` ns."""

    def __init__(self, gap: int) -> None:
        self._gap = gap
        self._waiting: deque[str] = deque()
        self._next = 0

    def begin(self, now: int) -> None:
        """A new connection: what waited belonged to the old one."""
        self._waiting.clear()
        self._next = now

    def put(self, text: str) -> None:
        self._waiting.append(text)

    def flush(self, now: int, out: list[Action]) -> None:
        """Sends the next message if it is time, and asks to be called again for the one after it."""
        if self._waiting and now >= self._next:
            out.append(Send(self._waiting.popleft()))
            self._next = now + self._gap
        if self._waiting:
            out.append(Wait(self._next))


class Questions(Generic[I]):
    """REST questions under way and waiting. One of a kind per instrument is enough."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[str, I]] = {}
        self._waiting: deque[tuple[str, I, str]] = deque()
        self._next_id = 1

    def clear(self) -> None:
        """Answers that still come are of a connection that is gone: `answered` will not know them."""
        self._asked.clear()
        self._waiting.clear()

    def ask(self, kind: str, instrument: I, path: str, out: list[Action]) -> None:
        open_ones = [*self._asked.values(), *((kind_, who) for kind_, who, _ in self._waiting)]
        if not any(kind_ == kind and who is instrument for kind_, who in open_ones):
            self._waiting.append((kind, instrument, path))
            self.ask_waiting(out)

    def ask_waiting(self, out: list[Action]) -> None:
        """Asks what waits, as far as not too many are under way."""
        while self._waiting and len(self._asked) < MAX_REST_IN_FLIGHT:
            kind, instrument, path = self._waiting.popleft()
            self._asked[self._next_id] = (kind, instrument)
            out.append(FetchRest(self._next_id, path))
            self._next_id += 1

    def answered(self, request_id: int) -> tuple[str, I] | None:
        """What was asked under this number; None if it is not under way."""
        return self._asked.pop(request_id, None)
