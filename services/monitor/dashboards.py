"""The Grafana dashboards, by what they ask: their JSON is made from this table (grafana.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` as Grafana names them; `kind` one of timeseries, stat, table, heatmap; `width` of 24."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    help: str = ""
    exemplars: bool = False
    most: float | None = None
    """The upper end of the axis, where there is a natural one."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    slug: str
    title: str
    panels: tuple[Panel, ...]


STAGE: Final = "tapewire_engine_stage_seconds"


def _rate(metric: str, by: str, legend: str = "", where: str = "") -> Query:
    return Query(f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))", legend or f"{{{{{by}}}}}")


def _quantiles(histogram: str, by: str, where: str = "") -> tuple[Query, ...]:
    return tuple(
        Query(
            f"histogram_quantile({q}, sum by ({by}, le) (rate({histogram}_bucket{where}[$__rate_interval])))",
            f"{{{{{by}}}}} {name}",
        )
        for q, name in ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
    )


OVERVIEW: Final = Dashboard(
    "overview",
    "Tapewire: overview",
    (
        Panel("Services running", (Query("sum(tapewire_service_up)"),), kind="stat", width=4),
        Panel("Services down", (Query("count(tapewire_service_up == 0) or vector(0)"),), kind="stat", width=4),
        Panel("Kill switches", (Query("sum(tapewire_risk_kill_switch_engaged) or vector(0)"),), kind="stat", width=4),
        Panel(
            "Books not live", (Query("sum(tapewire_feed_books) - sum(tapewire_feed_books_live)"),), kind="stat", width=4
        ),
        Panel(
            "Disk left",
            (Query("min(tapewire_disk_free_bytes / tapewire_disk_size_bytes)"),),
            "percentunit",
            "stat",
            4,
        ),
        Panel("Not durable yet", (Query("sum(tapewire_tape_unsynced_bytes)"),), "bytes", "stat", 4),
        Panel("Commands a second", (_rate("tapewire_engine_commands_total", "shard", "shard {{shard}}"),), "ops"),
        Panel(
            "Ring to answer",
            _quantiles(STAGE, "shard", '{stage="answer"}'),
            "s",
            help="From the producer's stamp to the answer being readable; at `replicated` the stream's part follows.",
            exemplars=True,
        ),
        Panel("Messages of venues a second", (_rate("tapewire_feed_messages_total", "feed"),), "ops"),
        Panel("CPU by service", (_rate("tapewire_service_cpu_seconds_total", "service"),), "percentunit"),
        Panel(
            "Memory by service",
            (Query("sum by (service) (tapewire_service_resident_memory_bytes)", "{{service}}"),),
            "bytes",
        ),
        Panel("Lag by consumer", (Query("tapewire_consumer_lag_records", "{{consumer}} of {{tape}}"),)),
        Panel("Records a second by tape", (_rate("tapewire_tape_records_total", "tape"),), "ops"),
        Panel(
            "Ring fill",
            (Query("tapewire_ring_used_bytes / tapewire_ring_capacity_bytes", "{{ring}}"),),
            "percentunit",
            most=1.0,
        ),
        Panel(
            "Traces and spans a second",
            (
                Query("rate(tapewire_monitor_traces_total[$__rate_interval])", "traces"),
                Query("rate(tapewire_monitor_spans_exported_total[$__rate_interval])", "spans"),
                Query("rate(tapewire_monitor_spans_dropped_total[$__rate_interval])", "dropped"),
            ),
            "ops",
        ),
        Panel("Alerts firing", (Query('ALERTS{alertstate="firing"}'),), kind="table"),
    ),
)

