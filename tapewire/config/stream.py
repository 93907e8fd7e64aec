"""`[api.stream]`: what one WebSocket client may have, and how long it may take."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tapewire.config.section import Section

Seconds = Annotated[float, Meta(ge=0.05, le=3600.0)]


class Stream(Section, frozen=True, kw_only=True):
    """`[api.stream]`: the bounds of the WebSocket service. Times in seconds."""

    max_clients: Annotated[int, Meta(ge=1, le=65_536)] = 2048
    """Open connections, authenticated or not; beyond it new ones are closed at once."""
    max_unknown: Annotated[int, Meta(ge=1, le=65_536)] = 256
    """Of those the ones that have not said who they are yet; beyond it the oldest goes."""
    max_clients_per_address: Annotated[int, Meta(ge=1, le=65_536)] = 256
    """Open connections from one address; beyond it the newest goes."""
    max_subscriptions: Annotated[int, Meta(ge=1, le=4096)] = 128
    """Of one client."""
    max_message_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 16_384
    """Of one message from a client, its fragments together."""
    max_message_rate: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """Messages a second from one client; so many at once after a rest."""
    max_pending: Annotated[int, Meta(ge=1, le=4096)] = 64
    """Orders, amendments and cancels of one client that wait for their answer."""
    max_buffer_bytes: Annotated[int, Meta(ge=4096, le=1 << 26)] = 262_144
    """What may wait in this process for one client to read it; beyond it the client is conflated."""
    socket_buffer_bytes: Annotated[int, Meta(ge=4096, le=1 << 26)] = 131_072
    """What the kernel may hold for one client besides."""
    slow_notice: Seconds = 2.0
    """A client that has not caught up for so long is told."""
    slow_timeout: Seconds = 10.0
    """A client that has not caught up for so long is closed."""
    handshake_timeout: Seconds = 5.0
    """From the connection to the whole upgrade request, TLS included."""
    auth_timeout: Seconds = 10.0
    """From there to the first message, which says who the client is."""
    idle_timeout: Seconds = 60.0
    """A client that was not heard for half of it is pinged; one that was not heard for all of it is closed."""
    drain_timeout: Seconds = 2.0
    """What a client may take to answer our closing."""
    max_depth: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """Levels a side that a book may be asked for with."""
    max_history: Annotated[int, Meta(ge=64, le=1 << 20)] = 4096
    """Items that are kept of each log that is followed; a resume from further back is read off the tape."""
    max_logs: Annotated[int, Meta(ge=1, le=1 << 20)] = 4096
    """Logs that are kept; beyond it the one that nobody has followed the longest goes."""
