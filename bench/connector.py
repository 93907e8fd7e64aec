"""D1: CPU time of one Binance frame from its bytes to the ring: decoded, normalised, numbered, written.

The frames are the recorded ones where the recordings are (TAPEWIRE_RECORDINGS), else made in the same shape. The bus is
not part of it; the ring is emptied, outside the measured time, before it fills.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

from bench.harness import Row, median
from bench.probes import Probes
from services.connector.binance import BinanceSession
from services.connector.replay import Event, Replay, read_hftbacktest
from tapewire.clock import SystemClock
from tapewire.feed.actions import InstrumentDefined
from tapewire.feed.publisher import Publisher
from tapewire.messages import BookQuality
from tapewire.ring import RingConsumer, RingProducer, create_ring
from tapewire.testing import recordings

RECORDING = "binance/hftbacktest/spot_btcusdt_20240808.gz"
KINDS = {"trade": b"@trade", "depth": b"@depth", "quote": b"@bookTicker"}
RING_BYTES = 1 << 24
FRAMES_PER_RUN = 20_000
FRAMES_PER_LAP = 2_000
RUNS = 7


class NoBus:
    def publish(self, subject: str, payload: bytes, headers: bytes | None = None) -> bool:
        return True


def recorded() -> list[Event]:
    path = recordings.folder() / RECORDING
    return list(read_hftbacktest(path, "BTCUSDT")) if path.exists() else []


def generated(count: int) -> list[Event]:
    """Frames of the recorded shape: a snapshot, then trades, quotes and diffs of five levels a side."""
    random, update, quote, trade, now = Random(1), 1_000, 1_000, 1, 1_700_000_000_000_000_000
    level = '["{}","{:.8f}"]'
    price = Decimal("61737.63000000")
    snapshot = '{{"lastUpdateId":1000,"bids":[{}],"asks":[{}]}}'.format(
        ",".join(level.format(price - n, 1) for n in range(500)),
        ",".join(level.format(price + 1 + n, 1) for n in range(500)),
    )
    events = [Event(now, snapshot.encode(), "rest", "/api/v3/depth?symbol=BTCUSDT&")]
    for _ in range(count):
        now += 2_000_000
        kind = random.choice(("trade", "trade", "quote", "depth"))
        if kind == "trade":
            trade += 1
            data = (
                f'{{"e":"trade","E":{now // 10**6},"s":"BTCUSDT","t":{trade},"p":"{price}","q":"0.02000000",'
                f'"T":{now // 10**6},"m":{random.choice(("true", "false"))},"M":true}}'
            )
        elif kind == "quote":
            quote += 1
            data = f'{{"u":{quote},"s":"BTCUSDT","b":"{price}","B":"3.78826000","a":"{price + 1}","A":"1.54698000"}}'
        else:
            update += 1
            bids = ",".join(level.format(price - random.randrange(500), random.random()) for _ in range(5))
            asks = ",".join(level.format(price + 1 + random.randrange(500), random.random()) for _ in range(5))
            data = (
                f'{{"e":"depthUpdate","E":{now // 10**6},"s":"BTCUSDT","U":{update},"u":{update},'
                f'"b":[{bids}],"a":[{asks}]}}'
            )
        stream = {"trade": "trade", "quote": "bookTicker", "depth": "depth@100ms"}[kind]
        events.append(Event(now, f'{{"stream":"btcusdt@{stream}","data":{data}}}'.encode()))
    return events


def measured(events: list[Event], kind: bytes, frames: int, folder: Path) -> Iterator[float]:
    """ns of CPU per frame of this kind, run after run; every other frame passes through unmeasured."""
    path = folder / "md.bench"
    while True:
        path.unlink(missing_ok=True)
        create_ring(path, RING_BYTES)
        session = BinanceSession(["BTCUSDT"], 100, Random(1))
        with RingProducer(path) as ring, RingConsumer(path) as consumer:
            publisher = Publisher(
                env="bench",
                feed="binance",
                source=1,
                tickers=["BTCUSDT"],
                ring=ring,
                bus=NoBus(),
                next_seq=1,
                clock=SystemClock(),
                snapshot=session.snapshot,
            )
            replay = Replay(session)
            snapshot_at = next(n for n, event in enumerate(events) if event.kind == "rest")
            replay.begin(events)
            for event in events[: snapshot_at + 1]:
                replay.feed(event)
            assert session.instruments[0].book.quality == BookQuality.live
            for update in replay.of(InstrumentDefined):
                publisher.publish(update, 0)
            datas = [e.data for e in events[snapshot_at + 1 :] if kind in e.data[:60]][:frames]
            spent = 0
            clock, publish, on_frame = time.time_ns, publisher.publish, session.on_frame
            for at in range(0, len(datas), FRAMES_PER_LAP):
                lap = datas[at : at + FRAMES_PER_LAP]
                started = time.process_time_ns()
                for data in lap:
                    now = clock()
                    for action in on_frame(data, now):
                        publish(action, now)  # type: ignore[arg-type]
                spent += time.process_time_ns() - started
                while consumer.poll(4096):
                    consumer.release()
            assert publisher.dropped == 0
            assert session.counters.gaps == session.counters.malformed == session.counters.impossible == 0
            assert publisher.published >= len(datas) // 2
            yield spent / len(datas)


def run(probes: Probes) -> Iterator[Row]:
    events = recorded()
    source = "recorded" if events else "generated"
    events = events or generated(probes.scale(60_000))
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as name:
        for what, kind in KINDS.items():
            frames = min(probes.scale(FRAMES_PER_RUN), sum(kind in event.data[:60] for event in events))
            runs = measured(events, kind, frames, Path(name))
            next(runs)  # the first warms caches, and is not counted
            ns, spread = median(lambda runs=runs: next(runs), RUNS)  # type: ignore[misc]
            del runs  # closes its ring
            probe = probes.value("empty_call_ns")
            yield Row(
                id="D1" if what == "trade" else f"D1.{what}",
                metric=f"Binance {what} frame, decoded, normalised, on the ring ({source})",
                value=ns / 1000,
                unit="µs CPU",
                probe="empty_call_ns",
                ratio=ns / probe,
                n=frames * RUNS,
                spread=(spread[0] / 1000, spread[1] / 1000),
            )
