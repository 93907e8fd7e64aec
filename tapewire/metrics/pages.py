"""Pages of statistics as metrics: which counter of which page is which metric, and whether the page's writer lives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tapewire.errors import StatsError
from tapewire.histogram import StatsPage
from tapewire.metrics.samples import Reading

ENGINE: Final = {
    **{
        name: f"tapewire_engine_{name}_total"
        for name in ("commands", "orders", "trades", "rejects", "refused_inputs", "skipped", "batches")
    },
    **{name: f"tapewire_engine_{name}" for name in ("live_orders", "damaged_rings", "blocked")},
}
FEED: Final = {
    **{
        name: f"tapewire_feed_{name}_total"
        for name in (
            *("messages", "published", "gaps", "resyncs", "dropped", "malformed", "reconnects", "unknown"),
            *("impossible", "duplicates", "missed_trades", "errors", "bus_refused"),
        )
    },
    "instruments": "tapewire_feed_books",
    "live": "tapewire_feed_books_live",
}
FLUSHER: Final = {
    "state": "tapewire_flusher_state",
    **{name: f"tapewire_flusher_{name}_total" for name in ("records", "commits", "duplicates", "gaps")},
    "next_seq": "",  # the tape says it
    "ring_bytes": "",  # the ring says it
}
ARCHIVER: Final = {
    "archived_seq": "",  # the consumer's position says it
    "archived_records": "tapewire_archiver_records_total",
    "behind": "tapewire_archiver_lag_records",
    "failures": "tapewire_archiver_failures_total",
}
VENUE: Final = {
    "state": "tapewire_venue_state",
    "waiting": "tapewire_venue_waiting",
    "open": "tapewire_venue_open_orders",
    **{name: f"tapewire_venue_{name}_total" for name in ("sent", "answered_here", "throttled")},
}
API: Final = {
    **{
        name: f"tapewire_api_{name}_total"
        for name in ("requests", "received", "answered", "late", "repeated", "connections_refused")
    },
    **{name: f"tapewire_api_{name}" for name in ("connections", "waiting", "logins")},
    **{f"stream.{name}": f"tapewire_stream_{name}" for name in ("clients", "unknown", "subscriptions", "congested")},
    **{
        f"stream.{name}": f"tapewire_stream_{name}_total"
        for name in (
            *("connected", "refused", "unauthenticated", "received", "invalid", "limited", "messages", "bytes"),
            *("conflated", "skipped", "resumed", "told_slow", "dropped_slow", "dropped_idle", "dropped_invalid"),
        )
    },
}
RELAY: Final = {
    "bytes": "tapewire_relay_carried_bytes_total",
    **{name: f"tapewire_relay_{name}_total" for name in ("records", "resent", "refused", "gaps", "damaged", "full")},
    **{name: f"tapewire_relay_{name}" for name in ("lag_bytes", "unsent_bytes", "open", "attached")},
}
ASKED: Final = {
    **{name: f"tapewire_asked_{name}_total" for name in ("asks", "timeouts", "brought", "away")},
    "waiting": "tapewire_asked_waiting",
}
ANSWERING: Final = {
    **{name: f"tapewire_answering_{name}_total" for name in ("asks", "others", "losses")},
    "shards": "tapewire_answering_shards",
}
COUNTERS: Final = {
    "answering": ANSWERING,
    "api": API,
    "asked": ASKED,
    "engine": ENGINE,
    "connector": FEED,
    "flusher": FLUSHER,
    "archiver": ARCHIVER,
    "relay": RELAY,
    "venue": VENUE,
}
"""By kind of page: the metric of each counter; "" for what something else tells better. The label is its name."""
HISTOGRAMS: Final = {
    ("answering", "answer"): "tapewire_answering_answer_seconds",
    ("asked", "answer"): "tapewire_asked_answer_seconds",
    ("api", "answer"): "tapewire_api_answer_seconds",
    ("connector", "decode_ns"): "tapewire_feed_decode_seconds",
    ("connector", "exchange_to_edge_ns"): "tapewire_feed_exchange_to_edge_seconds",
    ("flusher", "sequenced_to_committed"): "tapewire_flusher_sequenced_to_committed_seconds",
    ("flusher", "commit"): "tapewire_flusher_commit_seconds",
    ("replica", "stored"): "tapewire_replica_stored_seconds",
    ("archiver", "stretch"): "tapewire_archiver_stretch_seconds",
}
SINK: Final = {"state": "tapewire_sink_state", "failures": "tapewire_sink_failures_total"}
SINK_TAPE: Final = {
    "state": "tapewire_sink_tape_state",
    "seq": "tapewire_sink_last_record",
    "lag": "tapewire_sink_lag_records",
    **{name: f"tapewire_sink_{name}_total" for name in ("records", "rows", "commits", "losses")},
    "rate": "",  # of the records
}
FRONT_GAUGES: Final = {"half_open": "tapewire_front_half_open", "live": "tapewire_front_live"}


class Pages:
    """The pages of a folder, opened when they appear and again when their writer was replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, StatsPage] = {}

    def get(self, name: str) -> StatsPage:
        """Raises StatsError if there is no such page, or it is none of this version."""
        page = self._open.get(name)
        if page is None or page.replaced:
            page = self._open[name] = StatsPage.open(self.folder / name)
        return page

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*") if not path.name.startswith("."))

    def all(self) -> Iterator[tuple[str, StatsPage | StatsError]]:
        """Every page by name, or why it could not be read. One that is being replaced is left out this time."""
        names = self.names()
        for gone in self._open.keys() - set(names):
            self._open.pop(gone).close()
        for name in names:
            try:
                yield name, self.get(name)
            except StatsError as error:
                if (self.folder / name).exists():
                    yield name, error


