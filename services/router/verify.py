"""`tapewire router verify` and `replay`: a router's tape folded anew, every event compared with the recorded one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.router.core import Core
from services.router.parts import all_parts
from services.router.tape import Replay
from tapewire import messages as m
from tapewire.errors import TapewireError
from tapewire.tape import TapeReader

SLICE = 4096
Progress = Callable[[str, int, int], None]  # tape, records done, records in all


@dataclass
class Report:
    """What a replay found. `ok` is the answer; the rest says of how much."""

    tape: str
    ok: bool = True
    records: int = 0
    inputs: int = 0
    events: int = 0
    parents: int = 0
    children: int = 0
    days: float = 0.0
    """From the first record to the last."""
    seconds: float = 0.0
    cut_off: int = 0
    """Events of the last input that a crash has cut off."""
    counts: dict[str, int] = field(default_factory=dict)
    """Records by type."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no problem, and yet worth knowing."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify_tape(path: Path, progress: Progress = lambda *_: None, until: int = 0) -> Report:
    """Replays a tape to its end, or to record `until`."""
    report, began = Report(path.name), time.perf_counter()
    core, counted = Core(all_parts()), Counter[str]()
    replay = Replay(core, [lambda record: counted.update((type(record).__name__,))])
    first = 0
    try:
        with TapeReader(str(path), limit="written") as reader:
            last = min(until or 1 << 62, reader.positions.written_seq)
            while replay.last_seq < last and (raws := reader.poll(min(SLICE, last - replay.last_seq))):
                for raw in raws:
                    replay.feed(raw)
                first = first or m.decode(raws[0]).ts
                progress(report.tape, replay.last_seq, last)
        report.records = replay.last_seq
        report.cut_off = len(replay.missing()) if not until else 0
        if report.cut_off:
            report.notes.append(f"{report.cut_off} events are cut off at the end; the router appends them at its start")
    except TapewireError as error:
        report.ok = False
        report.problems.append(str(error))
    report.seconds = time.perf_counter() - began
    report.inputs, report.events = replay.inputs, replay.events
    report.days = (replay.last_ts - first) / 86_400e9
    report.parents, report.children = core.state.next_parent - 1, core.state.next_child - 1
    report.counts = dict(sorted(counted.items()))
    return report
