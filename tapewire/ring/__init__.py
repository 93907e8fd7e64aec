"""A ring joins one producer and one consumer, in two processes or two threads, through shared memory.

    create_ring("/dev/shm/tapewire/md.binance", 1 << 24)
    RingProducer(path).write(b"...")        False: full, the producer decides what that means
    consumer = RingConsumer(path)
    for record in consumer.poll(256): ...   shows what is unread
    consumer.release()                      now the room may be written over

Either side may be killed at any instruction: what was published stays, what was not released is seen again.
The bytes are drawn in layout.hpp.
"""

from tapewire.ring._ring import (
    Carried,
    Doorbell,
    RingConsumer,
    RingProducer,
    RingState,
    create_ring,
    last_record,
    ring_state,
)

__all__ = [
    "Carried",
    "Doorbell",
    "RingConsumer",
    "RingProducer",
    "RingState",
    "create_ring",
    "last_record",
    "ring_state",
]
