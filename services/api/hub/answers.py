"""What the hub answers: the state of now as the API's shapes. Nothing is waited for, but for records off the tape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from msgspec import UNSET, UnsetType

from services.api import platform
from services.api import types as t
from services.api.hub import observed, picture, render
from services.api.hub.parents import Parents
from services.api.hub.records import Records, record
from services.api.hub.render import FEED, Terms
from services.api.hub.venues import VenueBook, Venues
from tapewire import messages as m
from tapewire.house_book import HouseBook
from tapewire.tape import TapeReader
from tapewire.views import INTERVALS, Order, Views
from tapewire.views.bars import Bars

Accounts = Iterable[int] | None
"""Whose; None: everybody's."""


class Answers:
    """Raises LookupError, with a sentence, for what is not known: a feed, a ticker, an order."""

    def __init__(
        self,
        views: Views,
        venues: Venues,
        tape: Path,
        parents: Parents,
        producers: dict[int, str],
        now: Callable[[], int],
    ) -> None:
        self.views, self.venues = views, venues
        self._parents, self.producers, self._now = parents, producers, now
        self._services = observed.Services()
        self._rates, self._feed_rates = observed.Rates(), observed.Rates()
        self._records = Records(tape)

    # -- markets

    def instruments(self) -> list[t.Instrument]:
        """Of the house market, by ticker."""
        return [self._instrument(book) for book in picture.listed(self.views)]

    def instrument(self, ticker: str) -> t.Instrument:
        return self._instrument(self._house(ticker))

    def _instrument(self, book: HouseBook) -> t.Instrument:
        venues = [name for name, feed in self.venues.feeds.items() if book.ticker in feed.books]
        return render.instrument(book, [FEED, *venues])

    def book(self, feed: str, ticker: str, depth: int = 20) -> t.Book:
        if feed == FEED:
            return render.book(self.views, self._house(ticker), depth)
        book = self._venue(feed, ticker)
        of, (bids, asks) = venue_terms(book), book.depth(depth)
        return venue_book(feed, book, render.levels(of, bids), render.levels(of, asks))

    def quote(self, feed: str, ticker: str) -> t.Quote:
        """The best of each side."""
        if feed == FEED:
            return render.quote(self.views, self._house(ticker))
        book = self._venue(feed, ticker)
        return venue_quote(feed, book)

    def trades(self, feed: str, ticker: str, after: int = 0, limit: int = 50) -> t.Trades:
        """The next behind `after`, or, with 0, the last `limit`; oldest first. Of what is kept."""
        if feed == FEED:
            book = self._house(ticker)
            of, raws = render.terms(self.views, book.definition.instrument), self.views.trades
            kept = [render.trade(of, raw) for raw in raws.get(book.definition.instrument, ())]
            seq, known_from = self.views.at_seq, self._known_from
        else:
            known_from = UNSET
            venue = self._venue(feed, ticker)
            kept = [venue_trade(feed, venue, told) for told in venue.trades]
            seq = venue.trades[-1].seq if venue.trades else 0
        if not after:
            return t.Trades(kept[-limit:] if limit else [], seq, known_from=known_from)
        found = [trade for trade in kept if trade.seq > after]
        page = t.Trades(found[:limit], seq, known_from=known_from)
        if len(found) > limit:
            page.next = page.trades[-1].seq
        return page

    def bars(self, feed: str, ticker: str, interval: str, limit: int = 500) -> t.Bars:
        """The last ones, the one under way included; oldest first."""
        if feed == FEED:
            book = self._house(ticker)
            of = render.terms(self.views, book.definition.instrument)
            bars = self.views.bars.get(book.definition.instrument) or Bars()
        else:
            venue = self._venue(feed, ticker)
            of, bars = venue_terms(venue), venue.bars
        try:
            found = bars.last(interval, limit)
        except KeyError:
            raise LookupError(f"interval {interval!r}: expected one of {', '.join(INTERVALS)}") from None
        return t.Bars(
            feed,
            ticker,
            interval,
            [
                (str(start), of.price(first), of.price(high), of.price(low), of.price(last), of.qty(volume), trades)
                for start, first, high, low, last, volume, trades in found
            ],
            self._known_from if feed == FEED else UNSET,
        )

    def status(self, ticker: str) -> t.InstrumentStatus:
        return render.status(self._house(ticker))

    # -- orders and accounts

    def orders(
        self, accounts: Accounts, *, live: bool = True, ticker: str = "", after: int = 0, limit: int = 100
    ) -> t.Orders:
        """By the seq of their NewOrder (`created_seq`), behind `after`; done ones with 0: the last `limit` of them."""
        found = [order for order in self._orders(accounts, live) if order.created > after]
        if ticker:
            number = self._house(ticker).definition.instrument
            found = [order for order in found if order.instrument == number]
        found.sort(key=lambda order: order.created)
        some = found[-limit:] if not live and not after and limit else found[:limit]
        page = t.Orders([render.order(self.views, order, self.producers) for order in some], self.views.at_seq)
        page.known_from = self._known_from
        if some and some[-1] is not found[-1]:
            page.next = some[-1].created
        return page

    def _orders(self, accounts: Accounts, live: bool) -> list[Order]:
        orders = self.views.orders
        if live:
            whose = orders.live.keys() if accounts is None else accounts
            return [order for account in whose for order in orders.live.get(account, {}).values()]
        if accounts is None:
            return [order for _, order in orders.done.all()]
        return [order for account in accounts for order in orders.done.of(account)]

    def order(self, order_id: int, accounts: Accounts = None) -> t.Order:
        """With its events. One of another account is not known."""
        order = self.views.orders.by_id.get(order_id)
        if order is None or (accounts is not None and order.account not in accounts):
            since = self.views.known_from
            before = f"; what ended up to record {since} is not known to this API" if since else ""
            raise LookupError(f"order {order_id}: not live, and not among the last done ones that are kept{before}")
        return render.order_with_life(self.views, order, self.producers)

    def fills(self, accounts: Accounts, after: int = 0, limit: int = 100) -> t.Fills:
        """The next behind `after`, oldest first; of what is kept, see `kept_from`."""
        log, views = self.views.fills, self.views
        if accounts is None:
            found = [(account, fill) for account, fill in log.all() if fill.seq > after]
        else:
            found = [(account, fill) for account in accounts for fill in log.of(account) if fill.seq > after]
            found.sort(key=lambda one: one[1].seq)
        cut = min(limit, len(found))
        # A match of an account with itself is two fills of one seq: a page does not part them.
        while 0 < cut < len(found) and found[cut][1].seq == found[cut - 1][1].seq:
            cut += 1
        page = t.Fills([render.fill(views, account, fill) for account, fill in islice(found, cut)], views.at_seq)
        page.known_from = self._known_from
        if cut < len(found):
            page.next = page.fills[-1].seq if page.fills else after
        return page

    def positions(self, accounts: Accounts) -> t.Positions:
        found = picture.positions(self.views, picture.visible(self.views, accounts))
        return t.Positions(found, self.views.at_seq, self._known_from)

    def risk(self, accounts: Accounts) -> t.RiskState:
        return picture.risk(self.views, picture.visible(self.views, accounts))

    def kept_from(self, channel: str, feed: str, key: str | int) -> int:
        """From which seq on the trades of a ticker, or the fills of an account, are kept without a hole."""
        if channel == "fills":
            log, account = self.views.fills, int(key)
            kept = log.of(account)
            if len(kept) < log.per_owner and len(log) < log.total:
                return self.views.known_from + 1
            return kept[0].seq + 1 if kept else self.views.at_seq + 1
        if channel != "trades":
            raise LookupError(f"channel {channel!r} keeps nothing: expected trades or fills")
        if feed != FEED:
            trades = self._venue(feed, str(key)).trades
            return trades[0].seq if trades else 0
        raws = self.views.trades.get(self._house(str(key)).definition.instrument)
        return m.decode(raws[0]).seq if raws and len(raws) == raws.maxlen else self.views.known_from + 1

    # -- platform

    def record(self, raw: bytes) -> platform.TapeRecord:
        """As a person can read it."""
        return record(self.views, raw)

    async def records(self, after: int, limit: int = 100, types: frozenset[str] = frozenset()) -> platform.TapeRecords:
        """The next behind `after`, of these types (none: all). Raises TapeError: removed by retention, or damaged."""
        raws, last = await asyncio.to_thread(self._records.read, after, limit, types)
        page = platform.TapeRecords([self.record(raw) for raw in raws])
        if last:
            page.next = last
        return page

    def latency(self) -> platform.Latency:
        return self._stages.shown()

    def services(self) -> platform.Services:
        return self._services.shown(self._now())

    def parents(self, accounts: Accounts) -> platform.Parents:
        """Live ones, and the last that ended."""
        found = self._parents.all()
        whose = None if accounts is None else set(accounts)
        return platform.Parents([one for one in found if whose is None or one.account in whose])

    def parent(self, parent_id: int, accounts: Accounts) -> platform.Parent | None:
        """One of them; None: there is none of this number and these accounts."""
        found = self._parents.find(parent_id)
        return found if found is not None and (accounts is None or found.account in accounts) else None

    _stages: observed.Stages
    _reader: TapeReader

    # -- helpers

    @property
    def _known_from(self) -> int | UnsetType:
        """For answers about the house market: the record that the views began at, if that was not the first."""
        return self.views.known_from or UNSET

    def _house(self, ticker: str) -> HouseBook:
        book = self.views.house.book(ticker)
        if book is None:
            raise LookupError(f"ticker {ticker!r}: no instrument of the house market is listed under it")
        return book

    def _venue(self, feed: str, ticker: str) -> VenueBook:
        if feed not in self.venues.feeds:
            raise LookupError(f"feed {feed!r}: expected one of {', '.join([FEED, *self.venues.feeds])}")
        book = self.venues.book(feed, ticker)
        if book is None:
            raise LookupError(f"ticker {ticker!r}: nothing has come of it from the feed {feed!r} yet")
        return book


