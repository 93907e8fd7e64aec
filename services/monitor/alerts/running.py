"""What runs: services, the engine, the host under them."""

from __future__ import annotations

from typing import Final

from services.monitor.alerts.alert import Alert, AlertGroup

SERVICES: Final = AlertGroup(
    "services",
    (
        Alert(
            "ServiceDown",
            "tapewire_service_up == 0",
            "15s",
            "critical",
            "{{ $labels.service }} is not running",
            "The service ran here and is gone: it was stopped, or it died. Its page has no writer, or its process "
            "ended within the last hour.",
            ("`tapewire top`: what else is down", "the end of the service's log", "`dmesg` for the OOM killer"),
            "Start it again. Each service recovers by replaying what it needs, and loses nothing that was "
            "acknowledged. If it was stopped on purpose and has a page, remove `<data>/stats/<service>`.",
        ),
        Alert(
            "ServiceNotReady",
            "tapewire_service_ready == 0",
            "1m",
            "critical",
            "{{ $labels.service }} does not do its work",
            "The service says that it is not ready, or does not answer at all: it hangs, or was killed.",
            (
                "`tapewire health`: every service, and why it is not ready",
                "`tapewire health {{ $labels.service }} --live`: whether it still turns",
            ),
            "What the reason names. A service that is not live is started again; if it was killed and is not to come "
            "back, remove `<data>/health/<service>`.",
        ),
        Alert(
            "ExporterGone",
            'up{job="tapewire"} == 0',
            "30s",
            "critical",
            "no metrics from {{ $labels.instance }}",
            "Prometheus cannot scrape the monitor. Every other alert about this host is blind.",
            ("`tapewire monitor`'s log", "`curl http://<host>:9464/metrics`"),
            "Start the monitor; it holds no state.",
        ),
        Alert(
            "UnreadableSource",
            "increase(tapewire_scrape_errors_total[5m]) > 0",
            "0s",
            "critical",
            "{{ $labels.source }} cannot be read",
            "A page, tape or ring does not hold: its bytes are damaged, or the monitor may not read them.",
            (
                "`tapewire tape check {{ $labels.source }}` for a tape",
                "rights of the monitor's user on the data folder",
            ),
            "For a damaged tape see docs/tapes.md; never edit it by hand.",
        ),
    ),
)

ENGINE: Final = AlertGroup(
    "engine",
    (
        Alert(
            "EngineLatency",
            "histogram_quantile(0.99, sum by (shard, le) "
            '(rate(tapewire_engine_stage_seconds_bucket{stage="answer"}[1m]))) > 0.05',
            "1m",
            "warning",
            "shard {{ $labels.shard }}: p99 from ring to answer is {{ $value | humanizeDuration }}",
            "One order in a hundred waits more than 50 ms for its answer. Which stage it is, the dashboard "
            "*Engine latency* shows: `queue` means too many commands or too little CPU, `commit` a slow disk.",
            ("`tapewire top`", "`tapewire perf engine`: what keeps the thread from running", "`iostat -x 1`"),
            'A slow disk: move the tapes, or accept `durability = "memory"`. Too little CPU: pin the engine '
            "(`engine.core`) and keep others off that core.",
        ),
        Alert(
            "EngineBlocked",
            "tapewire_engine_blocked == 1",
            "0s",
            "critical",
            "shard {{ $labels.shard }}: no room for the next segment, commands wait in their rings",
            "The disk has no room for the tape's next segment. Nothing is lost and nothing is answered.",
            ("`df -h <data>`", "`tapewire tape ls`: which tape is large, which consumer holds it"),
            "Make room: `tapewire tape retain`, or a larger disk. The engine goes on by itself.",
        ),
        Alert(
            "ApiLate",
            "increase(tapewire_api_late_total[5m]) > 0",
            "0s",
            "warning",
            "API {{ $labels.api }}: {{ $value }} writes were not answered in time",
            "The API took orders in and did not see what became of them within its time; clients were told so by 202. "
            "The orders are on its tape and, once the engine takes them, on the orders tape.",
            ("*EngineBlocked*, *EngineLatency*", "`tapewire top`: does the engine run, how full is its ring"),
            "Repair the engine; clients ask again with the same ClOrdID, or read the order's state.",
        ),
        Alert(
            "DamagedRing",
            "tapewire_engine_damaged_rings > 0",
            "0s",
            "critical",
            "shard {{ $labels.shard }}: {{ $value }} rings were let go",
            "A producer wrote bytes into its ring that do not hold. The engine reads that ring no more; others go on.",
            ("the engine's log: which ring and where", "the producer: did it crash, which build is it"),
            "Stop the producer, restart the engine (it continues behind the last record taken), then the producer.",
        ),
    ),
)

HOST: Final = AlertGroup(
    "host",
    (
        Alert(
            "DiskRoom",
            "tapewire_disk_free_bytes / tapewire_disk_size_bytes < 0.1",
            "1m",
            "critical",
            "{{ $labels.folder }}: {{ $value | humanizePercentage }} of the file system is left",
            "Below a tenth of the file system is free. When it is full the engine takes no more commands.",
            ("`tapewire tape ls`: bytes by tape", "`du -sh <data>/*`"),
            "`tapewire tape retain` deletes what no consumer needs; archive files can move elsewhere.",
        ),
        Alert(
            "DiskFills",
            "predict_linear(tapewire_disk_free_bytes[1h], 4 * 3600) < 0",
            "10m",
            "warning",
            "{{ $labels.folder }} is full within four hours at this rate",
            "What was written in the last hour would fill the file system within four hours.",
            ("`tapewire top`: which tape grows",),
            "See DiskRoom.",
        ),
        Alert(
            "ClockUnsynchronized",
            "tapewire_clock_synchronized == 0",
            "5m",
            "warning",
            "nothing disciplines the clock of {{ $labels.instance }}",
            "The kernel says that no time service steers its clock. Times on tapes stay in order, yet drift from UTC.",
            ("`chronyc tracking` or `timedatectl`",),
            "Run chrony or PTP. In a virtual machine or container the host may do it unseen by this kernel.",
        ),
        Alert(
            "ClockDrift",
            "abs(tapewire_clock_offset_seconds) > 0.001 or abs(delta(tapewire_clock_step_seconds[5m])) > 0.01",
            "0s",
            "warning",
            "the clock of {{ $labels.instance }} is off, or was moved, by {{ $value | humanizeDuration }}",
            "The clock is more than 1 ms off by its own service's word, or moved by more than 10 ms against the "
            "monotonic clock within five minutes. Latencies between hosts cannot be trusted.",
            ("`chronyc tracking`, `chronyc sources`", "`tapewire_feed_exchange_to_edge_seconds` of several venues"),
            "Look at the time source. The engine keeps its times in order whatever the clock does.",
        ),
    ),
)