ENGINE: Final = Dashboard(
    "engine",
    "Tapewire: engine latency",
    (
        *(
            Panel(title, _quantiles(STAGE, "shard", f'{{stage="{stage}"}}'), "s", width=12, help=help, exemplars=True)
            for stage, title, help in (
                ("queue", "In the ring", "From the producer's stamp until the engine takes it."),
                ("decide", "Risk and match", "Of a batch."),
                ("commit", "Write and sync", "Of a batch; with durability disk one fdatasync."),
                ("answer", "Ring to answer", "All of it on this host; at `replicated` the panel below follows."),
            )
        ),
        Panel(
            "Ring to answer, all of them",
            (Query(f'sum by (le) (increase({STAGE}_bucket{{stage="answer"}}[$__rate_interval]))', "{{le}}"),),
            "s",
            "heatmap",
            24,
            exemplars=True,
        ),
        Panel(
            "Stored by the stream",
            _quantiles("tapewire_replica_stored_seconds", "tape"),
            "s",
            help="From a part of the tape that is durable to its quorum: what a replicated answer waits for, too.",
        ),
        Panel(
            "Commands, orders, trades, rejects a second",
            tuple(
                _rate(f"tapewire_engine_{name}_total", "shard", f"{name} {{{{shard}}}}")
                for name in ("commands", "orders", "trades", "rejects")
            ),
            "ops",
        ),
        Panel(
            "Commands per batch",
            (
                Query(
                    "rate(tapewire_engine_commands_total[$__rate_interval]) "
                    "/ rate(tapewire_engine_batches_total[$__rate_interval])",
                    "shard {{shard}}",
                ),
            ),
            help="Batches grow with the load: that is what keeps a sync per batch affordable.",
        ),
        Panel("Live orders", (Query("tapewire_engine_live_orders", "shard {{shard}}"),)),
        Panel(
            "Context switches a second",
            (
                Query(
                    'rate(tapewire_service_context_switches_total{service=~"engine.*"}[$__rate_interval])',
                    "{{service}} {{kind}}",
                ),
            ),
            "ops",
            help="Involuntary ones are time that another process took from the engine.",
        ),
        Panel(
            "Not durable yet",
            (Query('tapewire_tape_unsynced_bytes{tape=~"orders.*"}', "{{tape}}"),),
            "bytes",
        ),
        Panel(
            "Blocked, damaged rings, skipped",
            (
                Query("tapewire_engine_blocked", "blocked {{shard}}"),
                Query("tapewire_engine_damaged_rings", "damaged rings {{shard}}"),
                _rate("tapewire_engine_skipped_total", "shard", "skipped {{shard}}"),
            ),
        ),
    ),
)

FEEDS: Final = Dashboard(
    "feeds",
    "Tapewire: feeds",
    (
        Panel(
            "Books live", (Query("tapewire_feed_books_live / tapewire_feed_books", "{{feed}}"),), "percentunit", most=1
        ),
        Panel("Messages a second", (_rate("tapewire_feed_messages_total", "feed"),), "ops"),
        Panel("Published a second", (_rate("tapewire_feed_published_total", "feed"),), "ops"),
        Panel("Decode and stamp", _quantiles("tapewire_feed_decode_seconds", "feed"), "s"),
        Panel("Venue's clock to our edge", _quantiles("tapewire_feed_exchange_to_edge_seconds", "feed"), "s"),
        Panel(
            "Stamp to tape",
            _quantiles("tapewire_flusher_sequenced_to_committed_seconds", "feed"),
            "s",
            help="First record of each batch.",
        ),
        Panel(
            "Gaps, resyncs, reconnects in five minutes",
            tuple(
                Query(f"increase(tapewire_feed_{name}_total[5m])", f"{{{{feed}}}} {name}")
                for name in ("gaps", "resyncs", "reconnects")
            ),
        ),
        Panel(
            "Refused and dropped a second",
            tuple(
                _rate(f"tapewire_feed_{name}_total", "feed", f"{{{{feed}}}} {name}")
                for name in (
                    *("dropped", "malformed", "unknown", "impossible", "duplicates"),
                    *("missed_trades", "errors", "bus_refused"),
                )
            ),
            "ops",
        ),
        Panel(
            "Last record on the tape",
            (Query('time() - tapewire_tape_last_record_timestamp_seconds{tape=~"md.*"}', "{{tape}}"),),
            "s",
        ),
        Panel("Flusher's commits", _quantiles("tapewire_flusher_commit_seconds", "feed"), "s"),
        Panel(
            "Flusher: state, gaps, duplicates",
            (
                Query("tapewire_flusher_state", "{{feed}} state"),
                _rate("tapewire_flusher_gaps_total", "feed", "{{feed}} gaps"),
                _rate("tapewire_flusher_duplicates_total", "feed", "{{feed}} duplicates"),
            ),
        ),
        Panel("Not archived yet", (Query("tapewire_archiver_lag_records", "{{tape}}"),)),
        Panel("Sinks: not taken yet", (Query("tapewire_sink_lag_records", "{{sink}} {{tape}}"),)),
        Panel("Sinks: rows", (_rate("tapewire_sink_rows_total", "sink"),)),
        Panel(
            "Sinks: one commit",
            _quantiles("tapewire_sink_commit_seconds", "sink"),
            "s",
        ),
    ),
)

GATEWAY: Final = Dashboard(
    "gateway",
    "Tapewire: gateway",
    (
        Panel("FIX sessions logged on", (Query("tapewire_front_live"),), kind="stat"),
        Panel("Without a Logon", (Query("tapewire_front_half_open"),), kind="stat"),
        Panel("Backlog of market-data sessions", (Query("tapewire_front_backlog_bytes", "{{session}}"),), "bytes"),
        Panel(
            "Connections by outcome a second",
            (_rate("tapewire_front_connections_total", "outcome"),),
            "ops",
            width=24,
        ),
        Panel(
            "Sessions to venues", (Query("tapewire_venue_state", "{{venue}}"),), help="1 down, 2 reconciling, 3 ready"
        ),
        Panel(
            "Waiting, open at venues",
            (
                Query("tapewire_venue_waiting", "{{venue}} waiting"),
                Query("tapewire_venue_open_orders", "{{venue}} open"),
            ),
        ),
        Panel(
            "To venues a second",
            tuple(
                _rate(f"tapewire_venue_{name}_total", "venue", f"{{{{venue}}}} {name}")
                for name in ("sent", "answered_here", "throttled")
            ),
            "ops",
        ),
    ),
)

