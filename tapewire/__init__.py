"""Tapewire: an event-sourced trading platform. One tape owns the order of events; everything else is a function of it.

What a user imports:

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
