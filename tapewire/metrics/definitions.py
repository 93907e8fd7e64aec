"""Every metric there is, in one table: the exporter, docs/metrics.md, dashboards and alert rules all go by it.

Names follow Prometheus: `tapewire_` + subject + what, base units (seconds, bytes, ratios from 0 to 1), `_total` on
counters alone. Counters begin at 0 when the process that counts starts.
"""

from __future__ import annotations

from typing import Final

from tapewire.metrics.metric import Group, Kind, Metric
from tapewire.metrics.metric import counter as _counter
from tapewire.metrics.metric import gauge as _gauge
from tapewire.metrics.metric import histogram as _histogram
from tapewire.metrics.replicas import REPLICAS

__all__ = ["GROUPS", "METRICS", "Group", "Kind", "Metric", "series"]


SERVICES = Group(
    "Services",
    "Pages of statistics (their lock tells whether the writer lives), and `/proc` for what is of this data folder.",
    (
        _gauge(
            "service_up", "1 while the service runs; 0 once it has been seen, or left a page, and is gone.", "service"
        ),
        _gauge(
            "service_ready", "1 while the service says it is ready, 0 while it does not or does not answer.", "service"
        ),
        _gauge("service_start_time_seconds", "When it was started, UTC.", "service", unit="seconds"),
        _counter("service_cpu_seconds", "CPU time, user and system, of all its threads.", "service", unit="seconds"),
        _gauge(
            "service_resident_memory_bytes",
            "Memory of it that is in RAM, shared pages included.",
            "service",
            unit="bytes",
        ),
        _gauge("service_threads", "Its threads.", "service"),
        _gauge("service_open_files", "File descriptors it has open.", "service"),
        _counter(
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
        _counter("tape_records", "Records written since the tape began: the last seq.", "tape"),
        _counter("tape_written_bytes", "Bytes written since the tape began.", "tape", unit="bytes"),
        _gauge("tape_unsynced_bytes", "Bytes that are written and not durable yet.", "tape", unit="bytes"),
        _gauge("tape_unsynced_records", "Records that are written and not durable yet.", "tape"),
        _gauge(
            "tape_last_record_timestamp_seconds", "When its last record was sequenced, UTC.", "tape", unit="seconds"
        ),
        _gauge("tape_disk_bytes", "Bytes of its segments on the disk.", "tape", unit="bytes"),
        _gauge("tape_segments", "Segments on the disk.", "tape"),
        _gauge("tape_epoch", "How many writers took it over so far.", "tape"),
        _gauge("tape_writer", "1 while a process has it open for writing.", "tape"),
        _gauge(
            "consumer_lag_records",
            "Released records that a registered consumer has not stored as done.",
            "tape",
            "consumer",
        ),
    ),
)

RINGS = Group(
    "Rings",
    "The head of each ring in shared memory.",
    (
        _counter("ring_written_bytes", "Bytes its producer has written.", "ring", unit="bytes"),
        _gauge("ring_used_bytes", "Bytes that wait for the consumer.", "ring", unit="bytes"),
        _gauge("ring_capacity_bytes", "Its room.", "ring", unit="bytes"),
        _gauge("ring_producer", "1 while a process has the writing side open.", "ring"),
        _gauge("ring_consumer", "1 while a process has the reading side open.", "ring"),
    ),
)

ENGINE = Group(
    "Engine",
    "The page `engine.<shard>`, which the engine writes at the end of each batch.",
    (
        _counter("engine_commands", "Commands taken from rings and sequenced.", "shard"),
        _counter("engine_orders", "New orders sequenced.", "shard"),
        _counter("engine_trades", "Matches.", "shard"),
        _counter("engine_rejects", "Commands refused by risk or matcher.", "shard"),
        _counter("engine_refused_inputs", "Ring records that are no command the producer may send.", "shard"),
        _counter("engine_skipped", "Ring records that the tape already held after a restart.", "shard"),
        _counter("engine_batches", "Batches: one write, and with durability `disk` one sync, each.", "shard"),
        _gauge("engine_live_orders", "Orders that are live.", "shard"),
        _gauge("engine_damaged_rings", "Rings that were let go because their bytes do not hold.", "shard"),
        _gauge(
            "engine_blocked",
            "1 while the disk has no room for the next segment and commands stay in their rings.",
            "shard",
        ),
        _histogram(
            "engine_stage",
            "Time per stage: `queue` (in ring), `decide` (risk, match), `commit` (write, sync), `answer` (all of it).",
            "shard",
            "stage",
        ),
    ),
)

PARTS = Group(
    "Parts of the engine",
    "In topology split, the engine's page `asked.<service>.<shard>` and the service's `answering.<service>`.",
    (
        _counter("asked_asks", "What the engine's core asked.", "service"),
        _counter("asked_timeouts", "Messages without an answer in time: they were sent again.", "service"),
        _counter("asked_brought", "Times an instance was brought to the state.", "service"),
        _counter("asked_away", "Tries that found no instance that could answer.", "service"),
        _gauge("asked_waiting", "1 while commands wait since the service is away.", "service"),
        _histogram("asked_answer", "From an ask to its whole answer, whatever it took.", "service"),
        _counter("answering_asks", "Asks answered, those of bringing to a state among them.", "service"),
        _counter("answering_others", "Asks that were for another instance.", "service"),
        _counter("answering_losses", "Times the bus went away.", "service"),
        _gauge("answering_shards", "Shards it was asked for.", "service"),
        _histogram("answering_answer", "From an ask read to its answer sent.", "service"),
    ),
)

FEEDS = Group(
    "Feeds",
    "The page `connector.<feed>`, brought up to date four times a second.",
    (
        _counter("feed_messages", "Messages of the venue.", "feed"),
        _counter("feed_published", "Messages given to ring and bus.", "feed"),
        _counter("feed_gaps", "Gaps in the venue's own numbering or checksums.", "feed"),
        _counter("feed_resyncs", "Books built anew from a snapshot.", "feed"),
        _counter("feed_dropped", "Messages dropped from every lane since the ring was full.", "feed"),
        _counter("feed_malformed", "Frames that are not what the venue's document says.", "feed"),
        _counter("feed_reconnects", "Connections made again.", "feed"),
        _counter("feed_unknown", "Frames of a kind this build does not know.", "feed"),
        _counter("feed_impossible", "Messages with values that cannot be, left out.", "feed"),
        _counter("feed_duplicates", "Messages that came before.", "feed"),
        _counter("feed_missed_trades", "Trades that the venue's numbering says were missed.", "feed"),
        _counter("feed_errors", "Errors the venue reported.", "feed"),
        _counter("feed_bus_refused", "Messages the bus did not take.", "feed"),
        _gauge("feed_books", "Instruments it is to follow.", "feed"),
        _gauge("feed_books_live", "Those whose book is live; 0 while nobody keeps them.", "feed"),
        _histogram("feed_decode", "From the socket read to the stamp of each message.", "feed"),
        _histogram(
            "feed_exchange_to_edge", "From the venue's time to the socket read: its clock against ours, too.", "feed"
        ),
    ),
)

STORAGE = Group(
    "Flusher",
    "The pages `flusher.<feed>` and `archiver.<tape>`.",
    (
        _gauge("flusher_state", "0 waiting for ring or tape, 1 running, 2 stopped: the log says why.", "feed"),
        _counter("flusher_records", "Records moved from the ring onto the tape.", "feed"),
        _counter("flusher_commits", "Writes to the tape.", "feed"),
        _counter("flusher_duplicates", "Records the tape already held after a restart.", "feed"),
        _counter("flusher_gaps", "Jumps of seq in the ring: records that are on no tape.", "feed"),
        _histogram(
            "flusher_sequenced_to_committed",
            "From the connector's stamp to the tape, first record of each batch.",
            "feed",
        ),
        _histogram("flusher_commit", "One write to the tape.", "feed"),
        _counter("archiver_records", "Records put into columnar files.", "tape"),
        _gauge("archiver_lag_records", "Durable records that are not archived yet.", "tape"),
        _counter("archiver_failures", "Stretches that could not be archived; they are tried again.", "tape"),
        _histogram("archiver_stretch", "Archiving of one stretch.", "tape"),
    ),
)

SINKS = Group(
    "Sinks",
    "The pages `sink.<name>` and `sink.<name>.<tape>` of the stores outside.",
    (
        _gauge("sink_state", "0 waiting for its target (`tapewire sink status` says why), 1 running.", "sink"),
        _counter("sink_failures", "Times the target failed, or was away when it was tried.", "sink"),
        _gauge("sink_tape_state", "0 waiting, 1 followed, 2 cannot be followed: the log says why.", "sink", "tape"),
        _gauge("sink_last_record", "The last record that the target has: its seq.", "sink", "tape"),
        _gauge("sink_lag_records", "Released records that the target does not have yet.", "sink", "tape"),
        _counter("sink_records", "Records taken off the tape and committed in the target.", "sink", "tape"),
        _counter("sink_rows", "Rows, or what the target has instead, that came of them.", "sink", "tape"),
        _counter("sink_commits", "Batches committed.", "sink", "tape"),
        _counter("sink_losses", "Tails that the tape lost and the target took back.", "sink", "tape"),
        _histogram("sink_commit", "One batch: data and position into the target.", "sink", "tape"),
    ),
)

GATEWAY = Group(
    "Gateway",
    "The page `gateway.front` (FIX clients) and `venue.<name>` (sessions to outside venues).",
    (
        _counter(
            "front_connections",
            "What became of connections, an outcome for each way they can go (docs/fix.md).",
            "outcome",
        ),
        _gauge("front_half_open", "Connections without an accepted Logon."),
        _gauge("front_live", "Sessions that are logged on."),
        _gauge(
            "front_backlog_bytes", "Bytes that wait for a market-data session to read them.", "session", unit="bytes"
        ),
        _gauge("venue_state", "State of the session to a venue: 1 down, 2 reconciling, 3 ready.", "venue"),
        _gauge("venue_waiting", "Commands that wait for the session.", "venue"),
        _gauge("venue_open_orders", "Orders open at the venue.", "venue"),
        _counter("venue_sent", "Messages sent to the venue.", "venue"),
        _counter("venue_answered_here", "Commands answered without the venue: too old, or the order is gone.", "venue"),
        _counter("venue_throttled", "Waits for the venue's message rate.", "venue"),
    ),
)

API = Group(
    "API",
    "The page `api.<number>`, brought up to date twice a second.",
    (
        _counter("api_requests", "Requests answered, whatever the answer.", "api"),
        _counter("api_received", "Writes taken in: each stands on the API's tape.", "api"),
        _counter("api_answered", "Writes answered off the orders tape.", "api"),
        _counter("api_late", "Writes that were not answered in time: the client was told so (202).", "api"),
        _counter("api_repeated", "Writes that came before, and were answered as then.", "api"),
        _counter("api_refused", "Requests refused, by HTTP status.", "api", "status"),
        _counter("api_connections_refused", "Connections beyond the bound.", "api"),
        _gauge("api_connections", "Open connections.", "api"),
        _gauge("api_waiting", "Writes that wait for their answer.", "api"),
        _gauge("api_logins", "People logged in.", "api"),
        _histogram("api_answer", "From a write's last byte until its answer was read off the tape.", "api"),
    ),
)

STREAM = Group(
    "Stream",
    "The WebSocket stream of the API, on the page `api.<number>`.",
    (
        _gauge("stream_clients", "Open connections, authenticated or not.", "api"),
        _gauge("stream_unknown", "Of those the ones that have not said who they are.", "api"),
        _gauge("stream_subscriptions", "Subscriptions of all clients.", "api"),
        _gauge("stream_congested", "Clients that do not read as fast as they are sent to.", "api"),
        _counter("stream_connected", "Connections taken.", "api"),
        _counter("stream_refused", "Connections and upgrades refused: bounds, origin, path.", "api"),
        _counter("stream_unauthenticated", "First messages that proved nothing.", "api"),
        _counter("stream_received", "Messages from clients.", "api"),
        _counter("stream_invalid", "Of those the ones refused with a reason.", "api"),
        _counter("stream_limited", "Of those the ones that came too fast.", "api"),
        _counter("stream_messages", "Messages sent.", "api"),
        _counter("stream_bytes", "Their bytes, without frame headers.", "api", unit="bytes"),
        _counter("stream_conflated", "Updates that a later one stood for, since a client did not read.", "api"),
        _counter(
            "stream_skipped", "Records that followers of the tape were told the number of, in place of them.", "api"
        ),
        _counter("stream_resumed", "Resumes read off the tape.", "api"),
        _counter("stream_told_slow", "Clients told that they are slow.", "api"),
        _counter("stream_dropped_slow", "Clients closed since they were slow.", "api"),
        _counter("stream_dropped_idle", "Clients closed since nothing came from them.", "api"),
        _counter("stream_dropped_invalid", "Clients closed since they broke the protocol, or went on too fast.", "api"),
    ),
)

RISK = Group(
    "Risk",
    "The orders tape: refusals and kill switches since the exporter began; exposure from a fold of it in the monitor.",
    (
        _counter("risk_refused", "Commands refused, by RejectReason.", "shard", "reason"),
        _counter("risk_refused_inputs", "Ring records that were no command, by RefusalReason.", "shard", "reason"),
        _gauge(
            "risk_kill_switch_engaged",
            "1 while the kill switch of an account is engaged; account 0 is all.",
            "shard",
            "account",
        ),
        _counter("risk_kill_switch_changes", "Kill switches engaged or released.", "shard"),
        _gauge(
            "risk_limit_used_ratio",
            "Largest position, open orders counted as filled, as a share of the account's limit.",
            "shard",
            "account",
            unit="ratio",
        ),
    ),
)

ROUTER = Group(
    "Router",
    "The tape `router.<number>`, by kinds of records; counted from the exporter's start.",
    (
        _counter(
            "router_records", "Records by kind: parents, slices, decisions, children, refusals.", "router", "kind"
        ),
        _gauge("router_parents", "Parents by the state that they were last told to be in.", "router", "state"),
    ),
)

TRACING = Group(
    "Tracing",
    "The page `monitor`, while `[monitor] otlp_url` is set.",
    (
        _counter("monitor_records", "Records read for traces."),
        _counter("monitor_works", "Orders and ticks followed."),
        _counter("monitor_traces", "Traces exported."),
        _counter("monitor_sampled_head", "Traced since the edge chose them."),
        _counter("monitor_sampled_rejected", "Traced since they were refused."),
        _counter("monitor_sampled_slow", "Traced since they were slow."),
        _counter("monitor_spans_exported", "Spans the collector took."),
        _counter("monitor_spans_dropped", "Spans dropped: the collector was away, or too slow."),
        _counter("monitor_export_failures", "Requests to the collector that failed."),
        _counter("monitor_works_dropped", "Orders let go before their trace was whole: too many at once."),
        _counter("monitor_batches_missed", "Batches that the stage log had forgotten before they were read."),
        _gauge("monitor_spans_waiting", "Spans that wait for the collector."),
        _gauge("monitor_lag_records", "Records not read for traces yet."),
    ),
)

HOST = Group(
    "Host",
    "The file systems of data and rings, and the kernel's clock discipline (adjtimex).",
    (
        _gauge(
            "disk_free_bytes",
            "Room left for the platform, on the file system of a folder: `data` or `rings`.",
            "folder",
            unit="bytes",
        ),
        _gauge("disk_size_bytes", "Size of that file system.", "folder", unit="bytes"),
        _gauge("clock_offset_seconds", "What the kernel still has to slew the clock by.", unit="seconds"),
        _gauge(
            "clock_max_error_seconds",
            "The kernel's bound of the clock's error; grows while nobody disciplines it.",
            unit="seconds",
        ),
        _gauge("clock_synchronized", "1 while something disciplines the clock (chrony, ntpd, PTP)."),
        _gauge(
            "clock_step_seconds",
            "How far the clock was stepped or slewed against the raw monotonic one since the exporter started.",
            unit="seconds",
        ),
    ),
)

EXPORTER = Group(
    "Exporter",
    "The exporter itself.",
    (
        _gauge("scrape_seconds", "What reading all of this took, the last time.", unit="seconds"),
        _counter(
            "scrape_errors", "What could not be read, by where: a page, tape or ring that does not hold.", "source"
        ),
        _gauge("build_info", "1; the version is in the label.", "version"),
        _gauge("page_counter", "A counter of a page that this table does not know.", "page", "name"),
        _histogram("page", "A histogram of a page that this table does not know.", "page", "name"),
    ),
)

RELAY = Group(
    "Relay",
    "The pages `relay.<out|in>.<ring>`, which the relay writes once a second: `out` where the producer is, `in` where "
    "its engine is.",
    (
        _counter("relay_records", "Records sent, those sent again included.", "relay"),
        _counter("relay_carried_bytes", "Bytes sent (out), or written into the ring (in).", "relay", unit="bytes"),
        _counter("relay_resent", "How often sending began again: silence, a gap, a new engine.", "relay"),
        _counter("relay_refused", "Sessions that were refused: another host carries the ring, or it differs.", "relay"),
        _counter("relay_gaps", "Chunks that began behind what the ring has: they were asked for again.", "relay"),
        _counter("relay_damaged", "Chunks whose checksum or records did not hold.", "relay"),
        _counter("relay_full", "Chunks for which the ring had no room: the engine is behind.", "relay"),
        _gauge("relay_lag_bytes", "Bytes in the ring that the mirrored tape does not show yet.", "relay", unit="bytes"),
        _gauge("relay_unsent_bytes", "Of those, what the engine's host does not have.", "relay", unit="bytes"),
        _gauge("relay_open", "1 while the other side takes what is sent.", "relay"),
        _gauge("relay_attached", "1 while the ring is there and an engine has its other end.", "relay"),
    ),
)

GROUPS: Final = (
    SERVICES,
    TAPES,
    REPLICAS,
    RINGS,
    RELAY,
    ENGINE,
    PARTS,
    FEEDS,
    STORAGE,
    SINKS,
    GATEWAY,
    API,
    STREAM,
    RISK,
    ROUTER,
    TRACING,
    HOST,
    EXPORTER,
)
METRICS: Final[dict[str, Metric]] = {metric.name: metric for group in GROUPS for metric in group.metrics}


def series(metric: Metric) -> tuple[str, ...]:
    """The names of its samples, as a query writes them."""
    if metric.kind is Kind.histogram:
        return tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
    return (metric.name,)
