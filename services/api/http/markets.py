"""Endpoints about markets: instruments, books, trades, bars, and how everything was at a past record."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.api import types
from services.api.desk import Response, nanoseconds
from services.api.http import queries
from services.api.http.call import Call, Endpoint
from services.api.http.elsewhere import HOUSE, from_fold, nothing, starting
from services.api.http.past import as_of
from services.api.problems import Problem

TICKER: Final = {"ticker": "As the venue writes it, percent-encoded where a path needs it."}


class InstrumentList(Struct):
    instruments: list[types.Instrument]


def instruments(call: Call) -> Response:
    return Response(200, InstrumentList(call.api.hub.instruments()))


def instrument(call: Call) -> Response:
    return Response(200, call.api.hub.instrument(call.path["ticker"]))


async def book(call: Call) -> Response:
    asked: queries.OfBook = call.query
    ticker = call.path["ticker"]
    hub, cache = call.api.hub, call.api.cache
    if asked.as_of is None:
        return await from_fold(
            call,
            lambda: hub.book(asked.feed, ticker, asked.depth),
            lambda: cache.book(asked.feed, ticker) if cache is not None else nothing(),
            asked.feed,
        )
    if call.api.starting:
        raise starting()
    if asked.feed != HOUSE:
        raise Problem(422, "books of venues are not on the orders tape", field="as_of", reason="invalid_field")
    past = await as_of(call, asked.as_of)
    for one in past.books:
        if one.ticker == ticker:
            one.bids, one.asks = one.bids[: asked.depth], one.asks[: asked.depth]
            return Response(200, one)
    raise LookupError("there was no such instrument then")


async def trades(call: Call) -> Response:
    asked: queries.OfTrades = call.query
    ticker, hub, cache = call.path["ticker"], call.api.hub, call.api.cache
    return await from_fold(
        call,
        lambda: hub.trades(asked.feed, ticker, asked.after, asked.limit),
        # The last trade alone is no answer to who goes on behind a cursor.
        lambda: cache.trades(asked.feed, ticker) if cache is not None and not asked.after else nothing(),
        asked.feed,
    )


async def bars(call: Call) -> Response:
    asked: queries.OfBars = call.query
    ticker = call.path["ticker"]
    start = None if asked.from_ is None else nanoseconds("from", asked.from_)
    end = None if asked.to is None else nanoseconds("to", asked.to)
    if start is None and end is None:
        return Response(200, call.api.hub.bars(asked.feed, ticker, asked.interval, asked.limit))
    if start is not None and end is not None and start > end:
        raise Problem(422, "it is before `from`", field="to", reason="invalid_field")
    return Response(200, await call.api.history.bars(asked.feed, ticker, asked.interval, start, end, asked.limit))


ENDPOINTS: Final = (
    Endpoint(
        *("GET", "/v1/instruments", instruments, "All instruments"),
        "Those of the house market, delisted ones included, and in `feeds` where else each has a book.",
        "markets",
        {200: (InstrumentList, "All of them")},
    ),
    Endpoint(
        *("GET", "/v1/instruments/{ticker}", instrument, "One instrument"),
        "Its exponents, tick, lot, bounds and status.",
        "markets",
        {200: (types.Instrument, "The instrument")},
        params=TICKER,
        problems=(404,),
    ),
    Endpoint(
        *("GET", "/v1/books/{ticker}", book, "A book"),
        "The best levels of each side, of the house market or of a venue's feed; of the house market also as it was "
        "right after a past record of the tape. `book_seq` is the number of its last change. What is not known here is "
        "the best level of each side from the cache, if there is one: `source` says so.",
        "markets",
        {200: (types.Book, "The book")},
        query=queries.OfBook,
        params=TICKER,
        problems=(404, 410, 503),
        early=True,
    ),
    Endpoint(
        *("GET", "/v1/trades/{ticker}", trades, "Trades"),
        "Oldest first. `after` is a cursor: with `next` of one answer the next one goes on exactly there. What is not "
        "known here is the last one from the cache, if there is one: `source` says so.",
        "markets",
        {200: (types.Trades, "Trades")},
        query=queries.OfTrades,
        params=TICKER,
        problems=(404, 503),
        early=True,
    ),
    Endpoint(
        *("GET", "/v1/bars/{ticker}", bars, "Bars"),
        "The last ones with the one under way; or, with `from` or `to`, those of that time, made from recorded trades.",
        "markets",
        {200: (types.Bars, "Bars, oldest first")},
        query=queries.OfBars,
        params=TICKER,
        problems=(404, 503),
    ),
)
