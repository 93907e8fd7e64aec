"""`tapewire verify`: replays every tape of a data folder and compares what is derived with what is recorded.

An orders tape: every checksum, every seq, every event byte by byte against its command, the digest of every snapshot on
the way. A market-data tape: every checksum and seq, every message decodes, and each instrument's bookSeq is contiguous.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.engine._engine import Audit
from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import TapewireError
from tapewire.folders import Folders
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

SLICE = 1 << 18  # records between two reports of progress
Progress = Callable[[str, int, int], None]  # tape, records done, records in all


@dataclass
class Report:
    """What verify found of one tape. `ok` is the answer; the rest says how it was reached."""

    tape: str
    ok: bool = True
    records: int = 0
    commands: int = 0
    digest: str = ""
    snapshots_equal: int = 0
    redecided: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        self.ok = False
        self.problems.append(text)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(data: Path, progress: Progress = lambda *_: None) -> list[Report]:
    """A report for each tape below `data`, in the order of their names."""
    return [verify_tape(path, progress) for path in sorted(Folders(data).tapes.glob("*")) if path.is_dir()]


def verify_tape(path: Path, progress: Progress = lambda *_: None) -> Report:
    report, began = Report(path.name), time.perf_counter()
    try:
        (verify_orders if path.name.startswith("orders.") else verify_market)(path, report, progress)
    except TapewireError as error:
        report.problem(str(error))
    report.seconds = time.perf_counter() - began
    return report


def verify_orders(path: Path, report: Report, progress: Progress) -> None:
    last = TapeReader(str(path), limit="written").positions.written_seq
    audit = Audit(path)
    for kept in [*kept_snapshots(path, last, report), None]:
        target = kept.seq if kept else last
        while report.records < target and (folded := audit.run(target, SLICE)):
            report.records += folded
            progress(report.tape, report.records, last)
        if kept and audit.digest() != kept.digest:
            report.problem(f"snapshot of record {kept.seq}: digest {kept.digest}, the fold gives {audit.digest()}")
        report.snapshots_equal += kept is not None
    report.commands, report.digest = audit.commands, audit.digest()
    report.redecided = audit.redecided[0]
    if report.records != last:
        report.problem(f"{report.records} records could be read, the control page says {last}")


def kept_snapshots(path: Path, last: int, report: Report) -> Iterator[Snapshot]:
    """From the oldest on; a damaged one is a problem, though none that a start of the engine would stumble over."""
    for candidate in reversed(list(snapshots.newest(path, last))):
        if isinstance(candidate, ValueError):
            report.problem(str(candidate))
        else:
            yield candidate


def verify_market(path: Path, report: Report, progress: Progress) -> None:
    reader = TapeReader(str(path), limit="written")
    last = reader.positions.written_seq
    book_seq: dict[int, int] = {}
    while report.records < last and (batch := reader.poll(4096)):
        for raw in batch:
            check_market_message(m.decode(raw), book_seq, report)
        report.records += len(batch)
        progress(report.tape, report.records, last)
    if report.records != last:
        report.problem(f"{report.records} records could be read, the control page says {last}")


def check_market_message(message: m.Message, book_seq: dict[int, int], report: Report) -> None:
    if isinstance(message, m.BookSnapshot):
        book_seq[message.instrument] = message.book_seq
    elif isinstance(message, m.BookDelta):
        known = book_seq.get(message.instrument)
        if known is not None and message.book_seq != known + 1:
            report.problem(f"record {message.seq}: {message.ticker} bookSeq {message.book_seq} follows {known}")
        book_seq[message.instrument] = message.book_seq
