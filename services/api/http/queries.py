"""What may stand in the query of a path. Unknown parameters are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.api.types import Interval

Seq = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Account = Annotated[int, Meta(ge=1, le=(1 << 20) - 1)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Feed = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]
Ticker = Annotated[str, Meta(pattern=r"^[!-~]{1,31}$")]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]
Text = Annotated[str, Meta(pattern=r"^[ -~]{1,39}$")]


class OfBook(Struct, forbid_unknown_fields=True):
    feed: Feed = "house"
    depth: Annotated[int, Meta(ge=1, le=500)] = 20
    as_of: Seq | None = None
    """The book as it was right after this record; of the house market alone."""


class OfTrades(Struct, forbid_unknown_fields=True):
    feed: Feed = "house"
    after: Seq = 0
    """Those behind this seq; 0: the last ones."""
    limit: Limit = 100


class OfBars(Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    feed: Feed = "house"
    interval: Interval = "1m"
    from_: Digits | None = None
    """UTC ns: bars that begin then or later."""
    to: Digits | None = None
    """UTC ns: bars that begin before."""
    limit: Limit = 500


class OfOrders(Struct, forbid_unknown_fields=True):
    account: Account | None = None
    """Left out: all that the author may see."""
    status: Literal["live", "done"] = "live"
    ticker: Ticker | None = None
    cl_ord_id: Text | None = None
    """The one order that a request of this ClOrdID, account and author became; needs account."""
    after: Seq = 0
    """Those that came in behind this seq."""
    limit: Limit = 100


class OfFills(Struct, forbid_unknown_fields=True):
    account: Account | None = None
    after: Seq = 0
    limit: Limit = 100


class OfPositions(Struct, forbid_unknown_fields=True):
    account: Account | None = None
    as_of: Seq | None = None


class OfAccount(Struct, forbid_unknown_fields=True):
    account: Account | None = None


class OfCancel(Struct, forbid_unknown_fields=True):
    account: Account | None = None
    """Whose order it must be; left out: whosever of the author's it is."""
    cl_ord_id: Text | None = None
    """Of this request; left out: none, and it can be sent again safely anyway."""


class OfTape(Struct, forbid_unknown_fields=True):
    after: Seq = 0
    limit: Limit = 100
    type: Annotated[str, Meta(pattern=r"^[a-z_]+(,[a-z_]+)*$", max_length=500)] | None = None
    """Types of records as the schema has them, with commas between; left out: all."""
