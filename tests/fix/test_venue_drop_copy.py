"""Order entry and drop copy of a simulated Binance that misbehaves: one history, whichever of both is lost or late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.simulator.fix_venue.binance import public_of
from services.simulator.fix_venue.running import RunningVenue
from services.simulator.fix_venue.terms import Client
from tapewire import messages as m
from tests.fix.processes import skip_reason
from tests.fix.test_venue_crypto import KEY
from tests.fix.venue_process import Desk, adds_up
from tests.fix_venue import BINANCE_KEY, BinanceLogin, Trader

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")
BUY = m.Side.buy
DELAY_S = 0.3
Market = tuple[RunningVenue, Desk]


def desk_of(folder: Path, ports: dict[str, int]) -> Desk:
    folder.mkdir(parents=True)
    secret = folder / "key.pem"
    secret.write_text(KEY)
    secret.chmod(0o600)
    keys = f'dialect = "binance"\ncomp_id = "CLIENT"\nusername = "client"\ntls = false\nsecret_file = "{secret}"\n'
    desk = Desk(folder, f"{keys}heartbeat = 5", symbol="BTCUSDT", price_exponent=-2, qty_exponent=-5)
    desk.sessions = (
        f'[[venues.sessions]]\nkind = "drop-copy"\nhost = "127.0.0.1"\nport = {ports["drop-copy"]}\n'
        f'comp_id = "COPY"\ndelay = {2 * DELAY_S}\n'
    )
    return desk


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    public = public_of(BINANCE_KEY)
    clients = [
        Client(name.upper(), account=1, session=number, username=name, secret=public)
        for number, name in ((1, "client"), (2, "other"))
    ]
    options = {"levels": 3, "lots": 1000, "clients": clients, "copy_delay": DELAY_S}
    with RunningVenue(tmp_path / "venue", "binance", **options) as venue:
        desk = desk_of(tmp_path / "desk", {str(one): port for one, port in venue.ports.items()})
        desk.start(venue.port)
        try:
            desk.wait_ready()
            desk.until(lambda: venue.status()["other_sessions"].get("COPY", False), "drop copy")
            desk.until(lambda: bool(copy_changes(desk)), "drop copy on the tape")
            # From then on it can vouch for what happens.
            desk.until(lambda: time.time_ns() > copy_changes(desk)[0].ts + int(2 * DELAY_S * 1e9))
            yield venue, desk
        finally:
            desk.close()


def copy_changes(desk: Desk) -> list[m.FixSessionChanged]:
    changes = [one for one in desk.records() if isinstance(one, m.FixSessionChanged) and one.session == 2]
    return [one for one in changes if one.state == m.FixSessionState.logged_on]


def copied(desk: Desk, child: int) -> list[str]:
    """Kinds of reports that the drop copy told first."""
    reports = [one for one in desk.reports(child) if one.origin == m.ReportOrigin.drop_copy]
    return [m.VenueReportKind(one.kind).name for one in reports]


def differences(desk: Desk) -> list[m.VenueDiffered]:
    return [one for one in desk.records() if isinstance(one, m.VenueDiffered)]


def truth(venue: RunningVenue, desk: Desk, child: int) -> int:
    mine = set(desk.names_of(child))
    return sum(desk.to_qty(one["cum_qty"]) for one in venue.orders() if mine & set(one["cl_ord_ids"]))


def settled(desk: Desk, count: int) -> bool:
    """Whether the drop copy has told so many reports of orders."""
    records = desk.records()
    return sum(isinstance(one, m.FixReceived) and one.session == 2 and one.msg_type == "8" for one in records) >= count


@pytest.mark.slow
def test_the_copy_comes_after_order_entry_and_adds_nothing(market: Market) -> None:
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("repeat", how="plain", client="COPY", count=3)
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_for(child, "executed")
    desk.until(lambda: settled(desk, 4), "two reports, each twice")
    assert desk.kinds(child) == ["accepted", "executed"]
    assert copied(desk, child) == []
    assert adds_up(desk.reports())[child] == 100_000
    assert differences(desk) == []


def test_the_copy_before_order_entry_is_the_execution_and_that_of_order_entry_no_second(market: Market) -> None:
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("silence", what="reports", seconds=5, client="CLIENT")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_for(child, "executed")
    assert copied(desk, child) == ["executed"]
    desk.until(lambda: sum("\x01150=F\x01" in one.raw for one in raws(desk)) == 2, "order entry's")
    assert [one.session for one in raws(desk) if "\x01150=F\x01" in one.raw] == [2, 1]
    assert desk.kinds(child) == ["accepted", "executed"]
    assert adds_up(desk.reports())[child] == truth(venue, desk, child) == 100_000


def raws(desk: Desk) -> list[m.FixReceived]:
    return [one for one in desk.records() if isinstance(one, m.FixReceived)]


def test_order_entry_lost_in_mid_fill_costs_no_order(market: Market) -> None:
    """Without a drop copy it would have to be cancelled to learn what it filled: test_venue_crypto.py."""
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("disconnect", when="mid_fill", client="CLIENT")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_ready(2)
    ready = [one for one in desk.records() if isinstance(one, m.VenueChanged)][-1]
    assert ready.reason == "open orders that the drop copy has followed: 1"
    assert desk.sent("F") == []
    assert copied(desk, child) == ["executed"]
    last = desk.reports(child)[-1]
    assert (last.cum_qty, last.live) == (100_000, True)
    assert adds_up(desk.reports())[child] == truth(venue, desk, child)
    assert differences(desk) == []
    venue.fault("fill")
    desk.until(lambda: adds_up(desk.reports())[child] == 400_000)
    assert not desk.reports(child)[-1].live


@pytest.mark.slow
def test_a_report_that_never_comes_ends_the_session_and_the_copy_has_told_it(market: Market) -> None:
    """The venue sends nothing again: without an end, order entry would wait for the missing number for ever."""
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("gap", client="CLIENT")
    for _ in range(2):
        venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_ready(2)
    downs = [one.reason for one in desk.records() if isinstance(one, m.VenueChanged) and one.state == m.VenueState.down]
    assert "a message of the venue is missing" in downs[-1]
    desk.until(lambda: adds_up(desk.reports())[child] == truth(venue, desk, child) >= 200_000)
    assert (desk.reports(child)[-1].live, desk.sent("F"), differences(desk)) == (True, [], [])


@pytest.mark.slow
def test_both_lost_is_reconciled_as_before(market: Market) -> None:
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("disconnect", when="now")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_ready(2)
    desk.until(lambda: adds_up(desk.reports()).get(child) == 100_000)
    assert not desk.reports(child)[-1].live
    assert len(desk.sent("F")) == 1


@pytest.mark.slow
def test_what_the_copy_says_otherwise_is_recorded_and_not_believed(market: Market) -> None:
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("over_fill", client="COPY")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.until(lambda: bool(differences(desk)), "a difference")
    (one,) = differences(desk)
    assert (one.child_id, one.qty, one.other_qty) == (child, 100_000, 400_001)
    assert (one.price, one.other_price) == (6_000_000, 6_000_000)
    assert adds_up(desk.reports())[child] == 100_000


@pytest.mark.slow
def test_what_one_of_both_never_tells_is_recorded(market: Market) -> None:
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    desk.until(lambda: settled(desk, 1))
    venue.fault("silence", what="reports", seconds=6, client="COPY")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.until(lambda: bool(differences(desk)), "a difference")
    assert "the drop copy has not told this execution" in differences(desk)[0].reason


@pytest.mark.slow
def test_an_order_of_somebody_else_is_recorded_and_not_ours(market: Market) -> None:
    venue, desk = market
    other = Trader(venue.port, "binance")
    other.fix.login = BinanceLogin("OTHER", "SPOT", "other", "ed25519", BINANCE_KEY)
    other.logon()
    name = other.order("buy", price="70000.00", qty="0.00100", t59="3")
    other.told(t150="F", t11=name)
    desk.until(lambda: any(one.kind == m.VenueReportKind.executed for one in desk.reports(0)), "the foreign execution")
    executed = next(one for one in desk.reports(0) if one.kind == m.VenueReportKind.executed)
    assert (executed.last_qty, executed.origin) == (100, m.ReportOrigin.drop_copy)
    other.fix.close()
    assert adds_up(desk.reports()) == {}


@pytest.mark.slow
def test_a_kill_in_mid_fill_tells_nothing_twice_and_loses_nothing(market: Market) -> None:
    """Between the drop copy's report and that of order entry, and again before either."""
    venue, desk = market
    child = desk.new(BUY, 400_000, 6_000_000)
    desk.wait_for(child, "accepted")
    venue.fault("silence", what="reports", seconds=3, client="CLIENT")
    venue.fault("fill", qty=desk.qty_text(100_000))
    desk.wait_for(child, "executed")
    desk.end()
    desk.start(venue.port)
    desk.wait_ready(2)
    desk.until(lambda: adds_up(desk.reports()).get(child) == truth(venue, desk, child) == 100_000)
    again = desk.new(BUY, 300_000, 6_000_000)
    desk.wait_for(again, "accepted")
    venue.fault("fill", qty=desk.qty_text(50_000))
    desk.end()
    desk.start(venue.port)
    desk.wait_ready(3)
    desk.until(lambda: adds_up(desk.reports()).get(again) == truth(venue, desk, again) == 50_000)
    seqs = [one.seq for one in desk.records()]
    assert seqs == list(range(1, len(seqs) + 1))
