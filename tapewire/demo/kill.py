"""`tapewire demo --kill`: SIGKILL to the engine in mid-flow, and what recovery gives back, compared with three things.

acknowledged   every answer a client could read before the kill stands on the tape afterwards, byte for byte
digest         the state the engine recovered equals an uninterrupted fold of the tape from its beginning
time           from the kill to the recovered engine, and to the first answer after it
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import orjson

from tapewire import messages as m
from tapewire.demo.supervisor import Supervisor
from tapewire.errors import TapewireError
from tapewire.folders import Folders
from tapewire.tape import TapeReader

WATCHED_SECONDS = 1.0  # of acknowledgements remembered before the kill
RECOVER_WITHIN_S = 30.0
SHARD = 0


def kill_and_recover(supervisor: Supervisor, folders: Folders, config: Path) -> dict[str, Any]:
    tape = folders.orders_tape(SHARD)
    acknowledged = remember_released(tape, WATCHED_SECONDS)
    supervisor.kill("engine")
    killed = time.monotonic()
    acknowledged |= remember_released(tape, 0.0, from_seq=max(acknowledged, default=0) + 1)
    last_released = max(acknowledged, default=0)
    child = supervisor.start("engine", "services.engine", "--config", str(config))
    recovered = wait_for_recovery(child.log, killed)
    first_answer = wait_for_record(tape, int(recovered["next_seq"]), killed)
    found = read_records(tape, min(acknowledged, default=1), last_released)
    last = int(recovered["next_seq"]) - 1
    audit, _, _ = importlib.import_module("services.engine.verify").begin(tape, last)
    while audit.run(last):
        pass
    return {
        "acknowledged": len(acknowledged),
        "lost": sum(found.get(seq) != raw for seq, raw in acknowledged.items()),
        "digest_recovered": recovered["digest"],
        "digest_of_uninterrupted_fold": audit.digest(),
        "digest_equal": recovered["digest"] == audit.digest(),
        "records_replayed": recovered["records"],
        "recovery_seconds": recovered["seconds"],
        "kill_to_recovered_seconds": round(recovered["after_kill"], 3),
        "kill_to_first_answer_seconds": round(first_answer, 3),
    }


def remember_released(tape: Path, seconds: float, from_seq: int | None = None) -> dict[int, bytes]:
    """The answers that could be read within `seconds`, by seq: what clients may act on."""
    seen: dict[int, bytes] = {}
    until = time.monotonic() + seconds
    with TapeReader(tape, limit="released") as reader:
        reader.seek_seq(from_seq or reader.positions.released_seq + 1)
        while True:
            batch = reader.poll(4096)
            seen.update((m.decode(raw).seq, raw) for raw in batch)
            if not batch and time.monotonic() >= until:
                return seen
            if not batch:
                reader.wait(0.05)


def read_records(tape: Path, first: int, last: int) -> dict[int, bytes]:
    with TapeReader(tape, limit="written") as reader:
        reader.seek_seq(first)
        found: dict[int, bytes] = {}
        while len(found) < last - first + 1 and (batch := reader.poll(min(4096, last - first + 1 - len(found)))):
            found.update((m.decode(raw).seq, raw) for raw in batch)
    return found


def wait_for_recovery(log: Path, killed: float) -> dict[str, Any]:
    """The engine's own line about its recovery, and how long after the kill it came."""
    while time.monotonic() - killed < RECOVER_WITHIN_S:
        for line in log.read_bytes().splitlines():
            if line.startswith(b"{") and b'"recovered"' in line:
                found: dict[str, Any] = orjson.loads(line)
                return {**found, "after_kill": time.monotonic() - killed}
        time.sleep(0.005)
    raise TapewireError(f"the engine did not recover within {RECOVER_WITHIN_S:g} s; its log is {log}")


def wait_for_record(tape: Path, seq: int, killed: float) -> float:
    """Seconds from the kill until record `seq` could be read as an answer."""
    with TapeReader(tape, limit="released") as reader:
        while reader.positions.released_seq < seq:
            if time.monotonic() - killed > RECOVER_WITHIN_S:
                raise TapewireError(f"no record after the recovery within {RECOVER_WITHIN_S:g} s of the kill")
            reader.wait(0.01)
    return time.monotonic() - killed
