from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.cli import cli
from tapewire.errors import ConfigError
from tapewire.fix.auth import write_secret
from tapewire.histogram import Histogram
from tapewire.load import http, ring
from tapewire.load.schedule import Step, intended, parse
from tests.engine_process import EngineProcess

MS = 1_000_000
SECRET = b"a secret of thirty-two bytes ..."


def test_steps_are_parsed_and_spaced_evenly() -> None:
    steps = parse("100x0.05, 2x1")
    assert steps == [Step(100, 0.05), Step(2, 1)]
    assert list(intended(steps)) == [(0, i * 10 * MS) for i in range(5)] + [(1, 50 * MS), (1, 550 * MS)]


@pytest.mark.parametrize("text", ["", "100", "x5", "0x5", "-1x5", "1e9x1", "1x0.1", "100x5;3x2", "1000000x1000"])
def test_other_steps_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text)


class Server:
    """Serves one order after the other in `service` ns, but for a stall; on a clock of its own."""

    def __init__(self, service: int, stall_from: int, stall_to: int, room: int) -> None:
        self.now, self.free = 0, 0
        self.service, self.stall_from, self.stall_to, self.room = service, stall_from, stall_to, room
        self.queue: deque[tuple[int, int]] = deque()
        self.sent: list[int] = []

    def clock(self) -> int:
        self.now += 100  # looking at a clock takes time: nothing waits for ever
        return self.now

    def send(self) -> int | None:
        if len(self.queue) >= self.room:
            return None
        start = max(self.free, self.now)
        if self.stall_from <= start < self.stall_to:
            start = self.stall_to
        self.free = start + self.service
        self.queue.append((len(self.sent), self.free))
        self.sent.append(self.now)
        return len(self.sent) - 1

    def poll(self) -> Iterable[ring.Answer]:
        while self.queue and self.queue[0][1] <= self.now:
            yield ring.Answer(self.queue.popleft()[0], False)

    def wait(self, seconds: float) -> None:
        until = self.now + max(1, int(seconds * 1e9))
        self.now = max(self.now, min(until, self.queue[0][1])) if self.queue else until


def test_a_stall_counts_for_every_order_that_was_due_meanwhile() -> None:
    """100 ms in which nothing is answered and, since there is room for one order, nothing can be sent."""
    server = Server(service=10_000, stall_from=500 * MS, stall_to=600 * MS, room=1)
    recorder = ring.run(server, [Step(1000, 1)], clock=server.clock)
    (measured,) = recorder.steps
    assert (measured.sent, measured.answered, measured.unanswered) == (1000, 1000, 0)
    # Of the 100 orders due in the stall all waited, 50 ms on average; a generator that waits sees one slow order.
    assert measured.uncorrected.percentile(99) < 5 * MS
    assert 80 * MS < measured.corrected.percentile(99) < 105 * MS
    waited = sum(count for bucket, count in measured.corrected.counts() if Histogram.highest_of(bucket) > 10 * MS)
    assert 85 <= waited <= 95
    assert 95 <= measured.late <= 105
    assert 95 * MS < measured.late_ns_max < 105 * MS


def test_with_room_orders_are_sent_on_time_through_a_stall() -> None:
    server = Server(service=10_000, stall_from=500 * MS, stall_to=600 * MS, room=10_000)
    (measured,) = ring.run(server, [Step(1000, 1)], clock=server.clock).steps
    assert measured.late == 0
    assert abs(measured.corrected.percentile(99) - measured.uncorrected.percentile(99)) < 2 * MS
    assert measured.corrected.percentile(99) > 80 * MS


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 50 * MS), min_size=5, max_size=40), st.integers(1, 30))
def test_corrected_latency_is_from_the_intended_time_of_each_order(services: list[int], room: int) -> None:
    class Uneven(Server):
        def send(self) -> int | None:
            self.service = services[len(self.sent)] if len(self.sent) < len(services) else 1
            return super().send()

    server = Uneven(1, -1, -1, room)
    answered: dict[int, int] = {}
    poll = server.poll

    def noted() -> Iterable[ring.Answer]:
        for answer in poll():
            assert isinstance(answer.name, int)
            answered[answer.name] = server.now
            yield answer

    server.poll = noted  # type: ignore[method-assign]
    step = Step(100, len(services) / 100)
    (measured,) = ring.run(server, [step], clock=server.clock).steps
    begin = server.sent[0] - measured.first_sent  # the same clock: 0 but for the looks at it
    total = sum(answered[i] - i * 10 * MS for i in range(len(services)))
    slack = 100 * 1000 * len(services)
    assert abs(measured.corrected.sum - total) <= slack + abs(begin)


def test_what_is_never_answered_is_told_and_ends_the_run() -> None:
    class Silent(Server):
        def poll(self) -> Iterable[ring.Answer]:
            return ()

        def wait(self, seconds: float) -> None:
            self.now += max(1, int(seconds * 1e9))

    server = Silent(1, -1, -1, 1000)
    (measured,) = ring.run(server, [Step(100, 0.1)], clock=server.clock, patience_s=0.5).steps
    assert (measured.sent, measured.unanswered, measured.corrected.count) == (10, 10, 0)


