"""Tapewire: an event-sourced trading platform. One tape owns the order of events; everything else is a function of it.

What a user imports:

    tapewire.connect(...)  subscriptions, books, orders and history over the bus
    tapewire.replay(...)   a tape as if it were live, by the same calls
    tapewire.strategy      Strategy: the same code live, in simulation and in replay
    tapewire.messages      every message, typed; `decode(bytes)`
    tapewire.client        OrderClient: enter orders, read reports off the tape
    tapewire.tape          TapeReader, TapeWriter
    tapewire.store         query(...): rows of any time, from the archive and the tapes together
    tapewire.transports    the bus: NatsTransport, MemoryTransport
    tapewire.subjects      subjects and their keys
    tapewire.fixed         exact decimals
    tapewire.config        settings
    tapewire.errors        everything that is raised on purpose
    tapewire.testing       fakes of time and disk, stepped agents, recorded days

Nothing is imported here: each of them costs only who uses it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tapewire.connection import connect, replay

__all__ = ["connect", "replay"]


def __getattr__(name: str) -> object:
    if name in __all__:
        import tapewire.connection

        return getattr(tapewire.connection, name)
    raise AttributeError(f"module 'tapewire' has no attribute {name!r}")
