"""What was recorded, as the messages that a feed would have published then. Equal files give equal bytes.

captures ──reader──▶ Replay ──session──▶ updates ──Publisher──▶ flat messages, stamped with the recording's times
csv ────────────────────────────────────────────────────────▶ Trade
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from services.connector.replay import Event, Replay, read_cbcap, read_cryptofeed, read_hftbacktest, split_products
from services.connector.sessions import SESSIONS
from tapewire import messages as m
from tapewire.errors import FixedError, StoreError, TimeError
from tapewire.feed.publisher import Publisher
from tapewire.fixed import to_mantissa
from tapewire.testing.clock import ManualClock
from tapewire.times import parse

CAPTURES: Final = ("hftbacktest", "cryptofeed", "cbcap")
FORMATS: Final = (*CAPTURES, "csv")
MAX_MESSAGE: Final = 1 << 20
_TRADE: Final = m.Trade.encoder(
    *("seq", "ts", "ts_event", "ts_recv", "trade_id", "price", "qty", "price_exponent", "qty_exponent", "aggressor"),
    *("ticker",),
    quality=m.BookQuality.live,
)
_SIDES: Final = {"": m.Side.unspecified, "buy": m.Side.buy, "sell": m.Side.sell}
Told = Callable[[int, int], None]
"""How much of the recording is done, and how much there is."""


class Recording(msgspec.Struct, frozen=True):
    """Files of one format, in the order of time, and what they are of."""

    format: str
    files: tuple[str, ...]
    venue: str = ""
    """Of captures: whose frames they are."""
    tickers: tuple[str, ...] = ()
    """As the venue writes them; of trades in CSV: the one ticker, if no column tells it."""
    depth: int = 100
    """Levels a side that are published."""
    price_exponent: int = -8
    """Of CSV, as the next: what its decimals are kept at."""
    qty_exponent: int = -8

    def messages(self, feed: str, first_seq: int, told: Told) -> Iterator[bytes]:
        """Numbered from `first_seq`. Raises StoreError: they are not of this format, or of other instruments."""
        if self.format == "csv":
            return self._trades(first_seq, told)
        return self._replayed(feed, first_seq, told)

    # -- captures

    def _events(self) -> Iterator[Event]:
        paths = [Path(name) for name in self.files]
        if self.format == "cryptofeed":
            for event in read_cryptofeed(*paths):
                if event.kind == "rest" and event.key == "/products":
                    yield from split_products(event)
                else:
                    yield event
            return
        for path in paths:
            yield from read_cbcap(path) if self.format == "cbcap" else read_hftbacktest(path, self.tickers[0])

    def _replayed(self, feed: str, first_seq: int, told: Told) -> Iterator[bytes]:
        count, answers, first = 0, list[Event](), 0
        try:
            for event in self._events():
                first = first or event.at
                count += 1
                if event.kind == "rest":
                    answers.append(event)
        except (ValueError, ArithmeticError, EOFError, OSError) as error:
            raise StoreError(f"{', '.join(self.files)}: no recording of the format {self.format}: {error}") from error
        if not count:
            raise StoreError(f"{', '.join(self.files)}: no frame of the format {self.format} in there")
        session = SESSIONS[self.venue](self.tickers, self.depth, Random(0))
        clock, lane = ManualClock(first), _Lane()
        publisher = Publisher(
            env="import", feed=feed, source=0, tickers=self.tickers, ring=lane, bus=lane, next_seq=first_seq,
            clock=clock, snapshot=session.snapshot,
        )  # fmt: skip
        replay = Replay(session)

        def published() -> list[bytes]:
            for at, update in replay.updates:
                clock.now_ns = max(clock.now_ns, at)
                publisher.publish(update, at)
            replay.updates.clear()
            clock.now_ns = max(clock.now_ns, replay.now)
            publisher.settle(replay.now)
            return lane.taken()

        replay.begin([Event(first, b""), *answers])
        yield from published()
        for done, event in enumerate(self._events(), 1):
            replay.feed(event)
            yield from published()
            if not done & 0xFF:
                told(done, count)
        replay.disconnect("the recording ends here")
        yield from published()
        if not session.counters.messages:
            raise StoreError(
                f"{', '.join(self.files)}: no frame is of {self.venue} {', '.join(self.tickers)}; what was recorded?"
            )
        told(count, count)

    # -- CSV

    def _trades(self, first_seq: int, told: Told) -> Iterator[bytes]:
        count = sum(Path(name).read_bytes().count(b"\n") for name in self.files)
        done, seq, last = 0, first_seq, 0
        for name in self.files:
            with Path(name).open(newline="", encoding="utf-8-sig") as file:
                for row in csv.DictReader(file):
                    done += 1
                    try:
                        raw, last = self._trade(row, seq, last)
                    except (KeyError, ValueError, TimeError, FixedError) as error:
                        what = f"no column {error}" if isinstance(error, KeyError) else str(error)
                        raise StoreError(
                            f"{name}, row {done}: {what}; expected columns ts, price, qty, and if there are any side "
                            f"(buy, sell), trade_id, ticker"
                        ) from None
                    yield raw
                    seq += 1
                    if not done & 0xFFF:
                        told(done, count)
        told(count, count)

    def _trade(self, row: dict[str, str], seq: int, last: int) -> tuple[bytes, int]:
        ts = parse(row["ts"], 0)
        if ts < last:
            raise ValueError(f"its time {row['ts']} is before that of the row above; sort them")
        ticker = row.get("ticker") or (self.tickers[0] if self.tickers else "")
        side = (row.get("side") or "").lower()
        if not ticker or side not in _SIDES:
            raise ValueError("no ticker; give --ticker" if not ticker else f"side {side!r}")
        price, qty = (
            to_mantissa(row["price"], self.price_exponent),
            to_mantissa(row["qty"], self.qty_exponent),
        )
        number = int(row.get("trade_id") or seq)
        exponents = self.price_exponent, self.qty_exponent
        return _TRADE(seq, ts, ts, ts, number, price, qty, *exponents, _SIDES[side], ticker), ts


class _Lane:
    """Takes what is published, in place of ring and bus."""

    tail = head = 0
    capacity = max_record = MAX_MESSAGE

    def __init__(self) -> None:
        self._raws: list[bytes] = []

    def write(self, data: bytes, /) -> bool:
        self._raws.append(data)
        return True

    def publish(self, subject: str, payload: bytes, headers: bytes | None = None) -> bool:
        return True

    def taken(self) -> list[bytes]:
        raws, self._raws = self._raws, []
        return raws
