"""The fold of both tapes as bytes, and back. Pure; equal folds give equal bytes.

    magic "TWGATE01" | last record of the gateway's tape: u64 seq, SHA-256 | of the orders tape: the same | msgpack

The digests are of the records' bytes: a tape that lost its tail gives the same number to another record, and a state
that was folded from the lost one must not meet it.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from typing import Final, NamedTuple

import msgspec

from services.gateway.happened import Order, Request
from services.gateway.instruments import Instrument
from services.gateway.orders import Orders
from services.gateway.sent import SentIndex
from services.gateway.session import Open, Session, Sessions
from tapewire import messages as m
from tapewire.errors import TapewireError

MAGIC: Final = b"TWGATE01"
HEAD: Final = struct.Struct("<8sQ32sQ32s")
_LOW: Final = (1 << 62) - 1


class StateError(TapewireError):
    """Bytes that are no state of this gateway's fold. They are passed over: the tapes say it all."""


class Place(NamedTuple):
    """Up to where a tape was folded."""

    seq: int = 0
    digest: bytes = bytes(32)
    """SHA-256 of that record; zeros if there is none."""

    @classmethod
    def at(cls, seq: int, record: bytes) -> Place:
        return cls(seq, hashlib.sha256(record).digest())


class _Struct(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    pass


class _Session(_Struct):
    number: int
    numbers: tuple[int, int]
    flags: tuple[bool, bool, bool]
    reported: tuple[int, int, int]
    confirmed: int
    begun_ns: int
    day: int
    names: list[str]
    grace_s: float
    stride: int
    sent_numbers: bytes
    sent_seqs: bytes


class _Instrument(_Struct):
    definition: bytes
    number: int
    ticker: str
    status: int
    reason: int
    limits: tuple[int, int]
    by_number: bool
    by_ticker: bool


class _Order(_Struct):
    command: bytes
    key: int
    instrument: int
    """Place in the list of instruments; -1: none."""
    cl_ord_id: str
    names: list[tuple[int, str]]
    ours: list[bool]
    """Of each name, whether it still leads to this order."""
    session: int
    numbers: tuple[int, int, int, int, int, int, int, int]
    """order_id, price, qty, stop_px, leaves, cum, and cost in two parts of 62 bits."""
    waiting: bool
    status: str
    head: str
    echo: str
    known_from: int = 0
    unpriced: int = 0


class _State(_Struct):
    shard: int
    source: int
    sessions: list[_Session]
    last_cl_ord_id: int
    open: list[tuple[int, int, str, bool]]
    requests: list[tuple[int, int, int, str, str]]
    commands: list[tuple[int, int, str, bool]]
    strangers: list[int]
    orders_last: int
    instruments: list[_Instrument]
    live: list[_Order]
    done: list[_Order]
    trades: bytes
    house: bytes
    known_from: int = 0
    first_match: int = 1
    corrected: list[tuple[int, int, int]] = []


def places(state: bytes) -> tuple[Place, Place]:
    """Of the gateway's tape and of the orders tape. Raises StateError."""
    if len(state) < HEAD.size or state[:8] != MAGIC:
        raise StateError(f"{state[:8]!r} of {len(state)} bytes; expected {MAGIC!r} and at least {HEAD.size}")
    _, own_seq, own, orders_seq, orders = HEAD.unpack_from(state)
    return Place(own_seq, own), Place(orders_seq, orders)


def encode(sessions: Sessions, orders: Orders, house: bytes, own: Place, at: Place) -> bytes:
    """The state after the records `own` and `at`. `house`: of the market data, as HouseMarket gives it."""
    table: dict[int, int] = {}
    instruments: list[Instrument] = []
    for one in [*orders.instruments.by_number.values(), *orders.instruments.by_ticker.values()]:
        _place(one, table, instruments)
    live = [_order(order, key, orders, table, instruments) for key, order in orders.live.items()]
    done = [_order(order, key, orders, table, instruments) for key, order in orders.done.items()]
    requests = sessions.requests
    state = _State(
        orders.shard,
        orders.source,
        [_session(one) for _, one in sorted((sessions.by_number | sessions.departed).items())],
        sessions.last_cl_ord_id,
        [(seq, *one) for seq, one in sessions.open.items()],
        [(number, *one) for number, one in sorted(requests.items())],
        [(number, *one) for number, one in sorted(sessions.commands.items()) if number in requests],
        sorted(sessions.strangers),
        orders.last_cl_ord_id,
        [_instrument(one, orders) for one in instruments],
        live,
        done,
        orders.trades.tobytes(),
        house,
        orders.known_from,
        orders.first_match,
        [(match, *sides) for match, sides in sorted(orders.corrected.items())],
    )
    return HEAD.pack(MAGIC, *own, *at) + msgspec.msgpack.encode(state)


def decode(state: bytes, sessions: Sessions, orders: Orders) -> bytes:
    """Puts a state into fresh folds; returns that of the market data. Raises StateError."""
    places(state)
    try:
        kept = msgspec.msgpack.decode(memoryview(state)[HEAD.size :], type=_State)
        if (kept.shard, kept.source) != (orders.shard, orders.source):
            raise StateError(
                f"of shard {kept.shard} and producer {kept.source}, not {orders.shard} and {orders.source}"
            )
        _restore_sessions(kept, sessions)
        _restore_orders(kept, orders)
    except (msgspec.DecodeError, IndexError, ValueError, TapewireError) as error:
        raise StateError(f"not a state of a gateway: {error}") from error
    return kept.house


def _restore_sessions(kept: _State, sessions: Sessions) -> None:
    if again := {one.number for one in sessions.terms} & set(kept.strangers):
        raise StateError(f"sessions {sorted(again)} were left out of the configuration when it was taken")
    for given in kept.sessions:
        one = sessions.by_number.get(given.number)
        if one is None:
            one = sessions.departed[given.number] = Session(sessions.departed_terms(given.number))
        one.next_in, one.next_out = given.numbers
        one.logged_on, one.known, one.cancels = given.flags
        one.reported, one.reported_ns = given.reported[:2], given.reported[2]
        one.confirmed, one.begun_ns, one.day = given.confirmed, given.begun_ns, given.day
        one.names, one.grace_s = set(given.names), given.grace_s
        one.sent = SentIndex()
        one.sent.stride = given.stride
        one.sent.numbers.frombytes(given.sent_numbers)
        one.sent.seqs.frombytes(given.sent_seqs)
    sessions.last_cl_ord_id = kept.last_cl_ord_id
    sessions.strangers = set(kept.strangers)
    sessions.open = {seq: Open(session, raw, repeated) for seq, session, raw, repeated in kept.open}
    for number, session, received, text, echo in kept.requests:
        sessions.requests[number] = Request(session, received, text, echo)
    for number, session, raw, repeated in kept.commands:
        sessions.owe(number, sessions.requests[number], Open(session, raw, repeated))


def _restore_orders(kept: _State, orders: Orders) -> None:
    orders.last_cl_ord_id = kept.orders_last
    orders.known_from, orders.first_match = kept.known_from, kept.first_match
    orders.corrected = {match: (maker, taker) for match, maker, taker in kept.corrected}
    instruments = []
    for given in kept.instruments:
        i = Instrument(m.InstrumentDefinition.decode(given.definition))
        i.number, i.ticker, i.limits = given.number, given.ticker, given.limits
        i.status, i.reason = m.InstrumentStatus(given.status), m.StatusReason(given.reason)
        instruments.append(i)
        if given.by_number:
            orders.instruments.by_number[i.number] = i
        if given.by_ticker:
            orders.instruments.by_ticker[i.ticker] = i
    for orders_of, given_orders in ((orders.live, kept.live), (orders.done, kept.done)):
        for one in given_orders:
            orders_of[one.key] = order = _order_of(one, instruments)
            orders.by_text.update((name, order) for name, is_ours in zip(order.names, one.ours, strict=True) if is_ours)
    for order in orders.live.values():
        orders.live_by_session[order.session] = orders.live_by_session.get(order.session, 0) + 1
    orders.trades = array("q")
    orders.trades.frombytes(kept.trades)


def _order_of(given: _Order, instruments: list[Instrument]) -> Order:
    instrument = instruments[given.instrument] if given.instrument >= 0 else None
    order = Order.__new__(Order)
    order.command, order.instrument, order.echo = m.NewOrder.decode(given.command), instrument, given.echo
    order.session, order.account, order.side = given.session, order.command.account, order.command.side
    order.cl_ord_id, order.names, order.head = given.cl_ord_id, given.names, given.head
    order.order_id, order.price, order.qty, order.stop_px, order.leaves, order.cum, high, low = given.numbers
    order.cost, order.waiting, order.status = (high << 62) + low, given.waiting, given.status
    order.known_from, order.unpriced = given.known_from, given.unpriced
    return order


def _order(order: Order, key: int, orders: Orders, table: dict[int, int], instruments: list[Instrument]) -> _Order:
    numbers = (order.order_id, order.price, order.qty, order.stop_px, order.leaves, order.cum)
    return _Order(
        bytes(order.command),
        key,
        _place(order.instrument, table, instruments) if order.instrument is not None else -1,
        order.cl_ord_id,
        order.names,
        [orders.by_text.get(name) is order for name in order.names],
        order.session,
        (*numbers, order.cost >> 62, order.cost & _LOW),
        order.waiting,
        order.status,
        order.head,
        order.echo,
        order.known_from,
        order.unpriced,
    )


def _place(one: Instrument, table: dict[int, int], instruments: list[Instrument]) -> int:
    """Its place in the list, where it is put if it is not there yet: one that was delisted may have live fellows."""
    if (at := table.get(id(one))) is None:
        at = table[id(one)] = len(instruments)
        instruments.append(one)
    return at


def _instrument(one: Instrument, orders: Orders) -> _Instrument:
    known = orders.instruments
    by_number, by_ticker = known.by_number.get(one.number) is one, known.by_ticker.get(one.ticker) is one
    definition = bytes(one.definition)
    return _Instrument(
        definition, one.number, one.ticker, int(one.status), int(one.reason), one.limits, by_number, by_ticker
    )


def _session(one: Session) -> _Session:
    return _Session(
        one.terms.number,
        (one.next_in, one.next_out),
        (one.logged_on, one.known, one.cancels),
        (*one.reported, one.reported_ns),
        one.confirmed,
        one.begun_ns,
        one.day,
        sorted(one.names),
        one.grace_s,
        one.sent.stride,
        one.sent.numbers.tobytes(),
        one.sent.seqs.tobytes(),
    )
