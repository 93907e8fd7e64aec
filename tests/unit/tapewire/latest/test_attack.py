"""What goes wrong around a page: two first writers, one that dies at any step, cut files, floods, many readers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.errors import LatestBusy, LatestError
from tapewire.latest import LatestReader, LatestWriter

TERMS = {"instrument": 1, "ticker": "X"}
LIVE, RESYNC = m.BookQuality.live, m.BookQuality.resync


def trade(seq: int, ts: int = 0, price: int = 0, ticker: str = "X", instrument: int = 1) -> bytes:
    terms = {"instrument": instrument, "ticker": ticker}
    return bytes(m.Trade(seq=seq, ts=ts or seq, trade_id=seq, price=price or seq, qty=1, **terms))


def quote(seq: int, ts: int = 0, bid: int = 0) -> bytes:
    return bytes(m.Quote(seq=seq, ts=ts or seq, bid_price=bid or seq, bid_qty=1, quality=LIVE, **TERMS))


def delta(book_seq: int, ts: int, price: int, qty: int = 1) -> bytes:
    level = m.BookLevel(price=price, qty=qty, orders=1, side=m.Side.buy)
    return bytes(m.BookDelta(seq=ts, ts=ts, book_seq=book_seq, quality=LIVE, levels=[level], **TERMS))


def snapshot(book_seq: int, ts: int, *bids: int) -> bytes:
    levels = [m.BookLevel(price=price, qty=1, orders=1, side=m.Side.buy) for price in bids]
    return bytes(m.BookSnapshot(seq=ts, ts=ts, book_seq=book_seq, quality=LIVE, levels=levels, **TERMS))


@pytest.fixture
def house() -> Iterator[tuple[LatestWriter, LatestReader]]:
    with (
        LatestWriter(None, instruments=4, quotes=8, trades=8, references=4, house=True) as writer,
        LatestReader(writer.path) as reader,
    ):
        yield writer, reader


def seqs(reader: LatestReader) -> list[int]:
    return [one.seq for one in reader.trades("X", 8)]


# -- what is published again, and what has an old number and is new


def test_what_is_published_again_stands_once_and_takes_no_value_back(house: tuple[LatestWriter, LatestReader]) -> None:
    writer, reader = house
    status = bytes(m.InstrumentStatusChanged(seq=5, ts=5, status=m.InstrumentStatus.trading, **TERMS))
    flow = [status, *(raw for seq in range(10, 16) for raw in (trade(seq), quote(seq)))]
    assert all(writer.put(raw) for raw in flow)
    before = reader.get("X").to_dict()
    assert not any(writer.put(raw) for raw in flow)
    assert reader.get("X").to_dict() == before
    assert seqs(reader) == [10, 11, 12, 13, 14, 15]
    assert len(reader.references("X", 4)) == 1
    assert writer.put(trade(16))
    assert reader.get("X").trade_seq == 16


def test_two_trades_of_one_number_both_stand_and_neither_twice(house: tuple[LatestWriter, LatestReader]) -> None:
    writer, reader = house
    for _ in range(2):
        writer.put(trade(7, price=100))
        writer.put(trade(7, price=101))
    assert [one.price for one in reader.trades("X", 8)] == [100, 101]


def test_an_old_number_with_a_new_time_is_new(house: tuple[LatestWriter, LatestReader]) -> None:
    """A tape that lost its tail gives its numbers again."""
    writer, reader = house
    for raw in (delta(1, 1, 50), delta(2, 2, 51), trade(9, ts=2)):
        writer.put(raw)
    assert writer.put(trade(8, ts=3))
    assert reader.get("X").trade_seq == 8
    assert not writer.put(delta(2, 2, 51)), "an echo"
    assert reader.get("X").top_quality is LIVE
    assert writer.put(delta(2, 4, 40)), "another record has its number"
    value = reader.get("X")
    assert (value.top_quality, value.gaps) == (RESYNC, 1)
    writer.put(snapshot(2, 5, 50, 40))
    assert (reader.get("X").top_quality, reader.get("X").top_bid_price) == (LIVE, 50)


# -- the house


def test_a_book_of_the_house_begins_empty_with_its_first_delta(house: tuple[LatestWriter, LatestReader]) -> None:
    writer, reader = house
    writer.put(delta(1, 1, 50))
    value = reader.get("X")
    assert (value.top_quality, value.top_bid_price, value.gaps) == (LIVE, 50, 0)
    writer.put(delta(3, 3, 51))
    assert reader.get("X").top_quality is RESYNC
    writer.put(delta(1, 9, 44))  # another instrument has the ticker
    value = reader.get("X")
    assert (value.top_quality, value.top_bid_price) == (LIVE, 44)


def test_a_lost_quote_says_so_until_the_book_tells_it(house: tuple[LatestWriter, LatestReader]) -> None:
    writer, reader = house
    writer.put(delta(1, 1, 50))
    writer.put(quote(1, bid=50))
    assert reader.get("X").quality is LIVE
    writer.lose_all()
    assert (reader.get("X").quality, reader.get("X").top_quality) == (RESYNC, RESYNC)
    writer.put(snapshot(4, 7, 60, 50))
    value = reader.get("X")
    assert (value.quality, value.bid_price, value.quote_seq) == (LIVE, 60, 7)
    writer.put(snapshot(5, 8, 61))
    assert reader.get("X").bid_price == 60, "one that was not lost is the quote's to tell"


def test_what_a_page_has_no_room_for_is_not_missing_from_the_others() -> None:
    with (
        LatestWriter(None, instruments=1, contiguous=True) as writer,
        LatestReader(writer.path, called="the bus") as reader,
    ):
        for seq in range(1, 9):
            writer.put(trade(seq) if seq % 2 else trade(seq, ticker="Y", instrument=2))
        assert (reader.get("X").gaps, writer.refused) == (0, 4)
        writer.put(trade(11))
        assert reader.get("X").gaps == 1
        with pytest.raises(
            LatestError, match=r"the bus: nothing was told of a ticker 'Y'; known here: X\. The page is full"
        ):
            reader.get("Y")


# -- files


def test_a_page_of_another_version_is_given_up_by_its_readers_when_it_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "latest.x"
    with LatestWriter(page, instruments=2) as old:
        old.put(trade(1))
    reader = LatestReader(page)
    assert reader.get("X").seq == 1
    raw = bytearray(page.read_bytes())
    raw[8] ^= 0x40  # as a build of another version would find it
    with page.open("r+b") as file:
        file.write(raw[:16])
    with LatestWriter(page, instruments=2) as new:
        new.put(trade(2))
        assert reader.get("X").seq == 2, "by the call itself, and not by a look once a second"
    reader.close()


@pytest.mark.parametrize("size", [0, 8, 64, 4095, 4096, 20_000])
def test_a_page_cut_short_is_refused_and_made_anew_by_its_writer(tmp_path: Path, size: int) -> None:
    page = tmp_path / "latest.x"
    LatestWriter(page, instruments=2).close()
    os.truncate(page, size)
    with pytest.raises(LatestError, match=r"latest\.x: (not a page|its head does not hold)"):
        LatestReader(page)
    with LatestWriter(page, instruments=2) as writer, LatestReader(page) as reader:
        writer.put(trade(1))
        assert reader.tickers == ["X"]


FIRST = """
import sys
from tapewire.errors import LatestBusy
from tapewire.latest import LatestWriter
print("up", flush=True)
sys.stdin.readline()
try:
    writer = LatestWriter(sys.argv[1], instruments=2)
    print("mine", flush=True)
