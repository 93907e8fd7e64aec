"""The operator's commands: through the ring of a running engine, and what `tapewire operator` prints of the answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.engine.operator import Operator
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire.cli import cli
from tapewire.client import OrderClient
from tapewire.errors import RingError, TapewireError
from tapewire.ring import RingProducer
from tests.engine_process import EngineProcess, order

DONE = "done: record "


@pytest.fixture
def process(tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(tmp_path)
    process.start()
    yield process
    process.close()


@pytest.fixture
def client(process: EngineProcess) -> Iterator[OrderClient]:
    with process.client() as client:
        yield client


def run(process: EngineProcess, *words: str) -> Result:
    return CliRunner().invoke(cli, ["operator", "--config", str(process.config), *words])


def said(process: EngineProcess, *words: str) -> list[str]:
    """What it prints, without the record's number."""
    result = run(process, *words)
    assert result.exit_code == 0, result.output
    return [line if not line.startswith(DONE) else line.partition(", ")[2] for line in result.output.splitlines()]


def answers(client: OrderClient, cl_ord_id: int) -> list[str]:
    return [type(event).__name__ for event in client.answers(cl_ord_id)]


def traded(client: OrderClient) -> m.OrderExecuted:
    """Account 2 sells 5 to account 1 at 1.00."""
    order(client, m.Side.sell, 100, 5, account=2)
    order(client, m.Side.buy, 100, 5)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for event in client.poll():
            if isinstance(event, m.OrderExecuted):
                return event
    raise AssertionError("no trade")


def test_a_halt_stops_an_instrument_and_a_resume_lets_it_trade_again(
    process: EngineProcess, client: OrderClient
) -> None:
    assert said(process, "halt", "ACME", "--reason", "news") == [
        "ACME: trading -> halted",
        "count 1, 1 InstrumentStatusChanged",
    ]
    assert answers(client, order(client, m.Side.buy, 100)) == ["OrderRejected"]
    assert said(process, "halt", "ACME") == ["count 0"]
    assert said(process, "resume", "--all")[0] == "ACME: halted -> trading"
    assert answers(client, order(client, m.Side.buy, 100)) == ["OrderAccepted"]


def test_an_auction_collects_and_trading_resumes_by_itself(process: EngineProcess, client: OrderClient) -> None:
    """Nobody sends anything: the engine wakes for it."""
    assert said(process, "auction", "ACME", "--kind", "opening")[0] == "ACME: trading -> opening_auction"
    order(client, m.Side.sell, 100, 5, account=2)
    buy = order(client, m.Side.buy, 101, 5)
    assert answers(client, buy)[-1] == "OrderAccepted"
    deadline, seen = time.monotonic() + 30, list[m.Message]()
    with Operator(process.folders.data) as operator:
        # Its end is set only now: both orders are in it, however late they came.
        assert said(process, "auction", "ACME", "--kind", "opening", "--resume-in", "0.2") == ["count 0"]
        while time.monotonic() < deadline and not any(isinstance(e, m.OrderExecuted) for e in seen):
            seen += [m.decode(raw) for raw in operator._reader.poll(1000)]
    (clock,) = [event for event in seen if isinstance(event, m.AdvanceClock)]
    (executed,) = [event for event in seen if isinstance(event, m.OrderExecuted)]
    assert (clock.source, clock.cause, clock.up_to) == (0, 0, clock.ts)
    assert (executed.auction, executed.qty, executed.cause) == (True, 5, clock.seq)


def test_a_day_is_closed_and_an_instrument_delisted(process: EngineProcess, client: OrderClient) -> None:
    order(client, m.Side.buy, 100)
    assert said(process, "close", "ACME")[0] == "ACME: trading -> closed"
    assert said(process, "open", "ACME")[0] == "ACME: closed -> trading"
    assert said(process, "delist", "ACME") == [
        "ACME: trading -> delisted",
        "count 1, 1 InstrumentStatusChanged, 1 OrderCancelled",
    ]
    refused = run(process, "halt", "ACME")
    assert (refused.exit_code, "was refused: unknown_instrument (1, 0)" in refused.output) == (1, True)


def test_a_kill_cancels_and_refuses_until_it_is_released(process: EngineProcess, client: OrderClient) -> None:
    order(client, m.Side.buy, 100)
    assert said(process, "kill", "--account", "1") == ["count 1, 1 OrderCancelled"]
    assert answers(client, order(client, m.Side.buy, 100))[-1] == "OrderRejected"
    assert said(process, "release", "--account", "1") == ["count 0"]
    assert answers(client, order(client, m.Side.buy, 100)) == ["OrderAccepted"]


