"""A tick's trace over a real bus: venue, connector and subscriber are processes, and a collector gets the spans."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.trace_context import of_headers, tick_context
from tests.integration.test_connector_process import Flusher, configured, connector, listening
from tests.integration.test_connector_shell import Answers, Venue, flows, rest  # noqa: F401
from tests.otlp_receiver import Got, OtlpReceiver

pytestmark = pytest.mark.slow  # three services are started; what becomes of a tick is in tests/unit/services/monitor
EVERY = 8


async def test_one_message_in_so_many_is_traced_from_the_venues_socket_to_a_subscriber(
    tmp_path: Path,
    nats_server: NatsServer,
    rest: str,  # noqa: F811
) -> None:
    Answers.last_id = 100
    heard: list[Received] = []
    with OtlpReceiver() as collector:
        async with listening(nats_server, heard), Venue(flows).running() as venue:
            path = configured(tmp_path, venue, rest, nats_server)
            path.write_text(
                f'{path.read_text()}\n[monitor]\ntick_every = {EVERY}\notlp_url = "{collector.url}"\nmetrics_port = 0\n'
            )
            (tmp_path / "data" / "tapes").mkdir(parents=True)
            monitor = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.monitor", "--config", str(path)), stderr=asyncio.subprocess.PIPE
            )
            try:
                async with connector(path) as process:
                    flusher = Flusher(tmp_path / "rings" / "md.binance")
                    deadline = time.monotonic() + 60
                    while len(ticks(collector.spans)) < 3:
                        assert time.monotonic() < deadline, collector.spans
                        await flusher.until(len(flusher.records) + 1)
                    process.send_signal(signal.SIGTERM)
                    await process.wait()
            finally:
                monitor.terminate()
                _, errors = await asyncio.wait_for(monitor.communicate(), 60)
            assert monitor.returncode == 0, errors.decode()
    env = f"t{os.getpid()}"
    on_bus = {
        (one := m.decode(message.data)).seq: (message, one) for message in heard if ".ops." not in message.subject
    }
    marked = {seq for seq, (message, _) in on_bus.items() if message.headers and of_headers(message.headers)}
    found = ticks(collector.spans)
    for seq, (root, normalise, bus) in found.items():
        message, record = on_bus[seq]
        assert message.headers == {"traceparent": tick_context(env, "binance", seq).traceparent()}
        assert (root.trace_id, root.span_id) == tick_context(env, "binance", seq)[:2]
        assert [(one.service, one.parent_id) for one in (root, normalise, bus)] == [
            ("tapewire connector", ""),
            ("tapewire connector", root.span_id),
            ("tapewire subscriber", root.span_id),
        ]
        assert (root.start, normalise.start, normalise.end) == (record.ts_recv, record.ts_recv, record.ts)
        assert (bus.start, bus.end) == (record.ts, root.end)
        assert root.end > record.ts
        at = {key.removeprefix("tapewire."): value for key, value in root.attributes.items()}
        assert (at["feed"], at["kind"], at["ticker"]) == ("binance", message.subject.split(".")[2], "BTCUSDT")
    # Nothing else was followed, and one message in so many carries a mark.
    assert set(found) <= marked
    assert {seq % EVERY for seq in marked} == {next(iter(marked)) % EVERY}


def ticks(spans: list[Got]) -> dict[int, tuple[Got, Got, Got]]:
    """By seq: root, normalise and bus of those that are whole."""
    by_trace: dict[str, dict[str, Got]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, {})[span.name] = span
    names = ("tick", "normalise", "bus")
    return {
        int(one["tick"].attributes["tapewire.seq"]): (one["tick"], one["normalise"], one["bus"])
        for one in by_trace.values()
        if one.keys() >= set(names)
    }
