"""What Redis holds of a tape, as a fold of it. Pure.

Of an orders tape: the house market's public messages and the positions of accounts. Of a market's tape: its trades and
quotes as they are.

Where an orders tape was pruned before anything of it was taken, it begins at an engine's snapshot (`begin`): tops and
net positions as they stand there; what was bought and sold, in how many fills, is not known from then on, nor are last
trades until there is one. Records up to it make nothing known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from tapewire import messages as m
from tapewire import snapshots
from tapewire.engine_state import EngineState
from tapewire.errors import EngineStopped, SinkError
from tapewire.fixed import to_text
from tapewire.house import HouseMarket, Publication
from tapewire.subjects import subject

VERSION: Final = 2
Fields = dict[str, str | int]
_TYPE: Final = struct.Struct("<H").unpack_from
_TYPE_AT: Final = 64
_MATCHES: Final = frozenset({m.OrderExecuted.TYPE, m.TradeBusted.TYPE, m.TradeCorrected.TYPE})
_TRADE: Final = int(m.Trade.TYPE)
_LATEST: Final = {_TRADE: "trade", int(m.Quote.TYPE): "top"}
"""What of the messages a hash is kept of, by type: the kind in its key."""


class Position(msgspec.Struct, array_like=True):
    """An account's in an instrument, in mantissas."""

    bought: int = 0
    sold: int = 0
    bought_notional: int = 0
    sold_notional: int = 0
    fills: int = 0
    seq: int = 0
    ts: int = 0
    known_from: int = 0
    """It begins at that record, and what is here besides is since then; 0: with the tape."""
    before: int = 0
    """Net, there."""

    def add(self, buys: bool, price: int, qty: int, seq: int, ts: int) -> None:
        """A negative `qty` takes an earlier one back."""
        if buys:
            self.bought += qty
            self.bought_notional += price * qty
        else:
            self.sold += qty
            self.sold_notional += price * qty
        self.fills += 1 if qty > 0 else -1
        self.seq, self.ts = seq, ts


class _State(msgspec.Struct, frozen=True, array_like=True):
    version: int
    seq: int
    house: bytes
    positions: list[tuple[int, int, Position]]
    latest: dict[str, bytes]
    known_from: int = 0


class Entry(NamedTuple):
    """A trade for a stream."""

    stream: str
    """`<feed>:<ticker>`."""
    seq: int
    payload: bytes


class Changes(NamedTuple):
    """What records changed, each hash once however often it changed; and messages in order."""

    hashes: dict[str, Fields]
    """By key (below the prefix)."""
    holders: dict[int, list[str]]
    """The tickers of the positions among them, by account."""
    entries: list[Entry]
    """Of each stream the last ones alone, where the others would be out of it at once."""
    messages: list[Publication]


