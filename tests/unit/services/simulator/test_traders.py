"""The simulated traders against the real risk and matcher, put together by hand."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from services.matcher import Matcher
from services.risk import Risk
from services.simulator import trading
from services.simulator.traders import TraderModel
from tapewire import messages as m

ACCOUNTS = [1, 2, 3, 4, 5, 6]
INSTRUMENTS = [
    m.InstrumentDefinition(
        **{"instrument": 1, "ticker": "BTCUSDT", "tick_size": 1, "lot_size": 1, "max_qty": 10_000_000},
        **{"reference_price": 6_500_000, "collar_bps": 500, "price_exponent": -2, "qty_exponent": -5},
        status=m.InstrumentStatus.trading,
    ),
    m.InstrumentDefinition(
        **{"instrument": 2, "ticker": "BRK.B", "tick_size": 5, "lot_size": 1, "max_qty": 10_000},
        **{"reference_price": 48_000, "collar_bps": 300, "price_exponent": -2, "qty_exponent": 0},
        status=m.InstrumentStatus.trading,
    ),
]


class Full(Exception):
    """What the house raises when it takes no more."""


class House:
    """The engine's pipeline, one command at a time: risk decides, the matcher applies, both fold."""

    def __init__(self) -> None:
        self.risk, self.matcher = Risk(), Matcher()
        self.seq = self.orders = 0
        self.commands: list[bytes] = []
        self.events: list[m.Message] = []
        self.full = False
        for definition in INSTRUMENTS:
            self.submit(definition)
        for account in ACCOUNTS:
            self.submit(m.AccountLimits(account=account, max_position=10**12))
        self.commands, self.events = [], []

    def submit(self, command: m.Message) -> None:
        if self.full:
            raise Full
        self.commands.append(bytes(command))
        self.seq += 1
        reason, value, limit, raw = self.risk.check(bytes(command.replace(seq=self.seq, ts=self.seq, source=1)))
        decided = m.decode(raw)
        if isinstance(decided, m.NewOrder) and not reason:
            self.orders += 1
            decided = decided.replace(order_id=self.orders)
        decided = decided.replace(decision=reason)
        self.risk.fold(bytes(decided))
        if reason:
            kind = m.OrderRejected if isinstance(decided, m.NewOrder) else m.CancelRejected
            answer = kind(
                **{name: getattr(decided, name) for name in ("cl_ord_id", "order_id", "account")},
                **{"reason": reason, "value": value, "limit": limit, "seq": self.seq + 1, "cause": self.seq},
            )
            answers = [bytes(answer)]
        else:
            answers = self.matcher.apply(bytes(decided))
        for answer_raw in answers:
            self.seq += 1
            self.risk.fold(answer_raw)
            self.events.append(m.decode(answer_raw))

    def poll(self, limit: int = 256) -> list[m.Message]:
        taken, self.events = self.events[:limit], self.events[limit:]
        return taken

    def instruments(self) -> dict[str, m.InstrumentDefinition]:
        return {definition.ticker: definition for definition in INSTRUMENTS}

    def close(self) -> None:
        self.full = True


def play(seed: int, turns: int, first: int = 1000) -> tuple[TraderModel, House]:
    model, house = TraderModel(seed, INSTRUMENTS, ACCOUNTS, first), House()
    for command in model.opening():
        house.submit(command)
    for _ in range(turns):
        house.submit(model.decide())
        for event in house.poll(10_000):
            model.take(event)
    return model, house


def test_a_seed_decides_the_same_commands_byte_for_byte() -> None:
    (_, one), (_, two), (_, other) = play(3, 3000), play(3, 3000), play(4, 3000)
    assert one.commands == two.commands
    assert one.commands != other.commands
    assert one.matcher.digest() == two.matcher.digest()


def test_a_market_comes_about() -> None:
    model, house = play(1, 20_000)
    assert model.sent.keys() == {"NewOrder", "ReplaceOrder", "CancelOrder", "MassCancel"}
    assert min(model.sent[kind] for kind in ("NewOrder", "ReplaceOrder", "CancelOrder")) > 500
    assert model.seen["OrderExecuted"] > 1000
    assert model.seen["OrderReplaced"] > 500
    for definition in INSTRUMENTS:
        bid, _, ask, _ = house.matcher.best(definition.instrument)
        assert 0 < bid < ask
        assert abs(bid - definition.reference_price) < definition.reference_price // 20
    # Two instruments, four makers, two sides, four levels: nothing else rests, so the model lost track of nothing.
    assert house.matcher.live_orders <= 2 * 4 * 2 * 4


def test_every_kind_of_mischief_is_refused() -> None:
    model, _ = play(2, 30_000)
    expected = {
        *("unknown_instrument", "unknown_account", "invalid_price", "off_tick", "stale_cl_ord_id", "invalid_qty"),
        *("price_collar", "unknown_order", "would_cross", "would_not_fill"),
    }
    assert expected <= model.refused.keys()
    silly = sum(model.refused.values()) - model.refused["would_cross"] - model.refused["would_not_fill"]
    assert 0.005 < silly / 30_000 < 0.05


def test_cl_ord_ids_rise_within_each_account_but_for_the_duplicates() -> None:
    _, house = play(5, 5000)
    last: Counter[int] = Counter()
    again = 0
    for raw in house.commands:
        command = m.decode(raw)
        assert isinstance(command, m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel)
        if command.cl_ord_id <= last[command.account]:
            again += 1
        last[command.account] = max(last[command.account], command.cl_ord_id)
    assert 1 <= again <= 50


def test_answers_that_never_come_do_not_stop_the_traders() -> None:
    model = TraderModel(1, INSTRUMENTS, ACCOUNTS, 1)
    deaf = [model.decide() for _ in range(2000)]
    assert Counter(type(command).__name__ for command in deaf)["NewOrder"] > 1900


def test_too_little_to_trade_with_is_refused() -> None:
    with pytest.raises(ValueError, match="0 instruments, 6 accounts: expected at least 1 and 2"):
        TraderModel(1, [], ACCOUNTS, 1)
    with pytest.raises(ValueError, match="2 instruments, 1 accounts"):
        TraderModel(1, INSTRUMENTS, [1], 1)


def test_the_loop_keeps_its_rate_and_resends_what_did_not_fit() -> None:
    house = House()
    began = time.monotonic()

    def stopped() -> bool:
        elapsed = time.monotonic() - began
        house.full = 0.1 < elapsed < 0.2
        return elapsed > 0.5

    model = trading.trade(house, 1, ACCOUNTS, 2000, stopped, Full)
    sent = sum(model.sent.values())
    assert 800 <= sent <= 1050
    assert sent - len(house.commands) in (0, 1)
    assert model.seen["OrderAccepted"] > 100
