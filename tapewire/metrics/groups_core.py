"""Groups of metrics: what runs, tapes, rings, the engine and its parts, the host under them."""

from __future__ import annotations

from tapewire.metrics.metric import Group, counter, gauge, histogram

SERVICES = Group(
    "Services",
    "Pages of statistics (their lock tells whether the writer lives), and `/proc` for what is of this data folder.",
    (
        gauge(
            "service_up", "1 while the service runs; 0 once it has been seen, or left a page, and is gone.", "service"
        ),
        gauge(
            "service_ready", "1 while the service says it is ready, 0 while it does not or does not answer.", "service"
        ),
        gauge("service_start_time_seconds", "When it was started, UTC.", "service", unit="seconds"),
        counter("service_cpu_seconds", "CPU time, user and system, of all its threads.", "service", unit="seconds"),
        gauge(
            "service_resident_memory_bytes",
            "Memory of it that is in RAM, shared pages included.",
            "service",
            unit="bytes",
        ),
        gauge("service_threads", "Its threads.", "service"),
        gauge("service_open_files", "File descriptors it has open.", "service"),
        counter(
            "service_context_switches",
            "How often it lost the CPU: `voluntary` (waited) or `involuntary`.",
            "service",
            "kind",
        ),
    ),
)

TAPES = Group(
    "Tapes",
    "The control page of each tape below `<data>/tapes`, and the positions its consumers store.",
    (
        counter("tape_records", "Records written since the tape began: the last seq.", "tape"),
        counter("tape_written_bytes", "Bytes written since the tape began.", "tape", unit="bytes"),
        gauge("tape_unsynced_bytes", "Bytes that are written and not durable yet.", "tape", unit="bytes"),
        gauge("tape_unsynced_records", "Records that are written and not durable yet.", "tape"),
        gauge("tape_last_record_timestamp_seconds", "When its last record was sequenced, UTC.", "tape", unit="seconds"),
        gauge("tape_disk_bytes", "Bytes of its segments on the disk.", "tape", unit="bytes"),
        gauge("tape_segments", "Segments on the disk.", "tape"),
        gauge("tape_epoch", "How many writers took it over so far.", "tape"),
        gauge("tape_writer", "1 while a process has it open for writing.", "tape"),
        gauge(
            "consumer_lag_records",
            "Released records that a registered consumer has not stored as done.",
            "tape",
            "consumer",
        ),
    ),
)

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
        histogram(
            "replica_stored",
            "Sender: from a part of the tape that is durable to its storing by the stream's quorum. With durability "
            "`replicated` answers leave then.",
            "tape",
        ),
    ),
)

RINGS = Group(
    "Rings",
    "The head of each ring in shared memory.",
    (
        counter("ring_written_bytes", "Bytes its producer has written.", "ring", unit="bytes"),
        gauge("ring_used_bytes", "Bytes that wait for the consumer.", "ring", unit="bytes"),
        gauge("ring_capacity_bytes", "Its room.", "ring", unit="bytes"),
        gauge("ring_producer", "1 while a process has the writing side open.", "ring"),
        gauge("ring_consumer", "1 while a process has the reading side open.", "ring"),
    ),
)

RELAY = Group(
    "Relay",
    "The pages `relay.<out|in>.<ring>`, which the relay writes once a second: `out` where the producer is, `in` where "
    "its engine is.",
    (
        counter("relay_records", "Records sent, those sent again included.", "relay"),
        counter("relay_carried_bytes", "Bytes sent (out), or written into the ring (in).", "relay", unit="bytes"),
        counter("relay_resent", "How often sending began again: silence, a gap, a new engine.", "relay"),
        counter("relay_refused", "Sessions that were refused: another host carries the ring, or it differs.", "relay"),
        counter("relay_gaps", "Chunks that began behind what the ring has: they were asked for again.", "relay"),
        counter("relay_damaged", "Chunks whose checksum or records did not hold.", "relay"),
        counter("relay_full", "Chunks for which the ring had no room: the engine is behind.", "relay"),
        gauge("relay_lag_bytes", "Bytes in the ring that the mirrored tape does not show yet.", "relay", unit="bytes"),
        gauge("relay_unsent_bytes", "Of those, what the engine's host does not have.", "relay", unit="bytes"),
        gauge("relay_open", "1 while the other side takes what is sent.", "relay"),
        gauge("relay_attached", "1 while the ring is there and an engine has its other end.", "relay"),
    ),
)

