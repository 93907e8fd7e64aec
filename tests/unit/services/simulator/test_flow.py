from services.simulator.flow import ASK, BID, MAX_LEVELS, SECOND_NS, Book, Event, Flow
from tests.simulated_venue import BINANCE, KRAKEN, START_NS


def events(flow: Flow, seconds: int, steps_per_second: int) -> list[Event]:
    gap = SECOND_NS // steps_per_second
    return [e for n in range(1, seconds * steps_per_second + 1) for e in flow.step(START_NS + n * gap)]


def test_a_seed_gives_the_same_events_however_often_step_is_called() -> None:
    one = events(Flow(BINANCE[0], 7, 200, START_NS), 5, 1)
    many = events(Flow(BINANCE[0], 7, 200, START_NS), 5, 500)
    assert repr(one).encode() == repr(many).encode()
    assert len(one) > 800


def test_seeds_and_symbols_draw_their_own_numbers() -> None:
    first = events(Flow(BINANCE[0], 7, 200, START_NS), 1, 1)
    assert first != events(Flow(BINANCE[0], 8, 200, START_NS), 1, 1)
    assert [e.ts for e in first] != [e.ts for e in events(Flow(BINANCE[1], 7, 200, START_NS), 1, 1)]


def test_update_ids_trade_ids_and_times_rise_without_a_gap() -> None:
    flow = Flow(BINANCE[0], 3, 300, START_NS)
    last_id, last_trade, last_ts = flow.update_id, flow.trade_id, START_NS
    for event in events(flow, 5, 100):
        assert event.first_id == last_id + 1
        assert event.last_id == event.first_id + len(event.changes) - 1
        assert event.ts >= last_ts
        for fill in event.fills:
            assert fill.trade_id == last_trade + 1
            last_trade = fill.trade_id
        last_id, last_ts = event.last_id, event.ts


def test_applying_the_changes_gives_the_flows_own_book() -> None:
    flow = Flow(KRAKEN[0], 5, 300, START_NS)
    book = Book()
    for side in (BID, ASK):
        for price, qty in flow.book.top(side, MAX_LEVELS):
            book.set(side, price, qty)
    for event in events(flow, 5, 100):
        for change in event.changes:
            book.set(*change)
        for fill in event.fills:
            assert fill.qty > 0
    assert (book.levels, book.prices) == (flow.book.levels, flow.book.prices)


def test_prices_sizes_and_depth_stay_plausible_over_ten_minutes() -> None:
    i = BINANCE[0]
    flow = Flow(i, 11, 40, START_NS)
    spreads, trades, count = [], 0, 0
    for second in range(1, 601):
        for event in flow.step(START_NS + second * SECOND_NS):
            count += 1
            trades += len(event.fills)
        spreads.append((flow.book.best(ASK) - flow.book.best(BID)) // i.tick)
        assert all(30 <= len(flow.book.prices[side]) <= MAX_LEVELS + 1 for side in (BID, ASK))
    assert 1 <= sorted(spreads)[300] <= i.width
    assert abs(flow.book.best(BID) - i.start_price) < i.start_price // 50
    assert 23_000 < count < 25_000
    assert count // 20 < trades < count // 3


def test_a_process_that_was_stopped_skips_what_it_missed() -> None:
    flow = Flow(BINANCE[0], 1, 100, START_NS)
    assert len(list(flow.step(START_NS + 3600 * SECOND_NS))) < 250


def test_a_market_that_stands_still_has_no_events() -> None:
    flow = Flow(BINANCE[0], 1, 100, START_NS)
    flow.skip_to(START_NS + SECOND_NS)
    assert list(flow.step(START_NS + SECOND_NS - 1)) == []
