"""Alerts of the stores outside that follow tapes."""

from __future__ import annotations

from typing import Final

from services.monitor.alert import Alert, AlertGroup

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
