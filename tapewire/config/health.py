"""`[health]`: whether a service is alive and ready, for who starts and watches it."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from tapewire.config.section import Section

TOLD_MAX: Final = 32
"""Bytes of a ServiceHealth's `service`."""


class Health(Section, frozen=True, kw_only=True):
    """`[health]`: GET /live and /ready of each service. Its socket `<data>/health/<service>` answers in any case."""

    address: str = "127.0.0.1"
    """Where it listens for probes from outside: an address of this host. They are answered without a password."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Its port, one for each service (TAPEWIRE_HEALTH__PORT); 0: the socket alone."""
    stalled_after: Annotated[float, Meta(ge=1.0, le=3600.0)] = 10.0
    """A service whose duty cycle has made no turn for so long is not live, seconds."""
    host: Annotated[str, Meta(pattern=r"^[a-z0-9.-]{0,63}\Z", extra={"allowed": "a-z, 0-9, dot and -"})] = ""
    """Of several hosts on one bus, the name of this one: its services are told there as `<service>@<host>`."""

    def told_as(self, service: str) -> str:
        """What a service is called in its ServiceHealth. Of a host's name that is too long the end is told: it is what
        differs."""
        if not self.host:
            return service
        return f"{service}@{self.host[-max(TOLD_MAX - len(service) - 1, 1) :]}"
