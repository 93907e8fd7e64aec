"""What `tapewire top` tells of one moment: as a document for programs, and drawn for a terminal."""

from __future__ import annotations

import time
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tapewire import consumers
from tapewire.metrics.recent import Percentiles, Recent
from tapewire.metrics.samples import Reading

SORTS = {"n": "name", "c": "cpu", "m": "memory", "s": "switches"}
QUALITY_STYLE = {"live": "green", "resync": "yellow", "stale": "red"}
FULL = 0.5
"""From here on a ring's fill is shown in red."""


def document(reading: Reading, recent: Recent) -> dict[str, Any]:
    """The stable keys of `--json`. Rates are per second of the time between the two looks."""
    return {
        "ts": time.time_ns(),
        "services": {labels["service"]: _service(reading, recent, labels["service"]) for labels, _ in _up(reading)},
        "engine": {
            shard: {
                "commands_per_s": round(recent.rate("tapewire_engine_commands_total", shard), 1),
                "trades_per_s": round(recent.rate("tapewire_engine_trades_total", shard), 1),
                "rejects_per_s": round(recent.rate("tapewire_engine_rejects_total", shard), 1),
                "live_orders": int(reading.value("tapewire_engine_live_orders", shard) or 0),
                "blocked": bool(reading.value("tapewire_engine_blocked", shard)),
                "latency": {
                    labels[1]: _latency(found)
                    for labels, found in recent.latency("tapewire_engine_stage_seconds").items()
                    if labels[0] == shard
                },
            }
            for shard in _names(reading, "tapewire_engine_commands_total", "shard")
        },
        "feeds": {feed: _feed(reading, recent, feed) for feed in _names(reading, "tapewire_feed_books", "feed")},
        "tapes": {
            tape: _tape(reading, recent, tape) for tape in _names(reading, "tapewire_tape_records_total", "tape")
        },
        "rings": {
            ring: {
                "used_bytes": int(reading.value("tapewire_ring_used_bytes", ring) or 0),
                "capacity_bytes": int(reading.value("tapewire_ring_capacity_bytes", ring) or 0),
                "producer": bool(reading.value("tapewire_ring_producer", ring)),
                "consumer": bool(reading.value("tapewire_ring_consumer", ring)),
            }
            for ring in _names(reading, "tapewire_ring_used_bytes", "ring")
        },
        "kill_switches": [
            {"shard": labels["shard"], "account": int(labels["account"])}
            for labels, on in reading.of("tapewire_risk_kill_switch_engaged")
            if on
        ],
        "disk_free_bytes": {labels["folder"]: int(free) for labels, free in reading.of("tapewire_disk_free_bytes")},
    }


def _up(reading: Reading) -> list[tuple[dict[str, str], float]]:
    return sorted(reading.of("tapewire_service_up"), key=lambda one: one[0]["service"])


def _names(reading: Reading, metric: str, label: str) -> list[str]:
    return sorted(labels[label] for labels, _ in reading.of(metric))


def _service(reading: Reading, recent: Recent, name: str) -> dict[str, Any]:
    return {
        "up": bool(reading.value("tapewire_service_up", name)),
        "cpu": round(recent.rate("tapewire_service_cpu_seconds_total", name), 4),
        "resident_bytes": int(reading.value("tapewire_service_resident_memory_bytes", name) or 0),
        "threads": int(reading.value("tapewire_service_threads", name) or 0),
        "started": reading.value("tapewire_service_start_time_seconds", name) or 0.0,
        "switches_per_s": round(recent.rate("tapewire_service_context_switches_total", name, "voluntary"), 1),
        "preempted_per_s": round(recent.rate("tapewire_service_context_switches_total", name, "involuntary"), 1),
    }


def _feed(reading: Reading, recent: Recent, feed: str) -> dict[str, Any]:
    books = int(reading.value("tapewire_feed_books", feed) or 0)
    live = int(reading.value("tapewire_feed_books_live", feed) or 0)
    decode = recent.latency("tapewire_feed_decode_seconds").get((feed,))
    edge = recent.latency("tapewire_feed_exchange_to_edge_seconds").get((feed,))
    totals = ("gaps", "resyncs", "dropped", "reconnects", "malformed")
    return {
        "quality": "live" if books and live == books else "resync" if live else "stale",
        "books": books,
        "books_live": live,
        "messages_per_s": round(recent.rate("tapewire_feed_messages_total", feed), 1),
        **{name: int(reading.value(f"tapewire_feed_{name}_total", feed) or 0) for name in totals},
        "decode": _latency(decode) if decode else {},
        "exchange_to_edge": _latency(edge) if edge else {},
    }


def _tape(reading: Reading, recent: Recent, tape: str) -> dict[str, Any]:
    return {
        "records": int(reading.value("tapewire_tape_records_total", tape) or 0),
        "records_per_s": round(recent.rate("tapewire_tape_records_total", tape), 1),
        "bytes_per_s": round(recent.rate("tapewire_tape_written_bytes_total", tape), 1),
        "unsynced_records": int(reading.value("tapewire_tape_unsynced_records", tape) or 0),
        "disk_bytes": int(reading.value("tapewire_tape_disk_bytes", tape) or 0),
        "writer": bool(reading.value("tapewire_tape_writer", tape)),
        "last_ts": reading.value("tapewire_tape_last_record_timestamp_seconds", tape),
        "lag_records": {
            labels["consumer"]: int(lag)
            for labels, lag in sorted(reading.of("tapewire_consumer_lag_records"), key=lambda one: one[0]["consumer"])
            if labels["tape"] == tape and consumers.reads(labels["consumer"])
        },
    }


