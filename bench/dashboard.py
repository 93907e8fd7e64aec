"""A4: how smooth the dashboard stays while the book changes 500 times a second.

Everything is real and on this machine: engine, API, the stream with no interval (each change is told as it happens), a
Chromium without a graphics card, the whole trading workspace shown at 1366x768. Frames are those for which the browser
calls back; two cores are shared by all of it, so what else runs shows.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.harness import Row
from bench.probes import Probes
from services.api.dashboard import files
from tapewire import messages as m
from tapewire.client import OrderClient
from tests.api.stack import Stack
from tests.browser.desk import ARGUMENTS, Desk, chromium

RATE = 500  # book updates a second
SECONDS, QUICK_SECONDS = 20.0, 5.0
WARM_SECONDS = 3.0
LEVELS = 20  # a side
MIDDLE = 6_400_000  # price in ticks of BTCUSDT's 0.01
SETTINGS = "localStorage.setItem('tapewire.settings', JSON.stringify({bookIntervalMs: 0}))"
WATCH = """
async (ms) => {
  const { connection, live } = await import("./js/desk.js");
  const book = live.world.book;
  const before = { messages: connection.received, version: book.value.version, seq: book.value.bookSeq };
  const times = [];
  await new Promise((done) => {
    const until = performance.now() + ms;
    const frame = (now) => {
      times.push(now);
      if (performance.now() < until) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  return {
    times,
    messages: connection.received - before.messages,
    updates: book.value.version - before.version,
    changes: book.value.bookSeq - before.seq,
  };
}
"""


class Flow(threading.Thread):
    """Changes the quantity of one resting order after the other, RATE times a second, whatever the others do."""

    def __init__(self, client: OrderClient) -> None:
        super().__init__()
        self.client, self.stopped, self.sent = client, threading.Event(), 0
        self.orders = [self._rest(level, side) for level in range(LEVELS) for side in (m.Side.buy, m.Side.sell)]

    def _rest(self, level: int, side: m.Side) -> tuple[int, int]:
        price = MIDDLE + (level + 1) * 7 * (1 if side == m.Side.sell else -1)
        cl_ord_id = self.client.new_order(instrument=1, side=side, qty=1000 + level, price=price, account=2)
        accepted = next(one for one in self.client.answers(cl_ord_id) if isinstance(one, m.OrderAccepted))
        return accepted.order_id, price

    def run(self) -> None:
        began = time.perf_counter()
        for order_id, price in itertools.cycle(self.orders):
            if self.stopped.is_set():
                return
            self.client.replace(order_id, 2, price, 1000 + self.sent * 37 % 9000)
            self.sent += 1
            self.client.poll()
            if (early := began + self.sent / RATE - time.perf_counter()) > 0:
                time.sleep(early)


def measured(seconds: float) -> dict[str, Any]:
    """What WATCH tells of a desk before a market that Flow moves, and `rate`, what Flow has sent a second."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        desk = Desk(browser, stack.port)
        desk.context.add_init_script(SETTINGS)
        desk.enter()
        with OrderClient.open(stack.engine.folders.data) as client:
            flow = Flow(client)
            flow.start()
            desk.page.wait_for_timeout(WARM_SECONDS * 1000)
            sent, began = flow.sent, time.perf_counter()
            found: dict[str, Any] = desk.page.evaluate(WATCH, seconds * 1000)
            found["rate"] = (flow.sent - sent) / (time.perf_counter() - began)
            flow.stopped.set()
            flow.join()
        browser.close()
        return found


def per_whole_second(times: list[float]) -> list[int]:
    """Frames of each second, fewest first; `times` in ms. The last second is not whole, and left out."""
    counts = Counter(int((at - times[0]) // 1000) for at in times)
    return sorted(count for second, count in counts.items() if second < max(counts))


def run(probes: Probes) -> Iterator[Row]:
    if chromium() is None or files.missing():
        print(f"A4 is left out: {files.missing() or 'there is no Chromium on PATH'}")
        return
    found = measured(QUICK_SECONDS if probes.quick else SECONDS)
    gaps = sorted(after - before for before, after in itertools.pairwise(found["times"]))
    seconds = sum(gaps) / 1000
    per_second = per_whole_second(found["times"])
    told = f"{found['rate']:.0f} book updates/s sent"
    spread = (float(per_second[0]), float(per_second[-1]))
    yield Row(
        id="A4", metric=f"frames under {told}", value=len(gaps) / seconds, unit="frames/s", n=len(gaps), spread=spread
    )
    changes, updates = found["changes"], found["updates"]
    yield Row(id="A4", metric="book changes in the page", value=changes / seconds, unit="changes/s", n=changes)
    yield Row(id="A4", metric="messages that brought them", value=updates / seconds, unit="messages/s", n=updates)
    yield Row(id="A4", metric="between two frames, p99", value=gaps[len(gaps) * 99 // 100], unit="ms", n=len(gaps))
