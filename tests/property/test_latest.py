"""Pages of latest values against a plain dict, and under a writer that is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.latest import LatestReader, LatestWriter
from tests.oracle.naive_latest import NaiveLatest

KEPT = 5
TICKERS = ("A", "BB", "BTC/USD" + 24 * "x")
PRICES = st.integers(-(1 << 62), 1 << 62)
SMALL = st.integers(1, 12)
QUALITIES = st.sampled_from(list(m.BookQuality))


@st.composite
def messages(draw: st.DrawFn, seq: int) -> m.Message:
    place = draw(st.integers(0, len(TICKERS) - 1))
    head = {"seq": seq, "ts": draw(PRICES), "ts_event": draw(PRICES), "ts_recv": draw(PRICES), "instrument": place + 1}
    terms = {"price_exponent": draw(st.integers(-9, 9)), "qty_exponent": draw(st.integers(-9, 9))}
    kind = draw(
        st.sampled_from(["trade", "quote", "delta", "delta", "snapshot", "definition", "status", "limit", "feed"])
    )
    ticker = TICKERS[place]
    if kind == "trade":
        side, quality = draw(st.sampled_from(list(m.Side))), draw(QUALITIES)
        numbers = {"trade_id": draw(st.integers(0, 1 << 63)), "price": draw(PRICES), "qty": draw(PRICES)}
        return m.Trade(ticker=ticker, aggressor=side, quality=quality, **numbers, **head, **terms)
    if kind == "quote":
        sides = {name: draw(PRICES) for name in ("bid_price", "bid_qty", "ask_price", "ask_qty")}
        return m.Quote(ticker=ticker, quality=draw(QUALITIES), **sides, **head, **terms)
    if kind in ("delta", "snapshot"):
        changes = draw(
            st.lists(st.tuples(SMALL, st.integers(0, 3), st.sampled_from([m.Side.buy, m.Side.sell])), max_size=6)
        )
        lines = {(side, price): m.BookLevel(price=price, qty=qty, side=side) for price, qty, side in changes}
        if kind == "snapshot":
            whole = [one for one in lines.values() if one.qty]
            return m.BookSnapshot(
                ticker=ticker, book_seq=draw(SMALL), quality=draw(QUALITIES), levels=whole, **head, **terms
            )
        return m.BookDelta(
            ticker=ticker, book_seq=draw(SMALL), quality=draw(QUALITIES), levels=list(lines.values()), **head, **terms
        )
    if kind == "definition":
        return m.InstrumentDefinition(
            ticker=ticker,
            tick_size=1,
            lot_size=1,
            status=draw(st.sampled_from(list(m.InstrumentStatus))),
            **head,
            **terms,
        )
    if kind == "status":
        return m.InstrumentStatusChanged(
            ticker=ticker,
            status=draw(st.sampled_from(list(m.InstrumentStatus))),
            reason=draw(st.sampled_from(list(m.StatusReason))),
            resume_time=draw(PRICES),
            **head,
            **terms,
        )
    if kind == "limit":
        return m.LimitStateChanged(ticker=ticker, state=draw(st.sampled_from(list(m.LimitState))), **head, **terms)
    counts = {name: draw(st.integers(0, 99)) for name in ("gaps", "resyncs", "dropped")}
    return m.FeedStatus(
        ticker=ticker,
        state=draw(st.sampled_from(list(m.FeedState))),
        reason=draw(st.text(max_size=9)),
        **counts,
        **head,
    )


@st.composite
def flows(draw: st.DrawFn) -> list[m.Message]:
    return [draw(messages(seq)) for seq in range(1, draw(st.integers(1, 40)) + 1)]


@given(flows())
def test_a_page_holds_what_a_plain_fold_holds(flow: list[m.Message]) -> None:
    oracle = NaiveLatest(KEPT)
    with (
        LatestWriter(None, instruments=3, quotes=KEPT, trades=KEPT, references=KEPT) as writer,
        LatestReader(writer.path) as reader,
    ):
        for message in flow:
            assert writer.put(bytes(message)) == oracle.put(message)
            compare(reader, oracle, message.ticker)  # type: ignore[attr-defined]
        assert sorted(reader.tickers) == sorted(oracle.updates)


def compare(reader: LatestReader, oracle: NaiveLatest, ticker: str) -> None:
    value, last = reader.get(ticker), oracle.last
    assert (value.updates, value.gaps) == (oracle.updates[ticker], oracle.gaps[ticker])
    trade, quote = last.get((ticker, m.Trade)), last.get((ticker, m.Quote))
    if isinstance(trade, m.Trade):
        told = (trade.seq, trade.ts, trade.trade_id, trade.price, trade.qty, trade.price_exponent, trade.qty_exponent)
        seen = (value.trade_seq, value.trade_ts, value.trade_id, value.trade_price, value.trade_qty)
        assert (*seen, value.trade_price_exponent, value.trade_qty_exponent) == told
        assert (value.aggressor, value.trade_quality) == (trade.aggressor, trade.quality)
    if isinstance(quote, m.Quote):
        sides = (value.bid_price, value.bid_qty, value.ask_price, value.ask_qty)
        assert sides == (quote.bid_price, quote.bid_qty, quote.ask_price, quote.ask_qty)
        assert (value.quote_seq, value.quality, value.quote_price_exponent) == (
            quote.seq,
            quote.quality,
            quote.price_exponent,
        )
    if (top := oracle.top(ticker)) is not None:
        assert (value.top_bid_price, value.top_bid_qty, value.top_ask_price, value.top_ask_qty) == top
    elif value.top_seq:
        assert value.top_quality is m.BookQuality.resync
    feed = last.get((ticker, m.FeedStatus))
    if isinstance(feed, m.FeedStatus):
        assert (value.feed_state, value.feed_gaps, value.feed_resyncs) == (feed.state, feed.gaps, feed.resyncs)
    assert reader.trades(ticker, KEPT) == oracle.trades[ticker]
    assert reader.quotes(ticker, 3) == oracle.quotes[ticker][-3:]
    assert reader.references(ticker, KEPT) == oracle.references[ticker]


WRITER = """
import sys
from tapewire import messages as m
from tapewire.latest import LatestWriter

