"""What only records tell: refusals by reason, kill switches, the router's parents. Reads the few kinds it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire.errors import TapeError
from tapewire.metrics.samples import Reading
from tapewire.tape import TapeReader

BATCH: Final = 4096
BATCHES: Final = 64
"""Of one kind a look: what is left comes with the next one."""
ROUTER_KINDS: Final = (
    m.MessageType.new_parent,
    m.MessageType.parent_refused,
    m.MessageType.slice_scheduled,
    m.MessageType.route_decided,
    m.MessageType.new_child,
    m.MessageType.replace_child,
    m.MessageType.cancel_child,
    m.MessageType.venue_reported,
)


class KindReader:
    """Follows the records of one kind on a tape. The core passes over all others at tens of millions a second."""

    def __init__(self, tape: Path, kind: m.MessageType, *, from_start: bool) -> None:
        self._tape, self._kind, self._from_start = tape, kind, from_start
        self._reader: TapeReader | None = None

    def new(self) -> Iterable[bytes]:
        """What came since the last look, in order. Raises TapeError; the next look begins where the tape then does."""
        try:
            reader = self._reader or self._opened()
            for _ in range(BATCHES):
                raws = reader.poll_type(self._kind, BATCH)
                yield from raws
                if len(raws) < BATCH:
                    return
        except TapeError:
            self.close()
            raise

    def _opened(self) -> TapeReader:
        self._reader = TapeReader(self._tape, from_seq=None, limit="released")
        if not self._from_start:
            self._reader.seek_seq(self._reader.positions.released_seq + 1)
        return self._reader

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class OrdersFollower:
    """Refusals of one shard since the first look, and its kill switches since the tape begins."""

    def __init__(self, tape: Path) -> None:
        self.shard = tape.name.partition(".")[2]
        self._refused: Counter[str] = Counter()
        self._inputs: Counter[str] = Counter()
        self._killed: dict[int, bool] = {}
        self._changes = 0
        self._followed: list[tuple[KindReader, Callable[[bytes], None]]] = [
            (KindReader(tape, m.MessageType.order_rejected, from_start=False), self._order_refused),
            (KindReader(tape, m.MessageType.cancel_rejected, from_start=False), self._cancel_refused),
            (KindReader(tape, m.MessageType.input_refused, from_start=False), self._input_refused),
            (KindReader(tape, m.MessageType.kill_switch, from_start=True), self._kill),
        ]

    def read(self, reading: Reading) -> None:
        """Raises TapeError."""
        for reader, take in self._followed:
            for raw in reader.new():
                take(raw)
        for reason, count in self._refused.items():
            reading.put("tapewire_risk_refused_total", count, self.shard, reason)
        for reason, count in self._inputs.items():
            reading.put("tapewire_risk_refused_inputs_total", count, self.shard, reason)
        for account, engaged in self._killed.items():
            reading.put("tapewire_risk_kill_switch_engaged", engaged, self.shard, str(account))
        reading.put("tapewire_risk_kill_switch_changes_total", self._changes, self.shard)

    def close(self) -> None:
        for reader, _ in self._followed:
            reader.close()

    def _order_refused(self, raw: bytes) -> None:
        self._refused[m.OrderRejected.decode(raw).reason.name] += 1

    def _cancel_refused(self, raw: bytes) -> None:
        self._refused[m.CancelRejected.decode(raw).reason.name] += 1

    def _input_refused(self, raw: bytes) -> None:
        self._inputs[m.InputRefused.decode(raw).reason.name] += 1

    def _kill(self, raw: bytes) -> None:
        switch = m.KillSwitch.decode(raw)
        if switch.decision == m.RejectReason.unspecified:
            self._killed[switch.account] = switch.engaged
            self._changes += 1


class RouterFollower:
    """Records of a router's tape by kind since the first look, and its parents by state since the tape begins."""

    def __init__(self, tape: Path) -> None:
        self.router = tape.name.partition(".")[2]
        self._counts = dict.fromkeys((kind.name for kind in ROUTER_KINDS), 0)
        self._states: dict[int, str] = {}
        self._kinds = {kind: KindReader(tape, kind, from_start=False) for kind in ROUTER_KINDS}
        self._parents = KindReader(tape, m.MessageType.parent_changed, from_start=True)

    def read(self, reading: Reading) -> None:
        """Raises TapeError."""
        for kind, reader in self._kinds.items():
            self._counts[kind.name] += sum(1 for _ in reader.new())
        for raw in self._parents.new():
            changed = m.ParentChanged.decode(raw)
            self._states[changed.parent_id] = changed.state.name
        for name, count in self._counts.items():
            reading.put("tapewire_router_records_total", count, self.router, name)
        states = Counter(self._states.values())
        for state in m.ParentState:
            if state != m.ParentState.unspecified:
                reading.put("tapewire_router_parents", states[state.name], self.router, state.name)

    def close(self) -> None:
        for reader in (*self._kinds.values(), self._parents):
            reader.close()
