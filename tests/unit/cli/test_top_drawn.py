"""What `tapewire top` draws fits a terminal of 80 places: no figure is cut."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tapewire.cli._top import draw

LATENCY = {"p50_ns": 145_000, "p90_ns": 2_880_000, "p99_ns": 10_200_000, "p999_ns": 12_600_000, "max_ns": 112_600_000}
TOLD: dict[str, Any] = {
    "ts": 10**18,
    "services": {
        "connector.coinbase": {
            **{"up": True, "cpu": 1.234, "resident_bytes": 123_000_000, "threads": 12, "started": 10**9 - 5400.0},
            **{"switches_per_s": 123_456.0, "preempted_per_s": 1_234.0},
        }
    },
    "engine": {
        "0": {
            **{"commands_per_s": 391.0, "trades_per_s": 230.0, "rejects_per_s": 37.0, "live_orders": 117},
            "latency": {"decide": LATENCY | {"count": 123_456}},
        }
    },
    "feeds": {
        "coinbase": {
            **{"quality": "resync", "books": 24, "books_live": 23, "messages_per_s": 12_345.0},
            **{"gaps": 12, "resyncs": 34, "dropped": 56},
            **{"decode": LATENCY | {"count": 1}, "exchange_to_edge": LATENCY | {"count": 1}},
        }
    },
    "tapes": {
        "fix.gateway": {
            **{"records": 12_345_678, "records_per_s": 12_345.0, "bytes_per_s": 12_340_000.0},
            **{"unsynced_records": 1_234, "disk_bytes": 67_100_000, "writer": True, "lag_records": {"journal": 681}},
        }
    },
    "rings": {
        "orders.0.4.api-operator": {"used_bytes": 1024, "capacity_bytes": 2048, "producer": True, "consumer": True}
    },
    "kill_switches": [],
    "disk_free_bytes": {"data": 57_600_000_000},
}
SHOWN = (
    *("connector.coinbase", "123.4%", "123 MB", "123,456", "1,234", "90 min"),
    *("shard 0", "decide", "145 µs", "2.88 ms", "10.2 ms", "12.6 ms", "113 ms", "391 commands", "117 live orders"),
    *("coinbase", "resync", "23/24", "12,345", "12", "34", "56"),
    *("fix.gateway", "12,345,678", "12.34", "67.1 MB", "journal 681"),
    *("orders.0.4.api-operator", "1.02 kB", "2.05 kB", "50.0%"),
)


@pytest.mark.parametrize("width", [80, 120])
def test_every_figure_is_shown_whole(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(draw(TOLD, "n", "/data"))
    assert [one for one in SHOWN if one not in out.getvalue()] == [], out.getvalue()
    assert "…" not in out.getvalue(), out.getvalue()
