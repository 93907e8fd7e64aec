"""Groups of metrics: feeds and stores, what clients and traces touch."""

from __future__ import annotations

from tapewire.metrics.metric import Group, counter, gauge, histogram

FEEDS = Group(
    "Feeds",
    "The page `connector.<feed>`, brought up to date four times a second.",
    (
        counter("feed_messages", "Messages of the venue.", "feed"),
        counter("feed_published", "Messages given to ring and bus.", "feed"),
        counter("feed_gaps", "Gaps in the venue's own numbering or checksums.", "feed"),
        counter("feed_resyncs", "Books built anew from a snapshot.", "feed"),
        counter("feed_dropped", "Messages dropped from every lane since the ring was full.", "feed"),
        counter("feed_malformed", "Frames that are not what the venue's document says.", "feed"),
        counter("feed_reconnects", "Connections made again.", "feed"),
        counter("feed_unknown", "Frames of a kind this build does not know.", "feed"),
        counter("feed_impossible", "Messages with values that cannot be, left out.", "feed"),
        counter("feed_duplicates", "Messages that came before.", "feed"),
        counter("feed_missed_trades", "Trades that the venue's numbering says were missed.", "feed"),
        counter("feed_errors", "Errors the venue reported.", "feed"),
        counter("feed_bus_refused", "Messages the bus did not take.", "feed"),
        gauge("feed_books", "Instruments it is to follow.", "feed"),
        gauge("feed_books_live", "Those whose book is live; 0 while nobody keeps them.", "feed"),
        histogram("feed_decode", "From the socket read to the stamp of each message.", "feed"),
        histogram(
            "feed_exchange_to_edge", "From the venue's time to the socket read: its clock against ours, too.", "feed"
        ),
    ),
)

STORAGE = Group(
    "Flusher",
    "The pages `flusher.<feed>` and `archiver.<tape>`.",
    (
        gauge("flusher_state", "0 waiting for ring or tape, 1 running, 2 stopped: the log says why.", "feed"),
        counter("flusher_records", "Records moved from the ring onto the tape.", "feed"),
        counter("flusher_commits", "Writes to the tape.", "feed"),
        counter("flusher_duplicates", "Records the tape already held after a restart.", "feed"),
        counter("flusher_gaps", "Jumps of seq in the ring: records that are on no tape.", "feed"),
        histogram(
            "flusher_sequenced_to_committed",
            "From the connector's stamp to the tape, first record of each batch.",
            "feed",
        ),
        histogram("flusher_commit", "One write to the tape.", "feed"),
        counter("archiver_records", "Records put into columnar files.", "tape"),
        gauge("archiver_lag_records", "Durable records that are not archived yet.", "tape"),
        counter("archiver_failures", "Stretches that could not be archived; they are tried again.", "tape"),
        histogram("archiver_stretch", "Archiving of one stretch.", "tape"),
    ),
)

SINKS = Group(
    "Sinks",
    "The pages `sink.<name>` and `sink.<name>.<tape>` of the stores outside.",
    (
        gauge("sink_state", "0 waiting for its target (`tapewire sink status` says why), 1 running.", "sink"),
        counter("sink_failures", "Times the target failed, or was away when it was tried.", "sink"),
        gauge("sink_tape_state", "0 waiting, 1 followed, 2 cannot be followed: the log says why.", "sink", "tape"),
        gauge("sink_last_record", "The last record that the target has: its seq.", "sink", "tape"),
        gauge("sink_lag_records", "Released records that the target does not have yet.", "sink", "tape"),
        counter("sink_records", "Records taken off the tape and committed in the target.", "sink", "tape"),
        counter("sink_rows", "Rows, or what the target has instead, that came of them.", "sink", "tape"),
        counter("sink_commits", "Batches committed.", "sink", "tape"),
        counter("sink_losses", "Tails that the tape lost and the target took back.", "sink", "tape"),
        histogram("sink_commit", "One batch: data and position into the target.", "sink", "tape"),
    ),
)

GATEWAY = Group(
    "Gateway",
    "The page `gateway.front` (FIX clients) and `venue.<name>` (sessions to outside venues).",
    (
        counter(
            "front_connections",
            "What became of connections, an outcome for each way they can go (docs/fix.md).",
            "outcome",
        ),
        gauge("front_half_open", "Connections without an accepted Logon."),
        gauge("front_live", "Sessions that are logged on."),
        gauge(
            "front_backlog_bytes", "Bytes that wait for a market-data session to read them.", "session", unit="bytes"
        ),
        gauge("venue_state", "State of the session to a venue: 1 down, 2 reconciling, 3 ready.", "venue"),
        gauge("venue_waiting", "Commands that wait for the session.", "venue"),
        gauge("venue_open_orders", "Orders open at the venue.", "venue"),
        counter("venue_sent", "Messages sent to the venue.", "venue"),
        counter("venue_answered_here", "Commands answered without the venue: too old, or the order is gone.", "venue"),
        counter("venue_throttled", "Waits for the venue's message rate.", "venue"),
    ),
)

