"""What each algorithm would have cost on a recorded day, and that docs/algorithms.md says so.

IBM, 2013-10-08, 10:00 to 12:00 New York, four exchanges with their recorded tops and trades; the volume profile is of
the day before, through the tick store. Our orders change nothing in the market: one that takes gets what is shown, one
that rests gets what traded at its exchange and price once all that stood before it was gone.
"""

from __future__ import annotations

import heapq
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from services.router.interfaces import Terms
from services.router.markets import Markets
from services.router.profile import volume_profile
from tapewire import messages as m
from tapewire.store import layout
from tapewire.store.query import Store
from tapewire.tape import TapeWriter
from tapewire.testing import recordings
from tests.oracle.paper_desk import SECOND, Child, Desk

DOCS = Path(__file__).resolve().parents[2] / "docs" / "algorithms.md"
FOLDER = recordings.folder() / "ticks_us_equity/lean/ibm"
EXCHANGES = {"N": 1, "Q": 2, "P": 3, "K": 4}
FEES = {1: (-15, 30), 2: (-20, 30), 3: (-20, 30), 4: (20, -15)}
"""Maker and taker, in 1/100 of a basis point: one of them pays who takes."""
MS, TEN, NOON = 1_000_000, 10 * 3_600_000, 12 * 3_600_000

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}: see tapewire/testing")


class Tick(NamedTuple):
    """A line of a file."""

    ms: int
    quote: bool
    venue: int
    fields: list[str]


def midnight(day: str) -> int:
    """Of New York, UTC ns."""
    at = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp())
    return (at + recordings.EASTERN_MIDNIGHT) * SECOND


def lines(day: str, kind: str) -> Iterator[Tick]:
    place = 5 if kind == "Quote" else 3
    with zipfile.ZipFile(FOLDER / f"{day}_{kind.lower()}.zip") as archive:
        for line in archive.read(f"{day}_ibm_{kind}_Tick.csv").decode().splitlines():
            fields = line.split(",")
            if fields[place] in EXCHANGES:
                yield Tick(int(fields[0]), kind == "Quote", EXCHANGES[fields[place]], fields)


def profile_of(day: str, data: Path) -> m.VolumeProfile:
    """By way of a tape and the store."""
    name, begin = "md.consolidated", midnight(day)
    with TapeWriter(layout.tape(data, name), name=name, segment_bytes=1 << 22) as writer:
        for seq, tick in enumerate(lines(day, "Trade"), 1):
            price, qty = int(tick.fields[1]), int(tick.fields[2])
            writer.append(
                bytes(m.Trade(seq=seq, ts=begin + tick.ms * MS, ticker="IBM", price=price, qty=qty, price_exponent=-4))
            )
        writer.commit()
    return volume_profile(Store(data), "IBM", begin + 86_400 * SECOND, 1, 0)


def market(begin: int) -> Markets:
    markets = Markets()
    markets.fold(
        m.InstrumentDefinition(instrument=1, ticker="IBM", tick_size=100, lot_size=1, price_exponent=-4, qty_exponent=0)
    )
    for name, venue in EXCHANGES.items():
        maker, taker = FEES[venue]
        markets.fold(m.VenueChanged(ts=begin, venue=venue, state=m.VenueState.ready))
        markets.fold(
            m.MarketDefinition(
                instrument=1, venue=venue, name=name, maker_fee=maker, taker_fee=taker, tick_size=100, lot_size=1
            )
        )
    return markets


def parent(algorithm: m.Algorithm, begin: int, **given: int) -> Terms:
    fields = {
        "parent_id": 1, "instrument": 1, "side": m.Side.buy, "algorithm": algorithm, "qty": 20_000, "limit_price": 0,
        "start_time": begin + TEN * MS, "end_time": begin + NOON * MS, "participation": 0, "max_participation": 0,
        "display_qty": 0, "interval": 0, "randomness": 2_000, "urgency": 0, "seed": 7,
        "time_in_force": m.TimeInForce.unspecified,
    } | given  # fmt: skip
    return Terms(**fields)  # type: ignore[arg-type]


