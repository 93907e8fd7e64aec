"""Real servers for tests and measurements, each from the best that the machine offers: one module per service.

    postgres    the wheel's PostgreSQL, or Debian's
    redis       Redis of the machine, or the wheel's Valkey
    kafka       Apache Kafka from its jars, where Java and Maven are, or the wheel's broker
    jaeger      build/jaeger, which `make jaeger` makes
    prometheus  of the machine

Where a Docker engine answers, `make services` takes containers of pinned images first. All listen on loopback, below
port 30000 (the kernel gives those above to outgoing connections), and end with their parent; each has its own folder.
"""

from __future__ import annotations

from tools.services.jaeger import Jaeger
from tools.services.kafka import Kafka
from tools.services.postgres import Postgres
from tools.services.prometheus import Prometheus
from tools.services.redis import Redis
from tools.services.server import NotStarted, Server, Unavailable

KINDS: tuple[type[Server], ...] = (Postgres, Redis, Kafka, Jaeger, Prometheus)

__all__ = [
    "KINDS",
    "Jaeger",
    "Kafka",
    "NotStarted",
    "Postgres",
    "Prometheus",
    "Redis",
    "Server",
    "Unavailable",
]
