"""Market-data sessions, as Binance has them: definitions, books and trades, asked for by V and x. Pure.

    record of the tape ──▶ HouseMarket ──▶ trades at once, books every `every_ns`: what has changed since, with the ids
                                           of the updates in between

A subscription is of one connection. Faults name the CompID of the session: `lost_update` (a change is not sent, its ids
are missing), `gap` (its MsgSeqNum is missing), `repeat`, and those of every connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.faults import Faults
from services.simulator.fix_venue.session import Session, group
from services.simulator.fix_venue.terms import Refused, Symbol
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.message import Message, Reason
from tapewire.fixed import to_text
from tapewire.house import HouseMarket
from tapewire.subjects import Subject

BOOK_NS: Final = 100_000_000
MAX_DEPTH: Final = 5000
MAX_ENTRIES: Final = 10_000
"""Of one X; more come in parts."""
SIMILAR, DUPLICATE = "-1191", "-1190"
SIDES: Final = {m.Side.buy: "0", m.Side.sell: "1"}
Levels = dict[tuple[m.Side, int], int]


@dataclass(slots=True)
class Depth:
    """A book as subscribers have it."""

    symbol: Symbol
    max_qty: int
    last_id: int = 0
    levels: Levels = field(default_factory=dict)
    trades: int = 0


@dataclass(slots=True)
class Subscriber:
    session: Session
    books: dict[str, str] = field(default_factory=dict)
    """Symbol by request."""
    trades: dict[str, str] = field(default_factory=dict)


class MarketSessions:
    def __init__(self, dialect: Dialect, faults: Faults, every_ns: int = BOOK_NS) -> None:
        """`every_ns`: between two changes of a book."""
        self._dialect, self._faults, self._every = dialect, faults, every_ns
        self._market = HouseMarket("simulated")
        self._depths: dict[str, Depth] = {}
        self._subscribers: dict[str, Subscriber] = {}
        self._next = 0

    def add(self, session: Session) -> None:
        """A session that has logged on, without subscriptions."""
        self._subscribers[session.theirs] = Subscriber(session)

    def saw(self, record: m.Message, now: int, live: bool) -> None:
        """Any record of the tape, in order; before `live` it is history, and nobody is told."""
        if isinstance(record, m.InstrumentDefinition) and not record.decision:
            known = self._depths.get(record.ticker)
            depth = Depth(Symbol.of(record), record.max_qty)
            if known is not None:
                depth.last_id, depth.levels, depth.trades = known.last_id, known.levels, known.trades
            self._depths[record.ticker] = depth
        for to, payload in self._market.fold(bytes(record)):
            if Subject.parse(to).kind == "trade":
                trade = m.decode(payload)
                if isinstance(trade, m.Trade):
                    self._traded(trade, now, live)

    def _traded(self, trade: m.Trade, now: int, live: bool) -> None:
        depth = self._depths[trade.ticker]
        depth.trades += 1
        if not live:
            return
        s = depth.symbol
        entry = (
            f"279=0\x01269=2\x01270={s.px(trade.price)}\x01271={s.qty(trade.qty)}\x0155={trade.ticker}\x01"
            f"60={self._dialect.time(trade.ts_event or trade.ts)}\x011003={depth.trades}\x01"
            f"2446={1 if trade.aggressor == m.Side.buy else 2}\x01"
        )
        for one in self._subscribers.values():
            for request, ticker in one.trades.items():
                if ticker == trade.ticker:
                    self._send(one.session, f"262={request}\x01{group(268, [entry])}", now)

    def on_time(self, now: int) -> None:
        """Tells the changes of books that are due."""
        if now < self._next:
            return
        self._next = now + self._every
        self._market.settle()
        for ticker, depth in self._depths.items():
            before, depth.levels = depth.levels, self._levels(ticker)
            changed = [key for key in before.keys() | depth.levels.keys() if before.get(key) != depth.levels.get(key)]
            if not changed:
                continue
            first, depth.last_id = depth.last_id + 1, depth.last_id + len(changed)
            entries = [self._entry(depth, key, key in before) for key in sorted(changed)]
            for one in self._subscribers.values():
                for request, subscribed in one.books.items():
                    if subscribed == ticker:
                        self._changes(one.session, request, depth, first, entries, now)

    def _levels(self, ticker: str) -> Levels:
        book = self._market.book(ticker)
        if book is None or not book.listed:
            return {}
        snapshot = m.decode(book.snapshot())
        assert isinstance(snapshot, m.BookSnapshot)
        return {(m.Side(one.side), one.price): one.qty for one in snapshot.levels}

    @staticmethod
    def _entry(depth: Depth, key: tuple[m.Side, int], known: bool) -> str:
        qty = depth.levels.get(key)
        action = "2" if qty is None else "1" if known else "0"
        size = f"271={depth.symbol.qty(qty)}\x01" if qty is not None else ""
        return f"279={action}\x01269={SIDES[key[0]]}\x01270={depth.symbol.px(key[1])}\x01{size}"

    def _changes(self, session: Session, request: str, depth: Depth, first: int, entries: list[str], now: int) -> None:
        if session.on and self._faults.take("lost_update", session.theirs):
            return
        said = f"55={depth.symbol.name}\x0125043={first}\x0125044={depth.last_id}\x01"
        parts = [entries[at : at + MAX_ENTRIES] for at in range(0, len(entries), MAX_ENTRIES)]
        for part in parts:
            fragment = "" if len(parts) == 1 else f"893={'Y' if part is parts[-1] else 'N'}\x01"
            body = f"262={request}\x01{group(268, [part[0] + said, *part[1:]])}{fragment}"
            self._send(session, body, now)

    def _send(self, session: Session, body: str, now: int) -> None:
        name = session.theirs
        if session.on and self._faults.take("gap", name):
            session.send("X", body, now, shown=False)
            return
        session.send("X", body, now)
        if session.on and self._faults.take("repeat", name):
            session.send("X", body, now)

    # -- requests

    def ask(self, session: Session, message: Message, now: int) -> None:
        """One application message of a client."""
        try:
            if message.type == "x":
                session.send("y", self._list(message), now)
            elif message.type == "V":
                self._subscribe(self._subscribers[session.theirs], message, now)
            else:
                raise Refused(f"message type {message.type} is not supported here", Reason.INVALID_MSG_TYPE, tag=35)
        except FixError as error:
            refused = Refused(str(error), error.reason, tag=error.tag, session=True)
            session.send(*self._dialect.refusal(message, refused), now)
        except Refused as refused:
            session.send(*self._dialect.refusal(message, refused), now)

    def _known(self, ticker: str) -> Depth:
        if ticker not in self._depths:
            raise Refused("Invalid symbol.", Reason.VALUE_OUT_OF_RANGE, tag=55, session=True)
        return self._depths[ticker]

    def _list(self, message: Message) -> str:
        if message[559] not in ("0", "4"):
            raise Refused("InstrumentListRequestType (559) must be 0 or 4", tag=559, session=True)
        found = [self._known(message[55])] if message[559] == "0" else list(self._depths.values())
        entries = []
        for one in found:
            s = one.symbol
            lot, most = s.qty(s.lot_size), s.qty(one.max_qty)
            entries.append(
                f"55={s.name}\x0115=USDT\x01562={lot}\x011140={most}\x0125039={lot}\x0125040={lot}\x0125041={most}\x01"
                f"25042={lot}\x01969={to_text(s.tick_size, s.price_exponent)}\x01"
            )
        return f"320={message[320]}\x01{group(146, entries)}"

    def _subscribe(self, one: Subscriber, message: Message, now: int) -> None:
        request, kind = message[262], message[263]
        if kind == "2":
            one.books.pop(request, None)
            one.trades.pop(request, None)
            return
        if kind != "1":
            raise Refused("SubscriptionRequestType (263) must be 1 or 2", tag=263, session=True)
        values = [(tag, value) for tag, value in message.pairs() if tag in (55, 269)]
        tickers = [value for tag, value in values if tag == 55]
        types = {value for tag, value in values if tag == 269}
        if not tickers or types not in ({"0", "1"}, {"2"}):
            raise Refused("expected a symbol, and 269=0 and 1, or 269=2", tag=269, session=True)
        held = one.trades if types == {"2"} else one.books
        if request in one.books or request in one.trades:
            self._reject(one.session, request, 1, DUPLICATE, "Duplicate MDReqID.", now)
            return
        for ticker in tickers:
            self._known(ticker)
            if ticker in held.values():
                text = f"Similar subscription is already active on this connection. Symbol='{ticker}'"
                self._reject(one.session, request, 2, SIMILAR, text, now)
                return
        depth = message.integer(264) if 264 in message else 1
        if types != {"2"} and not 2 <= depth <= MAX_DEPTH:
            raise Refused("MarketDepth (264) must be 2 to 5000 here", tag=264, session=True)
        held[request] = tickers[0]
        if types != {"2"}:
            one.session.send("W", self._snapshot(request, self._depths[tickers[0]], depth), now)

    def _snapshot(self, request: str, depth: Depth, count: int) -> str:
        s, entries = depth.symbol, []
        for side in (m.Side.buy, m.Side.sell):
            prices = sorted((price for at, price in depth.levels if at is side), reverse=side is m.Side.buy)
            entries += [
                f"269={SIDES[side]}\x01270={s.px(price)}\x01271={s.qty(depth.levels[side, price])}\x01"
                for price in prices[:count]
            ]
        listed = group(268, entries) or "268=0\x01"
        return f"262={request}\x0155={s.name}\x0125044={depth.last_id}\x01{listed}"

    @staticmethod
    def _reject(session: Session, request: str, reason: int, code: str, text: str, now: int) -> None:
        session.send("Y", f"262={request}\x01281={reason}\x0125016={code}\x0158={text}\x01", now)