API: Final = Dashboard(
    "api",
    "Tapewire: API",
    (
        Panel("Requests a second", (_rate("tapewire_api_requests_total", "api", "api {{api}}"),), "ops"),
        Panel(
            "Writes a second",
            tuple(
                _rate(f"tapewire_api_{name}_total", "api", f"{name} {{{{api}}}}")
                for name in ("received", "answered", "late", "repeated")
            ),
            "ops",
        ),
        Panel("Last byte to answer", _quantiles("tapewire_api_answer_seconds", "api"), "s"),
        Panel("Refused a second by status", (_rate("tapewire_api_refused_total", "status"),), "ops"),
        Panel(
            "Connections, logins, writes that wait",
            (
                Query("tapewire_api_connections", "connections {{api}}"),
                Query("tapewire_api_logins", "logins {{api}}"),
                Query("tapewire_api_waiting", "waiting {{api}}"),
            ),
        ),
        Panel(
            "Connections refused a second",
            (_rate("tapewire_api_connections_refused_total", "api", "api {{api}}"),),
            "ops",
        ),
        Panel(
            "Stream: clients",
            (
                Query("tapewire_stream_clients", "clients {{api}}"),
                Query("tapewire_stream_congested", "congested {{api}}"),
                Query("tapewire_stream_subscriptions", "subscriptions {{api}}"),
            ),
        ),
        Panel(
            "Stream: messages a second",
            tuple(
                _rate(f"tapewire_stream_{name}_total", "api", f"{name} {{{{api}}}}")
                for name in ("messages", "conflated", "received", "invalid")
            ),
            "ops",
        ),
        Panel(
            "Stream: clients closed in five minutes",
            tuple(
                Query(f"increase(tapewire_stream_dropped_{name}_total[5m])", f"{name} {{{{api}}}}")
                for name in ("slow", "idle", "invalid")
            ),
        ),
    ),
)

RISK: Final = Dashboard(
    "risk",
    "Tapewire: risk",
    (
        Panel(
            "Kill switches engaged",
            (Query("tapewire_risk_kill_switch_engaged == 1", "account {{account}}"),),
            kind="table",
        ),
        Panel(
            "Share of the limit used",
            (Query("topk(20, tapewire_risk_limit_used_ratio)", "account {{account}}"),),
            "percentunit",
            width=16,
            most=1,
        ),
        Panel("Refused a second by reason", (_rate("tapewire_risk_refused_total", "reason"),), "ops", width=12),
        Panel(
            "Refused as a share of commands",
            (
                Query(
                    "sum by (shard) (rate(tapewire_engine_rejects_total[$__rate_interval])) "
                    "/ sum by (shard) (rate(tapewire_engine_commands_total[$__rate_interval]))",
                    "shard {{shard}}",
                ),
            ),
            "percentunit",
            width=12,
        ),
        Panel(
            "Inputs that are no commands",
            (
                _rate("tapewire_risk_refused_inputs_total", "reason"),
                _rate("tapewire_engine_refused_inputs_total", "shard", "shard {{shard}}"),
            ),
            "ops",
            width=12,
        ),
        Panel(
            "Kill switches changed in an hour",
            (Query("increase(tapewire_risk_kill_switch_changes_total[1h])", "shard {{shard}}"),),
            width=12,
        ),
    ),
)

ROUTER: Final = Dashboard(
    "router",
    "Tapewire: router",
    (
        Panel("Parents by state", (Query("sum by (state) (tapewire_router_parents)", "{{state}}"),)),
        Panel("Records a second by kind", (_rate("tapewire_router_records_total", "kind"),), "ops", width=16),
        Panel(
            "Refused parents in five minutes",
            (Query('increase(tapewire_router_records_total{kind="parent_refused"}[5m])', "router {{router}}"),),
        ),
        Panel(
            "Children per decision",
            (
                Query(
                    'sum by (router) (rate(tapewire_router_records_total{kind="new_child"}[$__rate_interval])) / '
                    'sum by (router) (rate(tapewire_router_records_total{kind="route_decided"}[$__rate_interval]))',
                    "router {{router}}",
                ),
            ),
        ),
        Panel(
            "Sessions to venues", (Query("tapewire_venue_state", "{{venue}}"),), help="1 down, 2 reconciling, 3 ready"
        ),
    ),
)

DASHBOARDS: Final = (OVERVIEW, ENGINE, FEEDS, GATEWAY, API, RISK, ROUTER)
