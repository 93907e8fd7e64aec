"""A producer's ring on one host, its consumer on another: the records are carried over, each once, by position.

    host of the producer                                          host of the engine
    producer ─▶ ring ─▶ Outgoing ── RelayOpened, RelayChunk ──▶ Incoming ─▶ ring of the same name ─▶ engine
                  ▲         ▲ ◀───────── RelayPosition ──────────┘                                      │
                  └ release └─────────────── the mirrored tape ◀────────────────────────────────────────┘

Both rings have the same capacity, so a record ends at the same position in both, and sending it again is harmless: what
the other ring has is passed over, what would leave a gap is refused with the position that is wanted. A record is
released here only when the mirrored tape shows that it was taken. So whatever dies, and in whichever order, nothing is
lost and nothing is taken twice.

name.py       what a relayed ring is called: in settings, in its file, on the bus
outgoing.py   the side that reads, incoming.py the side that writes: pure, time is an argument
counters.py   what each counts, for metrics and `tapewire relay status`
"""

from tapewire.relay.incoming import Incoming
from tapewire.relay.name import RingName, names
from tapewire.relay.outgoing import Outgoing

__all__ = ["Incoming", "Outgoing", "RingName", "names"]
