"""Latest values as their readers have them: what is missing, of another version, full, replaced; subscriptions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import Latest, LatestValue
from tapewire.errors import LatestBusy, LatestError, LatestMissing, WireError
from tapewire.folders import Folders
from tapewire.latest import LatestReader, LatestWriter


def quote(seq: int, ticker: str = "X", instrument: int = 1) -> bytes:
    return bytes(m.Quote(seq=seq, ts=seq, instrument=instrument, ticker=ticker, bid_price=seq, bid_qty=1))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Folders(tmp_path).rings.mkdir()
    return tmp_path


def writer(data: Path, feed: str = "house", instruments: int = 4) -> LatestWriter:
    return LatestWriter(Folders(data).latest(feed), instruments=instruments, quotes=4, trades=4, references=4)


def test_a_missing_page_names_what_is_there(data: Path) -> None:
    with (
        writer(data, "binance"),
        pytest.raises(LatestMissing, match=r"Pages here: binance\. Start its connector"),
    ):
        Latest.local(data)


def test_an_unknown_ticker_names_the_known_ones(data: Path) -> None:
    with writer(data) as page, Latest.local(data) as store:
        page.put(quote(1))
        with pytest.raises(LatestError, match="nothing was told of a ticker 'Y'; known here: X"):
            store.latest("Y")


def test_a_full_page_says_so_and_counts(data: Path) -> None:
    with writer(data, instruments=1) as page, Latest.local(data) as store:
        assert page.put(quote(1))
        assert not page.put(quote(2, "Y", 2))
        assert page.refused == 1
        with pytest.raises(LatestError, match=r"full \(1 instruments\): raise \[latest\] instruments"):
            store.latest("Y")


@pytest.mark.parametrize(
    ("at", "says"), [(0, "not a page of latest values"), (8, "of another version"), (60, "another")]
)
def test_a_page_of_another_kind_or_version_is_refused(data: Path, at: int, says: str) -> None:
    writer(data).close()
    path = Folders(data).latest("house")
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0xFF
    if at == 60:
        raw[12:16] = (77).to_bytes(4, "little")
        says = "its head does not hold"
    path.write_bytes(raw)
    with pytest.raises(LatestError, match=says):
        Latest.local(data)


def test_one_writer_at_a_time(data: Path) -> None:
    with writer(data), pytest.raises(LatestBusy, match="another live process writes"):
        writer(data)


def test_what_is_no_message_or_no_market_data_changes_nothing(data: Path) -> None:
    with writer(data) as page, Latest.local(data) as store:
        with pytest.raises(WireError, match="no flat message"):
            page.put(b"x" * 64)
        assert not page.put(bytes(m.OrderAccepted(seq=1)))
        assert store.snapshot() == {}


def test_the_next_writer_goes_on_and_one_of_other_sizes_begins_anew(data: Path) -> None:
    with writer(data) as page:
        page.put(quote(7))
    with Latest.local(data) as store:
        alive = [store.alive]
        assert store.latest("X").bid_price == 7, "the last value stays in sight"
        with writer(data) as page:
            page.put(quote(8))
            alive.append(store.alive)
            assert (store.latest("X").bid_price, store.latest("X").updates) == (8, 2)
        with writer(data, instruments=9) as page:
            page.put(quote(9))
            assert alive == [False, True]
            assert (store.latest("X").bid_price, store.latest("X").updates) == (9, 1)


def test_a_lost_number_is_a_gap_where_numbers_follow_each_other() -> None:
    with LatestWriter(None, contiguous=True) as page, Latest(LatestReader(page.path), "binance") as store:
        for seq in (5, 6, 9):
            page.put(quote(seq))
        assert store.latest("X").gaps == 1
        page.lose_all()
        assert store.latest("X").gaps == 2


def test_subscribers_get_the_newest_value_and_none_twice(data: Path) -> None:
    told: list[tuple[str, int]] = []

    def take(value: LatestValue) -> None:
        told.append((value.ticker, value.seq))

    with writer(data) as page, Latest.local(data) as store:
        watch = store.subscribe("X", take)
        store.subscribe("later", take)
        assert store.poll() == 0
        page.put(quote(1))
        page.put(quote(2))
        assert (store.poll(), store.poll()) == (1, 0)
        page.put(quote(3, "later", 2))
        assert store.poll() == 1
        watch.close()
        page.put(quote(4))
        assert store.poll() == 0
    assert told == [("X", 2), ("later", 3)]


async def test_within_a_loop_subscribers_are_called_by_themselves(data: Path) -> None:
    came = asyncio.Event()
    with writer(data) as page:
        async with Latest.local(data) as store:
            store.subscribe("X", lambda value: came.set())
            page.put(quote(1))
            await asyncio.wait_for(came.wait(), 30)


def test_a_closed_store_says_so(data: Path) -> None:
    with writer(data) as page:
        page.put(quote(1))
        store = Latest.local(data)
        store.close()
        with pytest.raises(LatestError, match="closed"):
            store.latest("X")
        assert not store.alive
