"""Tapes, and what follows them: readers, replicas, sinks."""

from __future__ import annotations

from typing import Final

from services.monitor.alerts.alert import Alert, AlertGroup

CHECKPOINTS: Final = r"archive|engine|gateway\\..*|venue\\..*|api\\..*|sink\\..*"
"""Consumers that store their position at snapshots or stretches, and so stand far behind by nature."""

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

REPLICAS: Final = AlertGroup(
    "replicas",
    (
        Alert(
            "ReplicaBehind",
            'tapewire_replica_lag_bytes > 1e6 or on (tape) tapewire_replica_role{role="waiting"} == 1',
            "10s",
            "critical",
            "{{ $labels.tape }}: the replica is behind",
            "The stream does not hold what the tape does, or the mirror not what the stream does. With durability "
            "`replicated` answers wait; a standby that took over now would begin further back.",
            ("`tapewire replica status`: what it waits for", "the NATS servers: up, in agreement, room on their disks"),
            "Bring the bus back, or make room: the replica goes on by itself and catches up. Nothing is lost. If the "
            "status says that the stream went back, see docs/replication.md: somebody may have to say "
            "`tapewire replica renew`.",
        ),
        Alert(
            "ReplicaGone",
            "tapewire_replica_running == 0",
            "5s",
            "critical",
            "{{ $labels.tape }}: no replica runs",
            "Nobody sends or mirrors this tape. With durability `replicated` no answer leaves.",
            ("the end of the replica's log", "`tapewire replica status`"),
            "Start `tapewire replica`: it goes on where the stream ends. One that ended because the stream went back, "
            "or holds another host's records, ends again: its message says how to choose, docs/replication.md why. If "
            "the tape is replicated no more, remove `<tape>/replica/state.json`.",
        ),
        Alert(
            "ReplicaFenced",
            'tapewire_replica_role{role="fenced"} == 1',
            "0s",
            "warning",
            "{{ $labels.tape }}: another host has taken it over",
            "This host wrote the tape and does no more: its engine and its sender have ended. What it had beyond the "
            "stream was answered to nobody if the tape is `replicated`.",
            ("`tapewire replica status` on both hosts: who has which epoch",),
            "Start both again, the tape among `replica.mirror` and the engine with `--standby`: it keeps its own "
            "records aside in `<tape>/cut-<time>` and follows.",
        ),
        Alert(
            "StandbyDiffers",
            'tapewire_replica_role{role="differs"} == 1',
            "0s",
            "critical",
            "{{ $labels.tape }}: this host's copy differs from the stream",
            "Bytes of the mirror are not those of the stream, or the stream is another one. It has stopped, and is not "
            "to be promoted. The host that writes is not concerned.",
            (
                "`tapewire replica status`: where it differs",
                "`tapewire tape check` and `tapewire verify` on both hosts",
            ),
            "Find out which is right; then move the wrong folder aside and let its host mirror anew.",
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