writer = LatestWriter(sys.argv[1], instruments=2, quotes=8, trades=8, references=0)
sides = ("bid_price", "bid_qty", "ask_price", "ask_qty")
quote = m.Quote.encoder("seq", "ts", *sides, instrument=1, ticker="X", price_exponent=-2)
trade = m.Trade.encoder("seq", "ts", "trade_id", "price", "qty", instrument=1, ticker="X")
n = int(sys.argv[2])
if n:  # the writer before may have been killed between the two
    writer.put(trade(n, n * 17, n * 19, n * 23, n * 29))
print("up", flush=True)
while True:
    n += 1
    writer.put(quote(n, n * 3, n * 5, n * 7, n * 11, n * 13))
    writer.put(trade(n, n * 17, n * 19, n * 23, n * 29))
"""


def check_whole(reader: LatestReader) -> int:
    got = reader.get("X")
    n = got.quote_seq
    assert (got.bid_price, got.bid_qty, got.ask_price, got.ask_qty, got.quote_ts) == (
        n * 5,
        n * 7,
        n * 11,
        n * 13,
        n * 3,
    )
    t = got.trade_seq
    assert (got.trade_id, got.trade_price, got.trade_qty, got.trade_ts) == (t * 19, t * 23, t * 29, t * 17)
    assert n - t in (0, 1), "a quote and the trade that follows it are put in turn"
    assert got.seq == n
    return n


def check_logs(reader: LatestReader) -> None:
    quotes = reader.quotes("X", 8)
    seqs = [one.seq for one in quotes]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
    for one in quotes:
        assert (one.bid_price, one.bid_qty, one.ask_price, one.ask_qty) == tuple(one.seq * by for by in (5, 7, 11, 13))


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_read_is_torn_while_a_writer_at_full_speed_is_killed_at_random(tmp_path: Path, kills: int) -> None:
    page, chance, last, reads = tmp_path / "latest.x", random.Random(7), 0, 0
    reader: LatestReader | None = None
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(page), str(last)], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            if reader is None:
                while not page.exists() or not LatestReader(page).tickers:
                    time.sleep(0.001)
                reader = LatestReader(page)
                while not reader.get("X").trade_seq:
                    time.sleep(0.001)
            until, enough = time.monotonic() + chance.uniform(0.02, 0.15), reads + 11
            while time.monotonic() < until or reads < enough:
                last = max(last, check_whole(reader))
                check_logs(reader)
                reads += 1
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        # What it left is whole, and the next writer goes on from it.
        last = check_whole(reader)
        check_logs(reader)
        assert not reader.writer_alive
    assert reads > 10 * kills
