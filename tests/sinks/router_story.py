"""A small parent order's life on a router's tape: two venues, a correction, a bust, a fee."""

from __future__ import annotations

from services.router.parts import all_parts
from tapewire import messages as m
from tests.router_stepped import Stepped

K = m.VenueReportKind
STEP_NS = 1_000_000


def router_story(start: int) -> list[bytes]:
    """150 ACME wanted, 1 ms between inputs; `start` in UTC ns."""
    s = Stepped(all_parts(), price_exponent=-1)
    for venue, qty in ((1, 100), (2, 80)):
        levels = [m.BookLevel(1000, qty, 1, m.Side.buy), m.BookLevel(1001, qty, 1, m.Side.sell)]
        live = m.BookQuality.live
        s.take(
            m.BookSnapshot(
                source=venue, instrument=1, ticker="ACME", price_exponent=-1, book_seq=1, quality=live, levels=levels
            )
        )
    s.parent(150, limit_price=1005, time_in_force=m.TimeInForce.ioc, client_text="rebalance")
    removed = m.Liquidity.removed
    told = {"last_qty": 100, "last_price": 1001, "cum_qty": 100, "fee": 10, "fee_exponent": -2, "fee_currency": "USD"}
    s.report(1, K.executed, False, exec_id="a1", liquidity=removed, **told)
    s.report(2, K.executed, True, exec_id="b1", last_qty=20, last_price=1002, cum_qty=20, liquidity=removed)
    s.report(2, K.executed, False, exec_id="b2", last_qty=30, last_price=1001, cum_qty=50, liquidity=removed)
    s.report(2, K.corrected, False, ref_exec_id="b1", exec_id="b3", last_qty=20, last_price=1001, cum_qty=50)
    s.report(2, K.busted, False, ref_exec_id="b2", last_qty=30, last_price=1001, cum_qty=20)
    records = [m.decode(raw) for raw in s.kept.raws]
    # An event carries the time of its input.
    return [bytes(one.replace(ts=start + (one.cause or one.seq) * STEP_NS)) for one in records]
