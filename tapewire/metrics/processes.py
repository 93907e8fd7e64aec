"""The platform's processes on this host, off /proc: which service each is, and what it uses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MODULES: Final = {
    "services.gateway.front": "gateway.front",
    "services.gateway.initiator": "venue",
    "services.simulator": "simulator",
}
"""Modules whose service is not the word after `services.`."""
_TAKES_NAME: Final = {"connector", "sink"}  # the first argument is the feed, or the store
_THREAD_PAGES: Final = {"flusher": "flusher", "archiver": "flusher", "relay": "relay"}
"""Pages that are of one thread, or one ring, of a service."""
_WRITABLE: Final = "rw-s"


@dataclass(frozen=True, slots=True)
class Process:
    """`cpu_seconds` of all threads since it began; `started` in seconds, UTC; `switches` voluntary and involuntary."""

    pid: int
    service: str
    state: str
    cpu_seconds: float
    resident_bytes: int
    threads: int
    files: int
    started: float
    switches: tuple[int, int]


def find(folders: Iterable[Path]) -> list[Process]:
    """The processes that run a service and have something open or mapped below one of `folders`, or are told of it.

    A service is named after the page of statistics it writes, else after its command line. Processes of other users
    are only seen by root. Sorted by service, then pid.
    """
    roots = {str(path.resolve()) for path in folders} | {str(path.absolute()) for path in folders}
    found = []
    for pid in _pids():
        try:
            arguments = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            if (service := service_of(arguments)) is None:
                continue
            maps = (PROC / str(pid) / "maps").read_text(errors="replace").splitlines()
            if _belongs(pid, arguments, maps, roots):
                found.append(_look(pid, _named_by_page(maps, roots) or service))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return sorted(found, key=lambda one: (one.service, one.pid))


def service_of_page(page: str) -> str:
    """The service that writes a page: `flusher.binance` is a thread of `flusher`, `sink.postgres.orders.0` a tape of
    `sink.postgres`."""
    if page.startswith("sink."):
        return ".".join(page.split(".")[:2])
    return _THREAD_PAGES.get(page.partition(".")[0], page)


def service_of(arguments: list[str]) -> str | None:
    """The service that a command line runs, with the name of its feed, shard or venue; None: no service of ours."""
    found = _module_and_rest(arguments)
    if found is None:
        return None
    module, rest = found
    service = _MODULES.get(module, module.split(".")[1])
    if module == "services.flusher.sinks":
        service = "sink"
    plain = [argument for argument in rest if not argument.startswith("-")]
    if service == "simulator" and rest[:1] in (["traders"], ["fix"]):
        return f"simulator.{rest[0]}"
    if service in _TAKES_NAME:
        return f"{service}.{plain[0]}" if plain else service
    if service == "venue" and "--venue" in rest[:-1]:
        return f"venue.{rest[rest.index('--venue') + 1]}"
    return service


def _module_and_rest(arguments: list[str]) -> tuple[str, list[str]] | None:
    for at, argument in enumerate(arguments[:-1]):
        if argument == "-m" and arguments[at + 1].startswith("services."):
            return arguments[at + 1].removesuffix(".__main__"), arguments[at + 2 :]
    for at, argument in enumerate(arguments[:-1]):  # the console script: python .../bin/tapewire engine ...
        if argument.rpartition("/")[2] == "tapewire":
            name = arguments[at + 1]
            if arguments[at + 1 : at + 3] == ["sink", "run"]:
                return "services.flusher.sinks", arguments[at + 3 :]
            module = "services.gateway.initiator" if name == "venue" else f"services.{name}"
            known = {"api", "connector", "engine", "flusher", "gateway", "journal", "matcher", "monitor", "risk"}
            known |= {"router", "simulator"}
            rest = arguments[at + 2 :]
            if name == "venue" and rest:
                rest = ["--venue", *rest]
            return (module, rest) if name in {*known, "venue"} else None
    return None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir(PROC) if entry.name.isdigit())


def _belongs(pid: int, arguments: list[str], maps: list[str], roots: set[str]) -> bool:
    if any(root in argument for argument in arguments for root in roots):
        return True
    if any(f" {root}/" in line for line in maps for root in roots):
        return True
    for entry in os.scandir(PROC / str(pid) / "fd"):
        try:
            target = os.readlink(entry.path)
        except OSError:  # closed meanwhile
            continue
        if any(target.startswith(f"{root}/") for root in roots):
            return True
    return False


def _named_by_page(maps: list[str], roots: set[str]) -> str | None:
    """Who has a page mapped for writing is its writer: the reader's mapping is read-only."""
    for line in maps:
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1] == _WRITABLE:
            folder, _, name = fields[5].rpartition("/")
            if folder.endswith("/stats") and folder.removesuffix("/stats") in roots:
                # A page is made under a name beside its own, and linked to that: mapped, it goes by the first for ever.
                return service_of_page(name.removesuffix(" (deleted)").partition(".new-")[0])
    return None


def _look(pid: int, service: str) -> Process:
    folder = PROC / str(pid)
    # The name, in parentheses, may hold anything: fields are counted from behind it.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return Process(
        pid=pid,
        service=service,
        state=fields[0],
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
        resident_bytes=int(fields[21]) * PAGE_BYTES,
        threads=int(fields[17]),
        files=len(os.listdir(folder / "fd")),
        started=_boot_time() + int(fields[19]) / TICKS,
        switches=_switches(folder),
    )


def _switches(folder: Path) -> tuple[int, int]:
    """Of all threads: the process's own file counts its first one alone."""
    voluntary = involuntary = 0
    for thread in (folder / "task").iterdir():
        try:
            lines = (thread / "status").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        for line in lines:
            name, _, value = line.partition(":\t")
            if name == "voluntary_ctxt_switches":
                voluntary += int(value)
            elif name == "nonvoluntary_ctxt_switches":
                involuntary += int(value)
    return voluntary, involuntary


def _boot_time() -> float:
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise OSError("/proc/stat has no btime")
