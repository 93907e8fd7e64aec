"""What is answered to a request on `<env>.house.snapshot.<ticker>`: what was published last, as a message.

    payload     empty, book    status                    limit               auction
    answer      BookSnapshot   InstrumentStatusChanged   LimitStateChanged   AuctionIndicated

A FeedStatus says why instead, if no such instrument is listed, or nothing has that name.
"""

from __future__ import annotations

from tapewire import messages as m
from tapewire.errors import SubjectError
from tapewire.house import HouseMarket
from tapewire.house_notices import KINDS
from tapewire.subjects import Subject

BOOK = "book"
MAX_WORD = 16  # bytes of a payload that are looked at
TICKERS_SHOWN = 20


def snapshot_for(market: HouseMarket, asked: str, payload: bytes | memoryview, now: int) -> bytes:
    """The answer to a request on the subject `asked`, whatever it says. `now`: UTC ns."""
    try:
        ticker = Subject.parse(asked).key
    except SubjectError as error:
        return _nothing(str(error), now)
    book = market.book(ticker)
    if book is None:
        listed = ", ".join(market.tickers[:TICKERS_SHOWN]) or "none yet"
        return _nothing(f"no instrument {ticker!r}; there are {listed}", now)
    wanted = bytes(payload[:MAX_WORD]).decode("ascii", "replace")
    if wanted in ("", BOOK):
        return book.snapshot()
    if wanted in KINDS:
        return book.notices.standing(wanted)
    return _nothing(f"no snapshot called {wanted!r}; expected {BOOK}, {', '.join(KINDS)}, or no payload", now)


def _nothing(reason: str, now: int) -> bytes:
    return bytes(m.FeedStatus(ts=now, state=m.FeedState.down, reason=reason))
