"""Starts, within a millisecond, processes that are made to be killed: reads commands, prints the pid of each child.

    produce RING ACK SEED     writes records for ever; the position of the last written one stands in the file ACK
    consume RING LOG          polls, logs each record's number in LOG, releases

It forks, and may: it has no ring open and no second thread.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable

from tapewire.ring import RingConsumer, RingProducer

BLOB = random.Random(7).randbytes(1 << 16)
LONGEST = 1 << 14


def make(previous_end: int, body: bytes) -> bytes:
    """A record that proves to follow the one that ended at `previous_end`, and to be whole."""
    return struct.pack("<QI", previous_end, zlib.crc32(body)) + body


def words(path: str) -> memoryview:
    """The file as 64-bit words, each stored at once: struct.pack_into would zero one first and could be killed then."""
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def produce(path: str, ack: str, seed: str) -> None:
    draw = random.Random(int(seed))
    written = words(ack)
    with RingProducer(path) as producer:
        while True:
            start = draw.randrange(len(BLOB) - LONGEST)
            record = make(producer.tail, BLOB[start : start + int(LONGEST * draw.random() ** 3)])
            while not producer.write(record):
                time.sleep(0.0001)
            written[0] = producer.tail


def consume(path: str, log: str) -> None:
    entries = words(log)  # how many, then each
    count = entries[0]
    with RingConsumer(path) as consumer:
        while True:
            records = consumer.poll(7)
            for record in records:
                count += 1
                (entries[count],) = struct.unpack_from("<Q", record)
                entries[0] = count
            consumer.release()
            if not records:
                time.sleep(0.0001)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
    commands: dict[str, Callable[..., None]] = {"produce": produce, "consume": consume}
    for line in sys.stdin:
        name, *arguments = line.split()
        pid = os.fork()
        if pid == 0:
            commands[name](*arguments)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
