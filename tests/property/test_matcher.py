"""The compiled matcher and its slow twin get the same commands: events, snapshots and digests must be the same."""

from __future__ import annotations

from collections import Counter

import pytest

from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.order_flow import MARKETS, Flow
from tests.oracle.rule_count import CountingMatcher
from tests.oracle.twins import compare
from tests.oracle.unfair_twins import UNFAIR

SEEDS, COMMANDS, CAPACITIES = range(3), 2000, (40, 2**20)
"""Of the runs in `make test`."""


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_compiled_matcher_does_what_the_oracle_does(market: str, capacity: int) -> None:
    for seed in SEEDS:
        compare(seed, market, COMMANDS, capacity)


def compare_often(twin: type[NaiveMatcher]) -> None:
    for seed in range(10):
        for market in ("narrow", "falling by 60 %"):
            compare(seed, market, COMMANDS, 2**20, twin)


@pytest.mark.parametrize("twin", UNFAIR, ids=lambda twin: twin.__name__)
def test_a_twin_that_is_unfair_is_found_out(twin: type[NaiveMatcher]) -> None:
    with pytest.raises(AssertionError, match=r"seed \d+, command"):
        compare_often(twin)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("market", MARKETS)
def test_the_compiled_matcher_does_what_the_oracle_does_for_a_million_commands(market: str) -> None:
    for seed in range(100, 121):
        compare(seed, market, 8000, 120 if seed % 2 else 2**20)


STATUSES = list(m.InstrumentStatus)[1:]
CANCEL_REASONS = set(m.CancelReason) - {m.CancelReason.unspecified}
REJECT_REASONS = [
    "unknown_instrument", "instrument_halted", "invalid_field", "invalid_qty", "invalid_price", "off_tick",
    "would_cross", "no_liquidity", "would_not_fill", "capacity", "instrument_exists", "wrong_status", "price_band",
    "would_trigger", "unknown_trade",
]  # fmt: skip
CANCEL_REJECT_REASONS = [
    "unknown_order", "not_your_order", "unknown_instrument", "instrument_halted", "invalid_field", "invalid_qty",
    "invalid_price", "off_tick", "would_cross", "price_band", "would_trigger",
]  # fmt: skip
COMPLETED = [
    "mass_cancel", "kill_switch", "account_limits", "instrument_definition", "set_instrument_status", "advance_clock",
    "bust_trade", "correct_trade",
]  # fmt: skip
RULES = [
    "OrderAccepted", "OrderExecuted", "OrderReplaced", "AuctionIndicated", "TradeBusted", "TradeCorrected",
    *(f"OrderCancelled {reason.name}" for reason in CANCEL_REASONS),
    *(f"OrderRejected {reason}" for reason in REJECT_REASONS),
    *(f"CancelRejected {reason}" for reason in CANCEL_REJECT_REASONS),
    *(f"completed {command}" for command in COMPLETED),
    *(f"{old.name} -> {new.name}" for old in STATUSES[:-1] for new in STATUSES if old != new),
    "auction before trading", "auction before closed", "market order in an auction", "hidden maker",
    "normal", "limit_up", "limit_down",
    "clock: halt_auction for price_band", "clock: trading for price_band", "clock: trading for schedule",
    "OrderTriggered stop_price", "OrderTriggered closing_auction",
    "triggered stop is over", "triggered stop_limit is over", "triggered stop_limit rests",
    "display_refresh loses", "display_refresh keeps", "self_trade_decrement keeps",
    "replace keeps", "replace loses", "slides",
    "self-trade cancel_newest ends taker", "self-trade cancel_oldest ends maker",
    "self-trade cancel_both ends maker and taker", "self-trade decrement_and_cancel ends maker",
    "self-trade decrement_and_cancel ends taker", "self-trade decrement_and_cancel ends maker and taker",
    *(f"{kind} {tif}" for kind in ("limit", "market") for tif in ("day", "gtc", "ioc", "fok", "at_open", "at_close")),
    *(f"{kind} at_close waits" for kind in ("limit", "market")),
    *(f"{kind} {tif} waits" for kind in ("stop", "stop_limit") for tif in ("day", "gtc", "gtd")),
]  # fmt: skip


def test_the_flows_put_every_rule_to_work() -> None:
    seen: Counter[str] = Counter()
    for market in MARKETS:
        for seed in SEEDS:
            for capacity in CAPACITIES:
                matcher = CountingMatcher(capacity)
                for _ in Flow(seed, **MARKETS[market]).play(matcher.apply, COMMANDS):
                    pass
                seen += matcher.seen
    assert {rule: seen[rule] for rule in RULES if seen[rule] < 10} == {}
