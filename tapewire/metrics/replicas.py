"""The metrics of tapes on other hosts."""

from __future__ import annotations

from tapewire.metrics.metric import Group, counter, gauge

REPLICAS = Group(
    "Replicas",
    "What `tapewire replica` says of each tape it sends or mirrors, `<tape>/replica/state.json`.",
    (
        gauge("replica_role", "1 for the role it has now, such as sender, mirror, fenced or differs.", "tape", "role"),
        gauge("replica_running", "1 while the replica brings that up to date.", "tape"),
        gauge(
            "replica_lag_bytes",
            "Sender: durable here and not in the stream. Mirror: come here and not on its disk yet.",
            "tape",
            unit="bytes",
        ),
        gauge("replica_lag_records", "Sender: records that are durable here and not in the stream.", "tape"),
        gauge("replica_seq", "Last record that the stream (sender) or this host (mirror) holds.", "tape"),
        gauge("replica_epoch", "Epoch of the tape's writer, as the stream has it.", "tape"),
        counter("replica_fetched_bytes", "Bytes asked from the sender: older than the stream.", "tape", unit="bytes"),
        counter("replica_disconnects", "How often the bus went away.", "tape"),
    ),
)