except LatestBusy:
    print("busy", flush=True)
sys.stdin.readline()
"""


def test_of_many_first_writers_one_has_the_page(tmp_path: Path) -> None:
    def process(page: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", FIRST, str(page)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    page = tmp_path / "latest.x"
    writers = [process(page) for _ in range(4)]
    try:
        said = []
        for one in writers:
            assert one.stdout is not None
            assert one.stdout.readline() == "up\n"
        for one in writers:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in writers:
            assert one.stdout is not None
            said.append(one.stdout.readline())
        assert sorted(said) == ["busy\n", "busy\n", "busy\n", "mine\n"]
        with pytest.raises(LatestBusy):
            LatestWriter(page, instruments=2)
        assert [path.name for path in tmp_path.iterdir()] == ["latest.x"], "nothing else is left"
    finally:
        for one in writers:
            one.kill()
            one.communicate()


def test_a_name_comes_with_its_value_whatever_was_left_there(tmp_path: Path) -> None:
    """A writer killed between the log and the name: the next one gives that room to another ticker."""
    page = tmp_path / "latest.x"
    with LatestWriter(page, instruments=3, quotes=4, trades=4, references=4) as writer:
        writer.put(trade(1))
        writer.put(trade(2, ticker="Y", instrument=2))
    with page.open("r+b") as file:  # as it was before the second had its name
        file.seek(128)
        file.write((1).to_bytes(4, "little"))
    with LatestReader(page) as reader:
        assert reader.tickers == ["X"]
        with LatestWriter(page, instruments=3, quotes=4, trades=4, references=4) as writer:
            writer.put(trade(3, ticker="Z", instrument=2))
        assert reader.tickers == ["X", "Z"]
        assert [one.seq for one in reader.trades("Z", 4)] == [3]
        assert reader.get("Z").updates == 1


def test_a_hundred_readers_see_the_same_and_cost_the_writer_nothing_it_could_wait_for(tmp_path: Path) -> None:
    page = tmp_path / "latest.x"
    with LatestWriter(page, instruments=2) as writer:
        writer.put(trade(1))
        readers = [LatestReader(page) for _ in range(100)]
        for seq in range(2, 50):
            writer.put(trade(seq))
            assert {reader.get("X").trade_price for reader in readers} == {seq}
        for reader in readers:
            reader.close()
