"""Market data and drop copy of a simulated Binance, over real sockets, with an independent client."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from services.simulator.fix_venue.running import RunningVenue
from tapewire.fix.client import FixClient
from tapewire.fix.message import Message
from tests.engine_process import PATIENCE_S
from tests.fix_venue import BINANCE_KEY, BinanceLogin, Trader

DELAY_S = 0.3


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVenue]:
    folder = tmp_path_factory.mktemp("venue")
    with RunningVenue(folder, "binance", levels=3, lots=1000, copy_delay=DELAY_S) as running:
        yield running


def client(venue: RunningVenue, endpoint: str, name: str) -> FixClient:
    ports = {str(one): port for one, port in venue.ports.items()}
    return FixClient("127.0.0.1", ports[endpoint], BinanceLogin(name, "SPOT", "client", "ed25519", BINANCE_KEY))


@pytest.fixture
def data(venue: RunningVenue) -> Iterator[FixClient]:
    venue.fault("clear")
    made = client(venue, "market-data", "DATA")
    assert made.logon().type == "A"
    yield made
    made.logout()
    made.close()


@pytest.fixture
def copy(venue: RunningVenue) -> Iterator[FixClient]:
    venue.fault("clear")
    made = client(venue, "drop-copy", "COPY")
    assert made.logon([(9406, "Y")]).type == "A"
    yield made
    made.logout()
    made.close()


@pytest.fixture
def trader(venue: RunningVenue) -> Iterator[Trader]:
    made = Trader(venue.port, "binance")
    made.logon()
    yield made
    made.fix.send("q", [(11, made.name()), (530, 1), (55, "BTCUSDT")])
    made.told("r")
    made.fix.logout()
    made.fix.close()


def book(data: FixClient, request: str) -> Message:
    group = [(146, 1), (55, "BTCUSDT"), (267, 2), (269, 0), (269, 1)]
    data.send("V", [(262, request), (263, 1), (264, 5), (266, "Y"), *group])
    return data.expect("W", "Y", timeout=PATIENCE_S)


def ids(message: Message) -> tuple[int, int]:
    return int(message[25043]), int(message[25044])


def test_an_instrument_is_defined_and_an_unknown_one_refused(data: FixClient) -> None:
    data.send("x", [(320, "i1"), (559, 0), (55, "BTCUSDT")])
    told = data.expect("y", timeout=PATIENCE_S)
    assert {tag: told[tag] for tag in (320, 146, 55, 969, 25039)} == {
        320: "i1", 146: "1", 55: "BTCUSDT", 969: "0.01", 25039: "0.00001",
    }  # fmt: skip
    data.send("x", [(320, "i2"), (559, 0), (55, "NOSUCH")])
    refused = data.expect("3", timeout=PATIENCE_S)
    assert (refused[371], refused[372], refused[58]) == ("55", "x", "Invalid symbol.")


def test_a_book_is_told_whole_then_each_change_with_its_ids(
    venue: RunningVenue, data: FixClient, trader: Trader
) -> None:
    whole = book(data, "b1")
    assert whole[262] == "b1"
    last = int(whole[25044])
    trader.rest(price="50000.00")
    first, last_told = ids(changed := data.expect("X", where=[(262, "b1")], timeout=PATIENCE_S))
    assert first == last + 1 <= last_told
    assert (float(changed[270]), changed[279]) == (50_000, "0")
    assert book(data, "b1")[281] == "1"
    assert book(data, "b2")[281] == "2"
    venue.fault("lost_update", client="DATA")
    # What is told together may be lost together: the next one is told by itself.
    told, price = list[Message](), 49_999
    while not told:
        assert price > 49_900, "all that changed was lost"
        trader.rest(price=f"{price}.00")
        told, price = [one for one in data.messages(0.25) if one.type == "X"], price - 1
    first, _ = ids(told[0])
    assert first > last_told + 1
    venue.fault("repeat", client="DATA")
    trader.rest(price="48001.00")
    once, again = (data.expect("X", where=[(262, "b1")], timeout=PATIENCE_S) for _ in range(2))
    assert ids(once) == ids(again)
    data.send("V", [(262, "b1"), (263, 2), (264, 1)])
    data.send("x", [(320, "i3"), (559, 0), (55, "BTCUSDT")])
    data.expect("y", timeout=PATIENCE_S)  # so it has read what came before
    trader.rest(price="48000.00")
    assert "X" not in [one.type for one in data.messages(0.3)]


def test_trades_are_told_with_rising_numbers(data: FixClient, trader: Trader) -> None:
    data.send("V", [(262, "t1"), (263, 1), (264, 1), (146, 1), (55, "BTCUSDT"), (267, 1), (269, 2)])
    told = []
    for _ in range(2):
        trader.order("buy", price="70000.00", qty="0.00100", t59="3")
        told.append(data.expect("X", where=[(262, "t1")], timeout=PATIENCE_S))
    assert [one[2446] for one in told] == ["1", "1"]
    assert int(told[1][1003]) == int(told[0][1003]) + 1


def test_a_drop_copy_tells_what_order_entry_tells_and_later(copy: FixClient, trader: Trader) -> None:
    began = time.monotonic()
    name = trader.rest()
    copied = copy.expect("8", where=[(11, name)], timeout=PATIENCE_S)
    assert time.monotonic() - began > DELAY_S * 0.9
    assert (copied[150], copied[55]) == ("0", "BTCUSDT")
    taken = trader.order("buy", price="70000.00", qty="0.00100", t59="3")
    first = trader.told(t150="F", t11=taken)
    again = copy.expect("8", where=[(11, taken), (150, "F")], timeout=PATIENCE_S)
    assert [again[tag] for tag in (17, 37, 32, 31, 14)] == [first[tag] for tag in (17, 37, 32, 31, 14)]
    copy.send("D", [(11, "x"), (55, "BTCUSDT")])
    assert copy.expect("3", timeout=PATIENCE_S)[372] == "D"


def test_each_side_misbehaves_by_itself(venue: RunningVenue, copy: FixClient, trader: Trader) -> None:
    before = trader.rest()
    copy.expect("8", where=[(11, before)], timeout=PATIENCE_S)  # and so all that was told before it
    venue.fault("silence", what="reports", seconds=60, client="CLIENT")
    venue.fault("repeat", how="plain", client="COPY")
    name = trader.order()
    for _ in range(2):
        assert copy.expect("8", where=[(11, name)], timeout=PATIENCE_S)[150] == "0"
    assert trader.quiet(0.2) == []
    venue.fault("clear")
    assert trader.told(t150="0", t11=name)


def test_a_drop_copy_must_be_asked_for_and_has_a_name_of_its_own(venue: RunningVenue, copy: FixClient) -> None:
    other = client(venue, "drop-copy", "OTHER")
    assert "9406" in other.logon()[58]
    other.close()
    second = client(venue, "drop-copy", "COPY")
    assert second.logon([(9406, "Y")])[58] == "there is a session of this SenderCompID already"
    second.close()
