"""What hypothesis finds against the matcher's twin it also makes small, which the seeded flow cannot."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.twins import Twins

MS = 1_000_000
CAPACITY = 8
SIDES = st.sampled_from([m.Side.buy, m.Side.sell])
PRICES = st.one_of(st.integers(97, 103), st.sampled_from([1, 2, 2**40, 0, -1, 2**63 - 1]))
STOPS = st.one_of(st.just(0), st.integers(97, 103))
QUANTITIES = st.one_of(st.integers(1, 6), st.sampled_from([0, -1, 2**50, 2**50 + 1]))
PARTS = st.sampled_from([0, 0, 0, 0, 1, 2, 3])
ACCOUNTS = st.integers(1, 2)
KINDS = st.sampled_from([m.OrdType.limit] * 4 + [m.OrdType.market, m.OrdType.stop, m.OrdType.stop_limit])
FATES = st.sampled_from([m.TimeInForce.gtc] * 6 + list(m.TimeInForce))
SELF_TRADE = st.sampled_from([m.SelfTrade.allow] * 3 + list(m.SelfTrade))
STATUSES = st.sampled_from([m.InstrumentStatus.trading] * 4 + list(m.InstrumentStatus)[1:])
FLAGS = st.sampled_from(["", "", "", "", "", "hidden", "post_only", "slide"])
WAITS = st.sampled_from([0, 0, 1, 2, 5])
BANDS = st.sampled_from([0, 100, 200, 10_000])


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.twins = Twins(CAPACITY, NaiveMatcher(CAPACITY))
        self.seq = self.order_id = 0

    @property
    def now(self) -> int:
        return self.seq * MS

    def send(self, message: m.Message) -> None:
        self.seq += 1
        self.twins.apply(bytes(message.replace(seq=self.seq, ts=self.now)))

    @initialize()
    def open(self) -> None:
        for instrument in (1, 2):
            self.define(instrument, 1, 1, m.InstrumentStatus.trading, 0, 0, 0, 0, 0)

    @rule(
        instrument=st.integers(1, 3), side=SIDES, price=PRICES, qty=QUANTITIES, account=ACCOUNTS, kind=KINDS,
        fate=FATES, stop_px=STOPS, part=PARTS, least=PARTS, expires=WAITS, session=st.integers(0, 2),
        mode=SELF_TRADE, flag=FLAGS,
    )  # fmt: skip
    def order(
        self, instrument: int, side: m.Side, price: int, qty: int, account: int, kind: m.OrdType, fate: m.TimeInForce,
        stop_px: int, part: int, least: int, expires: int, session: int, mode: m.SelfTrade, flag: str,
    ) -> None:  # fmt: skip
        self.order_id += 1
        terms: dict[str, Any] = {flag: True} if flag else {}
        if flag == "slide":
            terms["post_only"] = True
        if fate == m.TimeInForce.gtd:
            terms["expire_time"] = self.now + (1 + expires) * MS
        if kind in (m.OrdType.stop, m.OrdType.stop_limit):
            terms["stop_px"] = stop_px
        self.send(
            m.NewOrder(
                instrument=instrument, side=side, price=price, qty=qty, account=account, ord_type=kind, session=session,
                time_in_force=fate, display_qty=part, min_qty=least if least == 1 else 0, self_trade=mode,
                self_trade_group=7, order_id=self.order_id, **terms,
            )
        )  # fmt: skip

    @precondition(lambda self: self.order_id)
    @rule(back=st.integers(0, 8), account=ACCOUNTS)
    def cancel(self, back: int, account: int) -> None:
        self.send(m.CancelOrder(order_id=max(self.order_id - back, 0), account=account))

    @precondition(lambda self: self.order_id)
    @rule(back=st.integers(0, 8), account=ACCOUNTS, price=PRICES, qty=QUANTITIES, stop_px=STOPS)
    def replace(self, back: int, account: int, price: int, qty: int, stop_px: int) -> None:
        id = max(self.order_id - back, 0)
        self.send(m.ReplaceOrder(order_id=id, account=account, price=price, qty=qty, stop_px=stop_px))

    @rule(
        account=st.integers(0, 2),
        instrument=st.integers(0, 3),
        side=st.integers(0, 3),
        reason=st.integers(0, 8),
        session=st.integers(0, 2),
    )
    def mass_cancel(self, account: int, instrument: int, side: int, reason: int, session: int) -> None:
        self.send(m.MassCancel(account=account, instrument=instrument, side=side, reason=reason, session=session))

    @rule(
        instrument=st.integers(0, 2),
        tick=st.sampled_from([1, 1, 1, 0, 2]),
        lot=st.sampled_from([1, 1, 1, 0, 2]),
        status=st.integers(0, 8),
        reference=st.sampled_from([0, 99, 100, 101, -1]),
        static=BANDS,
        dynamic=BANDS,
        limit_ms=WAITS,
        pause_ms=WAITS,
    )
    def define(
        self, instrument: int, tick: int, lot: int, status: int, reference: int, static: int, dynamic: int,
        limit_ms: int, pause_ms: int,
    ) -> None:  # fmt: skip
        self.send(
            m.InstrumentDefinition(
                instrument=instrument, tick_size=tick, lot_size=lot, status=status, reference_price=reference,
                static_band_bps=static, dynamic_band_bps=dynamic, limit_state_ms=limit_ms, pause_ms=pause_ms,
            )
        )  # fmt: skip

    @rule(instrument=st.integers(0, 3), status=STATUSES, reason=st.integers(0, 6), resumes=WAITS)
    def set_status(self, instrument: int, status: m.InstrumentStatus, reason: int, resumes: int) -> None:
        open_ended = status in (m.InstrumentStatus.trading, m.InstrumentStatus.closed, m.InstrumentStatus.delisted)
        at = 0 if open_ended or not resumes else self.now + (1 + resumes) * MS
        self.send(m.SetInstrumentStatus(instrument=instrument, status=status, reason=reason, resume_time=at))

    @rule(ahead=WAITS)
    def advance(self, ahead: int) -> None:
        self.send(m.AdvanceClock(up_to=self.now + ahead * MS))

    @rule(match=st.integers(0, 4), price=st.integers(98, 102), to=st.integers(-1, 102), busts=st.booleans())
    def amend(self, match: int, price: int, to: int, busts: bool) -> None:
        if busts:
            self.send(m.BustTrade(match_id=match, price=price, qty=1))
        else:
            self.send(m.CorrectTrade(match_id=match, price=price, qty=1, new_price=to, new_qty=1))

    @rule()
    def restart(self) -> None:
        self.twins.restart()

    @invariant()
    def same_state(self) -> None:
        self.twins.same_snapshots()


Machine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
