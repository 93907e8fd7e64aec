"""Every alert there is, with what it means and what to do: rules and docs/runbook.md are made from this table."""

from __future__ import annotations

from typing import Final

from services.monitor.alert import Alert, AlertGroup
from services.monitor.replica_alerts import REPLICAS

__all__ = ["ALERTS", "GROUPS", "Alert", "AlertGroup"]

CHECKPOINTS: Final = r"archive|engine|gateway\\..*|venue\\..*|api\\..*|sink\\..*"
"""Consumers that store their position at snapshots or stretches, and so stand far behind by nature."""


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

TAPES: Final = AlertGroup(
    "tapes",
    (
        Alert(
            "ConsumerLag",
            f'tapewire_consumer_lag_records{{consumer!~"{CHECKPOINTS}"}} > 1000 and '
            f'tapewire_consumer_lag_records{{consumer!~"{CHECKPOINTS}"}} '
            "> on (tape) group_left () 5 * rate(tapewire_tape_records_total[1m])",
            "10s",
            "critical",
            "{{ $labels.consumer }} is {{ $value }} records behind on {{ $labels.tape }}",
            "A consumer is more than five seconds of the tape's own rate behind. Who reads what it publishes sees "
            "the past.",
            ("`tapewire top`: does the consumer use CPU, or does it sleep", "its log: a bus that refuses, a full disk"),
            "Restart it if it hangs: it goes on at its stored position. If it is busy, it is too slow for the load.",
        ),
        Alert(
            "CheckpointOld",
            "tapewire_consumer_lag_records > 5e6",
            "15m",
            "warning",
            "{{ $labels.consumer }} has stored no position for {{ $value }} records of {{ $labels.tape }}",
            "Snapshots or archive do not advance. Retention cannot delete anything, and a restart takes longer.",
            ("the log of the consumer's service", "room on the disk"),
            "Find out why it does not store; a consumer that is gone for good: delete its file "
            "`<tape>/consumers/<name>`.",
        ),
        Alert(
            "DurabilityLag",
            "tapewire_tape_unsynced_bytes > 8e6",
            "30s",
            "critical",
            "{{ $labels.tape }}: {{ $value | humanize1024 }}B are written and not durable",
            "A power loss now would take these records. With durability `disk` no answer was given for them; with "
            "`memory` answers were.",
            ("`iostat -x 1`: the disk's queue", "`tapewire perf engine`: time in fdatasync"),
            "A disk that does not sync must be replaced; until then stop trading or accept the risk.",
        ),
        Alert(
            "TapeGap",
            "increase(tapewire_flusher_gaps_total[5m]) > 0",
            "0s",
            "critical",
            "records of {{ $labels.feed }} are missing on its tape",
            "The ring of a feed jumped in its seq: what the connector published is not on the tape.",
            ("the flusher's log: from which seq to which", "the connector's log: was it killed"),
            "Nothing can bring the records back; the instruments' next messages are whole books. Find the cause.",
        ),
        Alert(
            "RingFilling",
            "tapewire_ring_used_bytes / tapewire_ring_capacity_bytes > 0.5",
            "10s",
            "warning",
            "ring {{ $labels.ring }} is {{ $value | humanizePercentage }} full",
            "The reader of the ring does not keep up. A full market-data ring drops messages from every lane; a full "
            "order ring makes its producer wait.",
            ("`tapewire top`: is the reader alive, how much CPU has it",),
            "Restart a reader that hangs. If it is only slow: a larger ring carries bursts, nothing else.",
        ),
        Alert(
            "RelayCut",
            "tapewire_relay_open == 0",
            "15s",
            "critical",
            "the ring {{ $labels.relay }} is not carried to its engine",
            "A producer's commands do not reach the engine's host: the bus is away, no engine lives there, or the "
            "other side refuses them. Nothing is lost: they wait in the ring here until it is full, and then the "
            "producer is told so.",
            (
                "`tapewire health relay` and the relay's log, here: what the other side says",
                "the relay of the engine's host: has it the ring (`tapewire relay status`: `attached 1`)?",
                "the bus; the engine",
            ),
            "Start what is missing; the relay goes on by itself. `another host carries it`: two hosts have this "
            "producer in `[relay] out`; stop one. `stands at`, `goes on at`: the engine's tape has lost what this host "
            "has seen (durability `memory` and a power loss): stop the producer and the relay here, remove the ring, "
            "start both; the producer sends anew what is not on the tape.",
        ),
        Alert(
            "RelayResends",
            "increase(tapewire_relay_resent_total[5m]) > 20",
            "1m",
            "warning",
            "the ring {{ $labels.relay }} was begun again {{ $value }} times in five minutes",
            "Sending goes back again and again: the bus loses messages or answers late, or the engine's ring is full.",
            (
                "`tapewire relay status` on both hosts: `full`, `gaps`, `damaged`",
                "*EngineBlocked*, *EngineLatency*",
                "the bus's log: slow consumers",
            ),
            "Full: see EngineLatency. Gaps: mend the network. No record is taken twice, however often it is sent.",
        ),
        Alert(
            "ArchiverFails",
            "increase(tapewire_archiver_failures_total[15m]) > 0",
            "0s",
            "warning",
            "{{ $labels.tape }} could not be archived",
            "Columnar files are behind. The tape keeps everything until they are written.",
            ("the flusher's log", "room and rights in `<data>/archive`"),
            "Repair what the log names; it is tried again every few seconds.",
        ),
    ),
)

