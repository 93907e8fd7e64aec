"""What Redis holds of a tape, as a fold of it. Pure.

Of an orders tape: the house market's public messages and the positions of accounts. Of a market's tape: its trades and
quotes as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from tapewire import messages as m
from tapewire.errors import EngineStopped, SinkError, WireError
from tapewire.fixed import to_text
from tapewire.house import HouseMarket, Publication
from tapewire.subjects import subject

VERSION: Final = 1
PRIVATE: Final = "exec"
"""The kind of the reports to accounts: not put on channels, which anybody who may read the cache could follow."""
Fields = dict[str, str | int]


class Position(msgspec.Struct, array_like=True):
    """An account's in an instrument, in mantissas."""

    bought: int = 0
    sold: int = 0
    bought_notional: int = 0
    sold_notional: int = 0
    fills: int = 0
    seq: int = 0

    def add(self, buys: bool, price: int, qty: int, seq: int) -> None:
        """A negative `qty` takes an earlier one back."""
        if buys:
            self.bought += qty
            self.bought_notional += price * qty
        else:
            self.sold += qty
            self.sold_notional += price * qty
        self.fills += 1 if qty > 0 else -1
        self.seq = seq


class _State(msgspec.Struct, frozen=True, array_like=True):
    version: int
    seq: int
    house: bytes
    positions: list[tuple[int, int, Position]]
    latest: dict[str, bytes]


class Changes(NamedTuple):
    """What records changed: hashes by key (below the prefix), and messages in order."""

    hashes: dict[str, Fields]
    messages: list[Publication]


class Fold:
    """Of one tape. `feed` is the word for its market (`house`, `binance`)."""

    def __init__(self, env: str, feed: str, orders: bool) -> None:
        self._env, self._feed, self._orders = env, feed, orders
        self.seq = 0
        self._house = HouseMarket(env)
        self._positions: dict[tuple[int, int], Position] = {}
        self._latest: dict[str, bytes] = {}
        """The newest trade and quote, by key of its hash."""
        self._dirty: set[str] = set()
        self._moved: set[tuple[int, int]] = set()

    def take(self, records: Iterable[bytes], whole: bool) -> list[Publication]:
        """Takes the next records; returns the public messages they make. `whole`: the last ends its command.

        Raises SinkError if they contradict what came before, WireError.
        """
        out: list[Publication] = []
        for raw in records:
            message = m.decode(raw)
            out += self._of_orders(message) if self._orders else self._of_market(message, raw)
            self.seq = message.seq
        if whole and self._orders:
            out += self._house.settle()
        for where, payload in out:
            self._note(where, payload)
        return out

    def all_changed(self) -> None:
        """What holds is put anew as a whole, with the next changes."""
        self._dirty.update(self._latest)
        self._moved.update(self._positions)

    def changes(self, messages: list[Publication]) -> Changes:
        """Since the last time."""
        hashes = {key: _fields(m.decode(self._latest[key])) for key in sorted(self._dirty)}
        for account, instrument in sorted(self._moved):
            if (book := self._house.book_of(instrument)) is not None:
                key = f"position:{account}:{book.definition.ticker}"
                hashes[key] = _position_fields(self._positions[account, instrument], book.definition)
        self._dirty.clear()
        self._moved.clear()
        return Changes(hashes, messages)

    @property
    def can_be_kept(self) -> bool:
        return not self._orders or self._house.between_commands

    def state(self) -> bytes:
        """What `restore` goes on from."""
        house = self._house.state() if self._orders else b""
        positions = [(*key, position) for key, position in sorted(self._positions.items())]
        return msgspec.msgpack.encode(_State(VERSION, self.seq, house, positions, self._latest))

    def restore(self, state: bytes) -> None:
        """Raises WireError for other bytes."""
        try:
            kept = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise WireError(f"not the state of a cache: {error}") from error
        if kept.version != VERSION:
            raise WireError(f"state of a cache: version {kept.version}, expected {VERSION}")
        if self._orders:
            self._house = HouseMarket.restored(self._env, kept.house)
        self.seq, self._latest = kept.seq, kept.latest
        self._positions = {(account, instrument): position for account, instrument, position in kept.positions}

    # -- records

    def _of_orders(self, record: m.Message) -> list[Publication]:
        try:
            out = self._house.fold_record(record)
        except EngineStopped as error:
            raise SinkError(
                f"record {record.seq}: {error}. A book is a fold of its whole tape: restore the older segments"
            ) from error
        if isinstance(record, m.OrderExecuted | m.TradeBusted | m.TradeCorrected):
            self._match(record)
        return [one for one in out if one[0].split(".", 3)[2] != PRIVATE]

    def _match(self, e: m.OrderExecuted | m.TradeBusted | m.TradeCorrected) -> None:
        steps = [(e.price, e.qty)]
        if isinstance(e, m.TradeBusted):
            steps = [(e.price, -e.qty)]
        elif isinstance(e, m.TradeCorrected):
            steps = [(e.old_price, -e.old_qty), (e.price, e.qty)]
        taker_buys = e.taker_side == m.Side.buy
        for account, buys in ((e.maker_account, not taker_buys), (e.taker_account, taker_buys)):
            key = (account, e.instrument)
            position = self._positions.setdefault(key, Position())
            for price, qty in steps:
                position.add(buys, price, qty, e.seq)
            self._moved.add(key)

    def _of_market(self, record: m.Message, raw: bytes) -> list[Publication]:
        if isinstance(record, m.Trade):
            return [(subject(self._env, self._feed, "trade", record.ticker), raw)]
        if isinstance(record, m.Quote):
            return [(subject(self._env, self._feed, "quote", record.ticker), raw)]
        return []

    def _note(self, where: str, payload: bytes) -> None:
        _, feed, kind, _ = where.split(".", 3)
        if kind not in ("trade", "quote"):
            return
        message = m.decode(payload)
        if isinstance(message, m.Trade | m.Quote):
            key = f"{'top' if kind == 'quote' else kind}:{feed}:{message.ticker}"
            self._latest[key] = payload
            self._dirty.add(key)


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
        "bid": of(message.bid_price, price) if message.bid_qty else "",
        "bid_qty": of(message.bid_qty, qty),
        "ask": of(message.ask_price, price) if message.ask_qty else "",
        "ask_qty": of(message.ask_qty, qty),
        "quality": message.quality.name,
    }


def _position_fields(position: Position, terms: m.InstrumentDefinition) -> Fields:
    qty, notional = terms.qty_exponent, terms.price_exponent + terms.qty_exponent
    return {
        "seq": position.seq,
        "net": to_text(position.bought - position.sold, qty),
        "bought": to_text(position.bought, qty),
        "sold": to_text(position.sold, qty),
        "bought_notional": to_text(position.bought_notional, notional),
        "sold_notional": to_text(position.sold_notional, notional),
        "fills": position.fills,
    }
