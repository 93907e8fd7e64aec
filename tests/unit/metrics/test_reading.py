from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.consumers import ConsumerPosition
from tapewire.folders import Folders
from tapewire.histogram import StatsPage
from tapewire.metrics import processes
from tapewire.metrics.reading import HostReader
from tapewire.metrics.samples import Reading
from tapewire.ring import RingProducer, create_ring
from tapewire.tape import TapeWriter


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "data")
    made.prepare(tmp_path / "rings")
    return made


def read_once(folders: Folders) -> Reading:
    reader = HostReader(folders)
    try:
        return reader.read()
    finally:
        reader.close()


def test_counters_of_a_page_become_the_metrics_that_the_table_names(folders: Folders) -> None:
    with StatsPage.create(folders.stats / "connector.kraken", ["decode_ns"], ["gaps", "instruments", "live"]) as page:
        page.add("gaps", 3)
        page.set("instruments", 4)
        page.set("live", 4)
        page.histogram("decode_ns").record(500)
        reading = read_once(folders)
        assert reading.value("tapewire_feed_gaps_total", "kraken") == 3
        assert reading.value("tapewire_feed_books_live", "kraken") == 4
        assert reading.value("tapewire_service_up", "connector.kraken") == 1
        assert reading.histograms["tapewire_feed_decode_seconds"][("kraken",)].count == 1


def test_a_page_whose_writer_is_gone_has_a_service_that_is_down_and_no_live_books(folders: Folders) -> None:
    page = StatsPage.create(folders.stats / "connector.kraken", [], ["instruments", "live"])
    page.set("instruments", 4)
    page.set("live", 4)
    page.close()
    reading = read_once(folders)
    assert reading.value("tapewire_service_up", "connector.kraken") == 0
    assert reading.value("tapewire_feed_books", "kraken") == 4
    assert reading.value("tapewire_feed_books_live", "kraken") == 0


def test_pages_and_counters_that_no_table_knows_are_told_all_the_same(folders: Folders) -> None:
    with StatsPage.create(folders.stats / "novelty", ["wait"], ["things"]) as page:
        page.add("things", 7)
        reading = read_once(folders)
        assert reading.value("tapewire_page_counter", "novelty", "things") == 7
        assert ("novelty", "wait") in reading.histograms["tapewire_page_seconds"]


def test_numbers_of_the_api_and_its_stream_have_names(folders: Folders) -> None:
    counters = ["received", "waiting", "refused.429", "stream.clients", "stream.bytes"]
    with StatsPage.create(folders.stats / "api.0", ["answer"], counters) as page:
        for value, name in enumerate(counters, start=1):
            page.set(name, value)
        reading = read_once(folders)
        assert reading.value("tapewire_api_received_total", "0") == 1
        assert reading.value("tapewire_api_waiting", "0") == 2
        assert reading.value("tapewire_api_refused_total", "0", "429") == 3
        assert reading.value("tapewire_stream_clients", "0") == 4
        assert reading.value("tapewire_stream_bytes_total", "0") == 5
        assert "tapewire_page_counter" not in reading.values


def test_a_page_that_is_none_is_counted_and_the_rest_is_told(folders: Folders) -> None:
    (folders.stats / "broken").write_bytes(b"no page")
    with StatsPage.create(folders.stats / "engine.0", [], ["commands"]) as page:
        page.add("commands", 2)
        reader = HostReader(folders)
        reader.read()
        reading = reader.read()
        assert reading.value("tapewire_scrape_errors_total", "broken") == 2
        assert reading.value("tapewire_engine_commands_total", "0") == 2


def test_tapes_consumers_and_rings(folders: Folders) -> None:
    now = time.time_ns()
    with TapeWriter(folders.tape("md.kraken"), durability="memory") as tape:
        for seq in range(1, 6):
            tape.append(bytes(m.FeedStatus(seq=seq, ts=now)))
        tape.commit()
        for name, seq in (("reader", 3), ("reader.restart", 1)):
            position = ConsumerPosition(folders.tape("md.kraken"), name)
            position.store(seq)
            position.close()
        create_ring(folders.md_ring("kraken"), 4096)
        with RingProducer(folders.md_ring("kraken")) as ring:
            ring.write(b"x" * 40)
            reading = read_once(folders)
    assert reading.value("tapewire_tape_records_total", "md.kraken") == 5
    assert reading.value("tapewire_tape_writer", "md.kraken") == 1
    assert reading.value("tapewire_tape_last_record_timestamp_seconds", "md.kraken") == pytest.approx(now / 1e9)
    assert list(reading.of("tapewire_consumer_lag_records")) == [({"tape": "md.kraken", "consumer": "reader"}, 2)]
    assert reading.value("tapewire_ring_capacity_bytes", "md.kraken") == 4096
    used = reading.value("tapewire_ring_used_bytes", "md.kraken")
    assert used is not None
    assert used >= 40
    assert (
        reading.value("tapewire_ring_producer", "md.kraken"),
        reading.value("tapewire_ring_consumer", "md.kraken"),
    ) == (1, 0)