def test_terms_and_limits_change_by_name_and_the_others_stay(process: EngineProcess, client: OrderClient) -> None:
    assert said(process, "define", "ACME", "--tick-size", "0.05", "--dynamic-band-bps", "500") == ["count 0"]
    assert said(process, "define", "XYZ", "--tick-size", "0.5", "--lot-size", "10", "--max-price", "99.5") == [
        "count 0"
    ]
    there = client.instruments()
    assert (there["ACME"].tick_size, there["ACME"].lot_size, there["ACME"].dynamic_band_bps) == (5, 1, 500)
    assert (there["XYZ"].instrument, there["XYZ"].tick_size, there["XYZ"].price_exponent) == (2, 5, -1)
    assert (there["XYZ"].max_price, there["XYZ"].qty_exponent, there["XYZ"].status) == (995, 0, 1)
    assert said(process, "limits", "1", "--max-order-qty", "3", "--self-trade", "cancel_both") == ["count 0"]
    assert said(process, "limits", "1", "--self-trade-group", "8") == ["count 0"]
    assert answers(client, order(client, m.Side.buy, 100, 4)) == ["OrderRejected"]
    list(client.answers(order(client, m.Side.buy, 100, 1)))
    refused = run(process, "define", "ACME", "--tick-size", "0.03")
    assert (refused.exit_code, "was refused: instrument_exists (3, 5)" in refused.output) == (1, True)
    assert client.instruments()["ACME"].tick_size == 5


def test_a_trade_is_corrected_then_busted_as_it_stands(process: EngineProcess, client: OrderClient) -> None:
    trade = traded(client)
    number = str(trade.match_id)
    assert said(process, "correct", number, "--price", "1.10", "--qty", "4") == [
        "ACME: trade 1 now: 4 at 1.10, accounts 2 and 1",
        "count 0, 1 TradeCorrected",
    ]
    assert said(process, "bust", number)[0] == "ACME: trade 1 busted: 4 at 1.10, accounts 2 and 1"
    again, none = run(process, "bust", number), run(process, "bust", "99")
    assert (again.exit_code, "trade 1 was busted by record" in again.output) == (1, True)
    assert (none.exit_code, "no trade has the match id 99" in none.output) == (1, True)
    process.end()
    assert verify_tape(process.tape).ok


def test_a_trade_is_not_amended_as_if_it_had_been_another(process: EngineProcess, client: OrderClient) -> None:
    trade = traded(client)
    names = ("instrument", "match_id", "maker_order_id", "taker_order_id", "price", "qty", "maker_account")
    fields = {name: getattr(trade, name) for name in (*names, "taker_account", "taker_side")}
    with Operator(process.folders.data) as operator:
        with pytest.raises(TapewireError, match="qty 4 instead of 5; nothing was sent"):
            operator.send(m.BustTrade(**{**fields, "qty": 4}))
        with pytest.raises(TapewireError, match="price 99 instead of 100, maker_account 1 instead of 2; nothing"):
            operator.send(m.CorrectTrade(**{**fields, "price": 99, "maker_account": 1, "new_price": 98, "new_qty": 5}))
        with pytest.raises(TapewireError, match="no trade has the match id 2"):
            operator.send(m.BustTrade(**{**fields, "match_id": 2}))
        assert operator.send(m.CorrectTrade(**fields, new_price=98, new_qty=3)).completed.count == 0
        with pytest.raises(TapewireError, match="price 100 instead of 98, qty 5 instead of 3"):
            operator.send(m.BustTrade(**fields))
        assert operator.send(m.BustTrade(**{**fields, "price": 98, "qty": 3})).refusal is None


def test_operators_take_turns_at_the_ring(process: EngineProcess) -> None:
    with Operator(process.folders.data) as operator, Operator(process.folders.data) as other:
        assert [one.kill().completed.count for one in (operator, other, operator)] == [0, 0, 0]
        with RingProducer(operator._ring), pytest.raises(RingError):
            operator.release()


def test_what_is_asked_of_nobody_is_said(process: EngineProcess, client: OrderClient, tmp_path: Path) -> None:
    unknown = run(process, "halt", "NONE")
    assert (unknown.exit_code, "no instrument 'NONE'; there are: ACME" in unknown.output) == (1, True)
    assert run(process, "halt").exit_code == run(process, "halt", "ACME", "--all").exit_code == 2
    process.end()
    with Operator(process.folders.data) as operator, pytest.raises(TapewireError, match="no engine listens"):
        operator.kill()
    with pytest.raises(RingError, match="no inbound ring of a producer 'operator'"):
        Operator(tmp_path / "none")


def test_each_command_explains_itself_without_an_engine(tmp_path: Path) -> None:
    for name in ("halt", "define", "correct"):
        result = CliRunner().invoke(cli, ["operator", "--data", str(tmp_path), name, "--help"])
        assert (result.exit_code, result.output.startswith("Usage: ")) == (0, True)
