"""K5: the Redis sink. A tape of a busy market folded into a real server, from its first record."""

from __future__ import annotations

from collections.abc import Iterator

from bench.harness import Row
from bench.kafka import rebuilt
from bench.probes import Probes


def run(probes: Probes) -> Iterator[Row]:
    yield from rebuilt(probes, "K5", "redis")