class Replay:
    """All parents at once in one recorded market."""

    def __init__(self, day: str, parents: dict[str, dict[str, int]], profile: m.VolumeProfile) -> None:
        self.begin, self.parents, self.profile = midnight(day), parents, profile
        self.markets = market(self.begin)
        self.tops: dict[int, list[int]] = {venue: [0, 0, 0, 0] for venue in EXCHANGES.values()}
        self.desks: dict[str, Desk] = {}
        self.ahead: dict[tuple[str, int], tuple[int, int]] = {}
        """(price, what stood there before ours) of each resting child."""

    def run(self, ticks: Iterator[Tick]) -> dict[str, Desk]:
        for tick in ticks:
            now = self.begin + tick.ms * MS
            if tick.ms >= NOON:
                break
            if tick.ms >= TEN and not self.desks:
                for name, given in self.parents.items():
                    terms = parent(m.Algorithm[name.split()[0]], self.begin, **given)
                    self.desks[name] = Desk(terms, self.markets, terms.start_time, self.profile)
                    self.desks[name].step()
            self.until(now)
            if tick.quote:
                self.quote(tick, now)
            else:
                self.trade(tick, now)
        self.until(self.begin + NOON * MS)
        return self.desks

    def until(self, now: int) -> None:
        """Asks each algorithm whenever it is due."""
        for desk in self.desks.values():
            while 0 < (due := desk.algorithm.due()) <= now:
                desk.now = max(desk.now, due)
                desk.step()
            desk.now = now

    def tell(self, record: m.Message, now: int) -> None:
        change = self.markets.fold(record)
        assert change is not None
        assert not change.refused
        for desk in self.desks.values():
            desk.benchmarks.market(now, desk.view, change.trades)
            if desk.algorithm.follows_market:
                desk.step()

    def quote(self, tick: Tick, now: int) -> None:
        """A line changes one side of one exchange's top."""
        top = self.tops[tick.venue]
        bid, bid_qty, ask, ask_qty = (int(field) for field in tick.fields[1:5])
        if bid:
            top[:2] = bid, bid_qty
        if ask:
            top[2:] = ask, ask_qty
        quote = m.Quote(
            ts=now, instrument=1, source=tick.venue, ticker="IBM", price_exponent=-4, quality=m.BookQuality.live,
            bid_price=top[0], bid_qty=top[1], ask_price=top[2], ask_qty=top[3],
        )  # fmt: skip
        self.tell(quote, now)

    def trade(self, tick: Tick, now: int) -> None:
        price, qty = int(tick.fields[1]), int(tick.fields[2])
        for name, desk in self.desks.items():
            for child in desk.rests():
                if child.venue == tick.venue and child.price >= price:
                    self.meet(name, desk, child, price, qty)
        trade = m.Trade(
            ts=now, instrument=1, source=tick.venue, ticker="IBM", price=price, qty=qty, price_exponent=-4,
            quality=m.BookQuality.live,
        )  # fmt: skip
        self.tell(trade, now)

    def meet(self, name: str, desk: Desk, child: Child, price: int, qty: int) -> None:
        """A recorded trade at a resting order's exchange, at its price or below."""
        key, top = (name, child.id), self.tops[child.venue]
        at, ahead = self.ahead.get(key, (0, 0))
        if at != child.price:
            ahead = top[1] if top[0] >= child.price else 0
        if price < child.price:
            ahead = 0
        part = min(max(qty - ahead, 0), child.leaves)
        self.ahead[key] = (child.price, max(ahead - qty, 0))
        if part:
            desk.fill(child, part, child.price, m.Side.sell)
            desk.step()


PARENTS: dict[str, dict[str, int]] = {
    "twap": {},
    "vwap": {},
    "pov 10 %": {"participation": 1_000},
    "shortfall 2,500": {"urgency": 2_500},
    "shortfall 9,000": {"urgency": 9_000},
    "iceberg 500": {"display_qty": 500, "limit_price": 1_850_000},
    "sweep day": {"limit_price": 1_850_000, "time_in_force": m.TimeInForce.day},
}


def table(desks: dict[str, Desk]) -> str:
    """As it stands in the document. Slippage in basis points."""

    def points(hundredths: int) -> str:
        return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02}"

    rows = [
        "| algorithm | done | executions | of the volume | vs arrival | vs TWAP | vs VWAP |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, desk in desks.items():
        got = desk.benchmarks.measured(desk.now, desk.algorithm.scheduled)
        versus = (points(got[f"versus_{what}"]) for what in ("arrival", "twap", "vwap"))
        part = f"{got['participation'] // 100}.{got['participation'] % 100:02} %"
        rows.append(f"| {name} | {desk.cum:,} | {len(desk.fills):,} | {part} | {' | '.join(versus)} |")
    return "\n".join(rows)


def test_the_table_in_the_document_is_what_the_recorded_day_gives(tmp_path: Path) -> None:
    ticks = heapq.merge(lines("20131008", "Quote"), lines("20131008", "Trade"), key=lambda tick: tick.ms)
    desks = Replay("20131008", PARENTS, profile_of("20131007", tmp_path)).run(ticks)
    found = table(desks)
    assert found in DOCS.read_text(), f"docs/algorithms.md: expected\n{found}"
