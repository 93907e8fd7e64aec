"""What is learned of a venue: each sample moves a figure by a sixteenth of the way."""

from __future__ import annotations

from typing import Any

from services.router.learned import Figures, Learned
from tapewire import messages as m

K, T = m.VenueReportKind, m.TimeInForce
MS = 1_000_000


def learned(*records: m.Message) -> Learned:
    found = Learned()
    for record in records:
        found.fold(record)
    return found


def new(child: int, ts: int = 0, tif: m.TimeInForce = T.ioc, qty: int = 100) -> m.NewChild:
    return m.NewChild(child_id=child, ts=ts, venue=1, instrument=4, qty=qty, time_in_force=tif)


def said(child: int, kind: m.VenueReportKind, ts: int = 0, live: bool = True, **given: Any) -> m.VenueReported:
    given = {"origin": m.ReportOrigin.live} | given
    return m.VenueReported(child_id=child, ts=ts, venue=1, instrument=4, kind=kind, live=live, **given)


def test_nothing_known_is_good() -> None:
    assert learned().of(1, 4) == Figures(10_000, 10_000, 0, 0)


def test_the_first_latency_counts_whole_and_the_next_a_sixteenth() -> None:
    records = [new(1), said(1, K.accepted, ts=16 * MS), new(2, ts=100 * MS), said(2, K.accepted, ts=100 * MS)]
    assert learned(*records[:2]).of(1, 4).latency == 16 * MS
    assert learned(*records).of(1, 4).latency == 15 * MS
    assert learned(*records).of(2, 4) == learned().of(2, 4)


def test_a_pending_answer_is_an_answer_but_no_decision() -> None:
    one = learned(new(1), said(1, K.pending, ts=5 * MS), said(1, K.rejected, ts=50 * MS, live=False))
    assert one.of(1, 4) == Figures(10_000, 10_000, 625, 5 * MS)


def test_an_order_that_took_tells_of_takes_and_one_that_rested_of_rests() -> None:
    half: dict[str, Any] = {"last_qty": 50, "last_price": 1}
    took = learned(new(1), said(1, K.executed, **half), said(1, K.expired, live=False))
    assert took.of(1, 4)[:3] == (9_688, 10_000, 0)
    rested = learned(new(1, tif=T.gtc), said(1, K.executed, **half), said(1, K.cancelled, live=False))
    assert rested.of(1, 4)[:3] == (10_000, 9_688, 0)


def test_answers_to_changes_count_as_well_but_not_what_happens_meanwhile() -> None:
    start = [new(1, tif=T.gtc), said(1, K.accepted)]
    asked = m.ReplaceChild(child_id=1, ts=100 * MS, qty=50)
    filled = said(1, K.executed, ts=101 * MS, last_qty=25)
    refused = said(1, K.replace_rejected, ts=132 * MS)
    assert learned(*start, asked, filled).of(1, 4).latency == 0
    assert learned(*start, asked, filled, refused).of(1, 4) == Figures(10_000, 10_000, 625, 2 * MS)
    done = said(1, K.cancelled, ts=140 * MS, live=False)
    assert learned(*start, asked, filled, refused, done).of(1, 4).rest_fill == 9_688, "25 of the 50 it was cut to"


def test_what_a_reconciliation_tells_is_no_latency() -> None:
    late = said(1, K.accepted, ts=10**12, origin=m.ReportOrigin.reconciled)
    assert learned(new(1), late).of(1, 4).latency == 0


def test_reports_of_orders_that_are_over_or_foreign_say_nothing() -> None:
    one = learned(new(1), said(1, K.rejected, live=False))
    before = one.of(1, 4)
    one.fold(said(1, K.executed, last_qty=100, live=False))
    one.fold(said(0, K.executed, last_qty=100, live=False))
    assert one.of(1, 4) == before
