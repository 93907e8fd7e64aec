"""Rules and dashboards against promtool, and every alert with series that trip it and series that do not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.monitor.alerts import ALERTS
from services.monitor.dashboards import DASHBOARDS
from services.monitor.generate import ROOT, outputs
from tapewire.metrics.definitions import METRICS, series

RULES = ROOT / "deploy" / "prometheus" / "tapewire.rules.yaml"
OF_PROMETHEUS = {"up", "ALERTS"}
PARTS = 2
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")

# Alert -> series that trip it within an hour, and what it looks like when all is well. Prometheus's own notation:
# start+step x times, one value a minute.
Series = dict[str, str]
CASES: dict[str, tuple[Series, Series]] = {
    "ServiceDown": ({'tapewire_service_up{service="engine.0"}': "1 0x60"}, {"tapewire_service_up{}": "1x60"}),
    "ServiceNotReady": (
        {'tapewire_service_ready{service="engine"}': "1 0x60"},
        {'tapewire_service_ready{service="engine"}': "1x60"},
    ),
    "ExporterGone": ({'up{job="tapewire"}': "0x60"}, {'up{job="tapewire"}': "1x60"}),
    "UnreadableSource": (
        {'tapewire_scrape_errors_total{source="md.x"}': "0+1x60"},
        {'tapewire_scrape_errors_total{source="md.x"}': "7x60"},
    ),
    "EngineLatency": (
        {
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="0.1"}': "0+10x60",
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="0.2"}': "0+100x60",
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="+Inf"}': "0+100x60",
        },
        {
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="0.01"}': "0+100x60",
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="0.2"}': "0+100x60",
            'tapewire_engine_stage_seconds_bucket{stage="answer",shard="0",le="+Inf"}': "0+100x60",
        },
    ),
    "EngineBlocked": ({"tapewire_engine_blocked{}": "1x60"}, {"tapewire_engine_blocked{}": "0x60"}),
    "ApiLate": ({"tapewire_api_late_total{}": "0+1x60"}, {"tapewire_api_late_total{}": "4x60"}),
    "DamagedRing": ({"tapewire_engine_damaged_rings{}": "1x60"}, {"tapewire_engine_damaged_rings{}": "0x60"}),
    "ConsumerLag": (
        {
            'tapewire_consumer_lag_records{tape="orders.0",consumer="journal.publisher"}': "0+6000x60",
            'tapewire_tape_records_total{tape="orders.0"}': "0+6000x60",
        },
        {
            'tapewire_consumer_lag_records{tape="orders.0",consumer="journal.publisher"}': "400x60",
            'tapewire_consumer_lag_records{tape="orders.0",consumer="engine"}': "0+6000x60",
            'tapewire_tape_records_total{tape="orders.0"}': "0+6000x60",
        },
    ),
    "CheckpointOld": (
        {'tapewire_consumer_lag_records{consumer="engine"}': "6000000x60"},
        {'tapewire_consumer_lag_records{consumer="engine"}': "100000x60"},
    ),
    "DurabilityLag": ({"tapewire_tape_unsynced_bytes{}": "9e6x60"}, {"tapewire_tape_unsynced_bytes{}": "1e6x60"}),
    "TapeGap": ({"tapewire_flusher_gaps_total{}": "0+1x60"}, {"tapewire_flusher_gaps_total{}": "3x60"}),
    "ReplicaBehind": (
        {'tapewire_replica_lag_bytes{tape="orders.0"}': "5e6x60"},
        {
            'tapewire_replica_lag_bytes{tape="orders.0"}': "900x60",
            'tapewire_replica_role{tape="orders.0",role="waiting"}': "0x60",
        },
    ),
    "ReplicaGone": ({"tapewire_replica_running{}": "0x60"}, {"tapewire_replica_running{}": "1x60"}),
    "ReplicaFenced": (
        {'tapewire_replica_role{role="fenced"}': "1x60"},
        {'tapewire_replica_role{role="fenced"}': "0x60"},
    ),
    "StandbyDiffers": (
        {'tapewire_replica_role{role="differs"}': "1x60"},
        {'tapewire_replica_role{role="differs"}': "0x60"},
    ),
    "RingFilling": (
        {"tapewire_ring_used_bytes{}": "60x60", "tapewire_ring_capacity_bytes{}": "100x60"},
        {"tapewire_ring_used_bytes{}": "40x60", "tapewire_ring_capacity_bytes{}": "100x60"},
    ),
    "RelayCut": (
        {'tapewire_relay_open{relay="out.orders.0.2.gateway"}': "0x60"},
        {'tapewire_relay_open{relay="out.orders.0.2.gateway"}': "1x60"},
    ),
    "RelayResends": (
        {"tapewire_relay_resent_total{}": "0+30x60"},
        {"tapewire_relay_resent_total{}": "1 2 3 3x57"},
    ),
    "ArchiverFails": ({"tapewire_archiver_failures_total{}": "0+1x60"}, {"tapewire_archiver_failures_total{}": "1x60"}),
    "SinkFailing": ({'tapewire_sink_state{sink="postgres"}': "0x60"}, {'tapewire_sink_state{sink="postgres"}': "1x60"}),
    "SinkStopped": (
        {'tapewire_sink_tape_state{sink="postgres",tape="orders.0"}': "2x60"},
        {'tapewire_sink_tape_state{sink="postgres",tape="orders.0"}': "0x60"},
    ),
    "SinkBehind": (
        {
            'tapewire_sink_lag_records{sink="postgres",tape="orders.0"}': "0+60000x60",
            'tapewire_tape_records_total{tape="orders.0"}': "0+60000x60",
        },
        {
            'tapewire_sink_lag_records{sink="postgres",tape="orders.0"}': "200000x60",
            'tapewire_tape_records_total{tape="orders.0"}': "0+600000x60",
        },
    ),
    "FeedStale": (
        {"tapewire_feed_books_live{}": "3x60", "tapewire_feed_books{}": "4x60"},
        {"tapewire_feed_books_live{}": "4x60", "tapewire_feed_books{}": "4x60"},
    ),
    "FeedSilent": (
        {'tapewire_tape_last_record_timestamp_seconds{tape="md.kraken"}': "0x60"},
        {
            'tapewire_tape_last_record_timestamp_seconds{tape="md.kraken"}': "0+60x60",
            'tapewire_tape_last_record_timestamp_seconds{tape="orders.0"}': "0x60",
        },
    ),
    "FeedGaps": ({"tapewire_feed_gaps_total{}": "0+1x60"}, {"tapewire_feed_gaps_total{}": "0 1 2 2x57"}),
    "FeedDropped": ({"tapewire_feed_dropped_total{}": "0+1x60"}, {"tapewire_feed_dropped_total{}": "5x60"}),
    "KillSwitchEngaged": (
        {'tapewire_risk_kill_switch_engaged{account="3"}': "1x60"},
        {'tapewire_risk_kill_switch_engaged{account="3"}': "0x60"},
    ),
    "RiskLimitNear": ({"tapewire_risk_limit_used_ratio{}": "0.95x60"}, {"tapewire_risk_limit_used_ratio{}": "0.5x60"}),
    "RiskBreaches": (
        {'tapewire_risk_refused_total{reason="max_position"}': "0+120x60"},
        {'tapewire_risk_refused_total{reason="no_liquidity"}': "0+120x60"},
    ),
    "RefusedInputs": (
        {"tapewire_engine_refused_inputs_total{}": "0+1x60"},
        {"tapewire_engine_refused_inputs_total{}": "2x60"},
    ),
    "LogonAttacks": (
        {'tapewire_front_connections_total{outcome="wrong"}': "0+120x60"},
        {'tapewire_front_connections_total{outcome="logged_on"}': "0+120x60"},
    ),
    "VenueSessionDown": ({"tapewire_venue_state{}": "1x60"}, {"tapewire_venue_state{}": "3x60"}),
    "DiskRoom": (
        {"tapewire_disk_free_bytes{}": "5x60", "tapewire_disk_size_bytes{}": "100x60"},
        {"tapewire_disk_free_bytes{}": "50x60", "tapewire_disk_size_bytes{}": "100x60"},
    ),
    "DiskFills": ({"tapewire_disk_free_bytes{}": "1000-10x60"}, {"tapewire_disk_free_bytes{}": "1000-1x60"}),
    "ClockUnsynchronized": ({"tapewire_clock_synchronized": "0x60"}, {"tapewire_clock_synchronized": "1x60"}),
    "ClockDrift": (
        {"tapewire_clock_offset_seconds": "0.002x60", "tapewire_clock_step_seconds": "0x60"},
        {"tapewire_clock_offset_seconds": "-0.0001x60", "tapewire_clock_step_seconds": "0x60"},
    ),
}


def names_in(expr: str) -> set[str]:
    """The metrics an expression names: words in braces are labels, words in quotes are values."""
    bare = re.sub(r'"[^"]*"', "", expr)
    return set(re.findall(r"\btapewire_\w+", re.sub(r"\{[^}]*\}", "", bare)))


KNOWN = {name for metric in METRICS.values() for name in series(metric)}


def test_generated_files_are_current() -> None:
    stale = [str(path) for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == []


def test_alerts_and_dashboards_name_only_metrics_that_exist() -> None:
    asked = {alert.name: names_in(alert.expr) for alert in ALERTS.values()}
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                asked[f"{dashboard.slug}: {panel.title}"] = names_in(query.expr)
    assert {where: names - KNOWN for where, names in asked.items() if names - KNOWN} == {}
    assert names_in('rate(tapewire_no_such_total{stage="tapewire_quoted"}[1m])') == {"tapewire_no_such_total"}


def test_every_alert_has_a_heading_in_the_runbook_that_its_link_leads_to() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    headings = {line.removeprefix("### ").lower() for line in runbook.splitlines() if line.startswith("### ")}
    assert headings == {alert.anchor for alert in ALERTS.values()}
    assert re.findall(r"runbook.md#(\w+)", RULES.read_text()) == [alert.anchor for alert in ALERTS.values()]


def test_every_alert_has_a_case_here() -> None:
    assert set(CASES) == set(ALERTS)


@needs_promtool
def test_promtool_accepts_rules_and_configuration() -> None:
    for arguments in (["rules", str(RULES)], ["config", str(RULES.with_name("prometheus.yaml"))]):
        done = subprocess.run(["promtool", "check", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_query_of_the_dashboards_parses(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:q{number}", "expr": query.expr.replace("$__rate_interval", "1m")}
        for number, query in enumerate(
            query for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries
        )
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_each_alert_fires_on_its_series_and_keeps_quiet_when_all_is_well(tmp_path: Path) -> None:
    tests = []
    for name, cases in CASES.items():
        for given, firing in zip(cases, (True, False), strict=True):
            expected = [{"labels": "{}", "value": 1}] if firing else []
            asked = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
            tests.append(
                {
                    "name": f"{name} {'fires' if firing else 'is quiet'}",
                    "interval": "1m",
                    "input_series": [{"series": one, "values": values} for one, values in given.items()],
                    "promql_expr_test": [{"expr": asked, "eval_time": "50m", "exp_samples": expected}],
                }
            )

    def said_of(part: int) -> str:
        """What promtool objects to; it takes one core, however many there are."""
        path = tmp_path / f"alerts.{part}.test.yaml"
        some = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests[part::PARTS]}
        path.write_text(json.dumps(some))
        done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True)
        return done.stdout + done.stderr if done.returncode else ""

    with ThreadPoolExecutor(PARTS) as pool:
        assert list(pool.map(said_of, range(PARTS))) == [""] * PARTS
