"""The state of a house market: as bytes, and as it follows from an engine's state where the records before are gone.

From an engine's state all that stands is as it is: instruments, statuses, live orders and what of them is shown. Not in
it is what was published before, so of that

    bookSeq              goes on from the number of the record: no less than the changes published up to it
    BookSnapshot         says of a book that it stands as of that record, until something changes it
    status, limit state  name that record and its time; of a status not what it was before, nor what its auction traded

What is published of the records behind it is the same to the byte, but for bookSeq.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tapewire import messages as m
from tapewire import snapshots
from tapewire.definitions import by_ticker
from tapewire.engine_state import BookRules, EngineState, LiveOrder
from tapewire.house_notices import Notices
from tapewire.house_orders import SHOWS_ALL, Kept

STATE_VERSION: Final = 2


class Instrument(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    definition: bytes
    book_seq: int
    at: tuple[int, int]
    """Where the book stands: (seq, ts)."""
    notices: dict[str, bytes]


class State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A fold between two commands. Levels are not in it: they follow from the orders."""

    version: int
    seq: int
    instruments: list[Instrument]
    tickers: dict[str, int]
    """The instrument that each ticker names, or named last."""
    orders: list[Kept]


def decode(state: bytes) -> State:
    """Raises WireError for bytes that are no state of this version."""
    return snapshots.decode(state, State, STATE_VERSION, "a house market")


def of_engine(env: str, engine: EngineState) -> State:
    """As the fold of all records up to the engine's state stands; see above for what it cannot know."""
    defined = engine.definitions.instruments
    at = (engine.seq, engine.ts)
    instruments = [
        Instrument(bytes(one), engine.seq, at, _notices(env, engine, one, engine.rules.get(number)))
        for number, one in defined.items()
    ]
    named = {ticker: one.instrument for ticker, one in by_ticker(engine.definitions).items()}
    return State(STATE_VERSION, engine.seq, instruments, named, [_kept(one) for one in engine.orders])


def _notices(
    env: str, engine: EngineState, definition: m.InstrumentDefinition, rules: BookRules | None
) -> dict[str, bytes]:
    notices = Notices(env, definition)
    head = {"seq": engine.seq, "ts": engine.ts, "instrument": definition.instrument}
    if rules is None:
        notices.changed(m.InstrumentStatusChanged(**head, status=m.InstrumentStatus.delisted))
        return notices.latest
    status = {"status": rules.status, "reason": rules.reason, "resume_time": rules.resume_time}
    notices.changed(m.InstrumentStatusChanged(**head, **status))
    if rules.limit_state != m.LimitState.normal:
        band = {"lower_price": rules.lower_price, "upper_price": rules.upper_price}
        notices.limit(m.LimitStateChanged(**head, state=rules.limit_state, **band))
    price, qty, imbalance, side = rules.auction
    if any(rules.auction):
        indicated = {"price": price, "qty": qty, "imbalance_qty": imbalance, "imbalance_side": side}
        notices.indicated(m.AuctionIndicated(**head, **indicated))
    return notices.latest


def _kept(one: LiveOrder) -> Kept:
    at_most = 0 if one.hidden else one.display_qty or SHOWS_ALL
    place = (one.order_id, one.instrument, int(one.side), one.price)
    return (*place, one.leaves, at_most, one.shown, one.waiting)