def test_refusals_count_from_the_first_look_and_kill_switches_from_the_tapes_beginning(folders: Folders) -> None:
    with TapeWriter(folders.orders_tape(0), durability="memory") as tape:

        def put(*messages: m.Message) -> None:
            for message in messages:
                tape.append(bytes(message.replace(seq=tape.next_seq)))
            tape.commit()

        no_cash, refused = m.RejectReason.max_notional, m.RejectReason.not_permitted
        put(
            m.OrderRejected(reason=no_cash),
            m.KillSwitch(account=3, engaged=True),
            m.KillSwitch(account=4, engaged=True),
        )
        reader = HostReader(folders)
        first = reader.read()
        assert first.values.get("tapewire_risk_refused_total") is None
        assert {labels["account"]: on for labels, on in first.of("tapewire_risk_kill_switch_engaged")} == {
            "3": 1,
            "4": 1,
        }
        put(
            m.OrderRejected(reason=no_cash),
            m.CancelRejected(reason=no_cash),
            m.KillSwitch(account=3, engaged=False, decision=refused),
            m.KillSwitch(account=4, engaged=False),
        )
        second = reader.read()
        assert second.value("tapewire_risk_refused_total", "0", "max_notional") == 2
        assert second.value("tapewire_risk_kill_switch_engaged", "0", "3") == 1
        assert second.value("tapewire_risk_kill_switch_engaged", "0", "4") == 0
        reader.close()


def test_parents_of_a_router_by_state(folders: Folders) -> None:
    with TapeWriter(folders.router_tape(0), durability="memory") as tape:
        reader = HostReader(folders)
        reader.read()
        states = ((1, m.ParentState.waiting), (2, m.ParentState.working), (1, m.ParentState.working))
        for parent, state in states:
            tape.append(bytes(m.ParentChanged(seq=tape.next_seq, parent_id=parent, state=state)))
        tape.append(bytes(m.NewChild(seq=tape.next_seq)))
        tape.commit()
        reading = reader.read()
        assert reading.value("tapewire_router_parents", "0", "working") == 2
        assert reading.value("tapewire_router_parents", "0", "waiting") == 0
        assert reading.value("tapewire_router_records_total", "0", "new_child") == 1
        reader.close()


@pytest.mark.parametrize(
    ("line", "service"),
    [
        ("python -m services.engine --config x.toml", "engine"),
        ("python -m services.connector kraken --config x.toml", "connector.kraken"),
        ("python -m services.gateway", "gateway"),
        ("python -m services.gateway.front --config x", "gateway.front"),
        ("python -m services.gateway.initiator --venue broker --config x", "venue.broker"),
        ("python -m services.simulator traders --data d", "simulator.traders"),
        ("/opt/bin/python /opt/bin/tapewire journal --config x", "journal"),
        ("/opt/bin/python /opt/bin/tapewire venue broker --config x", "venue.broker"),
        ("/opt/bin/python /opt/bin/tapewire tape tail orders.0", None),
        ("vim services.engine", None),
        ("", None),
    ],
)
def test_a_command_line_tells_its_service(line: str, service: str | None) -> None:
    assert processes.service_of(line.split()) == service


def test_a_process_is_found_by_what_it_has_open_and_named_by_the_page_it_writes(
    folders: Folders, tmp_path: Path
) -> None:
    package = tmp_path / "code" / "services" / "engine"
    package.mkdir(parents=True)
    for path in (package / "__init__.py", package.parent / "__init__.py"):
        path.touch()
    (package / "__main__.py").write_text(
        "import os, sys\n"
        "sys.path.insert(0, os.environ['SOURCE'])\n"
        "from tapewire.histogram import StatsPage\n"
        "page = StatsPage.create(os.environ['PAGE'], [], ['commands'])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "SOURCE": str(root), "PAGE": str(folders.stats / "engine.7")}
    with subprocess.Popen(
        [sys.executable, "-m", "services.engine"],
        cwd=tmp_path / "code",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (found,) = processes.find((folders.data, folders.rings))
        assert (found.service, found.pid, found.threads) == ("engine.7", process.pid, 1)
        assert found.resident_bytes > 1 << 20
        assert abs(found.started - time.time()) < 30
        reader = HostReader(folders)
        assert reader.read().value("tapewire_service_up", "engine.7") == 1
        process.communicate()
        assert reader.read().value("tapewire_service_up", "engine.7") == 0


def test_another_platforms_processes_are_not_ours(tmp_path: Path) -> None:
    assert processes.find((tmp_path / "elsewhere",)) == []


def test_a_sample_with_other_labels_than_its_metrics_is_refused() -> None:
    reading = Reading()
    with pytest.raises(ValueError, match="tapewire_service_up"):
        reading.put("tapewire_service_up", 1)
    with pytest.raises(KeyError):
        reading.put("tapewire_no_such", 1)


def test_the_clock_and_the_disks_are_told(folders: Folders) -> None:
    reading = read_once(folders)
    free = reading.value("tapewire_disk_free_bytes", "data")
    assert free is not None
    assert free > 0
    assert abs(reading.values["tapewire_clock_step_seconds"][()]) < 0.5
    assert reading.values["tapewire_clock_synchronized"][()] in (0, 1)
