"""What the configuration asks of the router, as inputs: only what its tape does not say already."""

from __future__ import annotations

from collections.abc import Iterator

from services.router.core import Core
from services.router.limits import AccountTerms, ClientTerms, Limits
from services.router.market_feed import Source
from services.router.profile import DAY_NS, volume_profile
from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import StoreError
from tapewire.logs import Logger
from tapewire.store.query import Store

_HEADER = dict.fromkeys(("seq", "cause", "ts", "ts_event", "ts_recv", "origin_seq", "source"), 0)


def limits(config: Config) -> Limits:
    """Who may send what, and how much."""
    given = {one.account: one for one in config.router.accounts}
    accounts = {}
    for account in config.accounts:
        one = given.get(account.account)
        accounts[account.account] = (
            AccountTerms()
            if one is None
            else AccountTerms(one.max_qty, one.max_notional, one.max_open_notional, frozenset(one.tickers))
        )
    clients = {
        number: ClientTerms(client.role == "operator", frozenset(client.accounts))
        for number, client in enumerate(config.router.clients, start=1)
    }
    return Limits(accounts, clients)


def tickers(core: Core) -> dict[str, int]:
    """Instruments by ticker, as the tape has them."""
    markets = core.state.markets
    return {markets.definition(number).ticker: number for number in markets.instruments()}


def feed_sources(config: Config, core: Core) -> dict[tuple[str, str], Source]:
    """What the subjects of the configured feeds are to the router, by feed and ticker."""
    known = tickers(core)
    by_name = {venue.name: venue for venue in config.venues}
    return {
        (feed.feed, market.symbol): Source(by_name[feed.venue].number, known[market.ticker])
        for feed in config.router.feeds
        for market in by_name[feed.venue].markets
    }


def definitions(config: Config, core: Core) -> Iterator[m.Message]:
    """Instruments and markets that differ from those on the tape. New instruments get the next dense id."""
    known, markets = tickers(core), core.state.markets
    wanted = dict.fromkeys(market.ticker for venue in config.venues for market in venue.markets)
    for ticker in wanted:
        number = known.setdefault(ticker, max(known.values(), default=0) + 1)
        asked = _instrument(config, ticker, number)
        before = markets.definition(number) if number in markets.instruments() else None
        if before is None or before.replace(**_HEADER) != asked:
            yield asked
    for venue in config.venues:
        for market in venue.markets:
            number = known[market.ticker]
            instrument = _instrument(config, market.ticker, number)
            asked_market = m.MarketDefinition(
                instrument=number,
                venue=venue.number,
                name=venue.name,
                ticker=market.ticker,
                symbol=market.symbol,
                maker_fee=market.maker_fee,
                taker_fee=market.taker_fee,
                tick_size=market.tick_size or instrument.tick_size,
                lot_size=market.lot_size or instrument.lot_size,
                min_qty=market.min_qty,
                max_qty=market.max_qty,
            )
            stands = markets.markets(number).get(venue.number)
            if stands is None or stands.replace(**_HEADER) != asked_market:
                yield asked_market


def _instrument(config: Config, ticker: str, number: int) -> m.InstrumentDefinition:
    own = {one.ticker: one for one in config.router.instruments}
    house = {one.ticker: one for one in config.instruments}
    one = own.get(ticker) or house[ticker]
    return m.InstrumentDefinition(
        instrument=number,
        ticker=ticker,
        tick_size=one.tick_size,
        lot_size=one.lot_size,
        price_exponent=one.price_exponent,
        qty_exponent=one.qty_exponent,
        collar_bps=one.collar_bps,
        status=m.InstrumentStatus.trading,
    )


def profiles(config: Config, core: Core, now: int, log: Logger) -> Iterator[m.Message]:
    """Each instrument's volume profile of the days before, where the tape has none that was made today."""
    days = config.router.profile_days
    if not days:
        return
    store = Store(config.data)
    for ticker, number in tickers(core).items():
        stands = core.state.profiles.get(ticker)
        if stands is not None and stands.ts // DAY_NS == now // DAY_NS:
            continue
        definition = core.state.markets.definition(number)
        try:
            yield volume_profile(store, ticker, now, days, definition.qty_exponent)
        except StoreError as error:
            log.warning("no volume profile", ticker=ticker, reason=str(error))
