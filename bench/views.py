"""V1 to V5: what the API keeps of an orders tape. Folding, starting, looking back, and how long the loop is held.

The tape is that of the engine's bench: 8 instruments, 64 accounts, some 8,000 live orders, a million records. All is
CPU time of one core; the collector is off but for V5, as in the process that folds the past.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench._engine_native import Market
from bench.harness import Row, median
from bench.probes import Probes
from services.api.hub import Event, Hub, picture
from services.api.hub.past import PICTURE_EVERY, Past
from services.api.hub.past import begin as begun
from services.api.hub.pictures import Pictures
from tapewire import config as configuration
from tapewire import logs
from tapewire.tape import TapeReader
from tapewire.views import Views

COMMANDS = 420_000  # some million records
QUESTIONS = 60
STEP = 500  # records that a slider moves by
RUNS = 3
LOUD = 200_000  # records folded with listeners
SEGMENT = 1 << 29
LOG = logs.get("bench")


def folded(raws: list[bytes], quiet: bool) -> float:
    views = Views("bench")
    views.quiet = quiet
    began = time.process_time()
    for raw in raws:
        views.fold(raw)
    return time.process_time() - began


def rate(id: str, metric: str, raws: list[bytes], quiet: bool) -> Row:
    value, (least, most) = median(lambda: folded(raws, quiet), RUNS)
    n = len(raws)
    return Row(
        id=id, metric=metric, value=n / value, unit="records/s of CPU time", n=RUNS * n, spread=(n / most, n / least)
    )


def start(tape: Path) -> tuple[float, int]:
    """Seconds to a fold of all that is on the tape, and how many records were behind the picture."""
    began = time.process_time()
    follower = begun(tape, "bench", LOG)
    views, from_seq = follower.views, follower.views.at_seq
    views.quiet = True
    while raws := follower.poll(4096):
        for raw in raws:
            views.fold(raw)
        follower.last = raws[-1]
    follower.close()
    return time.process_time() - began, views.at_seq - from_seq


def asked(past: Past, seqs: list[int]) -> list[float]:
    """Milliseconds to all that the dashboard shows, as JSON, for each of them."""
    took = []
    for seq in seqs:
        began = time.process_time()
        msgspec.json.encode(picture.as_of(past.at(seq, bool), None, {}, ["house"]))
        took.append((time.process_time() - began) * 1e3)
    return took


def latencies(id: str, metric: str, took: list[float]) -> Row:
    spread, unit = (min(took), max(took)), "ms of CPU time"
    return Row(id=id, metric=metric, value=statistics.median(took), unit=unit, n=len(took), spread=spread)


async def held(folder: Path, commands: Market, scale: int) -> tuple[list[float], int, int]:
    """Milliseconds that each poll held the loop while it took in a burst with listeners to everything."""
    settings = folder / "tapewire.toml"
    settings.write_text(f'env = "bench"\ndata = "{folder}"\nrings = "{folder}/rings"\n')
    hub = Hub(configuration.load(settings), None, LOG, time.time_ns)
    heard: list[Event] = []
    await hub.start()
    hub.listen(heard.append, ("book", "trades", "quotes", "bars", "orders", "fills", "positions", "risk", "tape"))
    began = hub.seq
    commands.alone_ns(scale)
    took, more = [], True
    while more:
        at = time.process_time()
        more = hub.poll()
        took.append((time.process_time() - at) * 1e3)
        heard.clear()
        await asyncio.sleep(0)
    records = hub.seq - began
    await hub.close()
    return took, records, len(took)


def run(probes: Probes) -> Iterator[Row]:
    gc.disable()
    try:
        yield from measured(probes)
    finally:
        gc.enable()


def measured(probes: Probes) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="views-", dir=probes.folder) as disk,
        tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as memory,
    ):
        folder = Path(disk)
        tape = folder / "tapes" / "orders.0"
        tape.parent.mkdir()
        market = Market(tape, disk=True, ring=Path(memory) / "ring", segment_bytes=SEGMENT)
        market.alone_ns(probes.scale(COMMANDS))
        with TapeReader(tape, limit="written") as reader:
            raws = list(reader)
        yield rate("V1", "fold of an orders tape, nobody told", raws, quiet=True)
        yield rate("V1", "fold of an orders tape, all changes told", raws[:LOUD], quiet=False)
        past = Past(tape, "bench", LOG, Pictures(tape, "bench", LOG))
        began = time.process_time()
        while past.keep_up():
            pass
        took = time.process_time() - began
        yield Row(
            id="V2",
            metric=f"fold with a picture every {PICTURE_EVERY:,}",
            value=len(raws) / took,
            unit="records/s",
            n=1,
        )
        value, spread = median(lambda: start(tape)[0], RUNS)
        behind = start(tape)[1]
        metric = f"start after {len(raws):,} records, {behind:,} behind the picture"
        yield Row(id="V3", metric=metric, value=value, unit="s of CPU time", n=RUNS, spread=spread)
        pick = random.Random(1)
        yield latencies("V4", "as of any past seq", asked(past, [pick.randint(1, len(raws)) for _ in range(QUESTIONS)]))
        first = len(raws) // 2
        steps = list(range(first, first + STEP * QUESTIONS, STEP))
        yield latencies("V4", f"as of, a slider moved on by {STEP}", asked(past, [s for s in steps if s <= len(raws)]))
        past.close()
        held_ms, records, polls = asyncio.run(held(folder, market, probes.scale(40_000)))
        metric = f"the loop held by one poll, {records:,} records, everything heard"
        yield Row(id="V5", metric=metric, value=max(held_ms), unit="ms of CPU time, the longest", n=polls)
        metric = "records taken in with everything heard"
        yield Row(id="V5", metric=metric, value=records / sum(held_ms) * 1e3, unit="records/s of CPU time", n=records)
        market.close()
