"""Every reason of a refusal in 8, 9 and r. What is told of orders otherwise: tests/fix/talks."""

from __future__ import annotations

import pytest

from tapewire import messages as m
from tapewire.fix.reasons import REASONS
from tests.fix.paper_venue import PaperVenue

R = m.RejectReason
NUMBERS = {  # reason: its two numbers as mantissas, and what a client reads: price -2, quantity 0 places
    R.invalid_qty: (7, 5, "quantity 7 is not allowed; lot or largest: 5|8022=5|8023=7|8024=5"),
    R.invalid_price: (9999, 9990, "price 99.99 is not allowed; limit: 99.90|8022=6|8023=99.99|8024=99.90"),
    R.off_tick: (9999, 5, "price 99.99 is no multiple of the tick 0.05|8022=7|8023=99.99|8024=0.05"),
    R.max_order_qty: (9, 8, "quantity 9 is above the account's largest order 8|8022=8|8023=9|8024=8"),
    R.max_notional: (101, 100, "value 1.01 is above the account's limit 1.00|8022=9|8023=1.01|8024=1.00"),
    R.max_position: (-9, 8, "position would be -9; the account's limit is 8|8022=10|8023=-9|8024=8"),
    R.price_collar: (12, 11, "price 0.12 is outside of the collar; nearest allowed: 0.11|8022=11|8023=0.12|8024=0.11"),
    R.would_cross: (120, 110, "post only, and 1.20 would trade with 1.10|8022=15|8023=1.20|8024=1.10"),
    R.would_not_fill: (10, 4, "only 4 of 10 would trade|8022=16|8023=10|8024=4"),
    R.capacity: (6, 5, "a bound of the platform is reached: 5|8022=19|8023=6|8024=5"),
    R.price_band: (120, 110, "price 1.20 is beyond the price band 1.10|8022=23|8023=1.20|8024=1.10"),
    R.would_trigger: (2, 1, "stop price 0.02 is already reached by the last trade 0.01|8022=24|8023=0.02|8024=0.01"),
}
"""All others say nothing but words: their numbers are of our own schema."""
LIMIT = "35=D|11={}|55=ACME|54=1|60=T|38=10|40=2|44=100.00|"


def why(reason: m.RejectReason) -> tuple[int, int, str]:
    return NUMBERS.get(reason, (3, 4, f"{REASONS[reason].text}|8022={int(reason)}"))


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_order_says_why(version: str, reason: m.RejectReason) -> None:
    venue = PaperVenue(version)
    value, limit, text = why(reason)
    venue.refusal = (reason, value, limit)
    old = "20=0|" if version == "FIX.4.2" else ""
    assert venue.send(LIMIT.format("a")) == [
        f"1: 35=8|37=NONE|11=a|17=0-4|150=8|39=8|1=1|55=ACME|54=1|40=2|59=0|44=100.00|7928=A|38=10|151=0|14=0|6=0|60=T|"
        f"103={REASONS[reason].ord_rej}|58={text}|{old}"
    ]


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("kind", ["F", "G"])
def test_a_refused_cancel_or_replace_says_why_and_how_the_order_stands(
    version: str, reason: m.RejectReason, kind: str
) -> None:
    venue = PaperVenue(version)
    venue.send(LIMIT.format("a"))
    value, limit, text = why(reason)
    venue.refusal = (reason, value, limit)
    more = "38=9|40=2|44=100.00|" if kind == "G" else ""
    # It was there when the request came, and then it was not: too late.
    number = 0 if reason == R.unknown_order else REASONS[reason].cxl_rej
    assert venue.send(f"35={kind}|11=b|41=a|55=ACME|54=1|60=T|{more}") == [
        f"1: 35=9|37=0-1|11=b|41=a|39=0|434={2 if kind == 'G' else 1}|60=T|1=1|102={number}|58={text}|"
    ]


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_mass_cancel_says_why(reason: m.RejectReason) -> None:
    venue = PaperVenue()
    value, limit, text = why(reason)
    venue.refusal = (reason, value, limit)
    code = 1 if reason == R.unknown_instrument else 99
    assert venue.send("35=q|11=q|530=1|55=ACME|60=T|") == [
        f"1: 35=r|37=0-4|11=q|530=1|531=0|532={code}|58={text}|1=1|55=ACME|60=T|"
    ]
