"""Whether a client's command is taken. Decided once, before it is sequenced: the answer stands on the command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.router.interfaces import Terms
from services.router.markets import View
from services.router.parent import Parent, amended, terms_of
from services.router.parts import Refuses
from services.router.state import State
from tapewire import messages as m

R = m.RejectReason
LIVE_PARENTS_MAX = 10_000
QTY_MAX = 1 << 50
SHAPE = frozenset({R.invalid_field, R.invalid_qty, R.invalid_price})
"""Reasons behind which there may be a sentence of the algorithm's."""
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


def decide(state: State, limits: Limits, c: Command, refuses: Refuses) -> Verdict:
    """The answer to `c`, whose header.source and ts are set. `refuses`: what algorithms need of terms."""
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
        return _new(state, terms, c, refuses)
    parent = state.parents.get(c.parent_id)
    if parent is None or parent.ended:
        return Verdict(R.unknown_order, c.parent_id)
    if parent.account != c.account:
        return Verdict(R.not_your_order, c.parent_id)
    return _replace(state, terms, parent, c, refuses) if isinstance(c, m.ReplaceParent) else TAKEN


def _new(state: State, terms: AccountTerms, c: m.NewParent, refuses: Refuses) -> Verdict:
    if state.is_killed(c.account):
        return Verdict(R.kill_switch)
    if c.instrument not in state.markets.instruments():
        return Verdict(R.unknown_instrument, c.instrument)
    definition = state.markets.definition(c.instrument)
    if terms.tickers and definition.ticker not in terms.tickers:
        return Verdict(R.not_permitted, c.instrument)
    if state.live_parents() >= LIVE_PARENTS_MAX:
        return Verdict(R.capacity, state.live_parents(), LIVE_PARENTS_MAX)
    return (
        _fits(state, terms_of(c), c.ts, refuses)
        or _qty(definition, c.qty)
        or _price(definition, c.limit_price)
        or _amount(state, terms, c.instrument, c.side, c.account, c.limit_price, c.qty, 0)
        or TAKEN
    )


def _replace(state: State, terms: AccountTerms, parent: Parent, c: m.ReplaceParent, refuses: Refuses) -> Verdict:
    if state.is_killed(c.account):
        return Verdict(R.kill_switch)
    if parent.ending:
        return Verdict(R.unknown_order, c.parent_id)
    old = parent.terms
    definition = state.markets.definition(old.instrument)
    qty, price = c.qty or old.qty, c.limit_price or old.limit_price
    if qty < parent.cum:
        return Verdict(R.invalid_qty, qty, parent.cum)
    before = max(old.qty - parent.cum, 0) * state.price_for(old.instrument, old.side, old.limit_price)
    return (
        _fits(state, amended(old, c), c.ts, refuses)
        or _qty(definition, qty)
        or _price(definition, price)
        or _amount(state, terms, old.instrument, old.side, c.account, price, qty, before, parent.cum)
        or TAKEN
    )


def why_not(state: State, terms: Terms, now: int, refuses: Refuses) -> str:
    """What speaks against terms that their algorithm cannot work, in words; empty: nothing."""
    found = refuses(terms, now, *_market(state, terms.instrument))
    return found[3] if found else ""


def _market(state: State, instrument: int) -> tuple[View, m.VolumeProfile | None]:
    view = state.markets.view(instrument)
    return view, state.profiles.get(view.definition.ticker)


def _fits(state: State, terms: Terms, now: int, refuses: Refuses) -> Verdict | None:
    if terms.side not in (m.Side.buy, m.Side.sell):
        return Verdict(R.invalid_field, int(terms.side))
    found = refuses(terms, now, *_market(state, terms.instrument))
    return Verdict(*found[:3]) if found else None


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
