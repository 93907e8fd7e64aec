"""Everything the dashboard shows, of one Views: live, or as of a past seq."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from services.api import types as t
from services.api.hub import render
from tapewire.house_book import HouseBook
from tapewire.views import Order, Views

DEPTH = 40
TRADES = 50
ORDERS = 1_000  # live ones, the newest if there are more


def listed(views: Views) -> list[HouseBook]:
    """Books of the instruments that are listed, by ticker."""
    found = (views.house.book(ticker) for ticker in sorted(views.house.tickers))
    return [book for book in found if book is not None]


def visible(views: Views, accounts: Iterable[int] | None) -> list[int]:
    """The accounts that are known, of those; None: all."""
    known = views.accounts()
    return known if accounts is None else sorted(set(accounts).intersection(known))


def trades(views: Views, book: HouseBook, limit: int) -> list[t.Trade]:
    of = render.terms(views, book.definition.instrument)
    raws = views.trades.get(book.definition.instrument, ())
    return [render.trade(of, raw) for raw in list(raws)[-limit:]]


def live_orders(views: Views, accounts: list[int]) -> list[Order]:
    """By OrderID, the newest ORDERS."""
    found = [order for account in accounts for order in views.orders.live.get(account, {}).values()]
    return sorted(found, key=lambda order: order.order_id)[-ORDERS:]


def positions(views: Views, accounts: list[int]) -> list[t.Position]:
    """Of all that ever traded, by account and instrument."""
    found = [one for account in accounts for one in views.holdings_of.get(account, ()) if one.fills or one.net]
    return [render.position(views, one) for one in sorted(found, key=lambda one: (one.account, one.instrument))]


def risk(views: Views, accounts: list[int]) -> t.RiskState:
    return t.RiskState([render.risk(views, account) for account in accounts], 0 in views.kills, views.at_seq)


def as_of(views: Views, accounts: Iterable[int] | None, producers: dict[int, str], feeds: list[str]) -> t.AsOf:
    """`accounts`: whose orders, positions and limits are told; None: everybody's."""
    books, whose = listed(views), visible(views, accounts)
    return t.AsOf(
        seq=views.at_seq,
        ts=str(views.ts),
        instruments=[render.instrument(book, feeds) for book in books],
        books=[render.book(views, book, DEPTH) for book in books],
        statuses=[render.status(book) for book in books],
        trades=[trade for book in books for trade in trades(views, book, TRADES)],
        orders=[render.order(views, order, producers) for order in live_orders(views, whose)],
        positions=positions(views, whose),
        risk=risk(views, whose),
        known_from=views.known_from or UNSET,
    )
