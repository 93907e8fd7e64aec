"""One thing that is followed with the same options: encoded once, its bytes shared by all who follow it.

    the hub says: changed ──▶ mark ──▶ (interval) ──▶ flush ──▶ one frame for each id that subscribers gave ──▶ deliver

A subscriber is *live* (it holds what was told last, and gets the next frame), or *late*: its client does not read as
fast, and nothing is put into its buffer. When it has read, it gets the state of now (`StateTopic`), or all items that
it has missed (`LogTopic`), and is live again. Delivery goes in slices of a few hundred clients, so that the loop can
do other things in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, Protocol

from services.api.stream.counters import Counters
from services.api.stream.pacer import Pacer
from tapewire.errors import TapeError

ROOM: Final = 14
"""Bytes in front of a message where the WebSocket frame's header is written."""
SLICE: Final = 250
"""Frames sent in one turn of the loop: two milliseconds."""
NOT_LIVE: Final = 1 << 62


class Reader(Protocol):
    """What a topic needs of a client."""

    congested: bool

    def send(self, frame: bytearray) -> None:
        """Puts a frame into its buffer. The bytes are copied or gone when it returns. Not counted: `say` is."""

    def say(self, frame: bytearray) -> None:
        """As `send`, and counts it."""

    def fall_behind(self, subscription: Subscription) -> None:
        """Calls `catch_up` of the subscription's topic as soon as the client has read."""

    def read_back(self, subscription: Subscription) -> None:
        """What the subscription stands at has been forgotten here: reads it off the tape."""


class Subscription:
    """One client's interest in one topic."""

    __slots__ = ("client", "conflated_from", "id", "position", "since", "topic")

    def __init__(self, client: Reader, number: int, topic: Topic) -> None:
        self.client = client
        self.id = number
        self.topic = topic
        self.since = NOT_LIVE
        """Frames with a higher number are for it; NOT_LIVE: none."""
        self.position = 0
        """Of a late one of a log: the last seq it was told."""
        self.conflated_from = 0
        """Of a late one of a state: the number of the first frame that it did not get."""

    @property
    def live(self) -> bool:
        return self.since != NOT_LIVE


def frame(number: int, tail: bytes, head: bytes = b"") -> bytearray:
    """A message with the subscription's id in front; `tail` is what all have in common, from the next field on."""
    made = bytearray(ROOM)
    made += b'{"id":%d,%b%b' % (number, head, tail)
    return made


