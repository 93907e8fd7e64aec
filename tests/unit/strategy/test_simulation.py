"""A strategy in a simulated market: the real core, equal inputs equal bytes, and a replay that decides as it did."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.engine.simulation import Simulation, SimulationSettings, simulate
from services.engine.simulation.mirrored import MirroredMarket
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire import times
from tapewire.connection.book import Book
from tapewire.errors import StrategyError, TapewireError
from tapewire.house import HouseMarket
from tapewire.strategy import Fill, Latency, OrderState, Quote, Report, Strategy, StrategyParams
from tapewire.strategy.loading import load
from tapewire.strategy.replaying import Replayed
from tapewire.tape import TapeWriter
from tests.recorded_market import ACCOUNTS, BEGAN, STEP_NS, TICKER, record_orders, record_venue, records

ACCOUNT = 900
MAKER = {"ticker": TICKER, "lots": "3", "half_spread_bps": "2", "max_lots": "20", "max_rejects": "1000"}
LATENCY = Latency(order=100_000, data=50_000, jitter=20_000)


def maker() -> Strategy:
    return load("examples/market_maker.py:MarketMaker", MAKER)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_orders(tmp_path_factory.mktemp("orders"), 600)


@pytest.fixture(scope="module")
def venue(orders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_venue(orders, tmp_path_factory.mktemp("venue"))


@pytest.mark.parametrize("market", ["orders", "venue"])
def test_equal_inputs_give_an_equal_tape_byte_for_byte(
    market: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tape: Path = request.getfixturevalue(market)
    settings = SimulationSettings(account=ACCOUNT, seed=3, latency=LATENCY)
    first = simulate(maker(), tape, tmp_path / "first", settings)
    second = simulate(maker(), tape, tmp_path / "second", settings)
    files = [sorted((tmp_path / run / "orders.0").glob("*.seg")) for run in ("first", "second")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert first.instruments == second.instruments
    assert first.instruments[0].fills > 20
    verified = verify_tape(tmp_path / "first" / "orders.0", lambda *_: None)
    assert (verified.ok, verified.problems) == (True, [])
    other = simulate(maker(), tape, tmp_path / "third", SimulationSettings(account=ACCOUNT, seed=4, latency=LATENCY))
    assert records(Path(other.output)) != records(Path(first.output)), "the seed draws the jitter"


def test_a_market_without_the_strategy_is_as_it_was(orders: Path, tmp_path: Path) -> None:
    simulate(Strategy(), orders, tmp_path, SimulationSettings(account=ACCOUNTS[0]))
    assert public(records(tmp_path / "orders.0")) == public(records(orders))


def public(raws: list[bytes]) -> list[tuple[str, bytes]]:
    """What was published of a tape, without our own stamps of seq and cause."""
    market, out = HouseMarket("dev"), []
    for raw in raws:
        out += [(to, bytes(m.decode(payload).replace(seq=0, cause=0))) for to, payload in market.fold(raw)]
    return [(to, payload) for to, payload in out if ".exec." not in to and ".instrument." not in to]


@pytest.mark.parametrize("market", ["orders", "venue"])
def test_a_replay_of_a_run_decides_as_it_did_and_comes_to_the_same(
    market: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tape: Path = request.getfixturevalue(market)
    settings = SimulationSettings(account=ACCOUNT, seed=3, latency=LATENCY)
    run = simulate(maker(), tape, tmp_path, settings)
    again = Replayed(
        maker(),
        Path(run.output),
        account=ACCOUNT,
        name=settings.name,
        seed=3,
        latency=LATENCY,
        until=times.parse(run.ended, 0),
    ).run()
    assert (again.decisions_equal, again.differences_count, again.events) == (run.commands, 0, run.events)
    assert [one.pnl for one in again.instruments] == [one.pnl for one in run.instruments]


def test_a_replay_tells_what_is_decided_otherwise_now(orders: Path, tmp_path: Path) -> None:
    run = simulate(maker(), orders, tmp_path, SimulationSettings(account=ACCOUNT, latency=LATENCY))
    changed = load("examples/market_maker.py:MarketMaker", {**MAKER, "lots": "4"})
    again = Replayed(changed, Path(run.output), account=ACCOUNT, name="simulated", latency=LATENCY).run()
    assert again.differences_count > 0
    first = again.differences[0]
    assert (first.now, first.then) != (None, None)
    assert first.number == 1
    assert "buy 4 of" in str(first.now)
    assert "buy 3 of" in str(first.then)
    with pytest.raises(StrategyError, match="nothing that begins 'someone-"):
        Replayed(maker(), Path(run.output), account=ACCOUNT, name="someone")


class Once(Strategy):
    """Buys once at the ask it sees first, and notes when it learnt of what."""

    class Params(StrategyParams):
        ticker: str = TICKER
        price: str = ""

    params: Params

    def on_start(self) -> None:
        self.order: OrderState | None = None
        self.learnt: list[tuple[str, int]] = []
        self.fills: list[Fill] = []
        self.watch(self.params.ticker)

    def on_quote(self, quote: Quote) -> None:
        if self.order is None and quote.ask is not None:
            self.seen = quote.ts
            self.learnt.append(("quote", self.now))
            self.order = self.buy(TICKER, 1, self.params.price or quote.ask)

    def on_order(self, order: OrderState, report: Report | None) -> None:
        self.learnt.append((report.kind if report else "not taken", self.now))

    def on_fill(self, fill: Fill) -> None:
        self.fills.append(fill)


def test_an_order_takes_its_latency_there_and_its_reports_back(orders: Path, tmp_path: Path) -> None:
    strategy = Once()
    simulate(
        strategy, orders, tmp_path, SimulationSettings(account=ACCOUNT, latency=Latency(order=700_000, data=30_000))
    )
    assert strategy.order is not None
    command = next(
        record
        for record in map(m.decode, records(tmp_path / "orders.0"))
        if isinstance(record, m.NewOrder) and record.account == ACCOUNT
    )
    decided = strategy.seen + 30_000
    assert (command.ts_event, command.ts_recv, command.ts) == (decided, decided + 700_000, decided + 700_000)
    assert strategy.learnt[:2] == [("quote", decided), ("accepted", decided + 730_000)]


def test_the_mirrored_market_ends_as_the_venue_s_book(venue: Path, tmp_path: Path) -> None:
    simulation = Simulation(Strategy(), venue, tmp_path, SimulationSettings(account=ACCOUNT))
    simulation.run()
    expected = Book("venue", TICKER)
    for record in map(m.decode, records(venue)):
        if isinstance(record, m.BookSnapshot | m.BookDelta):
            expected.apply(record)
    book = simulation.stepped.market.book(TICKER)
    assert book is not None
    for mine, theirs in ((book.bids, expected.bid_levels), (book.asks, expected.ask_levels)):
        assert {price: total[0] for price, total in mine.totals.items()} == {
            price: level[0] for price, level in theirs.levels.items()
        }
    assert len(expected.bid_levels) >= 3


def venue_tape(folder: Path, *messages: m.Message) -> Path:
    tape = folder / "md.venue"
    with TapeWriter(tape, "md.venue", durability="memory") as writer:
        for seq, message in enumerate(messages, 1):
            writer.append(bytes(message.replace(seq=seq, ts=BEGAN + seq * STEP_NS)))
        writer.commit()
    return tape


TERMS = {"ticker": TICKER, "price_exponent": -2, "qty_exponent": 0, "quality": m.BookQuality.live}
BUY, SELL = m.Side.buy, m.Side.sell


def snapshot(*levels: tuple[int, int, m.Side]) -> m.BookSnapshot:
    return m.BookSnapshot(levels=[m.BookLevel(price, qty, 0, side) for price, qty, side in levels], book_seq=1, **TERMS)


def delta(number: int, *levels: tuple[int, int, m.Side]) -> m.BookDelta:
    return m.BookDelta(
        levels=[m.BookLevel(price, qty, 0, side) for price, qty, side in levels], book_seq=number, **TERMS
    )


class Resting(Strategy):
    """Rests one order, and keeps what became of it."""

    class Params(StrategyParams):
        price: str = "100.00"
        qty: int = 5

    params: Params

    def on_start(self) -> None:
        self.watch(TICKER)
        self.order: OrderState | None = None

    def on_quote(self, quote: Quote) -> None:
        if self.order is None:
            self.order = self.buy(TICKER, self.params.qty, self.params.price)


def run(tmp_path: Path, *messages: m.Message, **params: object) -> OrderState:
    strategy = Resting(Resting.Params(**params))  # type: ignore[arg-type]
    tape = venue_tape(tmp_path, *messages)
    simulate(strategy, tape, tmp_path / "out", SimulationSettings(account=ACCOUNT))
    assert strategy.order is not None
    return strategy.order


def test_behind_a_level_only_trades_bring_an_order_to_its_turn(tmp_path: Path) -> None:
    order = run(
        tmp_path,
        snapshot((10_000, 10, BUY), (10_010, 10, SELL)),
        delta(2, (10_000, 4, BUY)),  # six ahead of it are cancelled: they count as those behind it
        m.Trade(price=10_000, qty=3, aggressor=SELL, trade_id=1, **TERMS),
        m.Trade(price=10_000, qty=2, aggressor=SELL, trade_id=2, **TERMS),
    )
    assert (order.cum_qty, order.avg_px) == (Decimal(1), Decimal("100.00"))


def test_a_market_that_moves_through_an_order_trades_with_it_at_its_price(tmp_path: Path) -> None:
    order = run(
        tmp_path,
        snapshot((9_990, 10, BUY), (10_010, 10, SELL)),
        delta(2, (9_990, 0, BUY), (9_980, 10, BUY)),
        delta(3, (10_010, 0, SELL), (9_995, 3, SELL)),
    )
    assert (order.cum_qty, order.avg_px) == (Decimal(3), Decimal("100.00"))


def test_a_feed_that_is_not_live_takes_its_orders_away(tmp_path: Path) -> None:
    tape = venue_tape(
        tmp_path,
        snapshot((9_990, 10, BUY), (10_010, 10, SELL)),
        m.FeedStatus(ticker=TICKER, state=m.FeedState.resync, quality=m.BookQuality.resync),
    )
    simulate(Strategy(), tape, tmp_path / "out", SimulationSettings(account=ACCOUNT))
    told = [m.decode(raw) for raw in records(tmp_path / "out" / "orders.0")]
    assert sum(isinstance(record, m.OrderCancelled) for record in told) == 2


def test_a_simulation_needs_an_empty_folder_and_a_market(orders: Path, venue: Path, tmp_path: Path) -> None:
    simulate(Strategy(), orders, tmp_path, SimulationSettings(until=BEGAN + STEP_NS))
    with pytest.raises(TapewireError, match="there is a tape already"):
        simulate(Strategy(), orders, tmp_path)
    with pytest.raises(TapewireError, match="no trades and no book of NONE"):
        MirroredMarket(venue, frozenset({"NONE"}))
