"""A venue's market by FIX: what is asked, what becomes of what is told, and when a book is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.gateway.session import field_of
from tapewire.feed.actions import BookDelta, BookSnapshot, FeedChanged, InstrumentDefined, Quote, Trade
from tapewire.feed.book import BUY, LIVE, RESYNC, SELL, STALE
from tapewire.feed.instrument import CONNECTING, DOWN, LIVE_STATE, RESYNC_STATE, STALE_STATE
from tests.unit.services.gateway.initiator.market_data.feed import START, Fed, states

STAMP = START + 123_456_000


def test_it_asks_for_the_definition_then_for_book_and_trades() -> None:
    fed = Fed("ACM")
    assert [one.state for one in fed.updates] == [CONNECTING]
    fed.connect()
    assert fed.sent == ["35=x\x01320=d1-1\x01559=0\x0155=ACM\x01"]
    defined = fed.listed()
    expected = InstrumentDefined(
        instrument=1, ticker="ACM", price_exponent=-2, qty_exponent=-1, tick_size=1, lot_size=1, max_qty=9000
    )
    assert defined == [expected]
    fed.wait(1)
    assert fed.sent[1:] == [
        "35=V\x01262=b1-2\x01263=1\x01264=10\x01266=Y\x01146=1\x0155=ACM\x01267=2\x01269=0\x01269=1\x01",
        "35=V\x01262=t1-3\x01263=1\x01264=1\x01266=Y\x01146=1\x0155=ACM\x01267=1\x01269=2\x01",
    ]


def test_the_documented_exchange_is_what_happens() -> None:
    """What is asked, and what is made of each message, word for word."""
    text = (Path(__file__).parents[6] / "docs" / "venues.md").read_text()
    example = text.partition("## Market data")[2].partition("## Look")[0].splitlines()
    lines = [line.strip() for line in example if line.startswith("    ")]
    fed, said = Fed("BTCUSDT"), []
    fed.connect()
    for line in (line for line in lines if line.startswith(("<  8=", ">  8="))):
        raw = line[3:].replace("|", "\x01")
        if line[0] == ">":
            body = raw.partition("\x0156=SPOT\x01")[2].rpartition("10=")[0]
            assert f"35={field_of(raw, 35)}\x01{body}" == fed.sent.pop(0)
            said.append(line)
        else:
            said += [line, *map(repr, fed.raw(raw.encode()))]
            fed.wait(0.1)
    assert said == lines


def test_a_book_begins_with_a_snapshot_and_changes_in_step() -> None:
    fed = Fed()
    fed.connect()
    fed.listed()
    fed.wait(0.5)
    begun = fed.whole(100, ("0", "10.00", "2.0"), ("0", "9.99", "1.0"), ("1", "10.02", "3.0"))
    assert states(begun) == [(LIVE_STATE, LIVE, "in step at 100")]
    levels = [(1000, 20, 0, BUY), (999, 10, 0, BUY), (1002, 30, 0, SELL)]
    assert begun[-2:] == [
        BookSnapshot(1, levels, 1, LIVE, 0, 100), Quote(1, 1000, 20, 1002, 30, 1, LIVE, 0, 100),
    ]  # fmt: skip
    assert fed.change(99, 100, ("0", "9.99", "")) == []
    assert fed.change(101, 103, ("0", "9.99", ""), ("1", "10.03", "0.5")) == [
        BookDelta(1, [(999, 0, 0, BUY), (1003, 5, 0, SELL)], 2, LIVE, 0, 103)
    ]
    assert fed.change(104, 104, ("0", "10.01", "0.1")) == [
        BookDelta(1, [(1001, 1, 0, BUY)], 3, LIVE, 0, 104), Quote(1, 1001, 1, 1002, 30, 3, LIVE, 0, 104),
    ]  # fmt: skip


def test_a_book_that_begins_empty_misses_nothing() -> None:
    fed = Fed()
    fed.connect()
    fed.listed()
    fed.wait(0.2)
    assert states(fed.whole(0)) == [(LIVE_STATE, LIVE, "in step at 0")]
    assert fed.change(1, 1, ("0", "10.00", "1.0"))[0] == BookDelta(1, [(1000, 10, 0, BUY)], 2, LIVE, 0, 1)


def test_a_change_in_parts_is_one_change() -> None:
    fed = Fed().live()
    assert fed.change(101, 105, ("0", "10.01", "1.0"), part="N") == []
    assert fed.change(101, 105, ("0", "10.00", ""), part="N") == []
    told = fed.change(101, 105, ("1", "10.02", "1.0"), part="Y")
    assert told[0] == BookDelta(1, [(1001, 10, 0, BUY), (1000, 0, 0, BUY), (1002, 10, 0, SELL)], 2, LIVE, 0, 105)
    fed.change(106, 107, ("0", "10.01", "2.0"), part="N")
    torn = fed.change(108, 108, ("0", "10.01", "3.0"))
    assert [reason for _, _, reason in states(torn)] == ["updates 108 to 108 do not follow"]


def test_trades_are_told_once_and_missed_ones_are_counted() -> None:
    fed = Fed().live()
    one = Trade(1, 7, 1001, 5, BUY, LIVE, STAMP, 7)
    assert fed.trade((7, "10.01", "0.50000000", "1")) == [one]
    assert fed.trade((7, "10.01", "0.5", "1"), (8, "10.00", "0.1", "2")) == [Trade(1, 8, 1000, 1, SELL, LIVE, STAMP, 8)]
    told = fed.trade((11, "10.00", "0.1", "2"))
    assert isinstance(told[0], FeedChanged)
    assert (told[0].reason, told[1].trade_id) == ("2 trades missed", 11)
    assert "impossible trade 12" in fed.trade((12, "10.001", "0.1", "2"))[0].reason


def test_a_gap_builds_this_book_anew_and_nothing_is_live_until_then() -> None:
    fed = Fed("ACM", "OTHER").live()
    before, left = len(fed.sent), fed.asked("b")
    gap = fed.change(102, 103, ("0", "10.00", "9.0"))
    assert states(gap) == [(RESYNC_STATE, RESYNC, "updates 101 to 101 are missing")]
    fed.wait(0.5)
    again = fed.asked("b")
    assert [field_of(f"\x01{one}", 263) for one in fed.sent[before:]] == ["2", "1"]
    assert field_of(f"\x01{fed.sent[before]}", 262) == left != again
    assert fed.change(104, 104, ("0", "10.00", "9.0"), request=left) == []
    assert fed.whole(150, ("0", "1.00", "1.0"), request=left) == []
    assert fed.trade((1, "10.00", "0.1", "1"))[0].quality == RESYNC
    assert fed.session.snapshot(1) is None
    begun = fed.whole(200, ("0", "9.00", "1.0"), ("1", "11.00", "1.0"))
    assert states(begun) == [(LIVE_STATE, LIVE, "in step at 200")]
    assert next(one for one in begun if isinstance(one, BookSnapshot)).book_seq == 2
    assert (fed.session.instruments[0].gaps, fed.session.instruments[1].gaps) == (1, 0)


def test_a_lost_connection_brings_all_back_with_fresh_snapshots() -> None:
    fed = Fed().live()
    down = fed.lose()
    assert states(down) == [(DOWN, RESYNC, "the connection is lost")]
    assert fed.connect_at > fed.now
    fed.wait(1)
    again = fed.connect()
    assert states(again) == [(RESYNC_STATE, RESYNC, "connected")]
    fed.wait(1)
    assert states(fed.whole(300, ("0", "9.00", "1.0"))) == [(LIVE_STATE, LIVE, "in step at 300")]


def test_silence_is_stale_and_a_heartbeat_is_no_silence() -> None:
    fed = Fed().live()
    for _ in range(4):
        fed.wait(5)
        fed.heard()
    assert fed.session.state == LIVE_STATE
    quiet = fed.wait(11)
    assert states(quiet)[-1][:2] == (STALE_STATE, STALE)
    assert states(fed.heard()) == [(LIVE_STATE, LIVE, "heard again")]
    fed.wait(21)
    assert "nothing heard" in fed.closed


def test_messages_lost_here_are_a_gap() -> None:
    fed = Fed().live()
    assert states(fed.missed()) == [(RESYNC_STATE, RESYNC, "more came than could be taken")]


def test_a_refused_request_is_asked_again_and_an_unknown_symbol_is_down() -> None:
    fed = Fed()
    fed.connect()
    fed.listed()
    fed.wait(0.5)
    book, trades = fed.asked("b"), fed.asked("t")
    reason = fed.hear("Y", (262, book), (281, 2), (25016, -1191), (58, "Similar subscription"))[0].reason
    assert reason == f"the venue refused {book}: 2 Similar subscription"
    fed.hear("Y", (262, trades), (281, 2), (58, "no"))
    for _ in range(13):
        fed.wait(5)
        fed.heard()
    assert fed.asked("b") != book
    assert fed.asked("t") != trades
    other = Fed("NONE")
    other.connect()
    told = other.hear("3", (45, 2), (371, 55), (372, "x"), (373, 5), (25016, -1121), (58, "Invalid symbol."))
    assert states(told) == [(DOWN, RESYNC, "the venue does not know NONE")]


def test_levels_finer_than_the_definition_begin_the_book_anew_and_lose_no_digit() -> None:
    fed = Fed().live()
    told = fed.change(101, 101, ("0", "10.005", "0.25"))
    defined = next(one for one in told if isinstance(one, InstrumentDefined))
    assert (defined.price_exponent, defined.qty_exponent, defined.tick_size, defined.lot_size) == (-3, -2, 10, 10)
    assert states(told)[-1][:2] == (RESYNC_STATE, RESYNC)
    fed.wait(0.2)
    begun = fed.whole(101, ("0", "10.005", "0.25"))
    assert [one.levels for one in begun if isinstance(one, BookSnapshot)] == [[(10005, 25, 0, BUY)]]
    assert fed.listed() == []


@pytest.mark.parametrize("level", [("0", "-1.00", "1.0"), ("0", "10.00", "-1.0"), ("0", "x", "1.0"), ("0", "0", "1.0")])
def test_a_level_that_cannot_be_is_not_published(level: tuple[str, str, str]) -> None:
    fed = Fed().live()
    told = fed.change(101, 101, level)
    assert states(told)[-1] == (RESYNC_STATE, RESYNC, "impossible level in updates 101 to 101")
    assert not [one for one in told if isinstance(one, BookDelta | BookSnapshot)]


def test_what_is_broken_is_counted_and_ten_such_messages_close_the_connection() -> None:
    fed = Fed().live()
    for _ in range(10):
        fed.hear("X", (262, fed.asked("b")), (268, 2), (279, 1), (269, 0), (270, "10.00"), (271, "1.0"))
    assert fed.session.counters.malformed == 10
    assert "malformed" in fed.closed