class Fold:
    """Of one tape. `feed` is the word for its market (`house`, `binance`)."""

    def __init__(self, env: str, feed: str, orders: bool, stream_length: int = 0) -> None:
        """`stream_length`: trades that a stream holds; 0: there are none."""
        self._env, self._feed, self._orders, self._length = env, feed, orders, stream_length
        self.seq = self.met = 0
        """The record it stands at, and the last that it was given, which may lie before that one."""
        self.known_from = 0
        """It began at the engine's state as of this record; 0: with the tape."""
        self._take_house(HouseMarket(env))
        self._positions: dict[tuple[int, int], Position] = {}
        self._latest: dict[str, bytes] = {}
        """The newest trade and quote, by key of its hash."""
        self._dirty: set[str] = set()
        self._moved: set[tuple[int, int]] = set()

    def _take_house(self, house: HouseMarket) -> None:
        # Reports to accounts are not put on channels, which anybody who may read the cache could follow.
        self._house, house.reports = house, False

    def begin(self, engine: EngineState) -> None:
        """Stands where an engine did, of new. Raises WireError."""
        self.seq = self.known_from = engine.seq
        self._take_house(HouseMarket.of_engine(self._env, engine))
        for (account, instrument), net in engine.positions.items():
            if net:
                place = {"seq": engine.seq, "ts": engine.ts, "known_from": engine.seq}
                self._positions[account, instrument] = Position(**place, before=net)
        for ticker in self._house.tickers:
            book = self._house.book(ticker)
            if book is None or not any(book.top):
                continue
            bid, bid_qty, ask, ask_qty = book.top
            made = m.Quote(
                seq=engine.seq, ts=engine.ts, ts_event=engine.ts, instrument=book.definition.instrument, ticker=ticker,
                bid_price=bid, bid_qty=bid_qty, ask_price=ask, ask_qty=ask_qty, book_seq=book.book_seq,
                price_exponent=book.definition.price_exponent, qty_exponent=book.definition.qty_exponent,
                quality=book.quality,
            )  # fmt: skip
            self._latest[f"top:house:{ticker}"] = bytes(made)

    def take(self, records: Iterable[bytes], whole: bool) -> list[Publication]:
        """Takes the next records; returns the public messages they make. `whole`: the last ends its command.

        Raises SinkError if they contradict what came before, WireError.
        """
        out = self._of_orders(records) if self._orders else self._of_market(records)
        if whole and self._orders:
            out += self._house.settle()
        newest: dict[tuple[str, int], bytes] = {}
        for where, payload in out:
            kind = _TYPE(payload, _TYPE_AT)[0]
            if kind in _LATEST:
                newest[where, kind] = payload
        for (where, kind), payload in newest.items():
            key = f"{_LATEST[kind]}:{where.split('.', 2)[1]}:{_ticker(payload)}"
            self._latest[key] = payload
            self._dirty.add(key)
        return out

    def all_changed(self) -> None:
        """What holds is put anew as a whole, with the next changes."""
        self._dirty.update(self._latest)
        self._moved.update(self._positions)

    def changes(self, messages: list[Publication]) -> Changes:
        """Since the last time; nothing before the record that it begins at."""
        if self.met < self.known_from:
            return Changes({}, {}, [], [])
        hashes = {key: _fields(m.decode(self._latest[key])) for key in sorted(self._dirty)}
        holders: dict[int, list[str]] = {}
        for account, instrument in sorted(self._moved):
            if (book := self._house.book_of(instrument)) is not None:
                ticker = book.definition.ticker
                hashes[f"position:{account}:{ticker}"] = _position_fields(
                    self._positions[account, instrument], book.definition
                )
                holders.setdefault(account, []).append(ticker)
        self._dirty.clear()
        self._moved.clear()
        return Changes(hashes, holders, self._entries(messages), messages)

    def _entries(self, messages: list[Publication]) -> list[Entry]:
        if not self._length:
            return []
        by_channel: dict[str, list[bytes]] = {}
        for where, payload in messages:
            if _TYPE(payload, _TYPE_AT)[0] == _TRADE:
                by_channel.setdefault(where, []).append(payload)
        entries = []
        for where, payloads in by_channel.items():
            stream = f"{where.split('.', 2)[1]}:{_ticker(payloads[0])}"
            entries += [Entry(stream, m.decode(one).seq, one) for one in payloads[-self._length :]]
        return entries

    @property
    def can_be_kept(self) -> bool:
        return self.met >= self.known_from and (not self._orders or self._house.between_commands)

    def state(self) -> bytes:
        """What `restore` goes on from."""
        house = self._house.state() if self._orders else b""
        positions = [(*key, position) for key, position in sorted(self._positions.items())]
        return msgspec.msgpack.encode(_State(VERSION, self.seq, house, positions, self._latest, self.known_from))

    def restore(self, state: bytes) -> None:
        """Raises WireError for other bytes."""
        kept = snapshots.decode(state, _State, VERSION, "a cache")
        if self._orders:
            self._take_house(HouseMarket.restored(self._env, kept.house))
        self.seq, self._latest, self.known_from = kept.seq, kept.latest, kept.known_from
        self.met = kept.seq
        self._positions = {(account, instrument): position for account, instrument, position in kept.positions}

    # -- records

    def _of_orders(self, records: Iterable[bytes]) -> list[Publication]:
        out, decode, fold = list[Publication](), m.decode, self._house.fold_record
        for raw in records:
            record = decode(raw)
            self.met = record.seq
            if record.seq <= self.seq:
                continue  # what it stands at says it
            try:
                if made := fold(record):
                    out += made
            except EngineStopped as error:
                raise SinkError(
                    f"record {record.seq}: {error}. A book is a fold of its whole tape: restore the older segments"
                ) from error
            if record.TYPE in _MATCHES:
                self._match(record)
            self.seq = record.seq
        return out

    def _of_market(self, records: Iterable[bytes]) -> list[Publication]:
        out = list[Publication]()
        for raw in records:
            record = m.decode(raw)
            if isinstance(record, m.Trade):
                out.append((subject(self._env, self._feed, "trade", record.ticker), raw))
            elif isinstance(record, m.Quote):
                out.append((subject(self._env, self._feed, "quote", record.ticker), raw))
            self.seq = record.seq
        return out

    def _match(self, e: m.Message) -> None:
        assert isinstance(e, m.OrderExecuted | m.TradeBusted | m.TradeCorrected)
        steps = [(e.price, e.qty)]
        if isinstance(e, m.TradeBusted):
            steps = [(e.price, -e.qty)]
        elif isinstance(e, m.TradeCorrected):
            steps = [(e.old_price, -e.old_qty), (e.price, e.qty)]
        taker_buys = e.taker_side == m.Side.buy
        for account, buys in ((e.maker_account, not taker_buys), (e.taker_account, taker_buys)):
            key = (account, e.instrument)
            position = self._positions.setdefault(key, Position(known_from=self.known_from))
            for price, qty in steps:
                position.add(buys, price, qty, e.seq, e.ts)
            self._moved.add(key)


