"""What reached a live strategy is kept, and played to it once more: every decision is that of then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.errors import StrategyError
from tapewire.strategy import Quote, Strategy, StrategyParams
from tapewire.strategy.inputs import path_of, read
from tapewire.strategy.live import LiveRun
from tapewire.strategy.loading import load
from tapewire.strategy.local import LocalRun
from tapewire.strategy.relived import Relived, relive
from tapewire.strategy.report import RunReport
from tests.client.stack import BusStack
from tests.client.test_strategy_live import ACCOUNT, MAKER, fills, lived, lived_beside, traders

MAKER_PATH = "examples/market_maker.py:MarketMaker"


class Restless(Strategy):
    """Decides by everything that it is told, in the order in which it is told it."""

    class Params(StrategyParams):
        ticker: str = "ACME"

    params: Params

    def on_start(self) -> None:
        self.heard: list[str] = []
        self.watch(self.params.ticker)
        self.every(0.005)

    def hear(self, what: str) -> None:
        book = self.book(self.params.ticker)
        stands = f"{book.book_seq} {book.quality.name} {book.mid} {book.bids(3)} {book.asks(3)}"
        self.heard.append(f"{what} {self.now} {stands}")
        if book.best_bid is None or not book.live:
            return
        if len(self.open_orders) < 3 and hash_of(self.heard[-1]) % 5 == 0:
            away = self.instrument(self.params.ticker).tick * (hash_of(self.heard[-1]) % 7)
            self.buy(self.params.ticker, 1 + hash_of(self.heard[-1]) % 4, book.best_bid.price - away)
        elif self.open_orders and hash_of(self.heard[-1]) % 3 == 0:
            self.cancel(self.open_orders[self.random.randrange(len(self.open_orders))])

    def on_quote(self, quote: Quote) -> None:
        self.hear(f"quote {quote.bid} {quote.ask}")

    def on_trade(self, trade: object) -> None:
        self.hear("trade")

    def on_book(self, book: object) -> None:
        self.hear("book")

    def on_order(self, order: object, report: object) -> None:
        self.hear(f"order {len(self.open_orders)} {self.position(self.params.ticker)}")

    def on_timer(self, now: int) -> None:
        self.hear("timer")

    def on_stop(self) -> None:
        self.cancel_all()


def hash_of(text: str) -> int:
    """The same in each process."""
    return sum(text.encode()) * 31 + len(text)


def same_to_the_last(report: RunReport, again: RunReport) -> None:
    assert again.differences == []
    assert (again.decisions_equal, again.commands, again.name) == (report.commands, report.commands, report.name)
    assert again.events == report.events
    assert again.instruments == report.instruments


async def test_a_market_maker_over_the_bus_decides_every_command_again(tmp_path: Path) -> None:
    with BusStack(tmp_path / "stack") as stack:
        async with stack.connect(ACCOUNT) as tw:
            with traders(stack):
                run = LiveRun(load(MAKER_PATH, MAKER), tw, inputs=tmp_path)
                report = await lived(run, 2.5, lambda: fills(run) > 3)
        assert report.instruments[0].fills > 3
        again = relive(load(MAKER_PATH, MAKER), stack.engine.tape, path_of(tmp_path, report.name))
    same_to_the_last(report, again)


async def test_whatever_order_things_come_in_it_is_the_order_of_the_replay(tmp_path: Path) -> None:
    with BusStack(tmp_path / "stack") as stack:
        live, then = Restless(), Restless()
        async with stack.connect(ACCOUNT) as tw:
            with traders(stack):
                run = LiveRun(live, tw, inputs=tmp_path, seed=5, name="restless")
                running = asyncio.create_task(lived(run, 2.5, lambda: run.trader.commands > 20))
                await asyncio.sleep(1.0)
                # The bus is away for a moment: gaps, a broken book, and orders that nobody takes.
                tw.on_disconnected()
                tw.on_reconnected()
                report = await running
        assert report.commands > 20
        again = relive(then, stack.engine.tape, path_of(tmp_path, "restless"))
        assert then.heard == live.heard
        same_to_the_last(report, again)
        # Commands as they stand on the tape: what the strategy chose is equal, field by field.
        relived = Relived(Restless(), stack.engine.tape, path_of(tmp_path, "restless"))
        relived.play()
        sent = {
            one.client_text: one for one in stack.records() if isinstance(one, m.NewOrder) and one.account == ACCOUNT
        }
        assert sent
        for text, order in sent.items():
            decided = relived.now[text][1]
            for field in ("instrument", "account", "side", "ord_type", "time_in_force", "price", "qty", "post_only"):
                assert getattr(decided, field) == getattr(order, field), (text, field)


def test_by_a_ring_of_the_engine_too(tmp_path: Path) -> None:
    with BusStack(tmp_path / "stack") as stack, traders(stack):
        live, then = Restless(), Restless()
        data = stack.engine.folders.data
        run = LocalRun(live, data, account=ACCOUNT, producer="strategy", name="near", inputs=tmp_path)
        report = lived_beside(run, 1.5, lambda: run.trader.commands > 20)
        again = relive(then, stack.engine.tape, path_of(tmp_path, "near"))
    assert report.commands > 20
    assert then.heard == live.heard
    same_to_the_last(report, again)


async def test_another_strategy_is_refused_and_another_way_is_told_where_it_parts(tmp_path: Path) -> None:
    with BusStack(tmp_path / "stack") as stack:
        async with stack.connect(ACCOUNT) as tw:
            with traders(stack):
                run = LiveRun(load(MAKER_PATH, MAKER), tw, inputs=tmp_path, name="mm")
                report = await lived(run, 1.5, lambda: run.trader.commands > 3)
        kept = path_of(tmp_path, "mm")
        with pytest.raises(StrategyError, match="of a MarketMaker, not a Restless"):
            relive(Restless(), stack.engine.tape, kept)
        with pytest.raises(StrategyError, match="cannot be kept there: File exists"):
            LiveRun(load(MAKER_PATH, MAKER), tw, inputs=tmp_path, name="mm")
        # One lot more: all orders are other ones, and are told so.
        other = relive(load(MAKER_PATH, {**MAKER, "lots": "4"}), stack.engine.tape, kept)
        assert other.differences[0].number == 1
        assert report.commands >= other.differences_count > 0
        # A run that was killed: its last line is not whole, and what comes before is played.
        kept.write_bytes(kept.read_bytes()[:-7])
        assert len(read(kept)[1]) > 10
        assert relive(load(MAKER_PATH, MAKER), stack.engine.tape, kept).decisions_equal > 0
