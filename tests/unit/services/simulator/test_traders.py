"""The simulated traders against the real risk and matcher, put together by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from services.matcher import Matcher
from services.risk import Risk
from services.simulator import trading
from services.simulator.traders import TraderModel
from tapewire import messages as m

Status = m.InstrumentStatus
ACCOUNTS = [1, 2, 3, 4, 5, 6]
CALL = 600  # turns, of the opening auction
TURN_NS = 2_000_000
INSTRUMENTS = [
    m.InstrumentDefinition(
        **{"instrument": 1, "ticker": "BTCUSDT", "tick_size": 1, "lot_size": 1, "max_qty": 10_000_000},
        **{"reference_price": 6_500_000, "collar_bps": 500, "price_exponent": -2, "qty_exponent": -5},
        status=Status.opening_auction,
    ),
    m.InstrumentDefinition(
        **{"instrument": 2, "ticker": "BRK.B", "tick_size": 5, "lot_size": 1, "max_qty": 10_000},
        **{"reference_price": 48_000, "collar_bps": 300, "price_exponent": -2, "qty_exponent": 0},
        status=Status.opening_auction,
    ),
]


# A maker and a taker of one house: they do not trade with each other.
SELF_TRADE = {account: {"self_trade_group": 1, "self_trade": m.SelfTrade.cancel_newest} for account in (4, 5)}


class Full(Exception):
    """What the house raises when it takes no more."""


class House:
    """The engine's pipeline, one command at a time: risk decides, the matcher applies, both fold. Time is `now`."""

    def __init__(self) -> None:
        self.risk, self.matcher = Risk(), Matcher()
        self.seq = self.orders = 0
        self.commands: list[bytes] = []
        self.events: list[m.Message] = []
        self.said: list[m.Message] = []
        self.full = False
        self.now = 1
        self.instruments = INSTRUMENTS
        for definition in INSTRUMENTS:
            self.submit(definition)
        for account in ACCOUNTS:
            self.submit(m.AccountLimits(account=account, max_position=10**12, **SELF_TRADE.get(account, {})))
        self.commands, self.events = [], []

    def submit(self, command: m.Message) -> None:
        if self.full:
            raise Full
        self.commands.append(bytes(command))
        self.seq += 1
        reason, value, limit, raw = self.risk.check(bytes(command.replace(seq=self.seq, ts=self.now, source=1)))
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
        self.said += taken
        return taken

    def live(self) -> set[int]:
        """OrderIDs that were accepted and have not ended, by what was said."""
        found: set[int] = set()
        for event in self.said:
            match event:
                case m.OrderAccepted():
                    found.add(event.order_id)
                case m.OrderCancelled():
                    found.remove(event.order_id)
                case m.OrderExecuted():
                    found -= {event.maker_order_id} if event.maker_leaves_qty == 0 else set()
                    found -= {event.taker_order_id} if event.taker_leaves_qty == 0 else set()
        return found

    def close(self) -> None:
        self.full = True


def play(seed: int, turns: int, first: int = 1000, call: int = CALL) -> tuple[TraderModel, House]:
    """A market that opens by an auction after `call` turns."""
    model, house = TraderModel(seed, INSTRUMENTS, ACCOUNTS, first), House()
    for command in model.opening():
        house.submit(command)
    for turn in range(turns):
        house.now += TURN_NS
        if turn == call:
            house.submit(m.SetInstrumentStatus(status=Status.trading))
        if 0 < house.matcher.next_due() <= house.now:
            house.submit(m.AdvanceClock(up_to=house.now))
        if decided := model.decide(house.now):
            house.submit(decided)
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
    # Two instruments, four makers, two sides, four levels; and the model lost track of nothing.
    assert 2 * 4 * 2 < len(model.live_quotes) <= 2 * 4 * 2 * 4
    assert set(model.live_quotes) <= house.live()
    assert house.matcher.live_orders - len(model.live_quotes) < 100  # stops that wait, for some seconds each