def venue_terms(book: VenueBook) -> Terms:
    return Terms(book.ticker, book.price_exponent, book.qty_exponent)


def venue_book(feed: str, book: VenueBook, bids: list[t.Level], asks: list[t.Level]) -> t.Book:
    return t.Book(feed, book.ticker, book.book_seq, book.quality.name, book.seq, str(book.ts), bids, asks)


def venue_quote(feed: str, book: VenueBook) -> t.Quote:
    """As the venue told it; from its book where it tells none."""
    of, told = venue_terms(book), book.quote
    if told is not None:
        sides = ((told.bid_price, told.bid_qty), (told.ask_price, told.ask_qty))
        head = (told.seq, told.ts, told.quality)
    else:
        first = [side[0][:2] if side else (0, 0) for side in book.depth(1)]
        sides, head = (first[0], first[1]), (book.seq, book.ts, book.quality)
    bid, ask = ((of.price(price), of.qty(qty)) if qty else ("0", "0") for price, qty in sides)
    return t.Quote(feed, book.ticker, head[0], str(head[1]), bid, ask, head[2].name)


def venue_trade(feed: str, book: VenueBook, told: m.Trade) -> t.Trade:
    of = venue_terms(book)
    price, qty = of.price(told.price), of.qty(told.qty)
    return t.Trade(feed, book.ticker, told.seq, str(told.ts), told.trade_id, price, qty, told.aggressor.name)