ENGINE = Group(
    "Engine",
    "The page `engine.<shard>`, which the engine writes at the end of each batch.",
    (
        counter("engine_commands", "Commands taken from rings and sequenced.", "shard"),
        counter("engine_orders", "New orders sequenced.", "shard"),
        counter("engine_trades", "Matches.", "shard"),
        counter("engine_rejects", "Commands refused by risk or matcher.", "shard"),
        counter("engine_refused_inputs", "Ring records that are no command the producer may send.", "shard"),
        counter("engine_skipped", "Ring records that the tape already held after a restart.", "shard"),
        counter("engine_batches", "Batches: one write, and with durability `disk` one sync, each.", "shard"),
        gauge("engine_live_orders", "Orders that are live.", "shard"),
        gauge("engine_damaged_rings", "Rings that were let go because their bytes do not hold.", "shard"),
        gauge(
            "engine_blocked",
            "1 while the disk has no room for the next segment and commands stay in their rings.",
            "shard",
        ),
        histogram(
            "engine_stage",
            "Time per stage: `queue` (in ring), `decide` (risk, match), `commit` (write, sync), `answer` (all of it, "
            "on this host: with durability `replicated` `tapewire_replica_stored_seconds` follows).",
            "shard",
            "stage",
        ),
    ),
)

PARTS = Group(
    "Parts of the engine",
    "In topology split, the engine's page `asked.<service>.<shard>` and the service's `answering.<service>`.",
    (
        counter("asked_asks", "What the engine's core asked.", "service"),
        counter("asked_timeouts", "Messages without an answer in time: they were sent again.", "service"),
        counter("asked_brought", "Times an instance was brought to the state.", "service"),
        counter("asked_away", "Tries that found no instance that could answer.", "service"),
        gauge("asked_waiting", "1 while commands wait since the service is away.", "service"),
        histogram("asked_answer", "From an ask to its whole answer, whatever it took.", "service"),
        counter("answering_asks", "Asks answered, those of bringing to a state among them.", "service"),
        counter("answering_others", "Asks that were for another instance.", "service"),
        counter("answering_losses", "Times the bus went away.", "service"),
        gauge("answering_shards", "Shards it was asked for.", "service"),
        histogram("answering_answer", "From an ask read to its answer sent.", "service"),
    ),
)

HOST = Group(
    "Host",
    "The file systems of data and rings, and the kernel's clock discipline (adjtimex).",
    (
        gauge(
            "disk_free_bytes",
            "Room left for the platform, on the file system of a folder: `data` or `rings`.",
            "folder",
            unit="bytes",
        ),
        gauge("disk_size_bytes", "Size of that file system.", "folder", unit="bytes"),
        gauge("clock_offset_seconds", "What the kernel still has to slew the clock by.", unit="seconds"),
        gauge(
            "clock_max_error_seconds",
            "The kernel's bound of the clock's error; grows while nobody disciplines it.",
            unit="seconds",
        ),
        gauge("clock_synchronized", "1 while something disciplines the clock (chrony, ntpd, PTP)."),
        gauge(
            "clock_step_seconds",
            "How far the clock was stepped or slewed against the raw monotonic one since the exporter started.",
            unit="seconds",
        ),
    ),
)

RISK = Group(
    "Risk",
    "The orders tape: refusals and kill switches since the exporter began; exposure from a fold of it in the monitor.",
    (
        counter("risk_refused", "Commands refused, by RejectReason.", "shard", "reason"),
        counter("risk_refused_inputs", "Ring records that were no command, by RefusalReason.", "shard", "reason"),
        gauge(
            "risk_kill_switch_engaged",
            "1 while the kill switch of an account is engaged; account 0 is all.",
            "shard",
            "account",
        ),
        counter("risk_kill_switch_changes", "Kill switches engaged or released.", "shard"),
        gauge(
            "risk_limit_used_ratio",
            "Largest position, open orders counted as filled, as a share of the account's limit.",
            "shard",
            "account",
            unit="ratio",
        ),
    ),
)
