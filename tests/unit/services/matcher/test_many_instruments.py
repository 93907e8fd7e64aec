"""A hundred thousand instruments: each trades, and all of them fit a snapshot and little memory."""

from __future__ import annotations

import resource

from services.matcher import Matcher
from tapewire import messages as m

INSTRUMENTS = 100_000
MEMORY_MAX = 200 << 20  # bytes that may come on top, Python's own included; measured: about 60 MB


def test_a_hundred_thousand_instruments_trade_and_restore() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    matcher = Matcher()
    define = m.InstrumentDefinition.encoder(
        "seq", "instrument", ticker="T", tick_size=1, lot_size=1, status=m.InstrumentStatus.trading
    )
    for instrument in range(1, INSTRUMENTS + 1):
        matcher.apply(define(2 * instrument, instrument))
    kinds: list[type[m.Message]] = []
    for number, instrument in enumerate((1, INSTRUMENTS // 2, INSTRUMENTS), start=1):
        for side in (m.Side.buy, m.Side.sell):
            order = m.NewOrder(
                seq=4 * INSTRUMENTS + 10 * number + side,
                instrument=instrument,
                order_id=2 * number + side,
                side=side,
                ord_type=m.OrdType.limit,
                time_in_force=m.TimeInForce.gtc,
                price=100,
                qty=1 if side == m.Side.buy else 2,
                account=1,
            )
            kinds += [type(m.decode(raw)) for raw in matcher.apply(bytes(order))]
    assert kinds == 3 * [m.OrderAccepted, m.OrderAccepted, m.OrderExecuted]
    restored = Matcher.restore(matcher.snapshot())
    assert restored.digest() == matcher.digest()
    assert restored.best(INSTRUMENTS) == matcher.best(INSTRUMENTS)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before < MEMORY_MAX
