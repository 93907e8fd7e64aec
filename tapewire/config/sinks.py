"""`[sinks.<name>]`: stores outside that follow tapes, each by a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewire.config.section import Section

TapePattern = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9*?][a-z0-9*?._-]{0,62}\Z",
        extra={"allowed": 'the name of a tape, or a pattern such as "orders.*"'},
    ),
]
PostgresUrl = Annotated[
    str,
    Meta(
        pattern=r"^(postgres(ql)?://.+)?\Z",
        extra={"allowed": 'a URL such as "postgresql://tapewire@127.0.0.1:5432/tapewire", without a password'},
    ),
]
KafkaUrl = Annotated[
    str,
    Meta(pattern=r"^([^\s/@,]+:\d+(,[^\s/@,]+:\d+)*)?\Z", extra={"allowed": "HOST:PORT, more of them after commas"}),
]
RedisUrl = Annotated[
    str,
    Meta(
        pattern=r"^(rediss?://.+)?\Z",
        extra={"allowed": 'a URL such as "redis://127.0.0.1:6379/0" (rediss: with TLS), without a password'},
    ),
]
KeyPrefix = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9:._-]{0,60}\Z", extra={"allowed": "letters, digits, `:._-`"})]
TopicPrefix = Annotated[
    str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,100}\Z", extra={"allowed": "1 to 100 of letters, digits, `.`, `_` and `-`"})
]
Schema = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,30}\Z", extra={"allowed": "1 to 31 of a-z, 0-9 and _"})]


class Sink(Section, frozen=True, kw_only=True):
    """What every sink has. Times in seconds, batches in records of a tape."""

    tapes: Annotated[tuple[TapePattern, ...], Meta(min_length=1, max_length=64)] = ("orders.*",)
    """The tapes it follows, by name or pattern; one that appears later is followed, too."""
    batch_records: Annotated[int, Meta(ge=1, le=65_536)] = 8192
    """Records handed over together, at most: what the target commits at once."""
    batch_wait: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.1
    """The longest a record waits for others to be handed over with it."""
    retry_max: Annotated[float, Meta(ge=0.1, le=3600.0)] = 30.0
    """The longest pause between two attempts while the target is away; the first is 0.1, and each is longer."""
    timeout: Annotated[float, Meta(ge=0.1, le=3600.0)] = 30.0
    """How long the target may take for one step before it counts as away. What takes as long as there are rows (a
    migration, taking rows back) has no bound."""
    keep: Annotated[float, Meta(ge=0.0, le=3.2e9)] = 7 * 86_400.0
    """Retention keeps what this sink has not taken, up to this age; 0: however old."""


class PostgresSink(Sink, frozen=True, kw_only=True):
    """`[sinks.postgres]`: PostgreSQL, by asyncpg."""

    url: PostgresUrl = ""
    """Where the database is. Left out: there is no such sink."""
    password_file: Path = Path()
    """A file of mode 0600 with the password. Left out: none, or what the server and ~/.pgpass agree on."""
    db_schema: Schema = "tapewire"
    """The schema that holds its tables; the sink makes it."""
    retain_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """Days of rows kept; the sink drops older partitions by itself once a day. 0: all."""
    retain_mb: Annotated[int, Meta(ge=0, le=1 << 40)] = 0
    """Partitions kept, 10^6 bytes with their indexes; beyond that the oldest days go, today's never. 0: all."""
    snapshot_every: Annotated[int, Meta(ge=10_000, le=1 << 32)] = 1_000_000
    """Records of a tape between two states kept in the target: what a restart folds again, at most about twice."""


class KafkaSink(Sink, frozen=True, kw_only=True):
    """`[sinks.kafka]`: Kafka, or what speaks its protocol, by aiokafka."""

    url: KafkaUrl = ""
    """Bootstrap servers. Left out: there is no such sink."""
    prefix: TopicPrefix = "tapewire."
    """Topics are named by it and the tape, as `tapewire.orders.0`; `tapewire.schemas` has the schemas."""
    transactions: bool = True
    """Each batch is a transaction, which shuts out a sink that was given up. false: for brokers that have none, nor
    producer ids."""
    replicas: Annotated[int, Meta(ge=1, le=32)] = 1
    """Copies of each topic that the sink makes."""
    retain_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """Retention of the topics that the sink makes. 0: they keep all."""
    retain_mb: Annotated[int, Meta(ge=0, le=1 << 40)] = 0
    """Likewise by size, 10^6 bytes of each topic. 0: they keep all."""
    user: Annotated[str, Meta(max_length=255)] = ""
    """For SASL. Left out: none."""
    password_file: Path = Path()
    """A file of mode 0600 with the user's password."""
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    tls: bool = False
    tls_ca: Path = Path()
    """A PEM file with the authority of the brokers' certificates. Left out: those of the system."""


class RedisSink(Sink, frozen=True, kw_only=True):
    """`[sinks.redis]`: Redis or Valkey, by redis-py."""

    url: RedisUrl = ""
    """Where the server is. Left out: there is no such sink."""
    password_file: Path = Path()
    """A file of mode 0600 with the password. Left out: none."""
    prefix: KeyPrefix = "tapewire:"
    """What all its keys begin with."""
    ttl: Annotated[int, Meta(ge=0, le=31_536_000)] = 86_400
    """Seconds after which a last trade, a top of book or a stream that nobody changed is let go. 0: never."""
    stream_length: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    """Trades kept of each instrument. 0: no streams."""
    snapshot_every: Annotated[int, Meta(ge=100, le=1 << 32)] = 100_000
    """Records of a tape between two states kept in the target: what a restart folds again."""


class Sinks(Section, frozen=True, kw_only=True):
    """`[sinks]`: one table for each, named after the store."""

    postgres: PostgresSink = PostgresSink()
    kafka: KafkaSink = KafkaSink()
    redis: RedisSink = RedisSink()

    @property
    def configured(self) -> list[str]:
        """The names of those that have an address."""
        return [field.name for field in msgspec.structs.fields(self) if getattr(self, field.name).url]
