"""Latest values: what a read costs from Python, and what the sequencer of a feed pays for each message."""

from __future__ import annotations

import tempfile
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from bench.harness import Row, median
from bench.probes import Probes
from tapewire import messages as m
from tapewire.latest import LatestReader, LatestWriter

T = TypeVar("T")
RUNS = 7
INSTRUMENTS = 64


def run(probes: Probes) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as name,
        LatestWriter(Path(name) / "latest", instruments=INSTRUMENTS) as writer,
    ):
        quotes, trades, deltas, others = _messages()
        for raw in [*quotes, *trades, *_snapshots()]:
            writer.put(raw)
        with LatestReader(Path(name) / "latest") as reader:
            tickers = [f"T{i}" for i in range(INSTRUMENTS)]
            yield _row(probes, "LV1", "latest(ticker) from Python", reader.get, tickers)
        yield _row(probes, "LV2", "a quote into the page", writer.put, quotes)
        yield _row(probes, "LV3", "a trade into the page", writer.put, trades)
        yield _row(probes, "LV4", "a delta of one level into the page", writer.put, deltas)
        yield _row(probes, "LV5", "a message that is no market data", writer.put, others)


def _row(probes: Probes, number: str, what: str, call: Callable[[T], object], values: list[T]) -> Row:
    rounds = max(1, probes.scale(200_000) // len(values))

    def all_of_them() -> None:
        for value in values:
            call(value)

    def none_of_them() -> None:
        for _value in values:
            pass

    def measure() -> float:
        loop = timeit.timeit(none_of_them, number=rounds)
        return (timeit.timeit(all_of_them, number=rounds) - loop) / rounds / len(values) * 1e9

    value, spread = median(measure, RUNS)
    probe = probes.fresh("empty_call_ns")
    return Row(
        id=number,
        metric=what,
        value=value,
        unit="ns",
        probe="empty_call_ns",
        ratio=value / probe,
        n=RUNS * rounds * len(values),
        spread=spread,
    )


def _messages() -> tuple[list[bytes], ...]:
    kinds: tuple[list[bytes], ...] = ([], [], [], [])
    for i in range(INSTRUMENTS):
        terms = {"seq": i + 1, "instrument": i + 1, "ticker": f"T{i}"}
        level = m.BookLevel(price=100, qty=i + 1, side=m.Side.buy)
        kinds[0].append(bytes(m.Quote(bid_price=100, bid_qty=1, ask_price=101, ask_qty=1, **terms)))
        kinds[1].append(bytes(m.Trade(price=100, qty=1, **terms)))
        kinds[2].append(bytes(m.BookDelta(book_seq=1, levels=[level], **terms)))
        kinds[3].append(bytes(m.OrderAccepted(seq=i + 1, instrument=i + 1)))
    return kinds


def _snapshots() -> list[bytes]:
    return [
        bytes(
            m.BookSnapshot(
                seq=1,
                instrument=i + 1,
                ticker=f"T{i}",
                levels=[m.BookLevel(price=100 - at, qty=1, side=m.Side.buy) for at in range(20)],
            )
        )
        for i in range(INSTRUMENTS)
    ]
