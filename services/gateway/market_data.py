"""Market data sessions: books and trades as W and X, folded from the orders tape. Pure.

Each subscription remembers what it was shown, so that what an X says is the difference to that, whatever its depth. Who
reads slowly is shown nothing until it has caught up, and then whole books: conflation by leaving out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from services.gateway.instruments import Instrument, Instruments
from services.gateway.session import Session
from tapewire import messages as m
from tapewire.fix.message import Message, printable
from tapewire.fix.timestamps import Stamp
from tapewire.house import HouseMarket
from tapewire.house_book import HouseBook

MAX_DEPTH: Final = 1000
"""Levels of a side that a message shows at most, whatever depth was asked for."""
MAX_SUBSCRIPTIONS: Final = 256
"""Of one session."""
MAX_OF_ONE_BOOK: Final = 4
"""Subscriptions of one session to the same instrument: each of its changes is told so often."""
MAX_LEVELS: Final = 1 << 20
"""Levels of a side that all subscriptions of one session may show, the depth of each counted for each instrument: what
is shown is remembered."""
Key = tuple[str, int]
Level = tuple[int, int]
Bodies = list[tuple[int, str]]
"""Session and body."""
_SIDES: Final = {m.Side.buy: "0", m.Side.sell: "1"}
_TYPES: Final = frozenset("012")


@dataclass(slots=True, eq=False)
class Subscription:
    session: int
    name: str
    """MDReqID."""
    depth: int
    full: bool
    """Whole books (265=0) instead of changes."""
    types: frozenset[str]
    old: bool
    """FIX 4.2, whose times have three places."""
    tickers: tuple[str, ...] = ()
    shown: dict[str, dict[Key, Level]] = field(default_factory=dict)
    """By ticker: what the client has, by MDEntryType and price."""
    behind: set[str] = field(default_factory=set)
    """Tickers that changed while the client read slowly."""

    @property
    def levels(self) -> int:
        """Of a side, that it may have to show."""
        return shown_at_most(self.depth) * len(self.tickers)


class MarketData:
    """Feed it every record of the orders tape."""

    def __init__(self, instruments: Instruments, house: HouseMarket | None = None) -> None:
        """`house`: the books to go on from; None: from the tape's first record."""
        self._house = house or HouseMarket("fix")
        self._house.quiet = True
        self._instruments = instruments
        self._subscriptions: dict[tuple[int, str], Subscription] = {}
        self._mine: dict[int, dict[str, Subscription]] = {}  # by session and MDReqID: the same
        self._by_ticker: dict[str, dict[Subscription, None]] = {}
        self._slow: set[int] = set()
        self._stamp = Stamp()

    def fold(self, raw: bytes) -> Bodies:
        """Takes the next record; returns what it makes known."""
        return self._tell(self._house.fold(raw))

    def settle(self) -> Bodies:
        """At the end of what can be read: no command is half there."""
        return self._tell(self._house.settle())

    def request(self, session: Session, message: Message) -> list[str]:
        """Bodies that answer a V."""
        f, number = message.fields, session.terms.number
        name, wanted = f[262], f[263]
        if session.terms.kind != "market-data":
            return [_refusal(name, "3", "not a market data session")]
        key = (number, name)
        if wanted == "2":
            if key not in self._subscriptions:
                return [_refusal(name, "1", "no such subscription")]
            self._forget([key])
            return []
        pairs = message.pairs()
        tickers = list(dict.fromkeys(value for tag, value in pairs if tag == 55))
        types = frozenset(value for tag, value in pairs if tag == 269)
        refusal = self._check(f, key, tickers, types)
        if refusal is None and wanted == "1":
            refusal = self._too_many(key, tickers, int(f[264]))
        if refusal is not None:
            return [refusal]
        is_old = session.terms.version == "FIX.4.2"
        made = Subscription(number, name, int(f[264]), f.get(265) == "0", types, is_old, tuple(tickers))
        if wanted == "1":
            self._house.quiet = False
            self._subscriptions[key] = self._mine.setdefault(number, {})[name] = made
            for ticker in tickers:
                self._by_ticker.setdefault(ticker, {})[made] = None
        return [self._whole(made, ticker) for ticker in tickers]

    def _check(self, f: dict[int, str], key: tuple[int, str], tickers: list[str], types: frozenset[str]) -> str | None:
        name = key[1]
        if key in self._subscriptions:
            return _refusal(name, "1", "MDReqID (262) is in use")
        if f.get(266) == "N":
            return _refusal(name, "7", "only one entry per price")
        if int(f[264]) < 0:
            return _refusal(name, "5", "MarketDepth (264) below 0")
        if not types or not types <= _TYPES:
            return _refusal(name, "8", "MDEntryType (269): expected 0, 1 or 2")
        for ticker in tickers:
            if self._house.book(ticker) is None:
                return _refusal(name, "0", f"Symbol (55) {ticker}: unknown")
        return None

    def _too_many(self, key: tuple[int, str], tickers: list[str], depth: int) -> str | None:
        """What one client follows costs all others: a refusal if it is more than its share."""
        number, name = key
        mine = self._mine.get(number, {})
        if len(mine) >= MAX_SUBSCRIPTIONS:
            return _refusal(name, "2", f"{len(mine)} subscriptions; expected at most {MAX_SUBSCRIPTIONS}")
        levels = sum(one.levels for one in mine.values()) + shown_at_most(depth) * len(tickers)
        if levels > MAX_LEVELS:
            return _refusal(name, "2", f"{levels} levels of a side in all; expected at most {MAX_LEVELS}")
        for ticker in tickers:
            same = sum(one.session == number for one in self._by_ticker.get(ticker, ()))
            if same >= MAX_OF_ONE_BOOK:
                return _refusal(name, "2", f"{ticker} is followed {same} times; expected at most {MAX_OF_ONE_BOOK}")
        return None

    def gone(self, session: int) -> None:
        """The session was lost, and its subscriptions with it."""
        self._slow.discard(session)
        self._forget([(session, name) for name in self._mine.get(session, ())])

    def slow(self, session: int, is_slow: bool) -> Bodies:
        """Whether its client is behind with reading; once it no longer is, the books that changed meanwhile."""
        if is_slow:
            self._slow.add(session)
            return []
        if session not in self._slow:
            return []
        self._slow.discard(session)
        out: Bodies = []
        for one in self._subscriptions.values():
            if one.session == session:
                out += [(session, self._whole(one, ticker)) for ticker in sorted(one.behind)]
                one.behind.clear()
        return out

    def _forget(self, keys: list[tuple[int, str]]) -> None:
        for key in keys:
            gone = self._subscriptions.pop(key)
            del self._mine[key[0]][key[1]]
            for ticker in gone.tickers:
                followers = self._by_ticker[ticker]
                del followers[gone]
                if not followers:
                    del self._by_ticker[ticker]
        self._house.quiet = not self._subscriptions

    def _tell(self, publications: Iterable[tuple[str, bytes]]) -> Bodies:
        out: Bodies = []
        for _, payload in publications:
            kind = m.type_of(payload)
            if kind == m.MessageType.trade:
                trade = m.Trade.decode(payload)
                for one in self._by_ticker.get(trade.ticker, ()):
                    if "2" in one.types and one.session not in self._slow:
                        out.append((one.session, self._trade(one, trade)))
            elif kind == m.MessageType.book_delta:
                delta = m.BookDelta.decode(payload)
                for one in self._by_ticker.get(delta.ticker, ()):
                    if one.session in self._slow:
                        one.behind.add(delta.ticker)
                    elif one.full and not one.types.isdisjoint("01"):
                        out.append((one.session, self._whole(one, delta.ticker)))
                    elif (body := self._changes(one, delta)) is not None:
                        out.append((one.session, body))
        return out

    def _book(self, ticker: str) -> tuple[HouseBook | None, Instrument]:
        """The book, None once the instrument is delisted."""
        return self._house.book(ticker), self._instruments.by_ticker[ticker]

    def _levels(self, one: Subscription, book: HouseBook | None) -> dict[Key, Level]:
        """What the subscription sees of a book: by entry type and price, from the best of each side."""
        if book is None:
            return {}
        depth = shown_at_most(one.depth)
        found: dict[Key, Level] = {}
        for kind, levels in (("0", book.bids), ("1", book.asks)):
            if kind in one.types:
                for level in levels.best_first(levels.totals, depth):
                    found[kind, level.price] = (level.qty, level.orders)
        return found

    def _whole(self, one: Subscription, ticker: str) -> str:
        """A W: the book as it is."""
        book, i = self._book(ticker)
        shown = one.shown[ticker] = self._levels(one, book)
        entries = "".join(
            f"269={kind}\x01270={i.px(price)}\x01271={i.qty(qty)}\x01346={orders}\x01"
            for (kind, price), (qty, orders) in shown.items()
        )
        seq = f"83={book.book_seq}\x01" if book is not None else ""
        return f"35=W\x01262={one.name}\x0155={ticker}\x01{seq}264={one.depth}\x01268={len(shown)}\x01{entries}"

    def _changes(self, one: Subscription, delta: m.BookDelta) -> str | None:
        """An X: the difference to what was shown; None if this depth does not see any."""
        book, i = self._book(delta.ticker)
        before = one.shown.get(delta.ticker, {})
        if book is not None and one.depth == 0 and len(book.bids.totals) < MAX_DEPTH > len(book.asks.totals):
            changed = {
                (_SIDES[level.side], level.price): (level.qty, level.orders)
                for level in delta.levels
                if _SIDES[level.side] in one.types
            }
            after = before
        else:
            after = self._levels(one, book)
            changed = {key: (0, 0) for key in before if key not in after}
            changed |= {key: level for key, level in after.items() if before.get(key) != level}
        entries, count = "", 0
        for key, (qty, orders) in changed.items():
            action = "1" if key in before else "0"
            if not qty:
                if key not in before:
                    continue
                action = "2"
            count += 1
            entries += (
                f"279={action}\x01269={key[0]}\x0155={delta.ticker}\x0183={delta.book_seq}\x01270={i.px(key[1])}\x01"
            )
            if qty:
                entries += f"271={i.qty(qty)}\x01346={orders}\x01"
        if after is before:
            for key, level in changed.items():
                if level[0]:
                    before[key] = level
                else:
                    before.pop(key, None)
        else:
            one.shown[delta.ticker] = after
        return f"35=X\x01262={one.name}\x01268={count}\x01{entries}" if count else None

    def _trade(self, one: Subscription, trade: m.Trade) -> str:
        i = self._instruments.by_ticker[trade.ticker]
        date, _, time = (self._stamp.millis if one.old else self._stamp.micros)(trade.ts).partition("-")
        side = {m.Side.buy: "2446=1\x01", m.Side.sell: "2446=2\x01"}.get(trade.aggressor, "")
        return (
            f"35=X\x01262={one.name}\x01268=1\x01279=0\x01269=2\x01278={trade.trade_id}\x0155={trade.ticker}\x01"
            f"270={i.px(trade.price)}\x01271={i.qty(trade.qty)}\x01272={date}\x01273={time}\x01{side}"
        )


def shown_at_most(depth: int) -> int:
    """Levels of a side for a MarketDepth (264), of which 0 means all."""
    return min(depth or MAX_DEPTH, MAX_DEPTH)


def _refusal(name: str, reason: str, text: str) -> str:
    return f"35=Y\x01262={name}\x01281={reason}\x0158={printable(text)}\x01"
