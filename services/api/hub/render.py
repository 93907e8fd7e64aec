"""Views as the API's shapes: mantissas become decimal text here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import UNSET

from services.api import types as t
from tapewire import messages as m
from tapewire.fixed import to_text
from tapewire.house_book import HouseBook
from tapewire.house_notices import AUCTION, LIMIT, STATUS
from tapewire.views import Fill, Holding, Order, Views
from tapewire.views.holding import MAKER

FEED: Final = "house"
FINER: Final = 3  # places that an average price has more than the price
_UNSPECIFIED: Final = "unspecified"
_MAKERS, _TAKERS, _AUCTIONS = "maker", "taker", "auction"


class Terms:
    """What an instrument's numbers mean."""

    __slots__ = ("price_exponent", "qty_exponent", "ticker")

    def __init__(self, ticker: str, price_exponent: int, qty_exponent: int) -> None:
        self.ticker, self.price_exponent, self.qty_exponent = ticker, price_exponent, qty_exponent

    def price(self, mantissa: int) -> str:
        return to_text(mantissa, self.price_exponent)

    def qty(self, mantissa: int) -> str:
        return to_text(mantissa, self.qty_exponent)

    def notional(self, mantissa: int) -> str:
        return to_text(mantissa, self.price_exponent + self.qty_exponent)

    def average(self, notional: int, qty: int) -> str:
        """notional / qty as a price, to 1/1,000 of its last place, halves up; "0" without a quantity."""
        if qty <= 0:
            return "0"
        return to_text((2 * notional * 10**FINER + qty) // (2 * qty), self.price_exponent - FINER)


def terms(views: Views, instrument: int) -> Terms:
    """Of one that was never defined (an operator can bust a trade of it) the number stands for the ticker."""
    book = views.book(instrument)
    if book is None:
        return Terms(f"#{instrument}", 0, 0)
    definition = book.definition
    return Terms(definition.ticker, definition.price_exponent, definition.qty_exponent)


# -- markets


def instrument(book: HouseBook, feeds: list[str]) -> t.Instrument:
    d, of = book.definition, Terms(book.ticker, book.definition.price_exponent, book.definition.qty_exponent)
    return t.Instrument(
        instrument=d.instrument,
        ticker=book.ticker,
        price_exponent=d.price_exponent,
        qty_exponent=d.qty_exponent,
        tick_size=of.price(d.tick_size),
        lot_size=of.qty(d.lot_size),
        status=book.notices.status.name,
        feeds=feeds,
        max_qty=of.qty(d.max_qty) if d.max_qty else UNSET,
        min_price=of.price(d.min_price) if d.min_price else UNSET,
        max_price=of.price(d.max_price) if d.max_price else UNSET,
        reference_price=of.price(d.reference_price) if d.reference_price else UNSET,
        collar_bps=d.collar_bps or UNSET,
        static_band_bps=d.static_band_bps or UNSET,
        dynamic_band_bps=d.dynamic_band_bps or UNSET,
        limit_state_ms=d.limit_state_ms or UNSET,
        pause_ms=d.pause_ms or UNSET,
    )


def levels(of: Terms, some: Iterable[m.BookLevel]) -> list[t.Level]:
    return [(of.price(price), of.qty(qty), orders) for price, qty, orders, _ in some]


def book(views: Views, known: HouseBook, depth: int) -> t.Book:
    of = terms(views, known.definition.instrument)
    bids, asks = known.depth(depth)
    return _book(known, levels(of, bids), levels(of, asks))


def changed(views: Views, known: HouseBook, some: list[m.BookLevel]) -> t.Book:
    """Only these levels of it."""
    of = terms(views, known.definition.instrument)
    bids = levels(of, (level for level in some if level.side == m.Side.buy))
    asks = levels(of, (level for level in some if level.side != m.Side.buy))
    return _book(known, bids, asks)


def _book(known: HouseBook, bids: list[t.Level], asks: list[t.Level]) -> t.Book:
    seq, ts = known.at
    return t.Book(FEED, known.ticker, known.book_seq, known.quality.name, seq, str(ts), bids, asks)


def quote(views: Views, known: HouseBook) -> t.Quote:
    of = terms(views, known.definition.instrument)
    bid, bid_qty, ask, ask_qty = known.top
    seq, ts = known.at
    sides = [(of.price(price), of.qty(qty)) if qty else ("0", "0") for price, qty in ((bid, bid_qty), (ask, ask_qty))]
    return t.Quote(FEED, known.ticker, seq, str(ts), sides[0], sides[1], known.quality.name)


def trade(of: Terms, raw: bytes) -> t.Trade:
    """Of an OrderExecuted, TradeBusted or TradeCorrected."""
    record: Any = m.decode(raw)
    kind = {m.OrderExecuted: "trade", m.TradeBusted: "bust"}.get(type(record), "correction")
    aggressor = record.aggressor.name if kind == "trade" else _UNSPECIFIED
    return t.Trade(
        *(FEED, of.ticker, record.seq, str(record.ts), record.match_id),
        *(of.price(record.price), of.qty(record.qty), aggressor, kind),
    )


def status(known: HouseBook) -> t.InstrumentStatus:
    latest = known.notices.latest
    said = m.InstrumentStatusChanged.decode(latest[STATUS])
    of = Terms(known.ticker, known.definition.price_exponent, known.definition.qty_exponent)
    made = t.InstrumentStatus(
        ticker=known.ticker,
        seq=said.seq,
        ts=str(said.ts),
        status=said.status.name,
        reason=said.reason.name,
        limit_state="normal",
        resume_time=str(said.resume_time) if said.resume_time else UNSET,
        auction_price=of.price(said.auction_price) if said.auction_qty else UNSET,
        auction_qty=of.qty(said.auction_qty) if said.auction_qty else UNSET,
    )
    if (raw := latest.get(LIMIT)) is not None:
        limit = m.LimitStateChanged.decode(raw)
        made.seq, made.ts, made.limit_state = limit.seq, str(limit.ts), limit.state.name
        made.lower_price = of.price(limit.lower_price) if limit.lower_price else UNSET
        made.upper_price = of.price(limit.upper_price) if limit.upper_price else UNSET
    if (raw := latest.get(AUCTION)) is not None:
        call = m.AuctionIndicated.decode(raw)
        if call.seq > made.seq:
            made.seq, made.ts = call.seq, str(call.ts)
        if call.qty:
            side = call.imbalance_side.name
            made.auction = t.Auction(of.price(call.price), of.qty(call.qty), of.qty(call.imbalance_qty), side)
    return made


# -- orders


def order(views: Views, one: Order, producers: dict[int, str], raw: bytes | None = None) -> t.Order:
    """`raw`: the record of its life that is told of; None: the last."""
    of = terms(views, one.instrument)
    first: Any = m.decode(one.terms or one.life[0])
    told = one.life[-1:] if raw is None else [raw]
    last: Any = m.decode(told[0]) if told else None
    source = first.source
    # The number of its client's session: of the API's key or the FIX session; the producer's stands in the upper half.
    made = t.Order(
        order_id=one.order_id,
        account=one.account,
        ticker=of.ticker,
        side=first.side.name,
        type=first.ord_type.name,
        time_in_force=first.time_in_force.name,
        status=one.status.name,
        price=of.price(one.price),
        qty=of.qty(one.qty),
        cum_qty=of.qty(one.cum),
        leaves_qty=of.qty(one.leaves),
        avg_price=UNSET if one.unpriced else of.average(one.notional, one.cum),
        seq=last.seq if last is not None else one.known_from,
        waiting=one.waiting,
        stop_price=of.price(one.stop_px) if one.stop_px else UNSET,
        display_qty=of.qty(first.display_qty) if first.display_qty else UNSET,
        expire_time=str(first.expire_time) if first.expire_time else UNSET,
        hidden=first.hidden,
        post_only=first.post_only,
        origin=producers.get(source, str(source)) if source or not one.terms else "",
        session=first.session & 0xFFFF,
    )
    if one.terms:
        made.known_from = one.known_from
    else:
        made.cl_ord_id, made.created_seq, made.created_ts = one.text, one.created, str(first.ts)
    if last is not None:
        made.ts, made.event = str(last.ts), order_event(of, one, last)
    if not one.live:
        end = last if raw is None or raw is one.life[-1] else m.decode(one.life[-1])
        if isinstance(end, m.OrderRejected):
            made.reason, made.value, made.limit = end.reason.name, end.value, end.limit
        elif isinstance(end, m.OrderCancelled):
            made.reason = end.reason.name
    return made


def order_with_life(views: Views, one: Order, producers: dict[int, str]) -> t.Order:
    of, made = terms(views, one.instrument), order(views, one, producers)
    made.events = [order_event(of, one, m.decode(raw)) for raw in one.life]
    made.events_dropped = one.dropped or UNSET
    return made


def order_event(of: Terms, one: Order, r: Any) -> t.OrderEvent:
    """What a record says of this order; of a match nothing of the other side."""
    made = t.OrderEvent(r.seq, str(r.ts), m.MessageType(r.TYPE).name, r.cause)
    match r:
        case m.NewOrder() | m.OrderAccepted():
            made.price, made.qty = of.price(r.price), of.qty(r.qty)
        case m.OrderExecuted():
            made.price, made.qty, made.match_id = of.price(r.price), of.qty(r.qty), r.match_id
            leaves = r.maker_leaves_qty if r.maker_order_id == one.order_id else r.taker_leaves_qty
            made.leaves_qty = of.qty(leaves)
        case m.OrderCancelled():
            made.qty, made.leaves_qty, made.reason = of.qty(r.cancelled_qty), of.qty(0), r.reason.name
        case m.OrderReplaced():
            made.price, made.qty, made.leaves_qty = of.price(r.price), of.qty(r.qty), of.qty(r.leaves_qty)
        case m.OrderRestated():
            made.price, made.qty, made.leaves_qty = of.price(r.price), of.qty(r.qty), of.qty(r.leaves_qty)
            made.reason = r.reason.name
        case m.OrderTriggered():
            made.price, made.leaves_qty, made.reason = of.price(r.price), of.qty(r.leaves_qty), r.reason.name
        case m.OrderRejected() | m.CancelRejected():
            made.reason, made.value, made.limit = r.reason.name, r.value, r.limit
        case m.TradeBusted() | m.TradeCorrected():
            made.price, made.qty, made.match_id = of.price(r.price), of.qty(r.qty), r.match_id
    return made


def fill(views: Views, account: int, one: Fill) -> t.Fill:
    r: Any = m.decode(one.raw)
    of, maker = terms(views, r.instrument), one.role == MAKER
    buys = (r.taker_side == m.Side.buy) != maker
    made = t.Fill(
        seq=r.seq,
        ts=str(r.ts),
        match_id=r.match_id,
        order_id=r.maker_order_id if maker else r.taker_order_id,
        cl_ord_id=one.text if one.text or not views.known_from else UNSET,
        account=account,
        ticker=of.ticker,
        side="buy" if buys else "sell",
        price=of.price(r.price),
        qty=of.qty(r.qty),
        leaves_qty="0",
        liquidity=_MAKERS if maker else _TAKERS,
    )
    if isinstance(r, m.OrderExecuted):
        made.leaves_qty = of.qty(r.maker_leaves_qty if maker else r.taker_leaves_qty)
        made.liquidity = _AUCTIONS if r.auction else made.liquidity
    elif isinstance(r, m.TradeBusted):
        made.kind = "bust"
    else:
        made.kind, made.old_price, made.old_qty = "correction", of.price(r.old_price), of.qty(r.old_qty)
    return made


# -- accounts


def mark(views: Views, instrument: int) -> tuple[int, int]:
    """The price that positions are worth, as (twice the mantissa, 2): the middle of a live book with both sides, else
    the last trade that was not busted; (0, 0): there is none."""
    known = views.book(instrument)
    if known is not None and known.quality == m.BookQuality.live and known.top[1] and known.top[3]:
        return known.top[0] + known.top[2], 2
    busted: set[int] = set()
    for raw in reversed(views.trades.get(instrument, ())):
        record: Any = m.decode(raw)
        if isinstance(record, m.TradeBusted):
            busted.add(record.match_id)
        elif record.match_id not in busted:
            return 2 * record.price, 2
    return 0, 0


def position(views: Views, one: Holding) -> t.Position:
    of = terms(views, one.instrument)
    twice, marked = mark(views, one.instrument)
    made = t.Position(account=one.account, ticker=of.ticker, seq=one.seq, ts=str(one.ts), net=of.qty(one.net))
    if marked or not views.known_from:
        made.mark = to_text(twice * 5, of.price_exponent - 1) if marked else "0"
    if one.cost_known:
        made.avg_price = of.average(*one.average)
        if marked or not views.known_from or not one.net:
            cost = one.cost if one.net > 0 else -one.cost
            # Half a unit of the price can be left over; it is rounded down.
            made.unrealised = of.notional((one.net * twice) // 2 - cost if marked else 0)
    if views.known_from:
        made.known_from = views.known_from
    else:
        made.bought, made.sold, made.fills = of.qty(one.bought), of.qty(one.sold), one.fills
        made.realised = of.notional(one.realised)
    return made


def exposure(views: Views, one: Holding, max_position: int) -> t.Exposure:
    of = terms(views, one.instrument)
    long, short = one.net + one.open_buy, one.open_sell - one.net
    return t.Exposure(
        ticker=of.ticker,
        net=of.qty(one.net),
        open_buy=of.qty(one.open_buy),
        open_sell=of.qty(one.open_sell),
        open_buy_notional=of.notional(one.open_buy_notional),
        open_sell_notional=of.notional(one.open_sell_notional),
        reach_long=of.qty(long),
        reach_short=of.qty(short),
        max_position=of.qty(max_position) if max_position else "0",
        used=max(long, short, 0) / max_position if max_position else 0.0,
    )


def risk(views: Views, account: int) -> t.Risk:
    said = views.limits.get(account)
    limits = t.Limits(0, 0, 0, 0, "allow")
    if said is not None:
        stp = said.self_trade.name if said.self_trade else "allow"
        limits = t.Limits(said.max_order_qty, said.max_notional, said.max_position, said.self_trade_group, stp)
    kill = views.kills.get(0) or views.kills.get(account)
    holdings = sorted(views.holdings_of.get(account, ()), key=lambda one: one.instrument)
    return t.Risk(
        account=account,
        seq=views.at_seq,
        killed=kill is not None,
        live_orders=len(views.orders.live.get(account, ())),
        limits=limits,
        exposures=[exposure(views, one, limits.max_position) for one in holdings],
        kill_reason=kill.reason if kill and kill.seq else UNSET,
        kill_ts=str(kill.ts) if kill and kill.seq else UNSET,
    )
