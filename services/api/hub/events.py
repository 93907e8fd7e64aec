"""What the hub tells its listeners."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One thing that changed. Called on the loop, in the order of the tape (or of arrival, from venues).

    channel    feed          key         item
    book       house, venue  ticker      types.Book with the levels that changed alone; quantity "0": gone.
                                         None: all of it is new, ask `hub.book`
    trades     house, venue  ticker      types.Trade
    quotes     house, venue  ticker      None: ask `hub.quote`
    status     house         ticker      types.InstrumentStatus
    bars       house, venue  ticker      None: ask `hub.bars(..., limit=1 or 2)`
    orders     house         account     types.Order, `event` = what happened to it
    fills      house         account     types.Fill
    positions  house         account     ticker of the position that changed: ask `hub.positions`
    risk       house         account     None: ask `hub.risk`; account 0: the kill switch of all
    tape       house         ""          bytes of the record: render by `hub.record(raw)`
    parents    ""            account     platform.Parent
    feeds, services, state, latency  ""  ""  None: ask hub.feeds(), .services(), .state(), .latency()
    reset      ""            ""          None: the tape lost its tail and all was folded anew; send snapshots
    """

    channel: str
    feed: str
    key: str | int
    seq: int
    """The record of the orders tape; of a venue's book its book_seq, of other things 0."""
    item: object
