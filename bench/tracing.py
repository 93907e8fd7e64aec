"""A3: what tracing costs an order flow. Engine and client of engine_native.hpp, with and without stage log and monitor.

Engine and client spin, each pinned to a core of its own, and take all of both. The monitor is a process beside them, as
it is shipped (`[monitor] nice`): it gets what they leave it, follows the tape at 1 % of the orders, and sends its spans
to a collector that is a process, too. Runs with and without alternate, and each is judged by the one before it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench._engine_native import Market
from bench.harness import Row
from bench.probes import Probes
from tapewire import config
from tapewire.folders import Folders
from tapewire.histogram import StatsPage
from tapewire.traces import ids
from tapewire.traces.reading import Reading
from tapewire.traces.spans import spans_of
from tapewire.traces.work import Work

PAIRS = 9
SHARE = 0.01
WINDOW, DISK_WINDOW = 4096, 1024
WARM_UP = 50_000  # commands until the market has its live orders
SEGMENT = 1 << 29
READY_S = 60.0
# Takes spans and forgets them: it costs as little as a collector can.
SINK = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
SETTINGS = """
env = "bench"
data = "{data}"
rings = "{rings}"
[engine]
producers = [{{ name = "operator", role = "operator" }}]
[monitor]
otlp_url = "http://127.0.0.1:{port}"
sample = {share}
rejected = false
slow_percentile = 0.0
metrics_port = 0
"""


def run(probes: Probes) -> Iterator[Row]:
    yield from compared(probes, False, WINDOW, probes.scale(400_000), 1 << 30)
    yield from compared(probes, True, DISK_WINDOW, probes.scale(100_000), 1 << 28)
    yield from of_the_monitor(probes)


def compared(probes: Probes, disk: bool, window: int, commands: int, segment: int) -> Iterator[Row]:
    """What a run with tracing does less than the run without it just before."""
    rates: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as stack:
        plain, _ = opened(stack, probes, disk, segment)
        traced, folders = opened(stack, probes, disk, segment)
        traced.keep_stages(folders.stages("orders.0", "engine"))
        page = stack.enter_context(monitoring(folders))
        begun = page.counters()
        for _ in range(PAIRS):
            for market, found, cost in zip((plain, traced), rates, costs, strict=True):
                cost.append(market.alone_ns(commands // 8) / (commands // 8))
                found.append(commands / market.stream_ns(commands, window, *probes.cores) * 1e3)
            wait_for(page)
        seen = {name: value - begun[name] for name, value in page.counters().items()}
    where = f"durability {'disk' if disk else 'memory'}"
    for found, cost, what in zip(rates, costs, ("no tracing", "tracing 1 %"), strict=True):
        n, spread = PAIRS * commands, (min(found), max(found))
        yield Row(
            id="A3", metric=f"{what}, {where}", value=statistics.median(found), unit="M commands/s", n=n, spread=spread
        )
        spread = (min(cost), max(cost))
        name = f"engine's CPU of a command, {what}, {where}"
        yield Row(id="A3", metric=name, value=statistics.median(cost), unit="ns", n=n // 8, spread=spread)
    for what, one in (("throughput", rates), ("engine's CPU", costs)):
        ratios = [a / b if what == "throughput" else b / a for a, b in zip(*one, strict=True)]
        losses = sorted(100 * (1 - 1 / ratio) for ratio in ratios)
        yield Row(
            id="A3",
            metric=f"loss of {what} by tracing 1 %, {where}",
            value=statistics.median(losses),
            unit="%",
            n=PAIRS,
            spread=(losses[0], losses[-1]),
        )
    yield Row(id="A3", metric=f"orders traced meanwhile, {where}", value=seen["traces"], unit="", n=seen["works"])


def opened(stack: ExitStack, probes: Probes, disk: bool, segment: int) -> tuple[Market, Folders]:
    """A market with its live orders, on the disk or in memory, where a running platform would have it."""
    root = probes.folder if disk else Path("/dev/shm")
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir=root)))
    memory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm")))
    folders = Folders(data)
    folders.prepare(memory)
    market = Market(folders.orders_tape(0), ring=memory / "ring", segment_bytes=segment, disk=disk)
    stack.callback(market.close)
    market.alone_ns(WARM_UP)
    return market, folders


@contextmanager
def monitoring(folders: Folders) -> Iterator[StatsPage]:
    """A monitor that has caught up with the tape, and its collector."""
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE) as sink:
        assert sink.stdout is not None
        port, settings, log = int(sink.stdout.readline()), folders.data / "tapewire.toml", folders.data / "log"
        settings.write_text(SETTINGS.format(data=folders.data, rings=folders.rings.readlink(), port=port, share=SHARE))
        command = [sys.executable, "-m", "services.monitor", "--config", str(settings)]
        with log.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
            try:
                path, deadline = folders.stats / "monitor", time.monotonic() + READY_S
                while not path.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"the monitor does not start: {log.read_text()}")
                    time.sleep(0.1)
                page = StatsPage.open(path)
                wait_for(page)
                yield page
            finally:
                process.kill()
                sink.kill()


def wait_for(page: StatsPage) -> None:
    """Until the monitor has seen all there is: what it catches up with must not fall into the next run. Its page is
    written once a second."""
    deadline = time.monotonic() + READY_S
    before = -1
    while True:
        counters = page.counters()
        if counters["records"] == before and not counters["lag_records"]:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"the monitor does not catch up: {counters}")
        before = counters["records"]
        time.sleep(1.1)


def of_the_monitor(probes: Probes) -> Iterator[Row]:
    """What it costs the monitor itself: CPU of a record followed, of an order's spans made."""
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-", dir="/dev/shm") as folder:
        data = Path(folder)
        folders = Folders(data)
        folders.prepare(data / "memory")
        market = Market(folders.orders_tape(0), ring=data / "memory" / "ring", segment_bytes=SEGMENT)
        market.keep_stages(folders.stages("orders.0", "engine"))
        market.alone_ns(probes.scale(100_000))
        (data / "tapewire.toml").write_text(SETTINGS.format(data=data, rings=data / "memory", port=9, share=SHARE))
        settings = config.load(data / "tapewire.toml", {})
        reading = Reading(settings, 1, lambda trace: ids.is_sampled(trace, SHARE), time.time_ns())
        began, records, works = time.process_time(), 0, list[Work]()
        while (found := reading.turn(128, time.time_ns())).records:
            records += found.records
            works += [work for work in found.works if work.identity.kept]
        followed = time.process_time() - began
        began = time.process_time()
        spans = sum(len(spans_of(work, reading.terms)) for work in works)
        made = time.process_time() - began
        reading.close()
        market.close()
    yield Row(
        id="A3", metric="CPU of the monitor, a record followed", value=followed / records * 1e6, unit="µs", n=records
    )
    yield Row(id="A3", metric="CPU of the monitor, a span made", value=made / max(1, spans) * 1e6, unit="µs", n=spans)