class Topic:
    """What both kinds have in common: who follows, and delivery in slices."""

    def __init__(self, channel: str, pacer: Pacer, counters: Counters) -> None:
        self.channel = channel
        self.frames = 0
        """Frames made so far; each has its number."""
        self._pacer = pacer
        self._counters = counters
        self._live: dict[int, dict[Subscription, None]] = {}
        self._followers: set[Subscription] = set()
        self._out: deque[tuple[int, int, bytearray, list[Subscription]]] = deque()
        self.ended: Callable[[], None] = lambda: None
        """Called when nobody follows it any more."""
        self._next = 0
        """Of the first in `_out`: how many of its subscribers have been dealt with."""

    @property
    def followers(self) -> int:
        return len(self._followers)

    def mark(self) -> None:
        """It has changed."""
        self._pacer.mark(self)

    def flush(self) -> None:
        """Makes what is to be told, once the last has been delivered to everybody."""
        if self._out:
            self._pacer.mark(self)
            return
        self._make()
        self._deliver()

    def leave(self, subscription: Subscription) -> None:
        """It is not told anything any more."""
        self._followers.discard(subscription)
        self._unlive(subscription)
        if not self._followers:
            self._pacer.forget(self)
            self._out.clear()
            self.ended()

    def catch_up(self, subscription: Subscription) -> None:
        """Its client has read: tells what it has missed, as far as there is room."""
        raise NotImplementedError

    def _make(self) -> None:
        """Calls `_tell` with what changed."""
        raise NotImplementedError

    def _fall_behind(self, subscription: Subscription, number: int, before: int) -> None:
        """It did not get frame `number`, which tells what came behind `before`."""
        raise NotImplementedError

    def _enliven(self, subscription: Subscription) -> None:
        subscription.since = self.frames
        self._live.setdefault(subscription.id, {})[subscription] = None

    def _unlive(self, subscription: Subscription) -> None:
        if subscription.live:
            subscription.since = NOT_LIVE
            same = self._live[subscription.id]
            del same[subscription]
            if not same:
                del self._live[subscription.id]

    def _tell(self, tail: bytes, before: int = 0) -> None:
        """A frame for everybody who is live."""
        self.frames += 1
        for number, subscriptions in self._live.items():
            self._out.append((self.frames, before, frame(number, tail), list(subscriptions)))

    def _deliver(self) -> None:
        budget = SLICE
        sent = size = 0
        while self._out and budget > 0:
            number, before, made, subscriptions = self._out[0]
            part = list(islice(subscriptions, self._next, self._next + budget))
            for subscription in part:
                # Whoever came, or caught up, since the frame was made knows what it says; whoever left is not live.
                if subscription.since >= number:
                    continue
                client = subscription.client
                if client.congested:
                    self._unlive(subscription)
                    self._fall_behind(subscription, number, before)
                else:
                    client.send(made)
                    sent += 1
                    size += len(made) - ROOM
            budget -= len(part)
            self._next += len(part)
            if self._next >= len(subscriptions):
                self._out.popleft()
                self._next = 0
        self._counters.messages += sent
        self._counters.bytes += size
        if self._out:
            self._pacer.soon(self._deliver)


class StateTopic(Topic):
    """Something of which only the present counts: a book, a quote, a position."""

    def __init__(self, channel: str, pacer: Pacer, counters: Counters, state: State) -> None:
        """Raises LookupError if there is no such thing."""
        super().__init__(channel, pacer, counters)
        self._state = state
        self._snapshot = b""
        state.refresh()

    def join(self, subscription: Subscription) -> None:
        """A snapshot, then every change."""
        self._followers.add(subscription)
        subscription.client.say(frame(subscription.id, self._snapshot_now()))
        self._enliven(subscription)

    def catch_up(self, subscription: Subscription) -> None:
        """The state of now, with how many updates it stands for."""
        missed = self.frames - subscription.conflated_from + 1
        self._counters.conflated += missed
        subscription.client.say(frame(subscription.id, self._snapshot_now(), b'"conflated":%d,' % missed))
        self._enliven(subscription)

    def begin_anew(self) -> None:
        """All that was told is void: everybody gets a snapshot, if there still is such a thing."""
        try:
            self._state.refresh()
        except LookupError:
            return
        self._snapshot = b""
        self._tell(self._snapshot_now())
        self._deliver()

    def _make(self) -> None:
        try:
            body = self._state.change()
        except (LookupError, TapeError):
            # The ticker was delisted, which `status` tells; or the tape is folded anew, and snapshots follow.
            return
        if body is not None:
            self._snapshot = b""
            self._tell(tail(self.channel, b"update", body))

    def _snapshot_now(self) -> bytes:
        if not self._snapshot:
            self._snapshot = tail(self.channel, b"snapshot", self._state.whole())
        return self._snapshot

    def _fall_behind(self, subscription: Subscription, number: int, before: int) -> None:
        subscription.conflated_from = number
        subscription.client.fall_behind(subscription)


class State(Protocol):
    """The present of one thing, as JSON objects."""

    def refresh(self) -> None:
        """What was told is forgotten. Raises LookupError if there is no such thing."""

    def whole(self) -> bytes:
        """What `change` builds on: the state as it was told last."""

    def change(self) -> bytes | None:
        """What changed since `whole` or `change` was last called; None: nothing."""


def tail(channel: str, kind: bytes, body: bytes) -> bytes:
    """From the channel on; `body` is a JSON object with at least one field."""
    return b'"ch":"%b","type":"%b",%b' % (channel.encode(), kind, body[1:])
