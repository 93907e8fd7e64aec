"""Reads a whole host: every page, tape, ring and process of one data folder, as samples. Changes nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tapewire import consumers
from tapewire import messages as m
from tapewire.errors import RingError, StatsError, TapeError, WireError
from tapewire.folders import Folders
from tapewire.metrics import processes
from tapewire.metrics.follow import OrdersFollower, RouterFollower
from tapewire.metrics.host import HostClock, read_disks
from tapewire.metrics.pages import Pages, read_page
from tapewire.metrics.samples import Reading
from tapewire.replication import state as states
from tapewire.ring import ring_state
from tapewire.tape import TapeReader
from tapewire.tape.inspect import inspect, tapes

NO_RINGS: Final = (".bell", ".stages")
LATEST = "latest."  # what the name of a page of latest values begins with
"""Endings of what else lies in the folder of rings: doorbells and stage logs."""
FORGET_S: Final = 3600.0
"""How long a service without a page that ended is still told of as down."""


class HostReader:
    """One look after the other; counters of its own (refusals, errors) go on from look to look.

    `extra` is what else a service knows that reads its own host, such as the exposure of accounts. Thread-safe.
    """

    def __init__(self, folders: Folders, extra: Callable[[Reading], None] | None = None) -> None:
        self.folders, self._extra = folders, extra
        self._pages = Pages(folders.stats)
        self._followers: dict[str, OrdersFollower | RouterFollower] = {}
        self._seen: dict[str, float] = {}
        self._errors: Counter[str] = Counter()
        self._clock = HostClock()
        self._lock = threading.Lock()

    def read(self) -> Reading:
        with self._lock:
            began = time.perf_counter()
            reading = Reading()
            up = self._processes(reading)
            self._read_pages(reading, up)
            for path in tapes(self.folders.tapes):
                self._guarded(path.name, lambda path=path: self._tape(reading, path))  # type: ignore[misc]
            for path in sorted(self.folders.rings.glob("*")):
                if not path.name.endswith(NO_RINGS) and not path.name.startswith(LATEST):
                    self._guarded(path.name, lambda path=path: _ring(reading, path))  # type: ignore[misc]
            self._guarded("disks", lambda: read_disks(reading, self.folders))
            self._guarded("clock", lambda: self._clock.read(reading))
            if self._extra is not None:
                self._extra(reading)
            reading.put("tapewire_build_info", 1, version("tapewire"))
            for source, count in self._errors.items():
                reading.put("tapewire_scrape_errors_total", count, source)
            reading.put("tapewire_scrape_seconds", time.perf_counter() - began)
            return reading

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
        self._followers.clear()

    def _guarded(self, source: str, look: Callable[[], None]) -> None:
        """What does not hold is counted and left out: the rest of the host is still told."""
        try:
            look()
        except (TapeError, RingError, StatsError, WireError, OSError):
            self._errors[source] += 1

    def _processes(self, reading: Reading) -> set[str]:
        """Puts what they use; returns the services that run. Several processes of one service add up."""
        now = time.monotonic()
        sums: dict[str, list[float]] = {}
        started: dict[str, float] = {}
        for one in processes.find((self.folders.data, self.folders.rings)):
            used = (one.cpu_seconds, one.resident_bytes, one.threads, one.files, *one.switches)
            known = sums.setdefault(one.service, [0.0] * len(used))
            sums[one.service] = [a + b for a, b in zip(known, used, strict=True)]
            started[one.service] = min(one.started, started.get(one.service, one.started))
            self._seen[one.service] = now
        for service, (cpu, memory, threads, files, waited, preempted) in sums.items():
            reading.put("tapewire_service_cpu_seconds_total", cpu, service)
            reading.put("tapewire_service_resident_memory_bytes", memory, service)
            reading.put("tapewire_service_threads", threads, service)
            reading.put("tapewire_service_open_files", files, service)
            reading.put("tapewire_service_start_time_seconds", started[service], service)
            reading.put("tapewire_service_context_switches_total", waited, service, "voluntary")
            reading.put("tapewire_service_context_switches_total", preempted, service, "involuntary")
        self._seen = {service: at for service, at in self._seen.items() if now - at < FORGET_S}
        for service in self._seen:
            reading.put("tapewire_service_up", service in sums, service)
        return set(sums)

    def _read_pages(self, reading: Reading, up: set[str]) -> None:
        for name, page in self._pages.all():
            if isinstance(page, StatsError):
                self._errors[name] += 1
                continue
            service = processes.service_of_page(name)
            alive = page.writer_alive
            if alive or service not in up:
                reading.put(
                    "tapewire_service_up", alive or bool(reading.value("tapewire_service_up", service)), service
                )
            read_page(reading, name, page)

    def _tape(self, reading: Reading, path: Path) -> None:
        info = inspect(path)
        at, name = info.positions, path.name
        reading.put("tapewire_tape_records_total", at.written_seq, name)
        reading.put("tapewire_tape_written_bytes_total", at.written, name)
        reading.put("tapewire_tape_unsynced_bytes", at.written - at.durable, name)
        reading.put("tapewire_tape_unsynced_records", at.written_seq - at.durable_seq, name)
        reading.put("tapewire_tape_disk_bytes", info.bytes, name)
        reading.put("tapewire_tape_segments", len(info.segments), name)
        reading.put("tapewire_tape_epoch", info.epoch, name)
        reading.put("tapewire_tape_writer", info.writer_pid is not None, name)
        for consumer, seq in info.consumers.items():
            if not consumer.endswith(consumers.RESTART):
                reading.put("tapewire_consumer_lag_records", max(at.released_seq - seq, 0), name, consumer)
        if info.records and at.written_seq:
            with TapeReader(path, from_seq=at.written_seq, limit="written") as reader:
                for raw in reader.poll(1):
                    reading.put("tapewire_tape_last_record_timestamp_seconds", m.decode(raw).ts / 1e9, name)
        _replica(reading, path)
        kind = name.partition(".")[0]
        if kind in ("orders", "router"):
            if name not in self._followers:
                self._followers[name] = OrdersFollower(path) if kind == "orders" else RouterFollower(path)
            self._followers[name].read(reading)


def _replica(reading: Reading, path: Path) -> None:
    found = states.read(path)
    if found is None:
        return
    name = path.name
    for role in states.ROLES:
        reading.put("tapewire_replica_role", role == found.role, name, role)
    reading.put("tapewire_replica_running", not found.stale(time.time_ns()), name)
    reading.put("tapewire_replica_lag_bytes", found.lag_bytes, name)
    reading.put("tapewire_replica_lag_records", found.lag_records, name)
    reading.put("tapewire_replica_seq", found.seq, name)
    reading.put("tapewire_replica_epoch", found.epoch, name)
    reading.put("tapewire_replica_fetched_bytes_total", found.fetched, name)
    reading.put("tapewire_replica_disconnects_total", found.reconnects, name)


def _ring(reading: Reading, path: Path) -> None:
    state = ring_state(path)
    name = path.name
    reading.put("tapewire_ring_written_bytes_total", state.tail, name)
    reading.put("tapewire_ring_used_bytes", state.tail - state.head, name)
    reading.put("tapewire_ring_capacity_bytes", state.capacity, name)
    reading.put("tapewire_ring_producer", state.producer_alive, name)
    reading.put("tapewire_ring_consumer", state.consumer_alive, name)
