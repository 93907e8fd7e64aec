"""What is answered to a request on `<env>.house.snapshot.<ticker>`: what was published last, as a message.

    payload     empty, book    status                    limit               auction            instrument
    answer      BookSnapshot   InstrumentStatusChanged   LimitStateChanged   AuctionIndicated   InstrumentDefinition

The payload `instruments`, whatever the ticker: the InstrumentDefinition of each, in frames (tapewire/order_bus.py).

A FeedStatus says why instead, if no such instrument is listed, or nothing has that name.
"""

from __future__ import annotations

from tapewire import messages as m
from tapewire.errors import SubjectError
from tapewire.house import HouseMarket
from tapewire.house_notices import KINDS
from tapewire.order_bus import frames
from tapewire.subjects import Subject

BOOK, INSTRUMENT, INSTRUMENTS = "book", "instrument", "instruments"
MAX_WORD = 16  # bytes of a payload that are looked at
TICKERS_SHOWN = 20
MAX_INSTRUMENTS = 3_000  # in one answer: about half of what the bus takes as one message


def snapshot_for(market: HouseMarket, asked: str, payload: bytes | memoryview, now: int) -> bytes:
    """The answer to a request on the subject `asked`, whatever it says. `now`: UTC ns."""
    try:
        ticker = Subject.parse(asked).key
    except SubjectError as error:
        return _nothing(str(error), now)
    wanted = bytes(payload[:MAX_WORD]).decode("ascii", "replace")
    if wanted == INSTRUMENTS:
        return _all(market, now)
    book = market.book(ticker)
    if book is None:
        listed = ", ".join(market.tickers[:TICKERS_SHOWN]) or "none yet"
        return _nothing(f"no instrument {ticker!r}; there are {listed}", now)
    if wanted in ("", BOOK):
        return book.snapshot()
    if wanted in KINDS:
        return book.notices.standing(wanted)
    if wanted == INSTRUMENT:
        return bytes(book.definition)
    known = ", ".join((BOOK, *KINDS, INSTRUMENT, INSTRUMENTS))
    return _nothing(f"no snapshot called {wanted!r}; expected {known}, or no payload", now)


def _all(market: HouseMarket, now: int) -> bytes:
    tickers = market.tickers
    if len(tickers) > MAX_INSTRUMENTS:
        return _nothing(f"{len(tickers)} instruments do not fit one message: ask for each by its ticker", now)
    books = (market.book(ticker) for ticker in tickers)
    return frames(bytes(book.definition) for book in books if book is not None)


def _nothing(reason: str, now: int) -> bytes:
    return bytes(m.FeedStatus(ts=now, state=m.FeedState.down, reason=reason))
