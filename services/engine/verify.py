"""`tapewire verify`: replays every tape of a data folder and compares what is derived with what is recorded.

An orders tape: every checksum, every seq, every event byte by byte against what its command gives (of another version:
by what it says), the digest of every snapshot on the way. A tape whose beginning was removed is replayed from its
oldest snapshot on.

A market-data tape: every checksum and seq, every message decodes, and each instrument's bookSeq is contiguous.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.engine._engine import Audit, not_ours, tape_begins_with
from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import TapeGone, TapewireError
from tapewire.folders import Folders
from tapewire.snapshots import Snapshot
from tapewire.tape import TapeReader

SLICE = 1 << 18  # records between two reports of progress
STATE = b"TWSTATE2"  # how the states that this build takes up begin
Progress = Callable[[str, int, int], None]  # tape, records done, records in all


@dataclass
class Report:
    """What verify found of one tape. `ok` is the answer; the rest says how it was reached."""

    tape: str
    ok: bool = True
    begins: int = 1
    """The first record that was replayed (of market data: decoded): above 1 where retention removed the beginning."""
    checked: int = 0
    """Records before that one: their checksums and sequence hold."""
    records: int = 0
    """From there on."""
    commands: int = 0
    digest: str = ""
    snapshots_equal: int = 0
    redecided: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no fault, such as snapshots of another format."""

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
    last = TapeReader(str(path), from_seq=None, limit="written").positions.written_seq
    audit, base, report.notes = begin(path, last)
    report.begins = base + 1
    report.checked = check_until(path, base)
    for kept in [*kept_snapshots(path, last, report), None]:
        target = kept.seq if kept else last
        while audit.seq < target and (folded := audit.run(target, SLICE)):
            report.records += folded
            progress(report.tape, base + report.records, last)
        if kept and audit.digest() not in (kept.digest, digest_here(path, kept)):
            report.problem(f"snapshot of record {kept.seq}: digest {kept.digest}, the fold gives {audit.digest()}")
        report.snapshots_equal += kept is not None and kept.seq != base
    report.commands, report.digest = audit.commands, audit.digest()
    report.redecided = audit.redecided[0]
    if base + report.records != last:
        report.problem(f"record {base + report.records} was the last that could be read, the control page says {last}")


def begin(path: Path, last: int) -> tuple[Audit, int, list[str]]:
    """An audit that stands where the fold of a tape that ends with record `last` begins: at record 1, or where that was
    removed at the oldest snapshot that can be taken up.

    Also the record it stands behind, and which snapshots were passed over. Raises TapeGone if there is none.
    """
    notes: list[str] = []
    if (first := tape_begins_with(path)) == 1:
        return Audit(path), 0, notes
    for candidate in reversed(list(snapshots.newest(path, last))):
        if isinstance(candidate, ValueError):
            notes.append(str(candidate))
        elif candidate.seq + 1 >= first:
            try:
                return Audit(path, candidate), candidate.seq, notes
            except ValueError as error:
                notes.append(str(error))
    raise TapeGone(
        f"{path}: begins with record {first}, and no snapshot of that or later can be taken up "
        f"({'; '.join(notes) or 'there is none'}): nothing can be replayed"
    )


def digest_here(path: Path, kept: Snapshot) -> str:
    """The digest that this version gives to a snapshot's state: definitions in it are laid out as its writer did."""
    try:
        return Audit(path, kept).digest()
    except (ValueError, TapewireError):
        return ""


def check_until(path: Path, last: int) -> int:
    """Reads what is left of the records up to `last`: checksums and sequence. Raises TapeDamaged. Returns how many."""
    with TapeReader(path, from_seq=None, limit="written") as reader:
        first = reader.next_seq
        while reader.next_seq <= last and reader.scan(min(SLICE, last + 1 - reader.next_seq)):
            pass
        return reader.next_seq - first


def kept_snapshots(path: Path, last: int, report: Report) -> Iterator[Snapshot]:
    """Those that the fold comes by, from the oldest on.

    A damaged one is a problem, though none that a start of the engine would stumble over; one of another format is not.
    """
    for candidate in reversed(list(snapshots.newest(path, last))):
        if isinstance(candidate, ValueError):
            report.problem(str(candidate))
        elif not candidate.state.startswith(STATE):
            report.notes.append(not_ours(candidate))
        elif candidate.seq + 1 >= report.begins:
            yield candidate


def verify_market(path: Path, report: Report, progress: Progress) -> None:
    reader = TapeReader(str(path), from_seq=None, limit="written")
    last, report.begins = reader.positions.written_seq, reader.first_seq
    book_seq: dict[int, int] = {}
    # No further than the tape's end as it was: whoever writes it goes on meanwhile.
    while (done := report.begins - 1 + report.records) < last and (batch := reader.poll(min(4096, last - done))):
        for raw in batch:
            check_market_message(m.decode(raw), book_seq, report)
        report.records += len(batch)
        progress(report.tape, done + len(batch), last)
    if done != last:
        report.problem(f"record {done} was the last that could be read, the control page says {last}")


def check_market_message(message: m.Message, book_seq: dict[int, int], report: Report) -> None:
    if isinstance(message, m.BookSnapshot):
        book_seq[message.instrument] = message.book_seq
    elif isinstance(message, m.BookDelta):
        known = book_seq.get(message.instrument)
        if known is not None and message.book_seq != known + 1:
            report.problem(f"record {message.seq}: {message.ticker} bookSeq {message.book_seq} follows {known}")
        book_seq[message.instrument] = message.book_seq