SINKS: Final = AlertGroup(
    "sinks",
    (
        Alert(
            "SinkFailing",
            "tapewire_sink_state == 0",
            "1m",
            "warning",
            "{{ $labels.sink }} waits for its target",
            "The store outside has been away, or has refused, for a minute. Nothing is lost: the tape keeps what the "
            "sink has not taken, up to its `keep`, and the sink tries again by itself.",
            ("`tapewire sink status {{ $labels.sink }}`: the error, and what it asks for", "the store's own log"),
            "Mend what the error names: password, database, room on its disk, network. The sink goes on by itself.",
        ),
        Alert(
            "SinkStopped",
            "tapewire_sink_tape_state == 2",
            "10s",
            "critical",
            "{{ $labels.sink }} cannot follow {{ $labels.tape }}",
            "Records it needs were removed by retention, the tape is damaged, or it is another tape than before. The "
            "other tapes of this sink go on.",
            ("`tapewire sink status {{ $labels.sink }}`: which records", "`tapewire tape check {{ $labels.tape }}`"),
            "Restore the tape or its segments from a backup; or build the rows anew with the `--from` that the error "
            "names.",
        ),
        Alert(
            "SinkBehind",
            "tapewire_sink_lag_records > 100000 and tapewire_sink_lag_records > "
            "on (tape) group_left () 60 * rate(tapewire_tape_records_total[5m])",
            "2m",
            "warning",
            "{{ $labels.sink }} is {{ $value }} records behind on {{ $labels.tape }}",
            "The store outside shows the past: the sink is more than a minute of the tape's own rate behind.",
            (
                "`tapewire sink status {{ $labels.sink }}`: does it run, at which rate",
                "`tapewire_sink_commit_seconds`: is the target slow",
            ),
            "A slow target needs more CPU, faster disks or fewer indexes. After a pause it catches up by itself.",
        ),
    ),
)

