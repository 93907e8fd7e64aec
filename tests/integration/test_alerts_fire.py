"""A running platform scraped by a real Prometheus: every panel's query answers, and what is broken raises its alert."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.monitor.dashboards import DASHBOARDS
from services.monitor.generate import ROOT
from tapewire.demo import opening, settings
from tapewire.demo.supervisor import Supervisor
from tapewire.folders import Folders, default_rings
from tapewire.metrics.definitions import GROUPS, METRICS, series
from tapewire.nats_server import NatsServer
from tests.stopped import go_on, stop
from tools.services.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]
VENUES = ("kraken", "binance")
PATIENCE_S = 60.0
# What this platform has no process, page or event for.
ABSENT = {"API", "Gateway", "Parts of the engine", "Relay", "Replicas", "Router", "Sinks", "Stream", "Tracing"}
SELDOM = {
    *("tapewire_scrape_errors_total", "tapewire_page_counter", "tapewire_page_seconds"),
    *("tapewire_risk_refused_inputs_total", "tapewire_risk_kill_switch_engaged"),
}


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until(what: str, met: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    ends = time.monotonic() + patience_s
    while not (found := met()):
        assert time.monotonic() < ends, f"not within {patience_s:g} s: {what}"
        time.sleep(0.3)
    return found


class Platform:
    """Engine, flusher, journal, two connectors, traders, monitor; and Prometheus with the rules that are shipped."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.folders = Folders(self.data)
        self.folders.prepare(default_rings("demo", self.data))
        self.supervisor = Supervisor(folder / "logs")
        self.port, self.prometheus_port = free_port(), free_port()
        self.prometheus: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path, nats: str) -> None:
        self._start_services(folder, nats)
        self._start_prometheus(folder)

    def _start_services(self, folder: Path, nats: str) -> None:
        ports = folder / "venues.json"
        start = self.supervisor.start
        start("simulator", "services.simulator", "--venues", ",".join(VENUES), "--ports-file", str(ports))
        until("the simulator listens", ports.exists)
        config = settings.write(self.data, nats, json.loads(ports.read_bytes()), None, None)
        config.write_text(f"{config.read_text()}\n[monitor]\nmetrics_port = {self.port}\n")
        at = ("--config", str(config))
        for service in ("engine", "flusher", "journal", "monitor"):
            start(service, f"services.{service}", *at)
        for venue in VENUES:
            start(f"connector.{venue}", "services.connector", venue, *at)
        until("the metrics are served", self.metrics)
        until("the engine runs", lambda: 'tapewire_service_up{service="engine.0"} 1.0' in self.metrics())
        opening.call_auction(self.data, [1, 2, 3], 1.0)
        start("traders", "services.simulator", "traders", "--data", str(self.data), "--producer", "traders")

    def _start_prometheus(self, folder: Path) -> None:
        config = (ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text()
        config = config.replace("127.0.0.1:9464", f"127.0.0.1:{self.port}").replace("interval: 5s", "interval: 1s")
        config = config.replace("tapewire.rules.yaml", str(ROOT / "deploy" / "prometheus" / "tapewire.rules.yaml"))
        (folder / "prometheus.yaml").write_text(config)
        command = ["prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb"]
        command.append(f"--web.listen-address=127.0.0.1:{self.prometheus_port}")
        with (folder / "prometheus.log").open("wb") as log:
            self.prometheus = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        until("Prometheus is ready", self._ready)

    def _ready(self) -> bool:
        try:
            return bool(ask(f"http://127.0.0.1:{self.prometheus_port}/-/ready"))
        except OSError:
            return False

    def metrics(self) -> str:
        try:
            return str(ask(f"http://127.0.0.1:{self.port}/metrics"))
        except OSError:
            return ""

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Raises HTTPError for what Prometheus cannot parse."""
        at = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
        told = json.loads(ask(at))
        assert told["status"] == "success"
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def firing(self, alert: str) -> list[dict[str, str]]:
        return [one["metric"] for one in self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')]

    def stop(self) -> None:
        if self.prometheus is not None:
            self.prometheus.terminate()
            self.prometheus.wait(20)
        self.supervisor.stop()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with NatsServer(tmp_path / "nats", port=free_port()) as server:
        made = Platform(tmp_path)
        try:
            made.start(tmp_path, server.url)
            yield made
        finally:
            made.stop()
            shutil.rmtree(default_rings("demo", tmp_path / "data"), ignore_errors=True)


def test_panels_have_data_and_what_is_broken_raises_its_alert(platform: Platform) -> None:
    until("both feeds are live", lambda: platform.metrics().count("tapewire_feed_books_live") >= 3)
    until("Prometheus has two scrapes", lambda: _up(platform))
    scraped = {line.partition("{")[0].partition(" ")[0] for line in platform.metrics().splitlines() if line[:1] != "#"}
    known = {name for metric in METRICS.values() for name in series(metric)}
    assert scraped - known == set()
    expected = {
        name
        for group in GROUPS
        for metric in group.metrics
        for name in series(metric)
        if group.title not in ABSENT and metric.name not in SELDOM
    }
    assert expected - scraped == set()

    absent = {metric.name for group in GROUPS if group.title in ABSENT for metric in group.metrics}
    empty = [
        f"{dashboard.slug}: {panel.title}: {query.expr}"
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
        if not platform.query(query.expr.replace("$__rate_interval", "30s"))
        and dashboard.title.rpartition(" ")[2].lower() not in {one.lower() for one in ABSENT}
        and not any(name in query.expr for name in (*SELDOM, *absent, "tapewire_monitor_"))
    ]
    assert [line for line in empty if "ALERTS" not in line] == []

    assert platform.firing("FeedStale") == platform.firing("ServiceDown") == platform.firing("ConsumerLag") == []
    platform.supervisor.kill("connector.kraken")
    stop(platform.supervisor.children["journal"].process.pid)
    (stale,) = until("FeedStale fires", lambda: platform.firing("FeedStale"))
    assert (stale["feed"], stale["severity"]) == ("kraken", "critical")
    (down,) = until("ServiceDown fires", lambda: platform.firing("ServiceDown"))
    assert down["service"] == "connector.kraken"
    (lag,) = until("ConsumerLag fires", lambda: platform.firing("ConsumerLag"))
    assert (lag["consumer"], lag["tape"]) == ("journal.publisher", "orders.0")
    go_on(platform.supervisor.children["journal"].process.pid)
    until("ConsumerLag ends", lambda: not platform.firing("ConsumerLag"))


def _up(platform: Platform) -> bool:
    return bool(platform.query('rate(tapewire_tape_records_total{tape="orders.0"}[10s]) > 0'))