API = Group(
    "API",
    "The page `api.<number>`, brought up to date twice a second.",
    (
        counter("api_requests", "Requests answered, whatever the answer.", "api"),
        counter("api_received", "Writes taken in: each stands on the API's tape.", "api"),
        counter("api_answered", "Writes answered off the orders tape.", "api"),
        counter("api_late", "Writes that were not answered in time: the client was told so (202).", "api"),
        counter("api_repeated", "Writes that came before, and were answered as then.", "api"),
        counter("api_refused", "Requests refused, by HTTP status.", "api", "status"),
        counter("api_connections_refused", "Connections beyond the bound.", "api"),
        gauge("api_connections", "Open connections.", "api"),
        gauge("api_waiting", "Writes that wait for their answer.", "api"),
        gauge("api_logins", "People logged in.", "api"),
        histogram("api_answer", "From a write's last byte until its answer was read off the tape.", "api"),
    ),
)

STREAM = Group(
    "Stream",
    "The WebSocket stream of the API, on the page `api.<number>`.",
    (
        gauge("stream_clients", "Open connections, authenticated or not.", "api"),
        gauge("stream_unknown", "Of those the ones that have not said who they are.", "api"),
        gauge("stream_subscriptions", "Subscriptions of all clients.", "api"),
        gauge("stream_congested", "Clients that do not read as fast as they are sent to.", "api"),
        counter("stream_connected", "Connections taken.", "api"),
        counter("stream_refused", "Connections and upgrades refused: bounds, origin, path.", "api"),
        counter("stream_unauthenticated", "First messages that proved nothing.", "api"),
        counter("stream_received", "Messages from clients.", "api"),
        counter("stream_invalid", "Of those the ones refused with a reason.", "api"),
        counter("stream_limited", "Of those the ones that came too fast.", "api"),
        counter("stream_messages", "Messages sent.", "api"),
        counter("stream_bytes", "Their bytes, without frame headers.", "api", unit="bytes"),
        counter("stream_conflated", "Updates that a later one stood for, since a client did not read.", "api"),
        counter(
            "stream_skipped", "Records that followers of the tape were told the number of, in place of them.", "api"
        ),
        counter("stream_resumed", "Resumes read off the tape.", "api"),
        counter("stream_told_slow", "Clients told that they are slow.", "api"),
        counter("stream_dropped_slow", "Clients closed since they were slow.", "api"),
        counter("stream_dropped_idle", "Clients closed since nothing came from them.", "api"),
        counter("stream_dropped_invalid", "Clients closed since they broke the protocol, or went on too fast.", "api"),
    ),
)

ROUTER = Group(
    "Router",
    "The tape `router.<number>`, by kinds of records; counted from the exporter's start.",
    (
        counter("router_records", "Records by kind: parents, slices, decisions, children, refusals.", "router", "kind"),
        gauge("router_parents", "Parents by the state that they were last told to be in.", "router", "state"),
    ),
)

TRACING = Group(
    "Tracing",
    "The page `monitor`, while `[monitor] otlp_url` is set.",
    (
        counter("monitor_records", "Records read for traces."),
        counter("monitor_works", "Orders and ticks followed."),
        counter("monitor_traces", "Traces exported."),
        counter("monitor_sampled_head", "Traced since the edge chose them."),
        counter("monitor_sampled_rejected", "Traced since they were refused."),
        counter("monitor_sampled_slow", "Traced since they were slow."),
        counter("monitor_spans_exported", "Spans the collector took."),
        counter("monitor_spans_dropped", "Spans dropped: the collector was away, or too slow."),
        counter("monitor_export_failures", "Requests to the collector that failed."),
        counter("monitor_works_dropped", "Orders let go before their trace was whole: too many at once."),
        counter("monitor_batches_missed", "Batches that the stage log had forgotten before they were read."),
        gauge("monitor_spans_waiting", "Spans that wait for the collector."),
        gauge("monitor_lag_records", "Records not read for traces yet."),
    ),
)

EXPORTER = Group(
    "Exporter",
    "The exporter itself.",
    (
        gauge("scrape_seconds", "What reading all of this took, the last time.", unit="seconds"),
        counter(
            "scrape_errors", "What could not be read, by where: a page, tape or ring that does not hold.", "source"
        ),
        gauge("build_info", "1; the version is in the label.", "version"),
        gauge("page_counter", "A counter of a page that this table does not know.", "page", "name"),
        histogram("page", "A histogram of a page that this table does not know.", "page", "name"),
    ),
)