def read_page(reading: Reading, name: str, page: StatsPage) -> None:
    """Puts all that a page holds."""
    kind, _, rest = name.partition(".")
    if name == "gateway.front":
        _front(reading, page)
    elif kind == "sink":
        _sink(reading, rest, page)
        return
    elif (known := COUNTERS.get(kind)) is not None:
        for counter, value in page.counters().items():
            metric = known.get(counter)
            if kind == "api" and counter.startswith("refused."):
                reading.put("tapewire_api_refused_total", value, rest, counter.removeprefix("refused."))
            elif metric is None:
                reading.put("tapewire_page_counter", value, name, counter)
            elif metric:
                reading.put(metric, value, *([rest] if rest else []))  # there is one monitor
        if kind == "connector" and not page.writer_alive:
            reading.put("tapewire_feed_books_live", 0, rest)
    else:
        for counter, value in page.counters().items():
            reading.put("tapewire_page_counter", value, name, counter)
    for stage, histogram in page.histograms().items():
        if kind == "engine":
            reading.put_histogram("tapewire_engine_stage_seconds", histogram, rest, stage)
        elif metric := HISTOGRAMS.get((kind, stage)):
            reading.put_histogram(metric, histogram, rest)
        else:
            reading.put_histogram("tapewire_page_seconds", histogram, name, stage)


def _sink(reading: Reading, rest: str, page: StatsPage) -> None:
    """`rest` is the sink's name, or that and a tape's: no sink has a dot in its name."""
    name, _, tape = rest.partition(".")
    labels = [name, tape] if tape else [name]
    known = SINK_TAPE if tape else SINK
    alive = page.writer_alive
    for counter, value in page.counters().items():
        # What a sink was about when it ended, it is no longer; that it ended, its service tells.
        if (metric := known[counter]) and (alive or counter not in ("state", "lag")):
            reading.put(metric, value, *labels)
    for histogram in page.histograms().values():
        reading.put_histogram("tapewire_sink_commit_seconds", histogram, *labels)


def _front(reading: Reading, page: StatsPage) -> None:
    for counter, value in page.counters().items():
        if gauge := FRONT_GAUGES.get(counter):
            reading.put(gauge, value)
        elif counter.startswith("backlog."):
            reading.put("tapewire_front_backlog_bytes", value, counter.removeprefix("backlog."))
        else:
            reading.put("tapewire_front_connections_total", value, counter)
