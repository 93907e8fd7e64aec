"""Latest values: what a read costs from Python, and what the sequencer of a feed pays for each message."""

from __future__ import annotations

import itertools
import tempfile
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from bench.harness import Row, median
from bench.probes import Probes
from tapewire import messages as m
from tapewire.latest import LatestReader, LatestWriter

T = TypeVar("T")
RUNS = 7
INSTRUMENTS = 64


def run(probes: Probes) -> Iterator[Row]:
    count = max(INSTRUMENTS, probes.scale(16_384))
    with (
        tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as name,
        LatestWriter(Path(name) / "latest", instruments=INSTRUMENTS) as writer,
    ):
        for raw in _snapshots():
            writer.put(raw)
        with LatestReader(Path(name) / "latest") as reader:
            tickers = [f"T{i % INSTRUMENTS}" for i in range(count)]
            yield _row(probes, "LV1", "latest(ticker) from Python", reader.get, lambda _: tickers)
        for number, what, kind in (
            ("LV2", "a quote into the page", _quote),
            ("LV3", "a trade into the page", _trade),
            ("LV4", "a delta of one level into the page", _delta),
            ("LV5", "a message that is no market data", _other),
        ):
            # Each message is a new one: the page knows again what it has folded before.
            def of_run(at: int, kind: Callable[[int], bytes] = kind) -> list[bytes]:
                return [kind(seq) for seq in range(at * count, (at + 1) * count)]

            yield _row(probes, number, what, writer.put, of_run)


def _row(probes: Probes, number: str, what: str, call: Callable[[T], object], of_run: Callable[[int], list[T]]) -> Row:
    runs = itertools.count()
    count = len(of_run(0))

    def measure() -> float:
        values = of_run(next(runs))

        def all_of_them() -> None:
            for value in values:
                call(value)

        def none_of_them() -> None:
            for _value in values:
                pass

        loop = timeit.timeit(none_of_them, number=1)
        return (timeit.timeit(all_of_them, number=1) - loop) / count * 1e9

    value, spread = median(measure, RUNS)
    probe = probes.fresh("empty_call_ns")
    return Row(
        id=number,
        metric=what,
        value=value,
        unit="ns",
        probe="empty_call_ns",
        ratio=value / probe,
        n=RUNS * count,
        spread=spread,
    )


def _terms(seq: int) -> dict[str, Any]:
    i = seq % INSTRUMENTS
    return {"seq": seq + 2, "ts": seq + 2, "instrument": i + 1, "ticker": f"T{i}"}


def _quote(seq: int) -> bytes:
    return bytes(m.Quote(bid_price=100, bid_qty=1, ask_price=101, ask_qty=1, **_terms(seq)))


def _trade(seq: int) -> bytes:
    return bytes(m.Trade(price=100, qty=1, **_terms(seq)))


def _delta(seq: int) -> bytes:
    level = m.BookLevel(price=100, qty=seq % 7 + 1, side=m.Side.buy)
    return bytes(m.BookDelta(book_seq=seq // INSTRUMENTS + 1, levels=[level], **_terms(seq)))


def _other(seq: int) -> bytes:
    return bytes(m.OrderAccepted(seq=seq + 2, instrument=1))


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
