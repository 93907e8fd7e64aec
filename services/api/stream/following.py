"""Who follows what: topics by name, the logs behind them, and what the hub tells going to where it belongs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from services.api.hub import Event, Hub
from services.api.stream import answers
from services.api.stream.channels import CHANNELS, HOUSE, SNAPSHOT_ITEMS, SNAPSHOT_ORDERS, Name, name_of
from services.api.stream.client import Client
from services.api.stream.counters import Counters
from services.api.stream.history import Forgotten, TapeHistory
from services.api.stream.log import Log
from services.api.stream.log_topic import LogTopic
from services.api.stream.pacer import Pacer
from services.api.stream.requests import Invalid, Subscribe
from services.api.stream.states import state_of
from services.api.stream.topic import StateTopic, Subscription, Topic, frame, tail
from services.api.types import Fill, Order, Trade
from tapewire import messages as m
from tapewire.config.stream import Stream
from tapewire.errors import TapeError
from tapewire.lifecycle import Background

Route = tuple[str, str, str | int]
"""Channel, feed, and ticker or account ("" for channels about several accounts, or the platform)."""
_encode: Final = msgspec.json.Encoder().encode


class Following:
    """All on the loop's thread."""

    def __init__(
        self,
        hub: Hub,
        history: TapeHistory,
        limits: Stream,
        counters: Counters,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """`on_failure`: called with what must not have happened; nothing is told afterwards."""
        self._hub, self._history, self._limits, self._counters = hub, history, limits, counters
        self._on_failure = on_failure
        self._topics: dict[Name, Topic] = {}
        self._routes: dict[Route, dict[Topic, Name]] = {}
        self._pacers: dict[int, Pacer] = {}
        self._logs: OrderedDict[Route, Log] = OrderedDict()
        """Of trades, fills and orders; those of the tape belong to their topics. The one used last is at the end."""
        self._listening: dict[str, Callable[[], None]] = {"": hub.listen(self._on_reset, ())}
        self._tasks = Background(on_failure)

    @property
    def topics(self) -> int:
        return len(self._topics)

    # -- what clients ask

    def follow(self, client: Client, asked: Subscribe) -> None:
        """Raises Invalid."""
        if asked.id in client.subscriptions:
            raise Invalid("duplicate_id", "this id is that of another subscription of yours", "id", asked.id)
        if len(client.subscriptions) >= self._limits.max_subscriptions:
            text = f"{len(client.subscriptions)} subscriptions already; unsubscribe from one first"
            raise Invalid("too_many", text, "", asked.id)
        assert client.author is not None, "who is not known follows nothing"
        name = name_of(asked, client.author, self._limits.max_depth)
        topic, snapshot = self._found(name, asked)
        subscription = client.subscriptions[asked.id] = Subscription(client, asked.id, topic)
        self._counters.subscriptions += 1
        client.tell(_subscribed(asked, name))
        if isinstance(topic, StateTopic):
            topic.join(subscription)
        elif isinstance(topic, LogTopic):
            assert snapshot is not None
            if asked.after is None:
                topic.join(subscription, *snapshot)
            else:
                topic.join(subscription, None, asked.after)

    def _found(self, name: Name, asked: Subscribe) -> tuple[Topic, tuple[bytes, int] | None]:
        """The topic, and of a log a snapshot. Raises Invalid; nothing that nobody follows is left then."""
        topic = None
        try:
            topic = self._topic(name)
            if not isinstance(topic, LogTopic):
                return topic, None
            if asked.after is not None:
                self._check_after(topic, name, asked.after, asked.id)
            return topic, self._snapshot(topic, name)
        except (LookupError, TapeError, Invalid) as error:
            if topic is not None and not topic.followers:
                topic.ended()
            if isinstance(error, Invalid):
                raise
            if isinstance(error, TapeError):
                raise Invalid("unavailable", str(error), "", asked.id) from None
            raise Invalid("unknown", str(error.args[0]), CHANNELS[name.channel].key, asked.id) from None

    def unfollow(self, client: Client, number: int) -> None:
        """Raises Invalid."""
        subscription = client.subscriptions.pop(number, None)
        if subscription is None:
            raise Invalid("unknown", "you have no subscription of this id", "id", number)
        self._end(client, subscription)
        client.tell(answers.Unsubscribed(number))

    def _end(self, client: Client, subscription: Subscription) -> None:
        self._counters.subscriptions -= 1
        client.late.pop(subscription, None)
        subscription.topic.leave(subscription)

    def read_back(self, client: Client, subscription: Subscription) -> None:
        """Sends what is behind its position and no longer in the log off the tape, then goes on from the log."""
        self._tasks.begin(self._read_back(client, subscription))

    def stop(self) -> None:
        """Nothing is told any more."""
        for unlisten in self._listening.values():
            unlisten()
        self._listening.clear()
        for pacer in self._pacers.values():
            pacer.stop()
        self._tasks.cancel()

    # -- topics

    def _topic(self, name: Name) -> Topic:
        """Raises LookupError."""
        topic = self._topics.get(name)
        if topic is None:
            self._listen(name.channel)
            topic = self._topics[name] = self._make(name)
            route = _route_of(name)
            self._routes.setdefault(route, {})[topic] = name
            topic.ended = lambda: self._ended(topic, name, route)
        return topic

    def _make(self, name: Name) -> Topic:
        pacer = self._pacer(name.interval_ms)
        if not CHANNELS[name.channel].is_log:
            return StateTopic(name.channel, pacer, self._counters, state_of(self._hub, name, self._limits.max_depth))
        if name.channel != "tape":
            return LogTopic(name.channel, pacer, self._counters, self._log(_route_of(name)))
        log = Log(self._hub.seq, self._limits.max_history)
        return LogTopic(
            name.channel, pacer, self._counters, log, render=lambda raw: _encode(self._hub.record(raw)), skips=True
        )

    def _ended(self, topic: Topic, name: Name, route: Route) -> None:
        del self._topics[name]
        del self._routes[route][topic]
        if not self._routes[route]:
            del self._routes[route]
        if name.channel == "tape" and route not in self._routes:
            self._listening.pop("tape", _nothing)()

    def _pacer(self, interval_ms: int) -> Pacer:
        pacer = self._pacers.get(interval_ms)
        if pacer is None:
            loop = asyncio.get_running_loop()
            pacer = self._pacers[interval_ms] = Pacer(loop, interval_ms / 1000, self._on_failure)
        return pacer

    def _listen(self, channel: str) -> None:
        if channel not in self._listening:
            self._listening[channel] = self._hub.listen(self._on_event, (channel,))

    # -- logs

    def _log(self, route: Route) -> Log:
        """Raises LookupError."""
        log = self._logs.get(route)
        if log is None:
            log = Log(0, self._limits.max_history)
            self._fill(log, route)
            self._logs[route] = log
            if len(self._logs) > self._limits.max_logs:
                unused = next((one for one in self._logs if one not in self._routes), None)
                if unused is not None:
                    del self._logs[unused]
        self._logs.move_to_end(route)
        return log

    def _fill(self, log: Log, route: Route) -> None:
        """With what the hub still has. Raises LookupError."""
        items, floor = self._history.kept(*route)
        log.fill(items, floor)

    def _check_after(self, topic: LogTopic, name: Name, after: int, number: int) -> None:
        """Whether a client can go on from there. Raises Invalid."""
        if name.feed in ("", HOUSE):
            if after > self._hub.seq:
                text = f"{after} is beyond the end of the tape, {self._hub.seq}: is this another platform's?"
                raise Invalid("ahead", text, "after", number)
        elif not len(topic.log) or after < topic.log.floor or after > topic.log.end:
            text = f"{name.feed}: expected {topic.log.floor} to {topic.log.end}, behind which all is here"
            raise Invalid("gone", text, "after", number)

    def _snapshot(self, topic: LogTopic, name: Name) -> tuple[bytes, int]:
        """The tail of the message, and the seq that it stands at. Raises LookupError."""
        if name.channel != "orders":
            return topic.newest(SNAPSHOT_ITEMS)
        assert isinstance(name.key, int)
        live = self._hub.orders([name.key], live=True, limit=SNAPSHOT_ORDERS)
        return tail("orders", b"snapshot", _encode(live)), self._hub.seq

    async def _read_back(self, client: Client, subscription: Subscription) -> None:
        topic = subscription.topic
        assert isinstance(topic, LogTopic), "only logs are read back"
        name = next(name for name, one in self._topics.items() if one is topic)
        self._counters.resumed += 1
        while topic.log.floor > subscription.position and _follows(client, subscription):
            try:
                pages = await self._history.read(name, subscription.position, topic.log.floor)
            except Forgotten as gone:
                if _follows(client, subscription):
                    del client.subscriptions[subscription.id]
                    self._end(client, subscription)
                    client.tell(answers.Error("gone", str(gone), subscription.id, "after", gone.oldest))
                return
            for page in pages:
                await client.room()
                if not _follows(client, subscription):
                    return
                if page.items:
                    client.say(frame(subscription.id, topic.list(b"update", page.items, page.position)))
                subscription.position = page.position
        if _follows(client, subscription):
            topic.catch_up(subscription)

    # -- what the hub tells

    def _on_event(self, event: Event) -> None:
        channel = event.channel
        if channel == "reset":
            return  # every listener is told; one time is enough, see `_on_reset`
        if channel == "tape":
            self._on_record(event)
        elif CHANNELS[channel].is_log:
            self._on_item(event)
        elif CHANNELS[channel].key == "accounts":
            for topic, name in self._routes.get((channel, "", ""), {}).items():
                if event.key == 0 or name.key is None or event.key in name.key:  # type: ignore[operator]
                    topic.mark()
        else:
            for topic in self._routes.get((channel, event.feed, event.key), ()):
                topic.mark()

    def _on_item(self, event: Event) -> None:
        route = (event.channel, event.feed, event.key)
        log, item = self._logs.get(route), event.item
        if log is None:
            return
        assert isinstance(item, (Trade, Fill, Order))
        if item.seq < log.end and event.feed != HOUSE:
            log.fill((), item.seq - 1)  # the venue's numbers began anew, and with them all that is told of it
            log.append(item.seq, _encode(item))
            self._renew(route)
            return
        log.append(item.seq, _encode(item))
        for topic in self._routes.get(route, ()):
            topic.mark()

    def _on_record(self, event: Event) -> None:
        raw = event.item
        assert isinstance(raw, bytes)
        kind = m.MessageType(m.type_of(raw)).name
        for topic, name in self._routes.get(("tape", "", ""), {}).items():
            assert isinstance(topic, LogTopic)
            assert isinstance(name.option, frozenset)
            if not name.option or kind in name.option:
                topic.log.append(event.seq, raw)
                topic.mark()

    def _on_reset(self, event: Event) -> None:
        """The tape has lost its tail: what was told of it is void."""
        for route, log in self._logs.items():
            if route[1] == HOUSE:
                try:
                    self._fill(log, route)
                except LookupError:  # its definition was in the tail that was lost
                    log.fill((), self._hub.seq)
        for route in list(self._routes):
            if route[1] in ("", HOUSE):
                self._renew(route)

    def _renew(self, route: Route) -> None:
        for topic, name in list(self._routes.get(route, {}).items()):
            if isinstance(topic, StateTopic):
                topic.begin_anew()
            elif isinstance(topic, LogTopic):
                if name.channel == "tape":
                    topic.log.fill((), self._hub.seq)
                topic.restart()
                topic.begin_anew(*self._snapshot(topic, name))


def _nothing() -> None:
    """Nobody listens any more: the service ends."""


def _follows(client: Client, subscription: Subscription) -> bool:
    return client.subscriptions.get(subscription.id) is subscription


def _route_of(name: Name) -> Route:
    key = name.key if isinstance(name.key, (str, int)) and CHANNELS[name.channel].key in ("ticker", "account") else ""
    return name.channel, name.feed, key


def _subscribed(asked: Subscribe, name: Name) -> answers.Subscribed:
    said = answers.Subscribed(asked.id, name.channel, name.interval_ms)
    if name.feed:
        said.feed = name.feed
    if isinstance(name.key, str):
        said.ticker = name.key
    if asked.account is not None:
        said.account = asked.account
    if name.channel == "book" and isinstance(name.option, int):
        said.depth = name.option
    if name.channel == "bars" and isinstance(name.option, str):
        said.interval = name.option
    if asked.after is not None:
        said.after = asked.after
    return said
