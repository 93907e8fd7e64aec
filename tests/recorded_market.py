"""A small recorded market, made by the real core and the simulated traders: an orders tape, and a venue's tape."""

from __future__ import annotations

from pathlib import Path

from services.engine.simulation import SimulatedExchange
from services.simulator.traders import TraderModel
from tapewire import messages as m
from tapewire.house import HouseMarket
from tapewire.tape import TapeReader, TapeWriter

OPERATOR, TRADERS = 1, 2
ACCOUNTS = (11, 12, 13, 14)
BEGAN = 1_700_000_000_000_000_000
MS = 1_000_000
TICKER = "ACME"
STEP_NS = 5 * MS

DEFINITION = m.InstrumentDefinition(
    instrument=1,
    ticker=TICKER,
    tick_size=1,
    lot_size=1,
    price_exponent=-2,
    qty_exponent=0,
    reference_price=10_000,
    status=m.InstrumentStatus.trading,
)


def record_orders(folder: Path, commands: int = 1_500, seed: int = 7) -> Path:
    """An orders tape of simulated traders; the path of the tape."""
    exchange = SimulatedExchange(folder, {OPERATOR: "operator", TRADERS: "trader"}, BEGAN)
    opening = [DEFINITION, *(m.AccountLimits(account=account) for account in ACCOUNTS)]
    exchange.step(BEGAN, [(OPERATOR, bytes(command)) for command in opening])
    model = TraderModel(seed, [DEFINITION], ACCOUNTS, 1)
    now = BEGAN
    for _ in range(commands):
        now += STEP_NS
        command = model.decide(now)
        records = exchange.step(now, [(TRADERS, bytes(command))] if command is not None else [])
        for raw in records:
            record = m.decode(raw)
            if record.cause and record.source == TRADERS:
                model.take(record)
    exchange.close()
    return exchange.tape


def record_venue(orders: Path, folder: Path, feed: str = "venue") -> Path:
    """What the house published of that tape, as a venue's recorded feed: one snapshot, then deltas, trades, quotes."""
    market = HouseMarket("dev")
    tape = folder / f"md.{feed}"
    seq = 1
    with TapeReader(orders, 1) as reader, TapeWriter(tape, f"md.{feed}", durability="memory") as writer:
        known = False
        for raw in reader:
            for to, payload in market.fold(raw):
                book = market.book(TICKER)
                if not known and book is not None:
                    known = True
                    writer.append(bytes(m.decode(book.snapshot()).replace(seq=seq, ts=m.decode(raw).ts)))
                    seq += 1
                if to.split(".")[2] in ("trade", "book", "quote"):
                    message = m.decode(payload)
                    if isinstance(message, m.Trade | m.BookDelta | m.Quote):
                        writer.append(bytes(message.replace(seq=seq, cause=0)))
                        seq += 1
        writer.commit()
    return tape


def records(tape: Path) -> list[bytes]:
    with TapeReader(tape, 1) as reader:
        return list(reader)