def test_the_market_opens_by_an_auction_and_all_kinds_of_orders_meet() -> None:
    model, house = play(1, 20_000)
    trades = [event for event in house.said if isinstance(event, m.OrderExecuted)]
    in_auction = [trade for trade in trades if trade.auction]
    assert len(in_auction) > 20
    assert trades[: len(in_auction)] == in_auction
    assert {trade.price for trade in in_auction if trade.instrument == 1} == {in_auction[0].price}
    accepted = [event for event in house.said if isinstance(event, m.OrderAccepted)]
    assert {event.ord_type for event in accepted} == set(m.OrdType) - {m.OrdType.unspecified}
    assert {event.time_in_force for event in accepted} == set(m.TimeInForce) - {0, m.TimeInForce.at_close}
    icebergs, hidden, waiting, timed, posted = (
        sum(bool(getattr(event, name)) for event in accepted)
        for name in ("display_qty", "hidden", "waiting", "expire_time", "post_only")
    )
    assert min(icebergs, hidden, waiting, timed, posted) > 200
    assert model.seen["OrderTriggered"] > 100
    assert model.seen["OrderRestated"] > 20
    why = Counter(event.reason.name for event in house.said if isinstance(event, m.OrderCancelled))
    reasons = {"requested", "expired", "immediate_or_cancel", "market_remainder", "auction_remainder", "self_trade"}
    assert reasons <= why.keys()
    # What traders do not understand of the market would show as refusals.
    assert model.refused["wrong_status"] + model.refused["instrument_halted"] == 0
    assert sum(model.refused.values()) < 0.1 * 20_000


def test_traders_wait_out_a_halt_and_take_part_in_the_auction_after_it() -> None:
    model, house = play(1, 2_000)
    halted = m.SetInstrumentStatus(instrument=1, status=Status.halted)
    stopped = m.SetInstrumentStatus(instrument=2, status=Status.closed)
    called = m.SetInstrumentStatus(instrument=1, status=Status.halt_auction, resume_time=house.now + 1_500 * TURN_NS)
    for submit, turns in ((halted, 300), (stopped, 600), (called, 1_000)):
        house.submit(submit)
        for _ in range(turns):
            house.now += TURN_NS
            for event in house.poll(10_000):
                model.take(event)
            if 0 < house.matcher.next_due() <= house.now:
                house.submit(m.AdvanceClock(up_to=house.now))
            if command := model.decide(house.now):
                house.submit(command)
    # While both stood still somebody tried from time to time.
    assert 1 <= model.refused["instrument_halted"] <= 30
    (resumed,) = (
        e
        for e in house.said
        if isinstance(e, m.InstrumentStatusChanged) and e.cause > 1 and e.old_status == Status.halt_auction
    )
    assert resumed.status == Status.trading
    assert resumed.auction_qty > 0


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
    _, house = play(5, 5000, call=-1)
    last: Counter[int] = Counter()
    again = 0
    for command in map(m.decode, house.commands):
        if not isinstance(command, m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel):
            continue
        if command.cl_ord_id <= last[command.account]:
            again += 1
        last[command.account] = max(last[command.account], command.cl_ord_id)
    assert 1 <= again <= 50


def test_answers_that_never_come_do_not_stop_the_traders() -> None:
    model = TraderModel(1, INSTRUMENTS, ACCOUNTS, 1)
    deaf = [model.decide(turn) for turn in range(2000)]
    assert Counter(type(command).__name__ for command in deaf)["NewOrder"] > 1900


def test_too_little_to_trade_with_is_refused() -> None:
    with pytest.raises(ValueError, match="0 instruments, 6 accounts: expected at least 1 and 2"):
        TraderModel(1, [], ACCOUNTS, 1)
    with pytest.raises(ValueError, match="2 instruments, 1 accounts"):
        TraderModel(1, INSTRUMENTS, [1], 1)


def test_the_loop_keeps_its_rate_and_resends_what_did_not_fit() -> None:
    house = House()
    elapsed = 0.0

    def stopped() -> bool:
        house.full = 0.1 < elapsed < 0.2
        return elapsed > 0.5

    def pause(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds

    model = trading.trade(house, 1, ACCOUNTS, 2000, stopped, Full, lambda: elapsed, pause)
    sent = sum(model.sent.values())
    assert 800 <= sent <= 1050
    assert sent - len(house.commands) in (0, 1)
    assert model.seen["OrderAccepted"] > 100
