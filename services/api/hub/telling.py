"""Changes as events: rendered once, and only for channels that somebody listens to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from services.api import platform
from services.api.hub import answers, render
from services.api.hub.events import Event
from services.api.hub.render import FEED
from services.api.hub.venues import Told
from tapewire import messages as m
from tapewire.views import Change

if TYPE_CHECKING:
    from services.api.hub.hub import Hub

Listener = Callable[[Event], None]


class Telling:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listeners: dict[str, list[Listener]] = {}
        self._events: list[Event] = []
        """Since the last delivery."""
        self._once: dict[tuple[str, str | int, object], Event] = {}
        """Channels that say only that something changed do so once a delivery."""
        self._makers: dict[str, Callable[[Change, int], None]] = {
            "order": self._order,
            "fill": self._fill,
            "position": self._position,
            "trade": self._trade,
            "book": self._book,
            "quote": self._quote,
            "status": self._status,
            "limits": self._risk,
            "kill": self._risk,
        }

    def listen(self, callback: Listener, channels: Iterable[str]) -> Callable[[], None]:
        mine = [*channels, "reset"]
        for channel in mine:
            self._listeners.setdefault(channel, []).append(callback)

        def end() -> None:
            for channel in mine:
                if callback in (listeners := self._listeners.get(channel, [])):
                    listeners.remove(callback)
                if not listeners:
                    self._listeners.pop(channel, None)

        return end

    def deliver(self) -> None:
        """Tells all that was noted."""
        events, self._events = self._events, []
        if self._once:
            events += self._once.values()
            self._once = {}
        for event in events:
            for listener in tuple(self._listeners.get(event.channel, ())):
                listener(event)

    # -- the orders tape

    def changed(self, changes: Sequence[Change], raw: bytes, seq: int) -> None:
        """Notes what a record changed."""
        if not self._listeners:
            return
        if raw and "tape" in self._listeners:
            self._events.append(Event("tape", FEED, "", seq, raw))
        for change in changes:
            make = self._makers.get(change.kind)
            if make is not None:
                make(change, seq)

    def reset(self, seq: int) -> None:
        """Everything may be otherwise."""
        self._events, self._once = [Event("reset", "", "", seq, None)], {}
        self.deliver()

    def _order(self, change: Change, seq: int) -> None:
        if "orders" in self._listeners:
            order, raw = change.item
            shown = render.order(self._hub.views, order, self._hub.producers, raw)
            self._events.append(Event("orders", FEED, change.owner, seq, shown))
        self._risk(change, seq)

    def _fill(self, change: Change, seq: int) -> None:
        if "fills" in self._listeners:
            shown = render.fill(self._hub.views, change.owner, change.item)
            self._events.append(Event("fills", FEED, change.owner, seq, shown))

    def _position(self, change: Change, seq: int) -> None:
        if "positions" in self._listeners:
            ticker = render.terms(self._hub.views, change.item.instrument).ticker
            self._mark("positions", change.owner, seq, ticker)
        self._risk(change, seq)

    def _risk(self, change: Change, seq: int) -> None:
        self._mark("risk", change.owner, seq)

    def _trade(self, change: Change, seq: int) -> None:
        of = render.terms(self._hub.views, change.owner)
        if "trades" in self._listeners:
            self._events.append(Event("trades", FEED, of.ticker, seq, render.trade(of, change.item)))
        self._mark("bars", of.ticker, seq)

    def _book(self, change: Change, seq: int) -> None:
        book = self._hub.views.book(change.owner)
        if "book" in self._listeners and book is not None:
            shown = render.changed(self._hub.views, book, change.item)
            self._events.append(Event("book", FEED, book.ticker, seq, shown))

    def _quote(self, change: Change, seq: int) -> None:
        self._mark("quotes", render.terms(self._hub.views, change.owner).ticker, seq)

    def _status(self, change: Change, seq: int) -> None:
        book = self._hub.views.book(change.owner)
        if "status" in self._listeners and book is not None:
            self._events.append(Event("status", FEED, book.ticker, seq, render.status(book)))

    def _mark(self, channel: str, key: str | int, seq: int, item: object = None) -> None:
        if channel in self._listeners:
            self._once[channel, key, item] = Event(channel, FEED, key, seq, item)

    # -- venues, parents, time

    def venue(self, feed: str, told: list[Told]) -> None:
        if not self._listeners:
            return
        for channel, book, what in told:
            if channel not in self._listeners:
                continue
            item: Any = None
            if channel == "book" and what is not None:
                of = answers.venue_terms(book)
                bids = render.levels(of, (level for level in what if level.side == m.Side.buy))
                asks = render.levels(of, (level for level in what if level.side != m.Side.buy))
                item = answers.venue_book(feed, book, bids, asks)
            elif channel == "trades":
                item = answers.venue_trade(feed, book, what)
            event = Event(channel, feed, book.ticker, book.book_seq if channel == "book" else 0, item)
            for listener in tuple(self._listeners.get(channel, ())):
                listener(event)

    def parents(self, parents: list[platform.Parent]) -> None:
        for parent in parents:
            event = Event("parents", "", parent.account, 0, parent)
            for listener in tuple(self._listeners.get("parents", ())):
                listener(event)

    def beat(self, channel: str, seq: int) -> None:
        for listener in tuple(self._listeners.get(channel, ())):
            listener(Event(channel, "", "", seq, None))