def test_through_a_real_engine(tmp_path: Path) -> None:
    config = 'reference_price = "100.00"\n[[account]]\naccount = 1\n'
    engine = EngineProcess(
        tmp_path,
        engine='producers = [{ name = "operator", role = "operator" }, { name = "load" }]',
        more=f'[[instrument]]\nticker = "ACME"\ntick_size = "0.01"\nlot_size = "1"\n{config}',
    )
    engine.start()
    try:
        engine.wait_for_accounts(1)
        log = tmp_path / "load.hlog"
        arguments = ["load", "ring", "--data", str(engine.folders.data), "--producer", "load", "--ticker", "ACME"]
        more = ["--account", "1", "--steps", "200x0.3,500x0.2", "--json", "--hlog", str(log)]
        result = CliRunner().invoke(cli, [*arguments, *more])
        assert result.exit_code == 0, result.output
        steps = json.loads(result.output)["steps"]
        assert [(one["sent"], one["answered"], one["refused"], one["unanswered"]) for one in steps] == [
            (60, 60, 0, 0),
            (100, 100, 0, 0),
        ]
        for one in steps:
            assert one["corrected"]["count"] == one["sent"]
            assert one["corrected"]["p50_ns"] >= one["uncorrected"]["p50_ns"] > 0
        reader = HistogramLogReader(str(log), HdrHistogram(1, (1 << 40) - 1, 2))
        tags = []
        while (found := reader.get_next_interval_histogram()) is not None:
            tags.append((found.get_tag(), found.get_total_count()))
        reader.close()
        assert tags == [("corrected", 60), ("uncorrected", 60), ("corrected", 100), ("uncorrected", 100)]
        refused = CliRunner().invoke(cli, [*arguments[:-1], "NONE", "--account", "1"])
        assert (refused.exit_code, "no instrument NONE; there are ACME" in refused.output) == (1, True)
    finally:
        engine.end()


class Api:
    """Answers signed orders after `delay`, one connection at a time as they come, on a thread."""

    def __init__(self, delay: float) -> None:
        self.delay, self.requests = delay, list[dict[str, object]]()
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        async def serve() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
            server.close()

        self._loop.run_until_complete(serve())
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                writer.close()
                return
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields["Content-Length"]))
            digest = hashlib.sha256(body).hexdigest()
            text = f"{fields['Tapewire-Timestamp']}\n{fields['Tapewire-Nonce']}\nPOST\n/v1/orders\n{digest}"
            wanted = base64.b64encode(hmac.digest(SECRET, text.encode(), hashlib.sha256)).decode()
            await asyncio.sleep(self.delay)
            status = "201 Created" if fields["Tapewire-Signature"] == wanted else "401 Unauthorized"
            self.requests.append(json.loads(body))
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            await writer.drain()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api(delay=0.02)
    yield made
    made.close()


def test_over_http_a_connection_that_is_busy_makes_what_is_due_wait(api: Api, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    write_secret(secret, SECRET)
    arguments = [
        *("load", "http", "--url", f"http://127.0.0.1:{api.port}", "--key", "k", "--secret-file", str(secret)),
        *("--ticker", "ACME", "--account", "1", "--price", "1.00", "--qty", "1", "--steps", "100x0.3", "--json"),
        *("--connections", "1"),
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    (step,) = json.loads(result.output)["steps"]
    assert (step["sent"], step["answered"], step["refused"]) == (30, 30, 0)
    # Answers take 20 ms and orders are due every 10: the last of them waited for some 300 ms, on a slow machine longer.
    assert step["corrected"]["max_ns"] > max(200 * MS, 2 * step["uncorrected"]["p50_ns"])
    assert len({str(one["cl_ord_id"]) for one in api.requests}) == 30
    assert api.requests[0]["time_in_force"] == "ioc"


def test_over_http_a_refusal_is_counted_and_no_server_is_one_clear_line(api: Api, tmp_path: Path) -> None:
    order = http.Order(1, "ACME", "1.00", "1")
    target = http.Target(f"http://127.0.0.1:{api.port}", "k", lambda text: "wrong")
    (step,) = asyncio.run(http.run(target, order, [Step(100, 0.05)], connections=8)).steps
    assert (step.sent, step.refused) == (5, 5)
    secret = tmp_path / "key"
    write_secret(secret, SECRET)
    arguments = [
        *("load", "http", "--url", "http://127.0.0.1:9", "--key", "k", "--secret-file", str(secret)),
        *("--ticker", "ACME", "--account", "1", "--price", "1.00", "--qty", "1", "--steps", "100x0.1"),
    ]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1
    assert result.output.startswith("tapewire: http://127.0.0.1:9: ")
