"""`[relay]`: whose rings are carried to and from other hosts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from tapewire.config.section import Section
from tapewire.errors import ConfigError

Relayed = Annotated[
    str,
    Meta(
        pattern=r"^(router/)?[a-z0-9][a-z0-9_-]{0,30}\Z",
        extra={"allowed": "the name of one of [engine] producers, or of [router] clients with router/ in front"},
    ),
]


class Relay(Section, frozen=True, kw_only=True):
    """`[relay]`: rings whose two ends are on different hosts. `gateway` is a producer of the engine's, `router/api` a
    client of the router's."""

    out: Annotated[tuple[Relayed, ...], Meta(max_length=63)] = ()
    """Producers of this host whose engine (or router) is elsewhere. Its tape is mirrored here."""
    inward: Annotated[tuple[Relayed, ...], Meta(max_length=63)] = msgspec.field(default=(), name="in")
    """Producers elsewhere, whose engine (or router) is on this host."""
    drain_timeout: Annotated[float, Meta(ge=0.0, le=3600.0)] = 5.0
    """At its end it goes on until its rings are empty, for so long at most, seconds: a ring may end with its pod."""


def check_relay(relay: Relay, producers: Collection[str], clients: Collection[str]) -> None:
    """What the types alone cannot say. Raises ConfigError."""
    for key, listed in (("out", relay.out), ("in", relay.inward)):
        if len(set(listed)) < len(listed):
            raise ConfigError(f"relay.{key}: holds {list(listed)}; expected each once")
        for name in listed:
            client = name.removeprefix("router/")
            where, there = ("router.clients", clients) if client != name else ("engine.producers", producers)
            if client not in there:
                raise ConfigError(f"relay.{key}: {name!r} is none of {where}; there is {', '.join(there) or 'none'}")
    if both := sorted({*relay.out} & {*relay.inward}):
        raise ConfigError(
            f"relay: {', '.join(both)} stands in both out and in; expected out where the producer is, in where its "
            f"engine is"
        )
