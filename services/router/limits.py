"""Whether a client's command is taken. Decided once, before it is sequenced: the answer stands on the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.router.parent import Parent
from services.router.state import State
from tapewire import messages as m

R = m.RejectReason
LIVE_PARENTS_MAX = 10_000
QTY_MAX = 1 << 50
SHARE_ALL = 10_000
TIMED = frozenset({m.Algorithm.twap, m.Algorithm.vwap, m.Algorithm.shortfall})
SWEEP_TIFS = frozenset({m.TimeInForce.ioc, m.TimeInForce.day})
OPERATORS_ONLY = frozenset({m.MessageType.kill_switch})


class Verdict(NamedTuple):
    reason: m.RejectReason = R.unspecified
    value: int = 0
    limit: int = 0


TAKEN = Verdict()


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """0, and no tickers: no limit."""

    max_qty: int = 0
    max_notional: int = 0
    max_open_notional: int = 0
    tickers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ClientTerms:
    operator: bool = False
    accounts: frozenset[int] = frozenset()
    """Empty: every one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration says. Not on the tape, as no replay decides again."""

    accounts: Mapping[int, AccountTerms] = field(default_factory=dict)
    clients: Mapping[int, ClientTerms] = field(default_factory=dict)


Command = m.NewParent | m.ReplaceParent | m.CancelParent | m.KillSwitch


def decide(state: State, limits: Limits, c: Command) -> Verdict:
    """The answer to `c`, whose header.source and ts are set."""
    client = limits.clients.get(c.source)
    if client is None or (c.TYPE in OPERATORS_ONLY and not client.operator):
        return Verdict(R.not_permitted, int(c.TYPE), c.source)
    if isinstance(c, m.KillSwitch):
        known = c.account == 0 or c.account in limits.accounts
        return TAKEN if known else Verdict(R.unknown_account, c.account)
    if client.accounts and c.account not in client.accounts:
        return Verdict(R.not_permitted, int(c.TYPE), c.source)
    terms = limits.accounts.get(c.account)
    if terms is None:
        return Verdict(R.unknown_account, c.account)
    last = state.cl_ord_ids.get((c.source, c.account), 0)
    if c.cl_ord_id <= last:
        return Verdict(R.stale_cl_ord_id, c.cl_ord_id, last)
    if isinstance(c, m.NewParent):
        return _new(state, terms, c)
    parent = state.parents.get(c.parent_id)
    if parent is None or parent.ended:
        return Verdict(R.unknown_order, c.parent_id)
    if parent.account != c.account:
        return Verdict(R.not_your_order, c.parent_id)
    return _replace(state, terms, parent, c) if isinstance(c, m.ReplaceParent) else TAKEN


def _new(state: State, terms: AccountTerms, c: m.NewParent) -> Verdict:
    if state.is_killed(c.account):
        return Verdict(R.kill_switch)
    if c.instrument not in state.markets.instruments():
        return Verdict(R.unknown_instrument, c.instrument)
    definition = state.markets.definition(c.instrument)
    if terms.tickers and definition.ticker not in terms.tickers:
        return Verdict(R.not_permitted, c.instrument)
    if (fault := misfit(c))[0]:
        return Verdict(R.invalid_field, fault[1])
    if state.live_parents() >= LIVE_PARENTS_MAX:
        return Verdict(R.capacity, state.live_parents(), LIVE_PARENTS_MAX)
    return (
        _qty(definition, c.qty)
        or _price(definition, c.limit_price)
        or _amount(state, terms, c.instrument, c.side, c.account, c.limit_price, c.qty, 0)
        or TAKEN
    )


def _replace(state: State, terms: AccountTerms, parent: Parent, c: m.ReplaceParent) -> Verdict:
    if state.is_killed(c.account):
        return Verdict(R.kill_switch)
    if parent.ending:
        return Verdict(R.unknown_order, c.parent_id)
    if c.end_time and c.end_time <= c.ts:
        return Verdict(R.invalid_field, c.end_time)
    if c.participation > SHARE_ALL or c.max_participation > SHARE_ALL:
        return Verdict(R.invalid_field, max(c.participation, c.max_participation))
    old = parent.terms
    definition = state.markets.definition(old.instrument)
    qty, price = c.qty or old.qty, c.limit_price or old.limit_price
    if qty < parent.cum:
        return Verdict(R.invalid_qty, qty, parent.cum)
    before = max(old.qty - parent.cum, 0) * state.price_for(old.instrument, old.side, old.limit_price)
    return (
        _qty(definition, qty)
        or _price(definition, price)
        or _amount(state, terms, old.instrument, old.side, c.account, price, qty, before, parent.cum)
        or TAKEN
    )


def misfit(c: m.NewParent) -> tuple[str, int]:
    """What of the command does not fit its algorithm, and its value; empty: all fits. Depends on the command alone."""
    algorithm, tif = c.algorithm, c.time_in_force
    checks: tuple[tuple[bool, str, int], ...] = (
        (c.side in (m.Side.buy, m.Side.sell), "side: expected buy or sell", int(c.side)),
        (algorithm in (*m.Algorithm,)[1:], "algorithm: expected one that is known", int(algorithm)),
        (
            tif in SWEEP_TIFS if algorithm == m.Algorithm.sweep else not tif,
            "timeInForce: expected ioc or day of a sweep, unspecified of the others",
            int(tif),
        ),
        (
            c.end_time > max(c.start_time, c.ts) if algorithm in TIMED or c.end_time else True,
            "endTime: expected one behind the start and now; twap, vwap and shortfall need it",
            c.end_time,
        ),
        (c.start_time >= 0, "startTime: expected UTC ns, or 0 for now", c.start_time),
        (
            0 < c.participation <= SHARE_ALL if algorithm == m.Algorithm.pov else not c.participation,
            "participation: expected 1 to 10,000 of a pov, else 0",
            c.participation,
        ),
        (c.max_participation <= SHARE_ALL, "maxParticipation: expected at most 10,000", c.max_participation),
        (
            0 < c.display_qty <= c.qty if algorithm == m.Algorithm.iceberg else not c.display_qty,
            "displayQty: expected 1 to the quantity of an iceberg, else 0",
            c.display_qty,
        ),
        (
            c.limit_price > 0 if algorithm == m.Algorithm.iceberg else True,
            "limitPrice: an iceberg needs one",
            c.limit_price,
        ),
        (c.interval >= 0, "interval: expected ns, or 0 for the algorithm's own", c.interval),
        (c.randomness <= SHARE_ALL, "randomness: expected at most 10,000", c.randomness),
        (c.urgency <= SHARE_ALL, "urgency: expected at most 10,000", c.urgency),
    )
    return next(((text, value) for fits, text, value in checks if not fits), ("", 0))


def _qty(definition: m.InstrumentDefinition, qty: int) -> Verdict | None:
    lot = max(definition.lot_size, 1)
    if qty <= 0 or qty > QTY_MAX or qty % lot:
        return Verdict(R.invalid_qty, qty, lot)
    return None


def _price(definition: m.InstrumentDefinition, price: int) -> Verdict | None:
    if price < 0:
        return Verdict(R.invalid_price, price, 0)
    tick = max(definition.tick_size, 1)
    return Verdict(R.off_tick, price, tick) if price % tick else None


def _amount(
    state: State,
    terms: AccountTerms,
    instrument: int,
    side: m.Side,
    account: int,
    limit_price: int,
    qty: int,
    before: int,
    done: int = 0,
) -> Verdict | None:
    """`before`: what the parent counted in the account's open notional until now; `done`: what it has executed."""
    if terms.max_qty and qty > terms.max_qty:
        return Verdict(R.max_order_qty, qty, terms.max_qty)
    if not terms.max_notional and not terms.max_open_notional:
        return None
    price = state.price_for(instrument, side, limit_price)
    if not price:
        return Verdict(R.market_data_stale)  # without a limit and without a market nobody knows what it is worth
    if terms.max_notional and price * qty > terms.max_notional:
        return Verdict(R.max_notional, _told(price * qty), terms.max_notional)
    total = state.open_notional(account) - before + price * (qty - done)
    if terms.max_open_notional and total > terms.max_open_notional:
        return Verdict(R.max_notional, _told(total), terms.max_open_notional)
    return None


def _told(value: int) -> int:
    return min(value, (1 << 63) - 1)
