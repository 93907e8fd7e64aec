"""What a fold of views tells, and the small things that it keeps."""

from __future__ import annotations

from typing import Any, NamedTuple


class Change(NamedTuple):
    """Something that a record changed.

    kind       owner        item
    order      account      (Order, raw record of its life)
    fill       account      Fill
    position   account      Holding
    trade      instrument   raw OrderExecuted, TradeBusted or TradeCorrected
    book       instrument   list[BookLevel]: the levels that changed, as they are now
    quote      instrument   None
    status     instrument   None: status, limit state or auction
    instrument instrument   None: defined, anew perhaps
    limits     account      None
    kill       account      None; account 0: all
    """

    kind: str
    owner: int
    item: Any


class Fill(NamedTuple):
    """One side of a match in an account's log; of a bust or correction the raw record that says so."""

    seq: int
    role: int
    """MAKER or TAKER."""
    text: str
    """The client's name of the order; empty if the order is not known any more."""
    raw: bytes


class Kill(NamedTuple):
    seq: int
    ts: int
    reason: str
