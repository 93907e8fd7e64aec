"""Alerts on tapes of several hosts."""

from __future__ import annotations

from typing import Final

from services.monitor.alert import Alert, AlertGroup

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
            "Bring the bus back, or make room: the replica goes on by itself and catches up. Nothing is lost.",
        ),
        Alert(
            "ReplicaGone",
            "tapewire_replica_running == 0",
            "5s",
            "critical",
            "{{ $labels.tape }}: no replica runs",
            "Nobody sends or mirrors this tape. With durability `replicated` no answer leaves.",
            ("the end of the replica's log", "`tapewire replica status`"),
            "Start `tapewire replica`: it goes on where the stream ends. If the tape is replicated no more, remove "
            "`<tape>/replica/state.json`.",
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