def _ticker(payload: bytes) -> str:
    message = m.decode(payload)
    assert isinstance(message, m.Trade | m.Quote)
    return message.ticker


def _fields(message: m.Message) -> Fields:
    """A trade or a quote as a hash: decimals as exact text, numbers as they are."""
    assert isinstance(message, m.Trade | m.Quote)
    head: Fields = {"seq": message.seq, "ts": message.ts, "ts_event": message.ts_event}
    of, price, qty = to_text, message.price_exponent, message.qty_exponent
    if isinstance(message, m.Trade):
        return {
            **head,
            "price": of(message.price, price),
            "qty": of(message.qty, qty),
            "trade_id": message.trade_id,
            "aggressor": message.aggressor.name,
        }
    return {
        **head,
        "book_seq": message.book_seq,
        "bid": of(message.bid_price, price) if message.bid_qty else "",
        "bid_qty": of(message.bid_qty, qty),
        "ask": of(message.ask_price, price) if message.ask_qty else "",
        "ask_qty": of(message.ask_qty, qty),
        "quality": message.quality.name,
    }


def _position_fields(position: Position, terms: m.InstrumentDefinition) -> Fields:
    qty, notional = terms.qty_exponent, terms.price_exponent + terms.qty_exponent
    net = to_text(position.before + position.bought - position.sold, qty)
    if position.known_from:
        return {"seq": position.seq, "ts": position.ts, "net": net, "known_from": position.known_from}
    return {
        "seq": position.seq,
        "ts": position.ts,
        "net": net,
        "bought": to_text(position.bought, qty),
        "sold": to_text(position.sold, qty),
        "bought_notional": to_text(position.bought_notional, notional),
        "sold_notional": to_text(position.sold_notional, notional),
        "fills": position.fills,
    }
