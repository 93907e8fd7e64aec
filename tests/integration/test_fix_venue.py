"""Each fault of a simulated FIX venue, over a real socket, with a real engine behind it and an independent client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.simulator.fix_venue.faults import FAULTS, FaultRequestError
from services.simulator.fix_venue.running import RunningVenue
from tapewire.fix.client import Disconnected
from tapewire.fix.message import Message
from tests.engine_process import PATIENCE_S
from tests.fix_venue import Trader


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVenue]:
    with RunningVenue(tmp_path_factory.mktemp("venue"), "fix44", levels=3) as running:
        yield running


@pytest.fixture
def trader(venue: RunningVenue) -> Iterator[Trader]:
    """A client with new numbers and no orders, at a venue where nothing is armed."""
    venue.fault("clear")
    made = Trader(venue.port, "fix44")
    made.logon(reset=True)
    made.fix.send("q", [(11, made.name()), (530, 7)])
    made.told("r")
    yield made
    made.fix.close()
    wait_for(lambda: not venue.status()["sessions"]["CLIENT"]["on"])


def wait_for(condition: Any, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def truth(venue: RunningVenue, name: str) -> dict[str, Any]:
    """The order of that ClOrdID as the venue knows it."""
    (found,) = [order for order in venue.orders() if name in order["cl_ord_ids"]]
    return found


def brief(message: Message, *more: int) -> dict[int, str]:
    return {tag: message[tag] for tag in (150, 39, 14, 151, *more) if tag in message}


def seqs(messages: list[Message]) -> list[int]:
    return [message.seq for message in messages]


def test_a_fill_can_be_told_after_the_cancel_was_confirmed(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("late_fill", qty=4)
    cancel = trader.cancel(name)
    first, second = trader.told(), trader.told()
    assert brief(first, 11, 41) == {150: "4", 39: "4", 14: "0", 151: "0", 11: cancel, 41: name}
    assert brief(second, 32, 31) == {150: "F", 39: "4", 14: "4", 151: "0", 32: "4", 31: "99.00"}
    order = truth(venue, name)
    assert (order["status"], order["cum_qty"], order["leaves_qty"]) == ("4", "4", "0")
    assert [one["exec_type"] for one in order["executions"]] == ["0", "F", "4"]
    assert second[17] == order["executions"][1]["exec_id"]


def test_a_fill_can_come_while_the_cancel_is_pending(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("late_fill", when="pending", qty=4)
    trader.cancel(name)
    told = [brief(trader.told()) for _ in range(3)]
    assert told == [
        {150: "6", 39: "6", 14: "0", 151: "10"},
        {150: "F", 39: "6", 14: "4", 151: "6"},
        {150: "4", 39: "4", 14: "4", 151: "0"},
    ]


def test_a_late_fill_of_all_makes_the_cancel_too_late(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("late_fill", qty=10)
    trader.cancel(name)
    reject, fill = trader.told("8", "9"), trader.told("8", "9")
    assert (reject.type, reject[102], reject[39]) == ("9", "0", "2")
    assert brief(fill) == {150: "F", 39: "2", 14: "10", 151: "0"}


def test_trades_are_busted_and_corrected_for_real(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("fill", cl_ord_id=name, qty=4)
    fill = trader.told(t150="F")
    venue.fault("correct", cl_ord_id=name, price="98.50", qty=3)
    corrected = trader.told(t150="G")
    assert brief(corrected, 19, 31, 32, 6) == {
        150: "G", 39: "1", 14: "3", 151: "6", 19: fill[17], 31: "98.50", 32: "3", 6: "98.500000",
    }  # fmt: skip
    venue.fault("bust", cl_ord_id=name)
    busted = trader.told(t150="H")
    assert brief(busted, 19) == {150: "H", 39: "0", 14: "0", 151: "6", 19: corrected[17]}
    with pytest.raises(FaultRequestError, match="there is no order with a trade that stands"):
        venue.fault("bust", cl_ord_id=name)


def test_reports_can_come_out_of_order(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("out_of_order", count=3)
    for _ in range(3):
        venue.fault("fill", cl_ord_id=name, qty=2)
    told = [trader.told(t150="F") for _ in range(3)]
    assert [message[14] for message in told] == ["6", "4", "2"]
    assert seqs(told) == sorted(seqs(told))


def test_what_waits_for_its_turn_is_told_after_a_second_at_the_latest(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("out_of_order", count=9)
    venue.fault("fill", cl_ord_id=name, qty=2)
    assert trader.told(t150="F")[14] == "2"


@pytest.mark.parametrize("how", ["possdup", "possresend", "plain"])
def test_a_report_can_be_repeated(venue: RunningVenue, trader: Trader, how: str) -> None:
    name = trader.rest()
    venue.fault("repeat", how=how)
    venue.fault("fill", cl_ord_id=name, qty=2)
    first = trader.told(t150="F")
    mark = b"\x0117=%b\x01" % first[17].encode()

    def raws_of_it() -> list[bytes]:
        trader.quiet(0.05)
        return [line.raw for line in trader.fix.transcript if not line.outgoing and mark in line.raw]

    wait_for(lambda: len(raws_of_it()) > 1)
    raws = raws_of_it()
    flags = [(b"\x0143=Y" in raw, b"\x0197=Y" in raw, b"\x0134=%d\x01" % first.seq in raw) for raw in raws]
    again = {"possdup": (True, False, True), "possresend": (False, True, False), "plain": (False, False, False)}
    assert flags == [(False, False, True), again[how]]


def test_orders_cancels_and_amendments_can_be_refused_with_a_chosen_reason(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("reject", count=2, reason=3, text="no credit")
    venue.fault("reject", of="F", reason=2)
    venue.fault("reject", of="G", reason=3)
    for _ in range(2):
        trader.order()
        assert brief(trader.told(), 103, 58) == {150: "8", 39: "8", 14: "0", 151: "0", 103: "3", 58: "no credit"}
    trader.cancel(name)
    assert trader.told("9")[102] == "2"
    trader.amend(name, "5")
    assert trader.told("9")[434] == "2"
    assert truth(venue, name)["live"]
    trader.rest()


def test_a_venue_can_fall_silent_about_orders_while_heartbeats_go_on(venue: RunningVenue, trader: Trader) -> None:
    venue.fault("silence", seconds=60)
    trader.order()
    trader.fix.send("1", [(112, "there?")])
    assert trader.told("0", "8").type == "0"
    assert trader.quiet(0.3) == []
    venue.fault("clear")
    assert brief(trader.told()) == {150: "0", 39: "0", 14: "0", 151: "10"}


def test_a_venue_can_fall_silent_altogether(venue: RunningVenue, trader: Trader) -> None:
    began = time.monotonic()
    venue.fault("silence", what="all", seconds=1)
    trader.order()
    trader.fix.send("1", [(112, "there?")])
    first = trader.told("0", "8").type
    assert time.monotonic() - began > 0.9
    assert sorted(first + trader.told("0", "8").type) == ["0", "8"]


def test_a_connection_can_drop_between_the_match_and_its_report(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("disconnect", when="mid_fill")
    venue.fault("fill", cl_ord_id=name, qty=4)
    with pytest.raises(Disconnected):
        trader.told(t150="F")
    assert truth(venue, name)["cum_qty"] == "4"
    trader.again()
    fill = trader.told(t150="F")
    assert (fill[43], fill[14], trader.fix.resend_requests) == ("Y", "4", 1)


def test_a_connection_can_drop_at_once(venue: RunningVenue, trader: Trader) -> None:
    venue.fault("disconnect", client="CLIENT")
    assert trader.fix.is_closed(PATIENCE_S)
    assert trader.again().type == "A"


@pytest.mark.parametrize("fault", ["gap", "garbled"])
def test_what_does_not_arrive_is_asked_for_and_resent(venue: RunningVenue, trader: Trader, fault: str) -> None:
    name = trader.rest()
    venue.fault(fault)
    for _ in range(2):
        venue.fault("fill", cl_ord_id=name, qty=2)
    told = [trader.told(t150="F") for _ in range(2)]
    assert (told[0].get(43), [message[14] for message in told]) == ("Y", ["2", "4"])
    assert trader.fix.resend_requests == 1
    arrived = [line.raw for line in trader.fix.transcript if not line.outgoing and b"\x0114=2\x01" in line.raw]
    assert all(b"\x0143=Y\x01" in raw for raw in arrived), "what was spoilt is no message"


def test_an_order_can_be_lost_before_the_matcher(venue: RunningVenue, trader: Trader) -> None:
    venue.fault("lose")
    name = trader.order()
    assert trader.quiet(0.2) == []
    status = trader.status(name)
    assert brief(status, 103) == {150: "I", 39: "8", 14: "0", 151: "0", 103: "5"}
    assert [order for order in venue.orders() if name in order["cl_ord_ids"]] == []
    assert {"client": "CLIENT", "cl_ord_id": name} in venue.status()["lost"]
    trader.rest()


def test_fills_can_say_too_much_or_count_wrongly(venue: RunningVenue, trader: Trader) -> None:
    name = trader.rest()
    venue.fault("wrong_cum")
    venue.fault("fill", cl_ord_id=name, qty=4)
    assert brief(trader.told(t150="F"), 32) == {150: "F", 39: "1", 14: "3", 151: "6", 32: "4"}
    venue.fault("over_fill")
    venue.fault("fill", cl_ord_id=name, qty=2)
    assert brief(trader.told(t150="F"), 32) == {150: "F", 39: "2", 14: "11", 151: "0", 32: "7"}
    order = truth(venue, name)
    assert (order["status"], order["cum_qty"], order["leaves_qty"]) == ("1", "6", "4")


def test_maintenance_is_announced_then_everybody_is_logged_out_and_kept_out(
    venue: RunningVenue, trader: Trader
) -> None:
    venue.fault("maintenance", seconds=1, down=60)
    assert trader.told("B").type == "B"
    assert trader.told("5")[58] == "maintenance"
    trader.fix.send("5")
    assert trader.fix.is_closed(PATIENCE_S)
    assert trader.fix.logon().type == "5"
    venue.fault("clear")
    trader.again()


def test_logons_can_be_refused_or_connections_be_closed(venue: RunningVenue, trader: Trader) -> None:
    trader.fix.logout()
    venue.fault("refuse", seconds=60)
    assert trader.fix.logon()[58] == "the venue does not take logons now"
    venue.fault("clear")
    venue.fault("refuse", how="close", seconds=60)
    trader.fix.close()
    with pytest.raises(Disconnected):
        trader.fix.logon()
    venue.fault("clear")
    began = time.monotonic()
    venue.fault("refuse", seconds=1)

    def taken() -> bool:
        trader.fix.close()
        return trader.fix.logon(reset=True).type == "A"

    wait_for(taken)
    assert time.monotonic() - began > 0.9


def test_everything_can_be_late(venue: RunningVenue, trader: Trader) -> None:
    venue.fault("slow", ms=300, seconds=1)
    began = time.monotonic()
    trader.order()
    trader.told(t150="0")
    assert time.monotonic() - began >= 0.3


def test_every_fault_has_a_test_here() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_fix_venue*.py"))
    assert [fault for fault in FAULTS if f'"{fault}"' not in source] == []


def test_two_connections_of_one_client_are_not_taken(venue: RunningVenue, trader: Trader) -> None:
    second = Trader(venue.port, "fix44")
    answer = second.fix.logon()
    assert (answer.type, answer[58]) == ("5", "there is a session of this SenderCompID already")
    second.fix.close()
    trader.rest()
