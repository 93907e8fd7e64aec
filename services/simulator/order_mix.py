"""What kinds of orders simulated traders send, and how often: shares in a hundred, by what the market is doing.

makers, trading    plain, iceberg, hidden; a quarter post-only, of those half slide; some until a time
makers, in a call  the same without post-only
takers, trading    market, IOC, FOK, with a minimum quantity; stops and stop-limits that wait for some seconds
takers, in a call  at-the-open, day and market orders
"""

from __future__ import annotations

from random import Random
from typing import TypeVar

from services.simulator.traders_market import Market
from tapewire import messages as m

Terms = dict[str, int]
T = TypeVar("T")

SECOND = 10**9
QUOTE_LIVES = (5, 60)  # seconds, of a quote with a time
TAKER_WAITS = (5, 30)  # of a stop, and of an order that takes part in a call
ICEBERG_PARTS = (2, 5)  # an order of fewer lots than the latter is not worth hiding
STOP_STEPS = 4  # a stop waits at most so many steps behind what a taker reaches for

QUOTE_KINDS = {"plain": 82, "iceberg": 10, "hidden": 8}
QUOTE_TIMES = {m.TimeInForce.gtc: 70, m.TimeInForce.day: 15, m.TimeInForce.gtd: 15}
POST_ONLY = {"no": 75, "reject": 13, "slide": 12}
TAKES = {"market": 28, "ioc": 37, "fok": 15, "at least": 6, "stop": 8, "stop limit": 6}
CALL_TAKES = {"at open": 45, "a while": 40, "market": 15}
SELF_TRADE = {
    m.SelfTrade.unspecified: 85,  # as the account is set up
    m.SelfTrade.cancel_oldest: 5,
    m.SelfTrade.cancel_both: 5,
    m.SelfTrade.decrement_and_cancel: 5,
}


def quote(random: Random, market: Market, qty: int, now: int) -> Terms:
    """What a maker's limit order says beside its price. `now`: UTC ns."""
    time_in_force = _pick(random, QUOTE_TIMES)
    terms: Terms = {"ord_type": m.OrdType.limit, "time_in_force": time_in_force, "qty": qty}
    if time_in_force == m.TimeInForce.gtd:
        terms["expire_time"] = now + random.randint(*QUOTE_LIVES) * SECOND
    kind, lot = _pick(random, QUOTE_KINDS), market.definition.lot_size
    if kind == "hidden":
        terms["hidden"] = True
    elif kind == "iceberg" and qty >= ICEBERG_PARTS[1] * lot:
        terms["display_qty"] = qty // lot // random.randint(*ICEBERG_PARTS) * lot
    if not market.in_call:
        post_only = _pick(random, POST_ONLY)
        terms |= {"post_only": post_only != "no", "slide": post_only == "slide"}
    return terms


def take(random: Random, market: Market, side: m.Side, reach: int, qty: int, now: int) -> Terms:
    """A taker's order; `reach` is the price it would go to."""
    terms: Terms = {"self_trade": _pick(random, SELF_TRADE), "ord_type": m.OrdType.limit, "price": reach, "qty": qty}
    kind = _pick(random, CALL_TAKES if market.in_call else TAKES)
    if kind == "market":
        in_force = m.TimeInForce.day if market.in_call else m.TimeInForce.ioc
        return terms | {"ord_type": m.OrdType.market, "price": 0, "time_in_force": in_force}
    if kind in ("stop", "stop limit"):
        return terms | _a_while(random, now) | _stop(random, market, side, reach, limit=kind == "stop limit")
    if kind == "at least":
        terms["min_qty"] = max(1, qty // market.definition.lot_size // 2) * market.definition.lot_size
    if kind == "a while" or (kind == "at open" and market.status != m.InstrumentStatus.opening_auction):
        return terms | _a_while(random, now)
    in_force = {"at open": m.TimeInForce.at_open, "fok": m.TimeInForce.fok}.get(kind, m.TimeInForce.ioc)
    return terms | {"time_in_force": in_force}


def _stop(random: Random, market: Market, side: m.Side, reach: int, *, limit: bool) -> Terms:
    """An order that follows the market once it has moved: a buy above it, a sell below."""
    away = market.step * market.definition.tick_size * (1 if side is m.Side.buy else -1)
    stop_px = max(market.definition.tick_size, reach + away * random.randint(1, STOP_STEPS))
    return {
        "ord_type": m.OrdType.stop_limit if limit else m.OrdType.stop,
        "stop_px": stop_px,
        "price": max(market.definition.tick_size, stop_px + 2 * away) if limit else 0,
    }


def _a_while(random: Random, now: int) -> Terms:
    return {"time_in_force": m.TimeInForce.gtd, "expire_time": now + random.randint(*TAKER_WAITS) * SECOND}


def _pick(random: Random, shares: dict[T, int]) -> T:
    return random.choices(list(shares), list(shares.values()))[0]
