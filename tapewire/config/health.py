"""`[health]`: whether a service is alive and ready, for who starts and watches it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tapewire.config.section import Section


class Health(Section, frozen=True, kw_only=True):
    """`[health]`: GET /live and /ready of each service. Its socket `<data>/health/<service>` answers in any case."""

    address: str = "127.0.0.1"
    """Where it listens for probes from outside: an address of this host. They are answered without a password."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Its port, one for each service (TAPEWIRE_HEALTH__PORT); 0: the socket alone."""
    stalled_after: Annotated[float, Meta(ge=1.0, le=3600.0)] = 10.0
    """A service whose duty cycle has made no turn for so long is not live, seconds."""
