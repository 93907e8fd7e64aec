"""A topic of which every item counts: trades, fills, orders, records of the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.api.stream.counters import Counters
from services.api.stream.log import Log
from services.api.stream.pacer import Pacer
from services.api.stream.topic import Subscription, Topic, frame

BATCH: Final = 200
"""Items in one message; a few more where they come from one record."""


class LogTopic(Topic):
    """A subscriber stands at a seq: all items up to there it was sent, each once.

    position = sent          live
    position < sent          late: it gets the items between, from the log, else off the tape
    position > sent          it has resumed from what is not told to the others yet: it waits for them
    """

    def __init__(
        self,
        channel: str,
        pacer: Pacer,
        counters: Counters,
        log: Log,
        *,
        render: Callable[[bytes], bytes] | None = None,
        skips: bool = False,
    ) -> None:
        """`render` makes the JSON of an item, if the log does not hold that already. `skips`: if there are more items
        in an interval than BATCH, the live ones are told the newest and how many were left out."""
        super().__init__(channel, pacer, counters)
        self.log = log
        self.sent = log.end
        self._render = render
        self._skips = skips
        self._waiting: set[Subscription] = set()

    def join(self, subscription: Subscription, snapshot: bytes | None, position: int) -> None:
        """`snapshot`: the tail of a message that tells what is before `position`; None: the client knows it."""
        if not self._followers:
            self.sent = self.log.end
        self._followers.add(subscription)
        if snapshot is not None:
            subscription.client.say(frame(subscription.id, snapshot))
        subscription.position = position
        self.catch_up(subscription)

    def newest(self, limit: int) -> tuple[bytes, int]:
        """The tail of a snapshot with the last items that the live ones know, and its position."""
        sent = self.sent if self._followers else self.log.end
        items = self.log.newest(limit, sent)
        return self.list(b"snapshot", items, sent), sent

    def leave(self, subscription: Subscription) -> None:
        self._waiting.discard(subscription)
        super().leave(subscription)

    def catch_up(self, subscription: Subscription) -> None:
        """Sends what is between its position and the live ones', as long as its client takes it."""
        client = subscription.client
        while subscription.position < self.sent:
            if subscription.position < self.log.floor:
                client.read_back(subscription)
                return
            if client.congested:
                client.fall_behind(subscription)
                return
            items, position = self.log.after(subscription.position, BATCH, self.sent)
            if items:
                client.say(frame(subscription.id, self.list(b"update", items, position)))
            subscription.position = position
        if subscription.position == self.sent:
            self._enliven(subscription)
        else:
            self._waiting.add(subscription)

    def restart(self) -> None:
        """The log has been filled anew."""
        self.sent = self.log.end

    def begin_anew(self, snapshot: bytes, position: int) -> None:
        """What was told is void: everybody gets `snapshot`, which stands at `position`, and goes on from there."""
        self._waiting.clear()
        self._out.clear()
        self._next = 0
        for subscription in list(self._followers):
            self._unlive(subscription)
            subscription.client.say(frame(subscription.id, snapshot))
            subscription.position = position
            self.catch_up(subscription)

    def _make(self) -> None:
        if self._skips and (extra := self.log.count(self.sent, self.log.end) - BATCH) > 0:
            self._skip(extra)
        while self.sent < self.log.end:
            items, position = self.log.after(self.sent, BATCH, self.log.end)
            before, self.sent = self.sent, position
            self._tell(self.list(b"update", items, position), before)
        waiting, self._waiting = self._waiting, set()
        for subscription in waiting:
            self.catch_up(subscription)

    def _skip(self, extra: int) -> None:
        newest = self.log.newest(BATCH, self.log.end)
        self._counters.skipped += extra * len(self._followers)
        before, self.sent = self.sent, self.log.end
        self._tell(self.list(b"update", newest, self.sent, b'"skipped":%d,' % extra), before)

    def _fall_behind(self, subscription: Subscription, number: int, before: int) -> None:
        self._counters.conflated += 1
        subscription.position = before
        subscription.client.fall_behind(subscription)

    def list(self, kind: bytes, items: list[bytes], position: int, head: bytes = b"") -> bytes:
        if self._render is not None:
            items = [self._render(item) for item in items]
        name = b"records" if self.channel == "tape" else self.channel.encode()
        return b'"ch":"%b","type":"%b","seq":%d,%b"%b":[%b]}' % (
            self.channel.encode(), kind, position, head, name, b",".join(items),
        )  # fmt: skip
