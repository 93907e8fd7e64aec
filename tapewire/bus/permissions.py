"""What each user of the bus may do, from the table of channels: nothing else is allowed by the server.

service             publishes its own channels, answers what is asked of it, subscribes to what it reads
connector-<feed>    the same, for its feed alone
operator            subscribes to everything of its environment
subscriber          the public market data
latest              that of it which `Latest.remote` folds, and what stands now of the house
account-<number>    that, the reports of its account, and orders for it
relay-<ring>        carries the records of one producer's ring: relay-orders-0-gateway
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tapewire.bus.channels import ANY_FEED, CHANNELS, VENUES, Channel
from tapewire.replication import names
from tapewire.transports.nats_access import inbox

SERVICES: Final = ("journal", "router", "api", "monitor", "engine", "risk", "matcher", "replica", "relay")
"""They use the bus, besides connectors: the engine and its parts in topology split alone. Gateway and flusher know
tapes and rings alone; a strategy is a client of its account."""
READS: Final[dict[str, tuple[str, ...]]] = {
    "router": ("trade", "quote", "book", "status"),
    "api": ("trade", "quote", "book", "status", "health"),
    "monitor": ("trade", "quote", "book"),
    "engine": ("ask",),
}
"""The kinds of channels that a service reads, or asks. The journal reads a tape alone."""

LATEST: Final = ("trade", "quote", "book", "status", "instrument", "snapshot")
"""The kinds of channels of which latest values are made."""

ANSWERED_WITHIN_S: Final = 30
"""How long after a request the server lets its answer through. `[api] answer_timeout` must lie below."""

REPLICATED: Final = ("orders.0", "router.0")
"""Tapes that the replica's key is good for in any case; besides, those of the feeds, and whichever are named."""
_SRV = ("$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>")


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects and patterns. `answers`: may publish once to where a request wants its answer."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False


def bucket(env: str) -> str:
    """The JetStream KV bucket of the schemas."""
    return f"tapewire-schemas-{env}"


def of_service(env: str, name: str, tapes: Iterable[str] = REPLICATED) -> Permissions:
    """Of `services/<name>`; of the replica, for these tapes. Raises KeyError for one that does not use the bus."""
    if name not in SERVICES:
        raise KeyError(name)
    if name == "replica":
        return _of_replica(env, tapes)
    own = [channel for channel in CHANNELS if name in channel.services]
    publish = {_own_subject(env, channel, "house", name) for channel in own if channel.asks is None}
    answers = {_pattern(env, channel) for channel in own if channel.asks is not None}
    reads = [channel for channel in CHANNELS if channel.kind in READS.get(name, ())]
    publish |= {_pattern(env, channel) for channel in reads if channel.asks is not None}
    subscribe = {_pattern(env, channel) for channel in reads if channel.asks is None} | answers
    if answers:
        subscribe |= set(_SRV)
    if name == "journal":
        # Keeps the schemas, and looks first at what is kept; takes none of it away.
        publish |= {f"$JS.API.STREAM.{verb}.KV_{bucket(env)}" for verb in ("INFO", "CREATE")}
        publish |= {"$JS.API.INFO", f"$KV.{bucket(env)}.>", *_kept(env)}
    return _made(name, publish, subscribe, answers=bool(answers))