FEEDS: Final = AlertGroup(
    "feeds",
    (
        Alert(
            "FeedStale",
            "tapewire_feed_books_live < tapewire_feed_books",
            "10s",
            "critical",
            "{{ $labels.feed }}: only {{ $value }} books are live",
            "Some books of the feed cannot be trusted: the connection is gone, they are being built anew, or the "
            "connector died. Messages say so by their quality, and the router avoids the venue.",
            ("`tapewire top`: quality by feed", "the connector's log", "the venue's own status page"),
            "A connector reconnects by itself. If it is not running, start it.",
        ),
        Alert(
            "FeedSilent",
            'time() - tapewire_tape_last_record_timestamp_seconds{tape=~"md\\\\..*"} > 60',
            "30s",
            "warning",
            "{{ $labels.tape }} got no record for {{ $value | humanizeDuration }}",
            "Nothing of this feed reached its tape for a minute.",
            ("does the venue trade at this hour", "the connector's and the flusher's logs"),
            "If the venue is open and others hear it, restart the connector.",
        ),
        Alert(
            "FeedGaps",
            "increase(tapewire_feed_gaps_total[5m]) > 3",
            "0s",
            "warning",
            "{{ $labels.feed }}: {{ $value }} gaps in five minutes",
            "The venue's numbering or checksums say that messages were lost on the way. Each costs a resync, during "
            "which that book is not live.",
            ("the connector's log", "`tapewire_feed_exchange_to_edge_seconds`: is the line slow"),
            "Look at the network; fewer instruments per connection help a slow line.",
        ),
        Alert(
            "FeedDropped",
            "increase(tapewire_feed_dropped_total[5m]) > 0",
            "0s",
            "critical",
            "{{ $labels.feed }} dropped messages: its ring was full",
            "The flusher did not empty the ring in time. Tape and bus both lack the messages; the next of each "
            "instrument is a whole book.",
            ("*RingFilling* and *ServiceDown* of the flusher", "the disk"),
            "See RingFilling.",
        ),
    ),
)

RISK: Final = AlertGroup(
    "risk",
    (
        Alert(
            "KillSwitchEngaged",
            "tapewire_risk_kill_switch_engaged == 1",
            "0s",
            "critical",
            "the kill switch of account {{ $labels.account }} is engaged (0: all accounts)",
            "New and replaced orders of the account are refused until somebody releases it.",
            ("`tapewire tape tail orders.0`: who engaged it, and the reason", "the account's positions"),
            "When the cause is understood: `tapewire operator release`.",
        ),
        Alert(
            "RiskLimitNear",
            "tapewire_risk_limit_used_ratio > 0.9",
            "30s",
            "warning",
            "account {{ $labels.account }} uses {{ $value | humanizePercentage }} of its limit",
            "Position and open orders of the account come close to its limit; beyond it orders are refused.",
            ("positions and open orders of the account",),
            "Reduce the position, or let risk raise the limit.",
        ),
        Alert(
            "RiskBreaches",
            "sum by (shard, reason) (rate(tapewire_risk_refused_total"
            '{reason=~"max_order_qty|max_notional|max_position|price_collar|not_your_order"}[1m])) > 1',
            "30s",
            "warning",
            "shard {{ $labels.shard }}: {{ $value }} orders a second are refused ({{ $labels.reason }})",
            "A client keeps sending what its limits forbid: a strategy that does not look at its answers.",
            ("`tapewire tape tail orders.0 --json`: which account",),
            "Speak to the client; the kill switch stops it.",
        ),
        Alert(
            "RefusedInputs",
            "increase(tapewire_engine_refused_inputs_total[5m]) > 0",
            "0s",
            "critical",
            "shard {{ $labels.shard }}: ring records that are no command were refused",
            "A producer wrote something that is no valid command: another version of the schema, or a fault.",
            ("`tapewire tape tail orders.0`: InputRefused tells the producer and its place in the ring",),
            "Stop that producer until it is repaired.",
        ),
        Alert(
            "LogonAttacks",
            "sum by (outcome) (rate(tapewire_front_connections_total"
            '{outcome=~"wrong|replayed|refused_address|refused_half_open|throttled_address|garbled"}[5m])) > 1',
            "1m",
            "warning",
            "the FIX front refuses {{ $value }} connections a second ({{ $labels.outcome }})",
            "Somebody tries credentials, replays Logons or floods the FIX front.",
            ("the front's log: from which address",),
            "Close the address at the firewall; the front's own limits hold meanwhile.",
        ),
        Alert(
            "VenueSessionDown",
            "tapewire_venue_state < 3",
            "30s",
            "critical",
            "the session to {{ $labels.venue }} is not ready",
            "No order reaches this venue. Cancels wait for the session, new orders are answered when they are too old.",
            ("the session's log: Logon refused, or no connection", "the venue's status page and trading hours"),
            "It connects by itself. Wrong credentials need a person.",
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

GROUPS: Final = (SERVICES, ENGINE, TAPES, REPLICAS, SINKS, FEEDS, RISK, HOST)
ALERTS: Final[dict[str, Alert]] = {alert.name: alert for group in GROUPS for alert in group.alerts}