def _latency(one: Percentiles) -> dict[str, int]:
    return {
        "p50_ns": one.p50,
        "p90_ns": one.p90,
        "p99_ns": one.p99,
        "p999_ns": one.p999,
        "max_ns": one.max,
        "count": one.count,
    }


def draw(told: dict[str, Any], sort: str, data: str) -> RenderableType:
    """One screen. Tables that have nothing to show are left out."""
    down = sum(not one["up"] for one in told["services"].values())
    free = "  ".join(f"{name} {size(left)} free" for name, left in told["disk_free_bytes"].items())
    head = Text.assemble(
        ("tapewire top", "bold"),
        f"  {data}  {free}  ",
        (f"{down} down  " if down else "", "bold red"),
        *((f"KILL SWITCH {one['account'] or 'of all'}  ", "bold white on red") for one in told["kill_switches"]),
        ("sort: n name, c CPU, m memory, s switches; q ends", "dim"),
    )
    parts = [_services(told, sort), _engine(told), _feeds(told), _tapes(told), _rings(told)]
    return Group(head, *(part for part in parts if part is not None))


def _panel(title: str, table: Table, *lines: str) -> Panel | None:
    """`lines`: below the table."""
    if not table.row_count:
        return None
    return Panel(Group(table, *lines), title=title, box=box.ROUNDED, title_align="left", padding=(0, 1))


def _table(*columns: str) -> Table:
    """A plain table; a column that begins with > is set right. One blank between two: all fit into 80 places."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, expand=True, header_style="dim")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", no_wrap=True)
    return table


def _services(told: dict[str, Any], sort: str) -> Panel | None:
    keys = {"c": "cpu", "m": "resident_bytes", "s": "switches_per_s"}
    rows = sorted(told["services"].items())
    if sort in keys:
        rows.sort(key=lambda row: -row[1][keys[sort]])
    table = _table("service", "state", ">CPU", ">memory", ">threads", ">switches/s", ">preempted/s", ">up for")
    for name, one in rows:
        state = Text("up", "green") if one["up"] else Text("down", "bold red")
        cells = [f"{one['cpu']:.1%}", size(one["resident_bytes"]), str(one["threads"])] if one["threads"] else [""] * 3
        switches = [f"{one['switches_per_s']:,.0f}", f"{one['preempted_per_s']:,.0f}"] if one["threads"] else [""] * 2
        up_for = _age(told["ts"] / 1e9 - one["started"]) if one["started"] else ""
        table.add_row(name, state, *cells, *switches, up_for)
    return _panel(f"services, by {SORTS[sort]}", table)


def _engine(told: dict[str, Any]) -> Panel | None:
    table = _table("engine", "stage", ">p50", ">p90", ">p99", ">p99.9", ">max", ">per s")
    lines = []
    for shard, one in told["engine"].items():
        name = f"shard {shard}"
        rates = f"{one['commands_per_s']:,.0f} commands, {one['trades_per_s']:,.0f} trades, "
        lines.append(f"{name}: {rates}{one['rejects_per_s']:,.0f} rejects/s, {one['live_orders']:,} live orders")
        for stage, lat in one["latency"].items():
            values = [
                duration(lat[p]) if lat["count"] else "-" for p in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")
            ]
            table.add_row(name, stage, *values, f"{lat['count']:,}")
            name = ""
    return _panel("engine: latency of the last interval", table, *lines)


def _feeds(told: dict[str, Any]) -> Panel | None:
    table = _table(
        "feed", "quality", ">books", ">messages/s", ">gaps", ">resyncs", ">dropped", ">decode p99", ">edge p50"
    )
    for name, one in told["feeds"].items():
        table.add_row(
            name,
            Text(one["quality"], QUALITY_STYLE[one["quality"]]),
            f"{one['books_live']}/{one['books']}",
            f"{one['messages_per_s']:,.0f}",
            *(f"{one[name]:,}" for name in ("gaps", "resyncs", "dropped")),
            duration(one["decode"]["p99_ns"]) if one["decode"].get("count") else "-",
            duration(one["exchange_to_edge"]["p50_ns"]) if one["exchange_to_edge"].get("count") else "-",
        )
    return _panel("feeds", table)


def _tapes(told: dict[str, Any]) -> Panel | None:
    table = _table("tape", ">records", ">/s", ">MB/s", ">unsynced", ">on disk", "behind, by consumer")
    table.columns[-1].no_wrap = False
    for name, one in told["tapes"].items():
        lag = "  ".join(f"{consumer} {records:,}" for consumer, records in one["lag_records"].items() if records)
        table.add_row(
            name if one["writer"] else Text(f"{name} (no writer)", "yellow"),
            f"{one['records']:,}",
            f"{one['records_per_s']:,.0f}",
            f"{one['bytes_per_s'] / 1e6:.2f}",
            f"{one['unsynced_records']:,}",
            size(one["disk_bytes"]),
            lag,
        )
    return _panel("tapes", table)


def _rings(told: dict[str, Any]) -> Panel | None:
    """Those that somebody writes, or that hold something."""
    table = _table("ring", ">used", ">of", ">fill", "producer", "consumer")
    for name, one in told["rings"].items():
        fill = one["used_bytes"] / one["capacity_bytes"] if one["capacity_bytes"] else 0.0
        if one["producer"] or one["used_bytes"]:
            table.add_row(
                name,
                size(one["used_bytes"]),
                size(one["capacity_bytes"]),
                Text(f"{fill:.1%}", "red" if fill > FULL else ""),
                *(
                    Text("yes" if one[side] else "none", "" if one[side] else "yellow")
                    for side in ("producer", "consumer")
                ),
            )
    return _panel("rings", table)


def duration(ns: float) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.0f} ns"


def size(count: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} B"


def _age(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