def _of_replica(env: str, tapes: Iterable[str]) -> Permissions:
    """It makes, reads and writes the streams of its tapes, and deletes or purges none: who could would let two hosts
    write one tape."""
    publish, subscribe = set[str](), set[str]()
    for tape in tapes:
        stream = names.stream(env, tape)
        publish |= {f"$JS.API.STREAM.{verb}.{stream}" for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET")}
        publish |= {f"$JS.API.CONSUMER.{verb}.{stream}.*" for verb in ("CREATE", "DELETE")}
        publish |= {f"$JS.FC.{stream}.>", *(of(env, tape) for of in (names.frames, names.claim))}
        publish |= {names.alive(env, tape), names.fetch(env, tape)}
        subscribe |= {names.alive(env, tape), names.fetch(env, tape)}
    return _made("replica", publish, subscribe, answers=True)


def of_connector(env: str, feed: str) -> Permissions:
    """Of the connector of one feed: it can speak for no other, nor for the house."""
    name = f"connector-{feed}"
    own = [channel for channel in CHANNELS if "connector" in channel.services]
    return _made(name, {_own_subject(env, channel, feed, name) for channel in own}, set())


def of_feed_replica(env: str, feed: str) -> Permissions:
    """Of the replica beside a connector: it sends that feed's tape, and can touch no other's."""
    tape = f"md.{feed}"
    stream = {f"$JS.API.STREAM.{verb}.{names.stream(env, tape)}" for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET")}
    said = {names.frames(env, tape), names.alive(env, tape), names.fetch(env, tape)}
    return _made(f"replica-{feed}", said | stream, {names.fetch(env, tape)}, answers=True)


def of_operator(env: str) -> Permissions:
    """Sees everything, says nothing but questions."""
    asked = {_pattern(env, channel) for channel in CHANNELS if channel.asks == ()}
    return _made("operator", {*asked, *_SRV}, {f"{env}.>"})


def of_subscriber(env: str) -> Permissions:
    """The public market data, of every feed."""
    return _made("subscriber", *_public(env))


def of_latest(env: str) -> Permissions:
    """What `tapewire.client.Latest.remote` needs, of every feed."""
    read = [channel for channel in CHANNELS if channel.kind in LATEST and channel.readers == "public"]
    publish = {_pattern(env, channel) for channel in read if channel.asks is not None}
    return _made("latest", publish, {_pattern(env, channel) for channel in read if channel.asks is None})


def of_account(env: str, account: int) -> Permissions:
    """What the holder of an account may do."""
    publish, subscribe = _public(env)
    for channel in CHANNELS:
        if channel.readers == "account":
            subject = f"{env}.{channel.feed}.{channel.kind}.{account}"
            (subscribe if channel.asks is None else publish).add(subject)
    return _made(f"account-{account}", publish, subscribe)


def of_ring(env: str, kind: str, key: str) -> Permissions:
    """Of the relay on a producer's host: `kind` is orders or router, `key` as `0-gateway`. It speaks for no other."""
    return _made(f"relay-{kind}-{key}", {f"{env}.{kind}.ring.{key}"}, set())


def users(
    env: str,
    feeds: Iterable[str],
    accounts: Iterable[int],
    rings: Iterable[tuple[str, str]] = (),
    tapes: Iterable[str] = (),
) -> Iterator[tuple[str, Permissions]]:
    """Everybody, by name. `rings`: as `of_ring` takes them; `tapes`: that are replicated, besides REPLICATED and those
    of the feeds."""
    feeds = list(feeds)
    replicated = [*REPLICATED, *(f"md.{feed}" for feed in feeds), *tapes]
    for name in SERVICES:
        yield name, of_service(env, name, replicated)
    for feed in feeds:
        yield f"connector-{feed}", of_connector(env, feed)
        yield f"replica-{feed}", of_feed_replica(env, feed)
    for kind, key in rings:
        yield f"relay-{kind}-{key}", of_ring(env, kind, key)
    yield "operator", of_operator(env)
    yield "subscriber", of_subscriber(env)
    yield "latest", of_latest(env)
    for account in accounts:
        yield f"account-{account}", of_account(env, account)


def _public(env: str) -> tuple[set[str], set[str]]:
    public = [channel for channel in CHANNELS if channel.readers == "public"]
    publish = {_pattern(env, channel) for channel in public if channel.asks is not None} | {"$SRV.INFO", "$SRV.PING"}
    publish |= {f"$JS.API.STREAM.INFO.KV_{bucket(env)}", *_kept(env)}
    return publish, {_pattern(env, channel) for channel in public if channel.asks is None}


def _kept(env: str) -> set[str]:
    """By what the schemas that are kept are read."""
    stream = f"KV_{bucket(env)}"
    return {f"$JS.API.STREAM.MSG.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.>"}


def _made(name: str, publish: set[str], subscribe: set[str], *, answers: bool = False) -> Permissions:
    return Permissions(tuple(sorted(publish)), tuple(sorted({*subscribe, f"{inbox(name)}.>"})), answers)


def _pattern(env: str, channel: Channel) -> str:
    feed = "*" if channel.feed in (ANY_FEED, VENUES) else channel.feed
    return f"{env}.{feed}.{channel.kind}.*"


def _own_subject(env: str, channel: Channel, feed: str, name: str) -> str:
    """Where a service may publish of a channel: of what is said by many, its own part."""
    if channel.kind == "health":
        if name == "monitor":  # for services that do not speak on the bus, and those that do not answer any more
            return _pattern(env, channel)
        return f"{env}.ops.health.{name}"
    own = feed if channel.feed in (ANY_FEED, VENUES) else channel.feed
    return f"{env}.{own}.{channel.kind}.*"
