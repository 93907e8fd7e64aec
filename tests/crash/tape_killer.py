"""Run as a program: appends in a child process, kills it with SIGKILL at any moment, looks at what is left; many times.

    python -m tests.crash.tape_killer FOLDER DURABILITY ROUNDS SEED

A child tells through a pipe what was committed. Prints one JSON object; exits 1 at the first thing that is wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from tapewire.tape import TapeReader, TapeWriter
from tests.tapes import any_record, refused

SEGMENT = 1 << 20
LIFE_MAX_S = 0.04
LONGEST_LIFE_S = 1.0
_ACKNOWLEDGED = struct.Struct("<Q")

_LONG = refused(1, "x" * 60_000)


def record(seq: int) -> bytes:
    """Every other one is long, so that many a kill comes in the middle of one."""
    return b"".join((_LONG[:16], seq.to_bytes(8, "little"), _LONG[24:])) if seq % 2 else any_record(seq)


def child(tape: Path, durability: str, seed: int, acknowledge: int) -> None:
    """Appends and commits until it is killed."""
    pick = random.Random(seed)
    with TapeWriter(tape, "t", SEGMENT, durability) as writer:
        while True:
            first = writer.next_seq
            writer.append_many([record(seq) for seq in range(first, first + pick.randint(1, 12))])
            writer.commit()
            os.write(acknowledge, _ACKNOWLEDGED.pack(writer.next_seq - 1))


def one_round(tape: Path, durability: str, seed: int, longest_s: float = LIFE_MAX_S) -> int:
    """Returns the last seq that the killed child had acknowledged, 0 if none. It may live for `longest_s`."""
    read, write = os.pipe()
    pid = os.fork()  # from a process without threads and without an open tape
    if pid == 0:
        os.close(read)
        try:
            child(tape, durability, seed, write)
        finally:
            os._exit(1)
    os.close(write)
    time.sleep(random.Random(seed).uniform(0.05, 1.0) * longest_s)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    acknowledged = 0
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    whole = len(data) // _ACKNOWLEDGED.size * _ACKNOWLEDGED.size
    if whole:
        (acknowledged,) = _ACKNOWLEDGED.unpack(data[whole - _ACKNOWLEDGED.size : whole])
    return int(acknowledged)


def main(folder: Path, durability: str, rounds: int, seed: int) -> int:
    tape, cuts, acknowledged, verified, longest = folder / "t", 0, 0, 0, LIFE_MAX_S
    for i in range(rounds):
        told = one_round(tape, durability, seed + i, longest)
        # Where one came to nothing before it died, the machine is busy with others: the next may live longer.
        longest = LIFE_MAX_S if told else min(longest * 1.5, LONGEST_LIFE_S)
        acknowledged = max(acknowledged, told)
        if not (tape / "control").exists():
            continue  # killed before there was a tape
        with TapeWriter(tape, "t", SEGMENT, durability, helper=False) as writer:
            cuts += writer.recovery.cut_bytes > 0
            last = writer.recovery.last_seq
        with TapeReader(tape, from_seq=verified + 1) as reader:
            held = list(reader)
        if last < acknowledged or held != [record(seq) for seq in range(verified + 1, last + 1)]:
            print(json.dumps({"round": i, "seed": seed, "last": last, "acknowledged": acknowledged, "held": len(held)}))
            return 1
        verified = last
    print(json.dumps({"rounds": rounds, "records": verified, "acknowledged": acknowledged, "torn_tails": cuts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
