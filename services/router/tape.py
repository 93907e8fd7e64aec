"""The router's tape: what the router is told is sequenced, decided about and applied here; and how it all comes back.

    take(message) ─▶ stamp seq, ts, decision ─▶ append ─▶ core ─▶ append its events       commit() makes a batch of it

Recovery is replay. Every event on the tape is compared with what its input gives now; a difference stops the router. An
input whose events were cut off by a crash gets them appended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from services.router.core import Core
from services.router.limits import TAKEN, Limits, decide
from tapewire import messages as m
from tapewire.errors import EngineStopped
from tapewire.tape import TapeReader, Writer

Fold = Callable[[m.Message], None]
"""Something that is told every record of the tape, in order."""
COMMANDS = (m.NewParent, m.ReplaceParent, m.CancelParent, m.KillSwitch)


class Replay:
    """Folds a router's tape and audits it."""

    def __init__(self, core: Core, folds: Iterable[Fold] = ()) -> None:
        self.core, self._folds = core, tuple(folds)
        self._pending: deque[m.Message] = deque()
        self.inputs = self.events = 0
        self.last_seq = self.last_ts = 0

    def feed(self, raw: bytes) -> None:
        """The next record. Raises EngineStopped where the tape is not what its inputs give."""
        record = m.decode(raw)
        if self._pending:
            self._compare(raw, record)
            return
        if record.seq != self.last_seq + 1:
            raise EngineStopped(f"record {record.seq} follows {self.last_seq}: expected {self.last_seq + 1}")
        if record.cause:
            raise EngineStopped(f"record {record.seq} ({type(record).__name__}) follows from nothing before it")
        self.inputs += 1
        self._tell(record)
        self._pending.extend(self.core.apply(record))

    def _compare(self, raw: bytes, record: m.Message) -> None:
        due = self._pending.popleft()
        if bytes(due) != raw:
            raise EngineStopped(
                f"record {record.seq}: the tape has {type(record).__name__}, its input gives another "
                f"{type(due).__name__}. Differences: {differences(record, due)}"
            )
        self.events += 1
        self._tell(due)

    def missing(self) -> list[m.Message]:
        """What a crash has cut off; it is folded as if it had been read."""
        cut = list(self._pending)
        self._pending.clear()
        for event in cut:
            self._tell(event)
        return cut

    def _tell(self, record: m.Message) -> None:
        self.last_seq, self.last_ts = record.seq, record.ts
        for fold in self._folds:
            fold(record)


def differences(found: m.Message, expected: m.Message) -> str:
    """The fields that differ, in words."""
    if type(found) is not type(expected):
        return "another message"
    here, there = found.to_dict(), expected.to_dict()
    return "; ".join(f"{name}: {here[name]}, expected {there[name]}" for name in here if here[name] != there[name])


def replay(path: Path, core: Core, folds: Iterable[Fold] = (), until: int | None = None) -> Replay:
    """Folds a tape from its first record to its end, or to record `until`. Raises EngineStopped, TapeError."""
    found = Replay(core, folds)
    with TapeReader(str(path), limit="written") as reader:
        while raws := reader.poll(4096):
            for raw in raws:
                if until is not None and found.last_seq >= until:
                    return found
                found.feed(raw)
    return found


class RouterTape:
    """The one way by which anything reaches the core."""

    def __init__(self, writer: Writer, core: Core, limits: Limits, clock: Callable[[], int]) -> None:
        self._writer, self._core, self._limits, self._clock = writer, core, limits, clock
        self._folds: tuple[Fold, ...] = ()
        self._last_ts = 0
        self.uncommitted = 0
        self.made: list[m.Message] = []
        """The events since the last commit."""

    def recover(self, folds: Iterable[Fold] = ()) -> tuple[Replay, int]:
        """Folds what is there and mends a cut tail; returns what was found and how many events were appended.

        Of a writer that holds (`hold`), readers see all of it from then on.
        """
        self._folds = tuple(folds)
        found = replay(self._writer.path, self._core, self._folds)
        missing = found.missing()
        for event in missing:
            self._writer.append(bytes(event))
        if missing:
            self._writer.commit()
        self._last_ts = found.last_ts
        if self._writer.positions.released_seq < self._writer.next_seq - 1:
            self.take(m.AdvanceClock())  # what was whole and not shown yet is shown with it
            self.commit()
        return found, len(missing)

    @property
    def next_seq(self) -> int:
        return self._writer.next_seq

    def take(self, message: m.Message) -> list[m.Message]:
        """Sequences one input and derives its events. They are real once `commit` has returned."""
        self._last_ts = now = max(self._clock(), self._last_ts)
        record = message.replace(seq=self._writer.next_seq, cause=0, ts=now)
        if isinstance(record, COMMANDS):
            record = self._decided(record)
        self._writer.append(bytes(record))
        events = self._core.apply(record)
        for event in events:
            self._writer.append(bytes(event))
        for fold in self._folds:
            fold(record)
            for event in events:
                fold(event)
        self.made += events
        self.uncommitted += 1 + len(events)
        return events

    def _decided(self, c: Any) -> m.Message:
        state = self._core.state
        verdict = decide(state, self._limits, c, self._core.refuses)
        fields: dict[str, object] = {"decision": verdict.reason}
        if isinstance(c, m.NewParent | m.ReplaceParent):
            fields |= {"value": verdict.value, "limit": verdict.limit}
        if isinstance(c, m.NewParent):
            parent_id = state.next_parent if verdict == TAKEN else 0
            fields |= {"parent_id": parent_id, "seed": c.seed or parent_id}
        decided: m.Message = c.replace(**fields)
        return decided

    def commit(self) -> list[m.Message]:
        """Writes the batch, durable as configured; returns its events, which may be acted upon from now on."""
        if self.uncommitted:
            self._writer.commit()
        made, self.made, self.uncommitted = self.made, [], 0
        return made

    def close(self) -> None:
        self._writer.close()
