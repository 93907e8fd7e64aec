"""What the demo says at its end: the summary of --json, for a person."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from tapewire.demo.view import duration

HOUSE_TOLD = {"auctions": "auctions", "triggered": "stops triggered", "restated": "orders restated"}


def show(console: Console, summary: dict[str, Any]) -> None:
    feeds = Table("feed", "messages", "published", "gaps", "resyncs", box=None, header_style="dim")
    for name, c in summary["feeds"].items():
        feeds.add_row(name, *(f"{c[key]:,}" for key in ("messages", "published", "gaps", "resyncs")))
    house = summary["house"]
    feeds.add_row(
        "house",
        f"{house.get('orders', 0):,} orders",
        f"{house.get('trades', 0):,} trades",
        "",
        f"{house.get('rejects', 0):,} rejects",
    )
    console.print(feeds)
    told = ", ".join(f"{house.get(name, 0):,} {what}" for name, what in HOUSE_TOLD.items())
    console.print(f"house: {told}", highlight=False)
    stages = Table("stage", "p50", "p99", "p99.9", "count", box=None, header_style="dim")
    for name, one in summary["latency"].items():
        stages.add_row(name, *(duration(one[key]) for key in ("p50_ns", "p99_ns", "p999_ns")), f"{one['count']:,}")
    console.print(stages)
    tapes = Table("tape", "records", "bytes written", "bytes durable", box=None, header_style="dim")
    for name, t in summary["tape"].items():
        tapes.add_row(name, f"{t['records']:,}", f"{t['written']:,}", f"{t['durable']:,}")
    console.print(tapes)
    if kill := summary.get("kill"):
        show_kill(console, kill)
    if verify := summary.get("verify"):
        mark = "[green]ok[/]" if verify["ok"] else "[red]NOT OK[/]"
        console.print(f"verify {mark}: {verify['records']:,} records replayed, digest {verify['digest'][:16]}…")
        for problem in verify["problems"]:
            console.print(f"  [red]{problem}[/]", highlight=False)


def show_kill(console: Console, kill: dict[str, Any]) -> None:
    equal = "equals" if kill["digest_equal"] else "[red]DIFFERS FROM[/]"
    console.print(
        f"killed the engine in mid-flow: {kill['lost']} of {kill['acknowledged']:,} acknowledged records missing; "
        f"the recovered digest {equal} that of an uninterrupted fold ({kill['digest_recovered'][:16]}…); "
        f"recovered after {kill['kill_to_recovered_seconds']:.2f} s "
        f"(of it {kill['recovery_seconds']:.3f} s replaying {kill['records_replayed']:,} records), "
        f"answering again after {kill['kill_to_first_answer_seconds']:.2f} s"
    )
