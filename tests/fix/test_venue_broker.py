"""Orders go to a plain broker and come back, over real sockets, whatever the broker does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.simulator.fix_venue.running import RunningVenue
from tapewire import messages as m
from tests.fix.processes import skip_reason
from tests.fix.venue_process import Desk, adds_up

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")]
BUY, SELL = m.Side.buy, m.Side.sell
BROKER = 'tls = false\ncomp_id = "CLIENT"\ntarget_comp_id = "BROKER"\nusername = "client"\nsecret_file = "{secret}"\n'


def broker_desk(folder: Path, more: str = "") -> Desk:
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "password"
    secret.write_text("password\n")
    secret.chmod(0o600)
    return Desk(folder, BROKER.format(secret=secret) + more)


@pytest.fixture(params=["fix44", "fix42"])
def market(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RunningVenue, Desk]]:
    version = 'version = "FIX.4.2"' if request.param == "fix42" else ""
    desk = broker_desk(tmp_path / "desk", version)
    with RunningVenue(tmp_path / "venue", request.param, levels=3) as venue:
        desk.start(venue.port)
        try:
            desk.wait_ready()
            yield venue, desk
        finally:
            desk.close()


def truth(venue: RunningVenue) -> dict[int, int]:
    """CumQty by child, as the venue's own engine has it."""
    return {int(one["cl_ord_id"].split("-c")[1]): int(one["cum_qty"]) for one in venue.orders()}


def test_an_order_rests_is_amended_filled_and_cancelled(market: tuple[RunningVenue, Desk]) -> None:
    venue, desk = market
    child = desk.new(BUY, 10, 90_00)
    desk.wait_for(child, "accepted")
    desk.replace(child, 91_00, 12)
    desk.wait_for(child, "accepted", "replaced")
    venue.fault("fill", qty=4)
    desk.wait_for(child, "replaced", "executed")
    desk.cancel(child)
    desk.wait_for(child, "executed", "cancelled")
    last = desk.reports(child)[-1]
    assert (last.live, last.cum_qty, last.leaves_qty, last.qty, last.price) == (False, 4, 0, 12, 91_00)
    (fill,) = [one for one in desk.reports(child) if one.kind == m.VenueReportKind.executed]
    assert (fill.last_price, fill.last_qty, fill.instrument, fill.venue) == (91_00, 4, 7, 3)
    assert adds_up(desk.reports()) == {child: 4}


def test_a_late_fill_a_bust_and_reports_out_of_order_add_up(market: tuple[RunningVenue, Desk]) -> None:
    venue, desk = market
    venue.fault("out_of_order", count=2)
    taker = desk.new(BUY, 5, 101_00)
    desk.wait_for(taker, "executed")
    child = desk.new(BUY, 10, 90_00)
    desk.wait_for(child, "accepted")
    venue.fault("late_fill", qty=3)
    desk.cancel(child)
    desk.until(lambda: {"executed", "cancelled"} <= set(desk.kinds(child)))
    assert not desk.reports(child)[-1].live
    venue.fault("bust")
    desk.wait_for(child, "busted")
    totals = adds_up(desk.reports())
    assert totals[child] == 0
    desk.until(lambda: adds_up(desk.reports())[taker] == 5)


def test_what_happens_while_the_connection_is_lost_is_found_again(market: tuple[RunningVenue, Desk]) -> None:
    venue, desk = market
    child, other = desk.new(BUY, 10, 90_00), desk.new(BUY, 20, 89_00)
    desk.wait_for(child, "accepted")
    desk.wait_for(other, "accepted")
    venue.fault("disconnect", when="mid_fill")
    venue.fault("fill", qty=4)
    desk.wait_ready(2)
    assert adds_up(desk.reports()) == truth(venue)
    assert sorted(adds_up(desk.reports())) == [child, other]


def test_a_lost_order_becomes_unknown(market: tuple[RunningVenue, Desk]) -> None:
    venue, desk = market
    venue.fault("lose")
    child = desk.new(BUY, 10, 90_00)
    desk.wait_for(child, "unknown")
    assert not desk.reports(child)[-1].live


def test_killed_in_the_middle_it_says_the_same(market: tuple[RunningVenue, Desk]) -> None:
    venue, desk = market
    child = desk.new(BUY, 10, 90_00)
    desk.wait_for(child, "accepted")
    desk.end()
    venue.fault("fill", qty=4)
    late = desk.new(BUY, 1, 90_00)
    desk.start(venue.port)
    desk.wait_ready(2)
    desk.until(lambda: adds_up(desk.reports()).get(child) == 4)
    desk.until(lambda: bool(desk.kinds(late)))
